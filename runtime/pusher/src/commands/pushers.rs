//! `pusher pushers …`: recipients, one by one and by the file.

mod create;
mod csv;
mod export;
mod get;
mod import;
mod list;
mod senders;
mod tags;
mod update;

use super::table::shown;
use super::{CommandError, Context};
use crate::cli::pushers::{PushersArgs, PushersCommand};

/// Does what the arguments say.
pub(crate) async fn run(context: &mut Context, args: PushersArgs) -> Result<(), CommandError> {
    match args.command {
        PushersCommand::Get { id } => get::run(context, &id).await,
        PushersCommand::List(page) => list::list(context, &page).await,
        PushersCommand::Search(args) => list::search(context, &args).await,
        PushersCommand::Create(args) => create::run(context, args).await,
        PushersCommand::Update(args) => update::run(context, args).await,
        PushersCommand::Delete { ids } => {
            for id in &ids {
                context.client.delete(id).await.map_err(|error| context.failed(error))?;
            }
            context.out.done(&format!("Deleted {}.", all(&ids)))
        }
        PushersCommand::Tag(args) => tags::put_on(context, &args).await,
        PushersCommand::Untag(args) => tags::take_off(context, &args).await,
        PushersCommand::AddSender(args) => senders::switch_on(context, &args).await,
        PushersCommand::RemoveSender(args) => senders::switch_off(context, &args).await,
        PushersCommand::Import(args) => import::run(context, args).await,
        PushersCommand::Export(args) => export::run(context, &args).await,
    }
}

/// Words one after another, as a person is told them.
fn all<T: ToString>(words: &[T]) -> String {
    words.iter().map(|word| shown(&word.to_string())).collect::<Vec<_>>().join(", ")
}
