//! `pusher pushall --wait`: how far a pushall has come, until there is nothing left to come.

use std::time::Duration;

use pusher::core::{JobName, PushAll, PushAllCounts, PushAllState, PushAllStatus};

use super::table::shown;
use super::{CommandError, Context, progress, pushalls};

/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// Waits until every message of the pushall has ended.
pub(crate) async fn run(context: &mut Context, name: &JobName) -> Result<(), CommandError> {
    // What was accepted is told before the wait, not after it.
    context.out.flush()?;
    let bar = progress::messages();
    let status = loop {
        let status = pushalls::status(context, name).await?;
        let PushAll { counts, recipients, state, .. } = &status.pushall;
        bar.set_length(recipients.unwrap_or(0).max(counts.submitted));
        bar.set_position(counts.submitted - counts.waiting().min(counts.submitted));
        bar.set_message(format!("{} waiting, {} dead", counts.waiting(), counts.dead));
        if status.dead.is_some() || (state.is_final() && counts.waiting() == 0) {
            break status;
        }
        tokio::time::sleep(INTERVAL).await;
    };
    bar.finish_and_clear();
    end(context, name, &status)
}

/// Says what became of it.
fn end(context: &mut Context, name: &JobName, status: &PushAllStatus) -> Result<(), CommandError> {
    let PushAllStatus { pushall, dead: own } = status;
    let PushAllCounts { submitted, merged, delivered, dead, cancelled } = pushall.counts;
    if context.out.is_json() {
        pushalls::show(context, status)?;
    } else {
        let others = [(merged, "pushed already"), (dead, "given up"), (cancelled, "cancelled")];
        let others = others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(", {count} {what}"));
        context.out.line(&format!("Delivered {delivered} of {submitted}{}.", others.collect::<String>()))?;
    }
    let name = shown(name.as_str());
    if let Some(reason) = own {
        let advice = format!("\"pusher deliveries redrive {name}\" lets it go on");
        return Err(CommandError::Failed(format!("the pushall itself was given up: {}; {advice}", shown(reason))));
    }
    if pushall.state == PushAllState::Cancelled {
        return Err(CommandError::Failed(format!("{name} was cancelled")));
    }
    if dead > 0 {
        let list = format!("\"pusher deliveries list --pushall {name} --state dead\" says which and why");
        return Err(CommandError::Failed(format!("{dead} of {submitted} messages were given up; {list}")));
    }
    Ok(())
}
