//! `pusher pushall`: one message to everybody who has a sender, or a sender and the right tags.

use super::{CommandError, Context, data, now, push, wait};
use crate::cli::push::PushallArgs;

/// Pushes the message, says the name of the job that fans it out, and waits for the messages if that is wanted.
pub(crate) async fn run(context: &mut Context, args: PushallArgs) -> Result<(), CommandError> {
    let PushallArgs { sender, data, tag, at, wait, idempotency_key, .. } = args;
    let sched_at = at.map_or(0, |when| when.unix(now()));
    let (data, tag) = (data::read(data)?, tag.unwrap_or_default());
    let pushed = match &idempotency_key {
        Some(key) => context.client.pushall_once(&sender, &tag, &data, sched_at, key).await,
        None => context.client.pushall(&sender, &tag, &data, sched_at).await,
    };
    let name = pushed.map_err(|error| context.failed(error))?;
    push::accepted(context, &name, sched_at)?;
    if wait { wait::run(context, &name).await } else { Ok(()) }
}
