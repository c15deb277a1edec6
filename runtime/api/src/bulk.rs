//! POST `/pusher/pushers/_bulk`: many recipients in one request and one commit, a JSON object on each line.
//!
//! The body is read line by line as it comes, so that what is held is what the lines say and not the body. Nothing is
//! written before its end: a body over a limit changes nothing. A line that is no recipient is told of in its result and
//! leaves the others in force.

use std::io::BufRead;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use pusher_core::{Applied, PusherFields, PusherId, ServiceError, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::bulk_line;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::openapi;
use crate::openapi::forms::BulkLine;
use crate::openapi::refusals::Always;
use crate::openapi::shapes::NotAllSet;
use crate::raw;
use crate::reply::{self, Refused};
use crate::routes::Api;

/// How much of the body is parsed before other requests have their turn.
const SLICE: usize = 64 * 1024;

/// Creates and sets many recipients
///
/// A JSON object on each line; one commit for all. A line that is no recipient is told of in its result, and leaves the
/// others in force. The request's content type does not matter; by the v1 scheme it cannot be signed.
#[utoipa::path(
    post,
    path = "/pusher/pushers/_bulk",
    operation_id = "setPushers",
    tag = openapi::PUSHERS,
    request_body(
        content = Vec<BulkLine>,
        content_type = "application/x-ndjson",
        description = "A recipient on each line; empty lines are passed over.",
        example = json!("{\"id\": \"lupino\", \"senders\": [\"sendmail\"]}\n{\"id\": \"bob\", \"tags\": null}\n"),
    ),
    responses(
        (status = 200, description = "What became of each line.", body = Report),
        (status = 400, description = "The body could not be read.", body = Refused),
        (status = 507, description = "The store is full, for all lines or for some: what became of each, if some are in force. The others can be sent again when there is room.", body = NotAllSet),
        Always,
    ),
)]
pub(crate) async fn set(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let mut lines = Lines::new(&api.limits);
    let mut body = raw::pieces(request, api.limits.bulk_body)?;
    while let Some(chunk) = body.next().await? {
        for slice in chunk.chunks(SLICE) {
            if !lines.take(slice) {
                body.drain().await;
                return Err(ApiError::too_many_lines(api.limits.bulk_lines));
            }
            tokio::task::yield_now().await;
        }
    }
    if !lines.end() {
        return Err(ApiError::too_many_lines(api.limits.bulk_lines));
    }
    let Lines { results, records, .. } = lines;
    let applied = api.service.set(records).await;
    let is_full = |applied: &Result<_, _>| matches!(applied, Err(ServiceError::Store(StoreError::Full(_))));
    let full = applied.iter().any(is_full);
    Ok(reply::bulk(&report(results, applied)?, full))
}

/// What became of a bulk request.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkReport)]
pub(crate) struct Report {
    /// How many recipients were not there before.
    created: usize,
    /// How many are different now.
    changed: usize,
    /// How many were so already.
    unchanged: usize,
    /// How many lines were refused or failed.
    failed: usize,
    /// One for each line that is not empty.
    results: Vec<LineResult>,
}

/// What became of a line: `id` and `result`, or `err`.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkResult)]
struct LineResult {
    /// Its number in the body, counted from 1.
    #[schema(minimum = 1)]
    line: usize,
    /// The recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    id: Option<PusherId>,
    /// What became of the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, pattern = "^(created|changed|unchanged)$")]
    result: Option<&'static str>,
    /// Why the line was refused, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    err: Option<String>,
}

/// Puts what the store says to the lines that it was asked about, and counts. If the store failed and did nothing at
/// all, that is the answer to the whole request.
fn report(mut results: Vec<LineResult>, applied: Vec<Result<Applied, ServiceError>>) -> Result<Report, ApiError> {
    if !applied.iter().any(Result::is_ok)
        && let Some(Err(failure)) = applied.iter().find(|a| matches!(a, Err(ServiceError::Store(_))))
    {
        return Err(failure.clone().into());
    }
    let [mut created, mut changed, mut unchanged] = [0; 3];
    let asked = results.iter_mut().filter(|result| result.id.is_some());
    for (result, applied) in asked.zip(applied) {
        let (count, word) = match applied {
            Ok(Applied::Created) => (&mut created, "created"),
            Ok(Applied::Changed) => (&mut changed, "changed"),
            Ok(_) => (&mut unchanged, "unchanged"),
            Err(error) => {
                result.err = Some(error.to_string());
                result.id = None;
                continue;
            }
        };
        *count += 1;
        result.result = Some(word);
    }
    let failed = results.len() - created - changed - unchanged;
    Ok(Report { created, changed, unchanged, failed, results })
}

/// The lines of a body that comes in pieces.
struct Lines {
    max_lines: usize,
    max_line_bytes: usize,
    /// The line that is being read; the rest of it may come with the next piece.
    line: Vec<u8>,
    /// How many lines were read.
    read: usize,
    /// One for each line that is not empty. Those that have an id are a recipient, the next one of `records`.
    results: Vec<LineResult>,
    records: Vec<(PusherId, PusherFields)>,
}

impl Lines {
    fn new(limits: &Limits) -> Self {
        Self {
            max_lines: limits.bulk_lines,
            max_line_bytes: limits.body,
            line: Vec::new(),
            read: 0,
            results: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Reads the lines that end in this piece of the body. False if there are too many.
    fn take(&mut self, mut piece: &[u8]) -> bool {
        loop {
            // Reading memory does not fail.
            let read = piece.read_until(b'\n', &mut self.line).unwrap_or_default();
            if read == 0 || self.line.last() != Some(&b'\n') {
                return true;
            }
            if !self.end() {
                return false;
            }
        }
    }

    /// Reads the line that has come to its end. False if it is one too many.
    fn end(&mut self) -> bool {
        self.read += 1;
        let text = self.line.trim_ascii();
        if text.is_empty() {
            self.line.clear();
            return true;
        }
        if self.results.len() == self.max_lines {
            return false;
        }
        let mut result = LineResult { line: self.read, id: None, result: None, err: None };
        match bulk_line::parse(text, self.max_line_bytes) {
            Ok((id, fields)) => {
                result.id = Some(id.clone());
                self.records.push((id, fields));
            }
            Err(reason) => result.err = Some(reason),
        }
        self.results.push(result);
        self.line.clear();
        true
    }
}
