//! `pusher pushall`: one message to everybody who has a sender, or a sender and a tag.

use super::{CommandError, Context, data, now, push};
use crate::cli::push::PushallArgs;

/// Pushes the message, and says the name of the job that fans it out.
pub(crate) async fn run(context: &mut Context, args: PushallArgs) -> Result<(), CommandError> {
    let PushallArgs { sender, data, tag, at, .. } = args;
    let sched_at = at.map_or(0, |when| when.unix(now()));
    let data = data::read(data)?;
    let pushed = context.client.pushall(&sender, tag.as_deref().unwrap_or_default(), &data, sched_at).await;
    let name = pushed.map_err(|error| context.failed(error))?;
    push::accepted(context, &name, sched_at)
}
