//! `pusher pushers add-sender` and `remove-sender`.

use super::all;
use crate::cli::pushers::SenderArgs;
use crate::commands::table::shown;
use crate::commands::{CommandError, Context};

/// Switches the channels on.
pub(crate) async fn switch_on(context: &mut Context, args: &SenderArgs) -> Result<(), CommandError> {
    for sender in &args.senders {
        context.client.add_sender(&args.id, sender).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Switched on for {}: {}.", shown(args.id.as_str()), all(&args.senders)))
}

/// Switches the channels off.
pub(crate) async fn switch_off(context: &mut Context, args: &SenderArgs) -> Result<(), CommandError> {
    for sender in &args.senders {
        context.client.remove_sender(&args.id, sender).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Switched off for {}: {}.", shown(args.id.as_str()), all(&args.senders)))
}
