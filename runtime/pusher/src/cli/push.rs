//! The arguments of `push`, `pushall` and `cancel`.

use clap::Args;
use pusher::client::IdempotencyKey;
use pusher::core::{JobName, PusherId, SenderName, TagExpr, TagExprError};

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
    /// Push once for this text, however often the command is run with it within 24 hours: an order's number, say. A push
    /// whose answer was lost is then sent again by itself.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct PushallArgs {
    /// The channel, as in sendmail. Everybody who has switched it on is meant.
    pub(crate) sender: SenderName,
    /// What to say, in the form that the sender takes; "-" reads it from standard input, every byte of it.
    pub(crate) data: String,
    /// Only to those who have this tag as well, or whose tags this expression fits: 'vip AND NOT trial', 'a OR (b AND c)',
    /// '"a tag" AND b'.
    #[arg(long, value_name = "EXPRESSION", value_parser = tags)]
    pub(crate) tag: Option<String>,
    /// When to send it: Unix seconds, RFC 3339 (2026-12-24T18:00:00+01:00), or from now on: +30s, +10m, +2h, +1d
    /// [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
    /// Wait until every message is delivered or was given up; a bar on standard error says how far it is. The exit code is 1
    /// if some were given up.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Push once for this text, however often the command is run with it within 24 hours.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<IdempotencyKey>,
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

/// A tag or an expression of tags, as it was written.
fn tags(text: &str) -> Result<String, TagExprError> {
    TagExpr::parse(text).map(|_| text.to_owned())
}
