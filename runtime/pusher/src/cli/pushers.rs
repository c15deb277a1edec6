//! The arguments of `pusher pushers …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use pusher::client::MAX_BATCH_LINES;
use pusher::core::{PusherId, SenderName, Tag};

use super::api::ApiArgs;
use crate::commands::time::When;

#[derive(Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct PushersArgs {
    #[command(subcommand)]
    pub(crate) command: PushersCommand,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Subcommand)]
pub(crate) enum PushersCommand {
    /// Show one recipient.
    Get {
        /// The recipient's id.
        id: PusherId,
    },
    /// List recipients, newest first.
    List(PageArgs),
    /// List the recipients that a query finds.
    ///
    /// A query is words to look for, or says in which field: tags:vip, senders:sendmail, nickname:lu*,
    /// createdAt:>1456403493; + before what must be there and - before what must not. A JSON query works too.
    Search(SearchArgs),
    /// Create a recipient; one that is there gets the fields that are given.
    Create(CreateArgs),
    /// Change the contact fields of a recipient that is there.
    Update(UpdateArgs),
    /// Delete recipients; one that is not there is no error.
    Delete {
        /// The recipients' ids.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<PusherId>,
    },
    /// Put tags on a recipient.
    Tag(TagArgs),
    /// Take tags off a recipient.
    Untag(TagArgs),
    /// Switch channels on for a recipient.
    AddSender(SenderArgs),
    /// Switch channels off for a recipient.
    RemoveSender(SenderArgs),
    /// Create and change recipients by the file.
    ///
    /// CSV begins with a line that names its columns: id, and any of email, nickname, phoneNumber, senders, tags and
    /// createdAt, in any order. Senders and tags are separated by ";" (a backslash before a ";" or a "\" that belongs to
    /// a name). An empty cell empties the field; a column that is not there leaves what is there.
    ///
    /// JSON lines are objects with the same names as keys, "senders" and "tags" being lists.
    ///
    /// A line that is wrong is reported with its number, and the others are imported. Running it again is safe: what is
    /// as the file says stays unchanged.
    #[command(after_help = "Examples:
  pusher pushers import people.csv
  pusher pushers import people.jsonl --errors wrong.jsonl
  zcat people.csv.gz | pusher pushers import - --format csv")]
    Import(ImportArgs),
    /// Write all recipients, or those that a query finds, to standard output, in a form that import takes.
    #[command(after_help = "Examples:
  pusher pushers export > everybody.jsonl
  pusher pushers export --format csv --query tags:vip > vip.csv
  pusher pushers export | pusher pushers import - --format jsonl --api http://other:6000")]
    Export(ExportArgs),
}

#[derive(Args)]
pub(crate) struct PageArgs {
    /// How many to pass over.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) from: u64,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) size: usize,
}

#[derive(Args)]
pub(crate) struct SearchArgs {
    /// What to look for.
    #[arg(allow_hyphen_values = true)]
    pub(crate) query: String,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

#[derive(Args)]
pub(crate) struct CreateArgs {
    /// The id: any text of up to 222 bytes, by which your application knows the recipient.
    pub(crate) id: PusherId,
    #[command(flatten)]
    pub(crate) contact: ContactArgs,
    /// A channel to switch on; may be given several times.
    #[arg(long = "sender", value_name = "SENDER")]
    pub(crate) senders: Vec<SenderName>,
    /// A tag to put on; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// The recipient's id.
    pub(crate) id: PusherId,
    #[command(flatten)]
    pub(crate) contact: ContactArgs,
}

#[derive(Args)]
#[group(id = "contact", multiple = true)]
pub(crate) struct ContactArgs {
    /// E-mail address; "" empties it.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// Name to address the recipient by; "" empties it.
    #[arg(long, value_name = "NAME")]
    pub(crate) nickname: Option<String>,
    /// Telephone number; "" empties it.
    #[arg(long, visible_alias = "phone-number", value_name = "NUMBER")]
    pub(crate) phone: Option<String>,
    /// When the recipient came to be: Unix seconds, RFC 3339 or "now".
    #[arg(long, value_name = "TIME")]
    pub(crate) created_at: Option<When>,
}

#[derive(Args)]
pub(crate) struct TagArgs {
    /// The recipient's id.
    pub(crate) id: PusherId,
    /// The tags.
    #[arg(required = true, value_name = "TAG")]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Args)]
pub(crate) struct SenderArgs {
    /// The recipient's id.
    pub(crate) id: PusherId,
    /// The channels.
    #[arg(required = true, value_name = "SENDER")]
    pub(crate) senders: Vec<SenderName>,
}

#[derive(Args)]
pub(crate) struct ImportArgs {
    /// The file; "-" is standard input.
    pub(crate) file: PathBuf,
    /// What the file is [default: what its name ends with]
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// Write a line of JSON for each line that failed to this file: its number, the recipient and the reason.
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    /// Most lines in one request; fewer where something between refuses long requests.
    #[arg(
        long,
        value_name = "LINES",
        default_value_t = MAX_BATCH_LINES,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=MAX_BATCH_LINES as u64)
    )]
    pub(crate) batch: usize,
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// What to write.
    #[arg(long, default_value = "jsonl")]
    pub(crate) format: Format,
    /// Only the recipients that this query finds.
    #[arg(long, value_name = "QUERY", allow_hyphen_values = true)]
    pub(crate) query: Option<String>,
}

/// What a file of recipients is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table, as spreadsheets write it.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}
