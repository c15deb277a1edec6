//! Many recipients in one request: what is set on each, and what the server did with it.

use std::borrow::Cow;

use bytes::Bytes;
use pusher_core::{Applied, Pusher, PusherFields, PusherId, SenderName, Tag};
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::client::{Client, read};
use crate::error::ClientError;

/// Most lines in a batch: the server's limit.
pub const MAX_BATCH_LINES: usize = 10_000;
/// Most bytes in a batch: the server's limit.
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Why a line does not go into a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There is no room for it in this batch.
    #[error("the batch is full: at most {MAX_BATCH_LINES} lines and {MAX_BATCH_BYTES} bytes")]
    Full,
    /// It is not one line.
    #[error("a record is one line of JSON that is not blank")]
    NotALine,
    /// It has no JSON form.
    #[error("the record has no JSON form: {0}")]
    Json(String),
}

/// What one bulk request holds: records as lines of JSON, within the server's limits.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    body: Vec<u8>,
    lines: usize,
}

impl Batch {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the recipient, or sets the given fields of one that is there; `None` leaves what is there.
    ///
    /// # Errors
    /// [`BatchError::Full`] if there is no room for it; the batch is as it was.
    pub fn add(&mut self, id: &PusherId, fields: &PusherFields) -> Result<(), BatchError> {
        self.add_json(&BulkLine::new(id, fields))
    }

    /// Makes the recipient exactly this, whether it is there or not.
    ///
    /// # Errors
    /// [`BatchError::Full`] if there is no room for it; the batch is as it was.
    pub fn add_pusher(&mut self, pusher: &Pusher) -> Result<(), BatchError> {
        self.add_json(pusher)
    }

    /// Adds a line of JSON as it stands; the server says whether it is a record.
    ///
    /// # Errors
    /// [`BatchError::Full`] if there is no room for it, [`BatchError::NotALine`] if it is blank or more than one; the
    /// batch is as it was.
    pub fn add_line(&mut self, line: &str) -> Result<(), BatchError> {
        // A blank line would get no result, and the numbers of those after it would be off by one.
        if line.trim().is_empty() || line.contains('\n') {
            return Err(BatchError::NotALine);
        }
        if self.lines == MAX_BATCH_LINES || self.body.len() + line.len() >= MAX_BATCH_BYTES {
            return Err(BatchError::Full);
        }
        self.body.extend_from_slice(line.as_bytes());
        self.body.push(b'\n');
        self.lines += 1;
        Ok(())
    }

    pub(crate) fn add_json(&mut self, record: &impl Serialize) -> Result<(), BatchError> {
        let line = serde_json::to_string(record).map_err(|error| BatchError::Json(error.to_string()))?;
        self.add_line(&line)
    }

    /// The lines.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// How many records it holds.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// How long it is in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Does it hold nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }
}

/// A line of a bulk request, as it is sent: a key that is not there leaves what is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkLine<'a> {
    /// The recipient's id.
    pub id: &'a str,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    /// Name to address the recipient by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nickname: Option<&'a str>,
    /// Telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<&'a str>,
    /// The channels that are switched on, in place of all that were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub senders: Option<Vec<Cow<'a, str>>>,
    /// The labels, in place of all that were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Cow<'a, str>>>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
}

impl<'a> BulkLine<'a> {
    fn new(id: &'a PusherId, PusherFields { contact, senders, tags }: &'a PusherFields) -> Self {
        let words = |words: &mut dyn Iterator<Item = &'a str>| words.map(Cow::Borrowed).collect();
        Self {
            id: id.as_str(),
            email: contact.email.as_deref(),
            nickname: contact.nickname.as_deref(),
            phone_number: contact.phone_number.as_deref(),
            senders: senders.as_ref().map(|senders| words(&mut senders.iter().map(SenderName::as_str))),
            tags: tags.as_ref().map(|tags| words(&mut tags.iter().map(Tag::as_str))),
            created_at: contact.created_at,
        }
    }
}

/// What the server did with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkReport {
    /// How many were not there before.
    pub created: u64,
    /// How many are different now.
    pub changed: u64,
    /// How many were so already.
    pub unchanged: u64,
    /// How many lines were refused; the others are in force.
    pub failed: u64,
    /// Were some of those refused because the store is full? They can be sent again when there is room.
    pub full: bool,
    /// Each line's own result, in the batch's order, none missing.
    pub results: Vec<BulkResult>,
}

/// What the server did with one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkResult {
    /// Which line, counted from 1.
    pub line: usize,
    /// Whom it was about, as far as the server could tell.
    pub id: Option<String>,
    /// What was done, or why not, in the server's words.
    pub outcome: Result<Applied, String>,
}

impl Client {
    /// Creates or changes the recipients in `batch`, all in one commit; each line has its own result. A later line about
    /// the same recipient comes after an earlier one. Doing this twice is the same as doing it once, so it is tried again
    /// like a read.
    ///
    /// # Errors
    /// [`ClientError::Signing`] with v1 credentials, which cannot sign this; otherwise if the server refuses the batch
    /// as a whole or cannot be asked: nothing was changed then, unless [`ClientError`] says that it is not known.
    pub async fn bulk(&self, batch: Batch) -> Result<BulkReport, ClientError> {
        #[derive(Deserialize)]
        struct Report {
            created: u64,
            changed: u64,
            unchanged: u64,
            failed: u64,
            results: Option<Vec<Line>>,
        }
        #[derive(Deserialize)]
        struct Line {
            line: usize,
            id: Option<String>,
            result: Option<Done>,
            err: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Done {
            Created,
            Changed,
            Unchanged,
        }
        let sent = batch.lines;
        let call =
            Call::new(Method::POST, "/pusher/pushers/_bulk".to_owned()).with_lines(Bytes::from(batch.into_body()));
        let (status, body) = self.transport.answer(&call, &[StatusCode::OK, StatusCode::INSUFFICIENT_STORAGE]).await?;
        let full = status == StatusCode::INSUFFICIENT_STORAGE;
        // Without a report, nothing was done at all.
        if full && serde_json::from_slice::<Report>(&body).is_err() {
            return Err(ClientError::from_answer(status, &body));
        }
        let Report { created, changed, unchanged, failed, results } = read(&body)?;
        let result = |Line { line, id, result, err }| match (result, err) {
            (Some(Done::Created), None) => Ok(BulkResult { line, id, outcome: Ok(Applied::Created) }),
            (Some(Done::Changed), None) => Ok(BulkResult { line, id, outcome: Ok(Applied::Changed) }),
            (Some(Done::Unchanged), None) => Ok(BulkResult { line, id, outcome: Ok(Applied::Unchanged) }),
            (None, Some(sentence)) => Ok(BulkResult { line, id, outcome: Err(sentence) }),
            _ => Err(ClientError::Unexpected(format!("line {line} of the batch has neither a result nor an error"))),
        };
        let results: Vec<_> = results.unwrap_or_default().into_iter().map(result).collect::<Result<_, _>>()?;
        if !results.iter().map(|result| result.line).eq(1..=sent) {
            let said = format!("the results are not those of the {sent} lines of the batch, in their order");
            return Err(ClientError::Unexpected(said));
        }
        Ok(BulkReport { created, changed, unchanged, failed, full, results })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_only_what_it_sets() {
        let mut batch = Batch::new();
        let id = PusherId::parse("a/b").unwrap();
        batch.add(&id, &PusherFields { tags: Some(Vec::new()), ..PusherFields::default() }).unwrap();
        batch.add_pusher(&Pusher::new(id)).unwrap();
        let whole =
            r#"{"id":"a/b","email":"","nickname":"","phoneNumber":"","senders":null,"tags":null,"createdAt":0}"#;
        assert_eq!(String::from_utf8(batch.body).unwrap(), format!("{{\"id\":\"a/b\",\"tags\":[]}}\n{whole}\n"));
    }

    #[test]
    fn a_batch_takes_one_line_a_record_until_it_is_full() {
        let mut batch = Batch::new();
        for bad in ["", "  ", "{}\n{}", "\n"] {
            assert_eq!(batch.add_line(bad), Err(BatchError::NotALine), "{bad:?}");
        }
        assert!(batch.is_empty());
        for _ in 0..MAX_BATCH_LINES {
            batch.add_line("{}").unwrap();
        }
        assert_eq!(batch.add_line("{}"), Err(BatchError::Full));
        assert_eq!((batch.lines(), batch.bytes()), (MAX_BATCH_LINES, 3 * MAX_BATCH_LINES));
        let mut batch = Batch::new();
        assert_eq!(batch.add_line(&"x".repeat(MAX_BATCH_BYTES)), Err(BatchError::Full));
        batch.add_line(&"x".repeat(MAX_BATCH_BYTES - 1)).unwrap();
        assert_eq!((batch.bytes(), batch.add_line("x")), (MAX_BATCH_BYTES, Err(BatchError::Full)));
    }
}
