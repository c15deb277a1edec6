//! The arguments of `push`, `pushall` and `cancel`.

use clap::Args;
use pusher::core::{JobName, PusherId, SenderName};

use super::api::ApiArgs;
use crate::commands::time::When;

#[derive(Args)]
pub(crate) struct PushArgs {
    /// The channel, as in sendmail.
    pub(crate) sender: SenderName,
    /// The recipient's id.
    pub(crate) pusher: PusherId,
    /// What to say, in the form that the sender takes; "-" reads it from standard input, every byte of it.
    pub(crate) data: String,
    /// When to send it: Unix seconds, RFC 3339 (2026-12-24T18:00:00+01:00), or from now on: +30s, +10m, +2h, +1d
    /// [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
    /// Push although the recipient has not switched the channel on.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct PushallArgs {
    /// The channel, as in sendmail. Everybody who has switched it on is meant.
    pub(crate) sender: SenderName,
    /// What to say, in the form that the sender takes; "-" reads it from standard input, every byte of it.
    pub(crate) data: String,
    /// Only to those who have this tag as well, or on whom an expression of tags holds: "vip AND NOT trial".
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// When to send it: Unix seconds, RFC 3339 (2026-12-24T18:00:00+01:00), or from now on: +30s, +10m, +2h, +1d
    /// [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct CancelArgs {
    /// The channel that it was pushed to; "pushall" for a pushall.
    pub(crate) sender: SenderName,
    /// The name that the push was accepted as.
    #[arg(value_parser = JobName::parse)]
    pub(crate) name: JobName,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}
