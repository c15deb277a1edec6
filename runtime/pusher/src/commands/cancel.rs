//! `pusher cancel`: a push that is not to go out after all.

use super::table::shown;
use super::{CommandError, Context};
use crate::cli::push::CancelArgs;

/// Cancels the push. The server does not tell whether there was one.
pub(crate) async fn run(context: &mut Context, args: CancelArgs) -> Result<(), CommandError> {
    let CancelArgs { sender, name, .. } = args;
    context.client.cancel(&sender, &name).await.map_err(|error| context.failed(error))?;
    context.out.done(&format!("Cancelled {}, unless it had gone out already.", shown(name.as_str())))
}
