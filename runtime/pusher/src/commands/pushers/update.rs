//! `pusher pushers update`: the contact fields of a recipient that is there.

use pusher::core::ContactFields;

use super::create::fields;
use crate::cli::pushers::UpdateArgs;
use crate::commands::table::shown;
use crate::commands::{CommandError, Context};

/// Changes the recipient.
pub(crate) async fn run(context: &mut Context, args: UpdateArgs) -> Result<(), CommandError> {
    let UpdateArgs { id, contact } = args;
    let fields = fields(contact);
    if fields == ContactFields::default() {
        let fields = "--email, --nickname, --phone or --created-at";
        return Err(CommandError::Usage(format!("there is nothing to change: give {fields}")));
    }
    context.client.update(&id, &fields).await.map_err(|error| context.failed(error))?;
    // An update takes an empty field for one that is not given, as the Go program did. Now that the recipient is known
    // to be there, to create it is to set what is given, even to nothing.
    let empty = emptied(&fields);
    if empty != ContactFields::default() {
        context.client.create(&id, &empty).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Updated {}.", shown(id.as_str())))
}

/// The fields that are to be emptied.
fn emptied(fields: &ContactFields) -> ContactFields {
    let empty = |field: &Option<String>| field.clone().filter(String::is_empty);
    ContactFields {
        email: empty(&fields.email),
        nickname: empty(&fields.nickname),
        phone_number: empty(&fields.phone_number),
        created_at: None,
    }
}
