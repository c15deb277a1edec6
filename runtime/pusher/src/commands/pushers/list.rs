//! `pusher pushers list` and `search`: a part of a list, as a table or as a line of JSON for each recipient.

use pusher::core::{Pusher, PusherList};

use crate::cli::pushers::{PageArgs, SearchArgs};
use crate::commands::table::table;
use crate::commands::{CommandError, Context, time};

/// The most recipients that the server gives at once.
pub(crate) const PAGE: usize = 100;

/// Shows a part of the list of all.
pub(crate) async fn list(context: &mut Context, page: &PageArgs) -> Result<(), CommandError> {
    let mut found = PusherList { total: 0, pushers: Vec::new() };
    while found.pushers.len() < page.size {
        let (from, size) = next(page, &found);
        let part = context.client.list(from, size).await.map_err(|error| context.failed(error))?;
        if !take(&mut found, part) {
            break;
        }
    }
    show(context, page, &found)
}

/// Shows a part of what a query finds.
pub(crate) async fn search(context: &mut Context, SearchArgs { query, page }: &SearchArgs) -> Result<(), CommandError> {
    let mut found = PusherList { total: 0, pushers: Vec::new() };
    while found.pushers.len() < page.size {
        let (from, size) = next(page, &found);
        let part = context.client.search(query, from, size).await.map_err(|error| context.failed(error))?;
        if !take(&mut found, part) {
            break;
        }
    }
    show(context, page, &found)
}

/// Which part to ask for next.
fn next(page: &PageArgs, found: &PusherList) -> (u64, usize) {
    (page.from.saturating_add(found.pushers.len() as u64), (page.size - found.pushers.len()).min(PAGE))
}

/// Adds `part`; is there anything left to ask for?
fn take(found: &mut PusherList, part: PusherList) -> bool {
    found.total = part.total;
    let more = part.pushers.len() == PAGE;
    found.pushers.extend(part.pushers);
    more
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
    [id.to_string(), nickname.clone(), email.clone(), phone_number.clone(), words(senders), words(tags), created]
}

fn words<T: ToString>(words: &[T]) -> String {
    words.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
