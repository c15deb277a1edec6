//! The arguments of `pusher deliveries …` and `pusher pushalls …`.

use clap::{Args, Subcommand};
use pusher::core::{DeliveryCursor, DeliveryFilter, DeliveryState, JobName, PushAllCursor, PusherId, SenderName};

use super::api::ApiArgs;
use crate::commands::time::When;

#[derive(Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct DeliveriesArgs {
    #[command(subcommand)]
    pub(crate) command: DeliveriesCommand,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// List deliveries, the one that changed last first.
    #[command(after_help = "Examples:
  pusher deliveries list --state dead --sender sendmail
  pusher deliveries list --state dead --error 'mailbox full' --since -2h
  pusher deliveries list --scheduled")]
    List(ListArgs),
    /// Show what became of a message, with every attempt.
    Show {
        /// The name that the push was accepted as.
        #[arg(value_parser = JobName::parse)]
        name: JobName,
    },
    /// Accept dead letters once more.
    #[command(after_help = "Examples:
  pusher deliveries redrive lupino_88bf72bd461965be993c0e6cee9cd061
  pusher deliveries redrive --sender sendmail --error 'answered 503'
  pusher deliveries redrive --all")]
    Redrive(ManyArgs),
    /// Cancel what has not gone out; of a pushall that is named, nobody else is pushed to.
    #[command(after_help = "Examples:
  pusher deliveries cancel --pushall sendmail_0c5d2cf4be4c0e2f8a4dbd1e2a2ac9e6
  pusher deliveries cancel --pusher lupino")]
    Cancel(ManyArgs),
    /// Forget deliveries that have ended: dead ones, unless --state says otherwise.
    #[command(after_help = "Examples:
  pusher deliveries delete --sender sendsms --until -30d
  pusher deliveries delete --state delivered --all")]
    Delete(DeleteArgs),
    /// Move a message that waits to another time.
    #[command(after_help = "Examples:
  pusher deliveries schedule lupino_88bf72bd461965be993c0e6cee9cd061 +2h
  pusher deliveries schedule lupino_88bf72bd461965be993c0e6cee9cd061 now --sender sendmail")]
    Schedule(ScheduleArgs),
    /// Forget what is old. The server does so by itself; this is for a disk that cannot wait.
    Prune(PruneArgs),
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only those that stand there: accepted, waiting, delivered, dead or cancelled.
    #[arg(long, value_name = "STATE")]
    state: Option<DeliveryState>,
    #[command(flatten)]
    which: WhichArgs,
    /// Only those that were pushed for a time to come.
    #[arg(long)]
    pub(crate) scheduled: bool,
    /// Go on where a list ended.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<DeliveryCursor>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) size: usize,
}

/// What a delivery must be.
#[derive(Args, Clone)]
pub(crate) struct WhichArgs {
    /// Only those over this channel.
    #[arg(long, value_name = "SENDER")]
    sender: Option<SenderName>,
    /// Only those to this recipient.
    #[arg(long, value_name = "ID")]
    pusher: Option<PusherId>,
    /// Only those of pushalls that were for exactly this tag, or expression of tags.
    #[arg(long, value_name = "EXPRESSION")]
    tag: Option<String>,
    /// Only those of this pushall.
    #[arg(long, value_name = "NAME", value_parser = JobName::parse)]
    pushall: Option<JobName>,
    /// Only those that were given up for a reason with this text in it.
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only those that came to stand where they stand at this time or later: as --until.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<When>,
    /// Only those that did before this time: Unix seconds, RFC 3339 (2026-01-01T00:00:00Z), or so long ago: -30m, -2h, -7d.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<When>,
}

/// Which deliveries something is done to.
#[derive(Args)]
pub(crate) struct ManyArgs {
    /// The name that the push was accepted as.
    #[arg(value_parser = JobName::parse)]
    name: Option<JobName>,
    #[command(flatten)]
    which: WhichArgs,
    /// All there are.
    #[arg(long)]
    all: bool,
}

#[derive(Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    many: ManyArgs,
    /// Those that stand there: dead, delivered or cancelled.
    #[arg(long, value_name = "STATE", default_value = "dead", value_parser = ended)]
    state: DeliveryState,
}

#[derive(Args)]
pub(crate) struct ScheduleArgs {
    /// The name that the push was accepted as.
    #[arg(value_parser = JobName::parse)]
    pub(crate) name: JobName,
    /// When to send it: "now", Unix seconds, RFC 3339 (2026-12-24T18:00:00+01:00), or from now on: +30s, +10m, +2h, +1d
    #[arg(value_name = "TIME")]
    pub(crate) at: When,
    /// The channel, if the same message waits over several.
    #[arg(long, value_name = "SENDER")]
    pub(crate) sender: Option<SenderName>,
}

#[derive(Args)]
pub(crate) struct PruneArgs {
    /// Forget what was delivered or cancelled before this time.
    #[arg(long, value_name = "TIME", default_value = "-7d", allow_hyphen_values = true)]
    pub(crate) delivered: When,
    /// Forget what was given up before this time.
    #[arg(long, value_name = "TIME", default_value = "-30d", allow_hyphen_values = true)]
    pub(crate) dead: When,
}

#[derive(Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct PushallsArgs {
    #[command(subcommand)]
    pub(crate) command: PushallsCommand,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Subcommand)]
pub(crate) enum PushallsCommand {
    /// List pushalls, the one that was accepted last first.
    List {
        /// Go on where a list ended.
        #[arg(long, value_name = "CURSOR")]
        after: Option<PushAllCursor>,
        /// How many to list.
        #[arg(long, value_name = "N", default_value_t = 20)]
        size: usize,
    },
    /// Show how far a pushall has come.
    Show {
        /// The name that it was accepted as.
        #[arg(value_parser = JobName::parse)]
        name: JobName,
    },
}

impl WhichArgs {
    fn filter(self, now: i64) -> DeliveryFilter {
        let Self { sender, pusher, tag, pushall, error, since, until } = self;
        let millis = |when: When| when.unix(now).saturating_mul(1000);
        let (since, until) = (since.map(millis), until.map(millis));
        DeliveryFilter { sender, pusher, tag, pushall, error, since, until, ..DeliveryFilter::default() }
    }
}

impl ListArgs {
    /// What is listed, if it is `now`.
    pub(crate) fn filter(&self, now: i64) -> DeliveryFilter {
        let filter = DeliveryFilter { state: self.state, ..self.which.clone().filter(now) };
        if !self.scheduled {
            return filter;
        }
        let state = Some(self.state.unwrap_or(DeliveryState::Accepted));
        DeliveryFilter { state, due_from: Some(now.saturating_add(1)), ..filter }
    }
}

impl ManyArgs {
    /// Which are meant, if it is `now`; an empty filter if all are.
    ///
    /// # Errors
    /// A sentence, if nothing is said of which are meant, or all and which.
    pub(crate) fn filter(self, now: i64) -> Result<DeliveryFilter, &'static str> {
        let filter = DeliveryFilter { name: self.name, ..self.which.filter(now) };
        match (self.all, filter == DeliveryFilter::default()) {
            (false, true) => {
                Err("say which: a name, --sender, --pusher, --tag, --pushall, --error, --since or --until; or --all")
            }
            (true, false) => Err("say --all, or which; not both"),
            _ => Ok(filter),
        }
    }
}

impl DeleteArgs {
    /// As [`ManyArgs::filter`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn filter(self, now: i64) -> Result<DeliveryFilter, &'static str> {
        Ok(DeliveryFilter { state: Some(self.state), ..self.many.filter(now)? })
    }
}

/// A state in which a delivery has ended.
fn ended(text: &str) -> Result<DeliveryState, String> {
    let state: DeliveryState = text.parse().map_err(|error: pusher::core::StateError| error.to_string())?;
    if state.is_final() { Ok(state) } else { Err(format!("what is {state} has not ended; cancel it first")) }
}
