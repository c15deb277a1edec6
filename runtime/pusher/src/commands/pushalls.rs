//! `pusher pushalls …`: how far pushalls have come.

use pusher::client::ClientError;
use pusher::core::{JobName, PushAll, PushAllCounts, PushAllCursor, PushAllStatus};
use serde::Serialize;

use super::table::{shown, table};
use super::{CommandError, Context, time};
use crate::cli::deliveries::{PushallsArgs, PushallsCommand};

/// The most pushalls that the server gives at once.
const PAGE: usize = 100;

/// Does what the arguments say.
pub(crate) async fn run(context: &mut Context, args: PushallsArgs) -> Result<(), CommandError> {
    match args.command {
        PushallsCommand::List { after, size } => list(context, after, size).await,
        PushallsCommand::Show { name } => {
            let status = status(context, &name).await?;
            show(context, &status)
        }
    }
}

/// Asks how far it has come.
pub(crate) async fn status(context: &Context, name: &JobName) -> Result<PushAllStatus, CommandError> {
    let asked: Result<_, ClientError> = context.client.pushall_status(name).await;
    asked.map_err(|error| context.failed(error))
}

async fn list(context: &mut Context, after: Option<PushAllCursor>, size: usize) -> Result<(), CommandError> {
    let (mut found, mut after) = (Vec::new(), after);
    let next = loop {
        let page = context.client.pushalls(after, (size - found.len()).clamp(1, PAGE)).await;
        let page = page.map_err(|error| context.failed(error))?;
        found.extend(page.pushalls);
        after = page.next;
        if after.is_none() || found.len() >= size {
            break after;
        }
    };
    if context.out.is_json() {
        return found.iter().try_for_each(|pushall| context.out.object(&Line::of(pushall)));
    }
    if found.is_empty() {
        return context.out.line("No pushalls.");
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    for line in table(["STATE", "ACCEPTED", "TO", "DELIVERED", "WAITING", "DEAD", "TAG", "NAME"], &rows) {
        context.out.line(&line)?;
    }
    match next {
        Some(next) => context.out.line(&format!("{} shown; --after {next} shows the next ones", found.len())),
        None => Ok(()),
    }
}

fn row(pushall: &PushAll) -> [String; 8] {
    let PushAll { name, tag, accepted_at, state, counts, recipients, .. } = pushall;
    [
        state.as_str().to_owned(),
        time::show_millis(*accepted_at),
        recipients.map_or_else(|| "?".to_owned(), |recipients| recipients.to_string()),
        counts.delivered.to_string(),
        counts.waiting().to_string(),
        counts.dead.to_string(),
        tag.clone(),
        name.to_string(),
    ]
}

/// Shows everything about it.
pub(crate) fn show(context: &mut Context, status: &PushAllStatus) -> Result<(), CommandError> {
    let PushAllStatus { pushall, dead } = status;
    if context.out.is_json() {
        return context.out.object(&Line { error: dead.as_deref(), ..Line::of(pushall) });
    }
    let PushAll { name, sender, tag, accepted_at, due_at, state, changed_at, recipients, after: _, counts } = pushall;
    let PushAllCounts { submitted, merged, delivered, dead: given_up, cancelled } = *counts;
    for (label, value) in [
        ("name", shown(name.as_str())),
        ("sender", shown(sender.as_str())),
        ("tag", shown(tag)),
        ("state", format!("{} since {}", state.as_str(), time::show_millis(*changed_at))),
        ("accepted", time::show_millis(*accepted_at)),
        ("due", if *due_at == 0 { String::new() } else { time::show(*due_at) }),
        ("error", dead.as_deref().map(shown).unwrap_or_default()),
        ("recipients", recipients.map(|recipients| recipients.to_string()).unwrap_or_default()),
        ("submitted", submitted.to_string()),
        ("delivered", delivered.to_string()),
        ("waiting", counts.waiting().to_string()),
        ("dead", given_up.to_string()),
        ("cancelled", cancelled.to_string()),
        ("merged", merged.to_string()),
    ] {
        if !value.is_empty() {
            context.out.line(&format!("{label:<12}{value}"))?;
        }
    }
    Ok(())
}

/// A pushall as the API writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    name: &'a str,
    sender: &'a str,
    tag: &'a str,
    state: &'a str,
    accepted_at: i64,
    due_at: i64,
    changed_at: i64,
    recipients: Option<u64>,
    #[serde(flatten)]
    counts: PushAllCounts,
    waiting: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(pushall: &'a PushAll) -> Self {
        Self {
            name: pushall.name.as_str(),
            sender: pushall.sender.as_str(),
            tag: &pushall.tag,
            state: pushall.state.as_str(),
            accepted_at: pushall.accepted_at,
            due_at: pushall.due_at,
            changed_at: pushall.changed_at,
            recipients: pushall.recipients,
            counts: pushall.counts,
            waiting: pushall.counts.waiting(),
            error: None,
        }
    }
}
