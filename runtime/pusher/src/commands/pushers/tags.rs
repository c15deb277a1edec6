//! `pusher pushers tag` and `untag`.

use super::all;
use crate::cli::pushers::TagArgs;
use crate::commands::table::shown;
use crate::commands::{CommandError, Context};

/// Puts the tags on.
pub(crate) async fn put_on(context: &mut Context, args: &TagArgs) -> Result<(), CommandError> {
    for tag in &args.tags {
        context.client.add_tag(&args.id, tag).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Tagged {}: {}.", shown(args.id.as_str()), all(&args.tags)))
}

/// Takes the tags off.
pub(crate) async fn take_off(context: &mut Context, args: &TagArgs) -> Result<(), CommandError> {
    for tag in &args.tags {
        context.client.remove_tag(&args.id, tag).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Took off {}: {}.", shown(args.id.as_str()), all(&args.tags)))
}
