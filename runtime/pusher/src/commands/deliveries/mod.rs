//! `pusher deliveries …`: what became of messages, and what is to become of them.

mod list;
mod many;
mod show;

use pusher::core::Retention;

use super::table::shown;
use super::{CommandError, Context, now, time};
use crate::cli::deliveries::{DeliveriesArgs, DeliveriesCommand, PruneArgs, ScheduleArgs};

/// Does what the arguments say.
pub(crate) async fn run(context: &mut Context, args: DeliveriesArgs) -> Result<(), CommandError> {
    let usage = |sentence: &str| CommandError::Usage(sentence.to_owned());
    match args.command {
        DeliveriesCommand::List(args) => list::run(context, &args).await,
        DeliveriesCommand::Show { name } => show::run(context, &name).await,
        DeliveriesCommand::Redrive(args) => {
            let filter = args.filter(now()).map_err(usage)?;
            many::run(context, many::REDRIVE, async |client, limit| client.redrive(&filter, limit).await).await
        }
        DeliveriesCommand::Cancel(args) => {
            let filter = args.filter(now()).map_err(usage)?;
            many::run(context, many::CANCEL, async |client, limit| client.cancel_deliveries(&filter, limit).await).await
        }
        DeliveriesCommand::Delete(args) => {
            let filter = args.filter(now()).map_err(usage)?;
            many::run(context, many::DELETE, async |client, limit| client.delete_deliveries(&filter, limit).await).await
        }
        DeliveriesCommand::Schedule(args) => schedule(context, args).await,
        DeliveriesCommand::Prune(PruneArgs { delivered, dead }) => {
            let before = |when: time::When| when.unix(now()).saturating_mul(1000);
            let retention = Retention { delivered_before: before(delivered), dead_before: before(dead) };
            many::run(context, many::PRUNE, async |client, limit| client.prune(retention, limit).await).await
        }
    }
}

/// Moves a message to another time.
async fn schedule(context: &mut Context, args: ScheduleArgs) -> Result<(), CommandError> {
    let ScheduleArgs { name, at, sender } = args;
    let sched_at = at.unix(now());
    let moved = context.client.move_delivery(&name, sender.as_ref(), sched_at).await;
    moved.map_err(|error| context.failed(error))?;
    context.out.done(&format!("Moved {} to {}.", shown(name.as_str()), time::show(sched_at)))
}
