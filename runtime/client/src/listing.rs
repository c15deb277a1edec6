//! Reading recipients by the page: by place, by cursor, by search; and page after page until the end.

use pusher_core::{Pusher, PusherList};
use reqwest::Method;
use serde::Deserialize;

use crate::call::Call;
use crate::client::{Client, read};
use crate::error::ClientError;

/// A place in the list of all recipients, as the server names it; of no meaning to anybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// Takes up a listing that somebody began: `text` is what [`Cursor::as_str`] gave.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The cursor as text that fits a URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part of the list, and where it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The recipients, newest first.
    pub pushers: Vec<Pusher>,
    /// Where the next page begins; `None`: this was the last one.
    pub next: Option<Cursor>,
    /// How many recipients there are in all.
    pub total: u64,
}

/// The pages of all recipients, or of all that a query finds, one after another.
///
/// Nothing is asked before [`next_page`](Self::next_page) is called, and a call that fails can be made again: it asks for
/// the same page.
#[derive(Debug)]
pub struct Pager {
    client: Client,
    size: usize,
    next: Next,
}

/// What the pager asks next.
#[derive(Debug)]
enum Next {
    List(Option<Cursor>),
    Search { query: String, from: u64 },
    Nothing,
}

impl Pager {
    /// The next page; `None` after the last one.
    ///
    /// # Errors
    /// If the server refuses or cannot be asked. The pager stays where it is.
    pub async fn next_page(&mut self) -> Result<Option<PusherList>, ClientError> {
        let (list, next) = match &self.next {
            Next::Nothing => return Ok(None),
            Next::List(after) => {
                let Page { pushers, next, total } = self.client.list_after(after.as_ref(), self.size).await?;
                let next = next.map_or(Next::Nothing, |cursor| Next::List(Some(cursor)));
                (PusherList { total, pushers }, next)
            }
            Next::Search { query, from } => {
                let list = self.client.search(query, *from, self.size).await?;
                let from = from.saturating_add(list.pushers.len() as u64);
                let more = !list.pushers.is_empty() && from < list.total;
                let next = if more { Next::Search { query: query.clone(), from } } else { Next::Nothing };
                (list, next)
            }
        };
        self.next = next;
        Ok(Some(list).filter(|list| !list.pushers.is_empty()))
    }
}

#[derive(Deserialize)]
struct Listed {
    pushers: Option<Vec<Pusher>>,
    total: u64,
    #[serde(default)]
    next: Option<String>,
}

impl From<Listed> for PusherList {
    fn from(listed: Listed) -> Self {
        Self { total: listed.total, pushers: listed.pushers.unwrap_or_default() }
    }
}

impl Client {
    /// `size` recipients after the first `from`, newest first. The server gives 100 at most.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn list(&self, from: u64, size: usize) -> Result<PusherList, ClientError> {
        let call = paged("/pusher/pushers/", size).with("from", &from.to_string());
        Ok(self.listed(&call).await?.into())
    }

    /// `size` recipients after `cursor`, newest first; `None` begins at the newest. The server gives 100 at most. Every
    /// recipient that stays where it is in the order is seen exactly once, whatever is added or deleted meanwhile.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the cursor is not one of this server.
    pub async fn list_after(&self, cursor: Option<&Cursor>, size: usize) -> Result<Page, ClientError> {
        let call = paged("/pusher/pushers/", size).with("after", cursor.map_or("", Cursor::as_str));
        let Listed { pushers, total, next } = self.listed(&call).await?;
        Ok(Page { pushers: pushers.unwrap_or_default(), next: next.map(Cursor), total })
    }

    /// `size` of the recipients that `query` finds, after the first `from`. The server gives 100 at most. The query is
    /// text in the server's query language, or a JSON query.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if the server does not understand the query; its sentence says where.
    pub async fn search(&self, query: &str, from: u64, size: usize) -> Result<PusherList, ClientError> {
        let call = paged("/pusher/search/", size).with("q", query).with("from", &from.to_string());
        Ok(self.listed(&call).await?.into())
    }

    /// All recipients, newest first, in pages of `size` (the server gives 100 at most), by cursor: exact while data
    /// changes.
    #[must_use]
    pub fn pages(&self, size: usize) -> Pager {
        Pager { client: self.clone(), size, next: Next::List(None) }
    }

    /// All recipients that `query` finds, in pages of `size` (the server gives 100 at most). Pages of a search go by
    /// place: what is written meanwhile can move a recipient from one page to another, and the server refuses the page
    /// behind the first 100,000 hits.
    #[must_use]
    pub fn search_pages(&self, query: &str, size: usize) -> Pager {
        Pager { client: self.clone(), size, next: Next::Search { query: query.to_owned(), from: 0 } }
    }

    async fn listed(&self, call: &Call) -> Result<Listed, ClientError> {
        read(&self.transport.send(call).await?)
    }
}

fn paged(path: &str, size: usize) -> Call {
    Call::new(Method::GET, path.to_owned()).with("size", &size.to_string())
}
