//! What is done to many deliveries: batch by batch until there are no more, with a count for a person who watches.

use pusher::client::{Client, ClientError};
use pusher::core::Changed;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::{CommandError, Context, progress};

/// How many are done in one request: well within the time that the server gives itself.
const BATCH: usize = 1000;

/// What is done, in the words of those who read of it.
#[derive(Clone, Copy)]
pub(crate) struct Deed {
    /// As in "Redrove 3 deliveries."
    verb: &'static str,
    /// The API's name for how many.
    count: &'static str,
}

pub(crate) const REDRIVE: Deed = Deed { verb: "Redrove", count: "redriven" };
pub(crate) const CANCEL: Deed = Deed { verb: "Cancelled", count: "cancelled" };
pub(crate) const DELETE: Deed = Deed { verb: "Deleted", count: "deleted" };
pub(crate) const PRUNE: Deed = Deed { verb: "Pruned", count: "pruned" };

/// The sum of the API's answers.
#[derive(Serialize)]
struct Sum {
    #[serde(flatten)]
    count: Map<String, Value>,
    more: bool,
    result: &'static str,
}

/// Does it until there are no more.
pub(crate) async fn run(
    context: &mut Context,
    deed: Deed,
    batch: impl AsyncFn(&Client, usize) -> Result<Changed, ClientError>,
) -> Result<(), CommandError> {
    let bar = progress::count();
    let mut done = 0;
    loop {
        let Changed { count, more } =
            batch(&context.client, BATCH).await.map_err(|error| stopped(context, deed, done, error))?;
        done += count;
        bar.set_position(done);
        if !more {
            break;
        }
    }
    bar.finish_and_clear();
    let count = Map::from_iter([(deed.count.to_owned(), done.into())]);
    let sum = Sum { count, more: false, result: "OK" };
    context.out.answer(&sum, &format!("{} {}.", deed.verb, deliveries(done)))
}

/// What a person is told when it failed: why, and what was done by then.
fn stopped(context: &Context, deed: Deed, done: u64, error: ClientError) -> CommandError {
    let failed = context.failed(error);
    if done == 0 {
        return failed;
    }
    CommandError::Failed(format!("{failed}; {} were {} before that", deliveries(done), deed.count))
}

fn deliveries(count: u64) -> String {
    if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") }
}
