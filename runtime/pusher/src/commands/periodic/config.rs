//! `pusher periodic config`: the server's settings.

use bytes::Bytes;
use serde::Serialize;

use super::Context;
use crate::commands::CommandError;
use crate::commands::table::shown;

/// Those that every server has.
const KEYS: [&str; 7] =
    ["timeout", "lock-timeout", "assign-wait", "keepalive", "max-batch-size", "max-pool-size", "run-job-aggressive"];

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
