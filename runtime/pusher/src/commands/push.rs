//! `pusher push`: one message to one recipient.

use pusher::core::{JobName, PushRequest};
use serde::Serialize;

use super::table::shown;
use super::{CommandError, Context, data, now, time};
use crate::cli::push::PushArgs;

/// Pushes the message, and says the name of its job.
pub(crate) async fn run(context: &mut Context, args: PushArgs) -> Result<(), CommandError> {
    let PushArgs { sender, pusher, data, at, force, idempotency_key, .. } = args;
    let sched_at = at.map_or(0, |when| when.unix(now()));
    let request = PushRequest { sender, pusher, data: data::read(data)?, sched_at, force };
    let pushed = match &idempotency_key {
        Some(key) => context.client.push_once(&request, key).await,
        None => context.client.push(&request).await,
    };
    let name = pushed.map_err(|error| context.failed(error))?;
    accepted(context, &name, sched_at)
}

/// Says what the job is called that was accepted, and when it goes out.
pub(crate) fn accepted(context: &mut Context, name: &JobName, sched_at: i64) -> Result<(), CommandError> {
    #[derive(Serialize)]
    struct Accepted<'a> {
        name: &'a str,
        result: &'static str,
    }
    let when = match sched_at {
        0 => "now".to_owned(),
        at => format!("at {}", time::show(at)),
    };
    let object = Accepted { name: name.as_str(), result: "OK" };
    context.out.answer(&object, &format!("Accepted as {}, to be sent {when}.", shown(name.as_str())))
}
