//! `pusher deliveries list`: a part of the list, as a table or as a line of JSON for each delivery.

use pusher::core::Delivery;

use crate::cli::deliveries::ListArgs;
use crate::commands::table::table;
use crate::commands::{CommandError, Context, now, time};

/// The most deliveries that the server gives at once.
const PAGE: usize = 100;

/// Shows the part.
pub(crate) async fn run(context: &mut Context, args: &ListArgs) -> Result<(), CommandError> {
    let filter = args.filter(now());
    let (mut found, mut after) = (Vec::new(), args.after);
    // A page may be short and yet not be the last.
    let next = loop {
        let size = (args.size - found.len()).clamp(1, PAGE);
        let page = context.client.deliveries(&filter, after, size).await.map_err(|error| context.failed(error))?;
        found.extend(page.deliveries);
        after = page.next;
        if after.is_none() || found.len() >= args.size {
            break after;
        }
    };
    if context.out.is_json() {
        return found.iter().try_for_each(|delivery| context.out.object(delivery));
    }
    if found.is_empty() {
        return context.out.line("No such deliveries.");
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    for line in table(["STATE", "SENDER", "TRIES", "CHANGED", "DUE", "WHY", "NAME"], &rows) {
        context.out.line(&line)?;
    }
    match next {
        Some(next) => context.out.line(&format!("{} shown; --after {next} shows the next ones", found.len())),
        None => Ok(()),
    }
}

fn row(delivery: &Delivery) -> [String; 7] {
    let Delivery { state, sender, tries, changed_at, due_at, name, .. } = delivery;
    let due = due_at.filter(|due| *due != 0).map(time::show).unwrap_or_default();
    let why = why(delivery).unwrap_or_default().to_owned();
    [
        state.to_string(),
        sender.to_string(),
        tries.to_string(),
        time::show_millis(*changed_at),
        due,
        why,
        name.to_string(),
    ]
}

/// Why it is not delivered yet, or will not be.
fn why(delivery: &Delivery) -> Option<&str> {
    if delivery.reason.is_some() {
        return delivery.reason.as_deref();
    }
    let last = delivery.attempts.last().filter(|_| !delivery.state.is_final())?;
    Some(last.message.as_deref().unwrap_or(last.end.as_str()))
}
