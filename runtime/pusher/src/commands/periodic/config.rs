//! `pusher periodic config`: the server's settings.

use bytes::Bytes;
use serde::Serialize;

use super::Context;
use crate::commands::CommandError;
use crate::commands::table::shown;

/// Those that every server has.
const KEYS: [&str; 7] =
    ["timeout", "lock-timeout", "assign-wait", "keepalive", "max-batch-size", "max-pool-size", "run-job-aggressive"];

/// What a server says of a setting that it does not know, which it says it has changed all the same.
const UNKNOWN: u32 = 0;

#[derive(Serialize)]
struct Setting<'a> {
    key: &'a str,
    value: u32,
}

/// Shows all, shows one, or changes one.
pub(super) async fn run(context: &mut Context, key: Option<String>, value: Option<u32>) -> Result<(), CommandError> {
    match (key, value) {
        (Some(key), Some(value)) => {
            let name = Bytes::copy_from_slice(key.as_bytes());
            context.client.config_set(name, value).await.map_err(|error| context.failed(error))?;
            let now = get(context, &key).await?;
            if now != value || (now == UNKNOWN && !KEYS.contains(&key.as_str())) {
                return Err(not_taken(context, &key, value, now));
            }
            context.out.answer(&Setting { key: &key, value }, &format!("Set {} to {value}.", shown(&key)))
        }
        (Some(key), None) => {
            let value = get(context, &key).await?;
            context.out.answer(&Setting { key: &key, value }, &value.to_string())
        }
        (None, _) => {
            for key in KEYS {
                let value = get(context, key).await?;
                context.out.answer(&Setting { key, value }, &format!("{key:<20}{value}"))?;
            }
            Ok(())
        }
    }
}

async fn get(context: &Context, key: &str) -> Result<u32, CommandError> {
    let key = Bytes::copy_from_slice(key.as_bytes());
    context.client.config_get(key).await.map_err(|error| context.failed(error))
}

/// What a person is told when the server has the setting otherwise than it was told.
fn not_taken(context: &Context, key: &str, value: u32, now: u32) -> CommandError {
    let (server, key) = (&context.config.endpoint, shown(key));
    CommandError::Failed(if now == UNKNOWN {
        format!(
            "{server} has not set {key} to {value}: it does not know it, or does not take that; servers know {}",
            KEYS.join(", ")
        )
    } else {
        format!("{server} has not set {key} to {value}: it is {now}")
    })
}
