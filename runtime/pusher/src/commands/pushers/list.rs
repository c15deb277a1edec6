//! `pusher pushers list` and `search`: a part of a list, as a table or as a line of JSON for each recipient.

use pusher::client::ClientError;
use pusher::core::{Pusher, PusherList};

use super::all;
use crate::cli::pushers::{PageArgs, SearchArgs};
use crate::commands::table::table;
use crate::commands::{CommandError, Context, time};

/// The most recipients that the server gives at once.
pub(crate) const PAGE: usize = 100;

/// Shows a part of the list of all.
pub(crate) async fn list(context: &mut Context, page: &PageArgs) -> Result<(), CommandError> {
    let found = all_of(page, async |from, size| context.client.list(from, size).await).await;
    show(context, page, &found.map_err(|error| context.failed(error))?)
}

/// Shows a part of what a query finds.
pub(crate) async fn search(context: &mut Context, SearchArgs { query, page }: &SearchArgs) -> Result<(), CommandError> {
    let found = all_of(page, async |from, size| context.client.search(query, from, size).await).await;
    show(context, page, &found.map_err(|error| context.failed(error))?)
}

/// Asks for one part after the other until the page is full or there is no more.
async fn all_of(
    page: &PageArgs,
    ask: impl AsyncFn(u64, usize) -> Result<PusherList, ClientError>,
) -> Result<PusherList, ClientError> {
    let mut found = PusherList { total: 0, pushers: Vec::new() };
    while found.pushers.len() < page.size {
        let from = page.from.saturating_add(found.pushers.len() as u64);
        let part = ask(from, (page.size - found.pushers.len()).min(PAGE)).await?;
        let is_last = part.pushers.len() < PAGE;
        found.total = part.total;
        found.pushers.extend(part.pushers);
        if is_last {
            break;
        }
    }
    Ok(found)
}

fn show(context: &mut Context, page: &PageArgs, found: &PusherList) -> Result<(), CommandError> {
    if context.out.is_json() {
        return found.pushers.iter().try_for_each(|pusher| context.out.object(pusher));
    }
    let PusherList { total, pushers } = found;
    if pushers.is_empty() {
        return context.out.line(&format!("No pushers here, and {total} in all."));
    }
    let rows: Vec<_> = pushers.iter().map(row).collect();
    for line in table(["ID", "NICKNAME", "EMAIL", "PHONE", "SENDERS", "TAGS", "CREATED"], &rows) {
        context.out.line(&line)?;
    }
    let end = page.from.saturating_add(pushers.len() as u64);
    let more = if end < *total { format!("; --from {end} shows the next ones") } else { String::new() };
    context.out.line(&format!("{} to {end} of {total}{more}", page.from.saturating_add(1)))
}

fn row(pusher: &Pusher) -> [String; 7] {
    let created = if pusher.created_at == 0 { String::new() } else { time::show(pusher.created_at) };
    let Pusher { id, email, nickname, phone_number, senders, tags, .. } = pusher;
    [id.to_string(), nickname.clone(), email.clone(), phone_number.clone(), all(senders), all(tags), created]
}
