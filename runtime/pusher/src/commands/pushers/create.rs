//! `pusher pushers create`: a recipient, its channels and its tags.

use pusher::core::ContactFields;

use crate::cli::pushers::{ContactArgs, CreateArgs};
use crate::commands::table::shown;
use crate::commands::{CommandError, Context, now};

/// Creates the recipient, then adds what it is to have; what is there already stays.
pub(crate) async fn run(context: &mut Context, args: CreateArgs) -> Result<(), CommandError> {
    let CreateArgs { id, contact, senders, tags } = args;
    let fields = fields(contact);
    context.client.create(&id, &fields).await.map_err(|error| context.failed(error))?;
    for sender in &senders {
        context.client.add_sender(&id, sender).await.map_err(|error| context.failed(error))?;
    }
    for tag in &tags {
        context.client.add_tag(&id, tag).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Saved {}.", shown(id.as_str())))
}

/// The contact fields that the arguments give.
pub(crate) fn fields(args: ContactArgs) -> ContactFields {
    let ContactArgs { email, nickname, phone, created_at } = args;
    let created_at = created_at.map(|when| when.unix(now()));
    ContactFields { email, nickname, phone_number: phone, created_at }
}
