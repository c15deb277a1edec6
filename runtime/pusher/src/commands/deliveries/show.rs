//! `pusher deliveries show`: everything about the deliveries of one name.

use pusher::core::{Attempt, Delivery, JobName};

use crate::commands::table::{shown, table};
use crate::commands::{CommandError, Context, time};

/// Shows them: one for each sender that the message was pushed over.
pub(crate) async fn run(context: &mut Context, name: &JobName) -> Result<(), CommandError> {
    let found = context.client.delivery(name).await.map_err(|error| context.failed(error))?;
    if context.out.is_json() {
        return found.iter().try_for_each(|delivery| context.out.object(delivery));
    }
    for (at, delivery) in found.iter().enumerate() {
        if at > 0 {
            context.out.line("")?;
        }
        one(context, delivery)?;
    }
    Ok(())
}

fn one(context: &mut Context, delivery: &Delivery) -> Result<(), CommandError> {
    let Delivery { sender, name, pusher, state, changed_at, accepted_at, due_at, pushall, tag, tries, .. } = delivery;
    let text = |text: &Option<String>| text.as_deref().map(shown).unwrap_or_default();
    for (label, value) in [
        ("name", shown(name.as_str())),
        ("sender", shown(sender.as_str())),
        ("pusher", shown(pusher.as_str())),
        ("state", format!("{state} since {}", time::show_millis(*changed_at))),
        ("accepted", accepted_at.map(time::show_millis).unwrap_or_default()),
        ("due", due_at.filter(|due| *due != 0).map(time::show).unwrap_or_default()),
        ("pushall", pushall.as_ref().map(|name| shown(name.as_str())).unwrap_or_default()),
        ("tag", text(tag)),
        ("tries", tries.to_string()),
        ("reason", text(&delivery.reason)),
        ("data", text(&delivery.data)),
    ] {
        if !value.is_empty() {
            context.out.line(&format!("{label:<10}{value}"))?;
        }
    }
    if delivery.attempts.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = delivery.attempts.iter().map(row).collect();
    for line in table(["TRY", "AT", "TOOK", "END", "STATUS", "MESSAGE"], &rows) {
        context.out.line(&line)?;
    }
    Ok(())
}

fn row(attempt: &Attempt) -> [String; 6] {
    let Attempt { number, at, took_ms, version: _, end, status, message } = attempt;
    [
        number.to_string(),
        time::show_millis(*at),
        format!("{took_ms} ms"),
        end.as_str().to_owned(),
        status.map(|status| status.to_string()).unwrap_or_default(),
        message.clone().unwrap_or_default(),
    ]
}
