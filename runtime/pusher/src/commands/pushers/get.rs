//! `pusher pushers get`: one recipient, everything about it.

use pusher::core::PusherId;

use super::all;
use crate::commands::table::shown;
use crate::commands::{CommandError, Context, time};

/// Shows the recipient.
pub(crate) async fn run(context: &mut Context, id: &PusherId) -> Result<(), CommandError> {
    let pusher = context.client.get(id).await.map_err(|error| context.failed(error))?;
    if context.out.is_json() {
        return context.out.object(&pusher);
    }
    let created_at = match pusher.created_at {
        0 => String::new(),
        at => format!("{} ({at})", time::show(at)),
    };
    for (name, value) in [
        ("id", shown(pusher.id.as_str())),
        ("email", shown(&pusher.email)),
        ("nickname", shown(&pusher.nickname)),
        ("phoneNumber", shown(&pusher.phone_number)),
        ("senders", all(&pusher.senders)),
        ("tags", all(&pusher.tags)),
        ("createdAt", created_at),
    ] {
        context.out.line(format!("{name:<13}{value}").trim_end())?;
    }
    Ok(())
}
