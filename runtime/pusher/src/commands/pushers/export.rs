//! `pusher pushers export`: every recipient, or every one that a query finds, to standard output.

use std::io::{IsTerminal, stderr, stdout};

use csv::Writer;
use indicatif::ProgressBar;
use pusher::core::{Pusher, PusherList};

use super::csv as columns;
use super::list::PAGE;
use crate::cli::pushers::{ExportArgs, Format};
use crate::commands::{CommandError, Context, progress};

/// Writes the recipients, newest first, as they come.
pub(crate) async fn run(context: &mut Context, args: &ExportArgs) -> Result<(), CommandError> {
    let mut pages = match &args.query {
        Some(query) => context.client.search_pages(query, PAGE),
        None => context.client.pages(PAGE),
    };
    let bar = if stdout().is_terminal() || !stderr().is_terminal() { ProgressBar::hidden() } else { progress::count() };
    if args.format == Format::Csv {
        write_csv(context, std::iter::once(columns::COLUMNS.map(ToOwned::to_owned)))?;
    }
    while let Some(PusherList { total, pushers }) = pages.next_page().await.map_err(|error| context.failed(error))? {
        bar.set_length(total);
        bar.inc(pushers.len() as u64);
        match args.format {
            Format::Jsonl => pushers.iter().try_for_each(|pusher| context.out.object(pusher))?,
            Format::Csv => write_csv(context, pushers.iter().map(row))?,
        }
    }
    bar.finish();
    Ok(())
}

fn write_csv(context: &mut Context, rows: impl Iterator<Item = [String; 7]>) -> Result<(), CommandError> {
    let mut table = Writer::from_writer(&mut context.out);
    for row in rows {
        table.write_record(row).map_err(broken)?;
    }
    // Into our own buffer; what reaches standard output, and when, is that one's business.
    table.into_inner().map(drop).map_err(|error| CommandError::Output(error.into_error()))
}

/// Every row has as many fields as the first, so only writing can fail.
fn broken(error: csv::Error) -> CommandError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => CommandError::Output(error),
        other => CommandError::Failed(format!("cannot write the table: {other:?}")),
    }
}

fn row(pusher: &Pusher) -> [String; 7] {
    [
        pusher.id.to_string(),
        pusher.email.clone(),
        pusher.nickname.clone(),
        pusher.phone_number.clone(),
        columns::cell(pusher.senders.iter().map(|sender| sender.as_str())),
        columns::cell(pusher.tags.iter().map(|tag| tag.as_str())),
        pusher.created_at.to_string(),
    ]
}
