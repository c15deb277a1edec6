//! POST `/pusher/deliveries/_report`: what workers elsewhere have made of messages, many reports in one request and one
//! commit.
//!
//! A worker tells again what was not answered, so a report that is known already changes nothing. One that is none
//! refuses the whole request, with 422 and nothing else answered so: a worker puts aside what was answered that, and keeps
//! what was answered otherwise.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use pusher_core::{Report, Reported, cut_text};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::openapi;
use crate::openapi::forms::ReportShape;
use crate::openapi::refusals::{Always, Writing};
use crate::raw;
use crate::reply::{self, Refused};
use crate::routes::Api;

/// The last moment that a report can be about: the end of the year 9999, in Unix milliseconds.
pub(crate) const MAX_AT: i64 = 253_402_300_799_999;

/// Enters what workers have made of messages
///
/// For workers: attempts, as they were made, are entered in the delivery log, in order and in one commit. One that is known
/// already changes nothing, so what was not answered can be sent again. The request's content type does not matter: a body
/// that begins with `[` is a JSON array, any other has a report on each line. By the v1 scheme it cannot be signed.
#[utoipa::path(
    post,
    path = "/pusher/deliveries/_report",
    operation_id = "reportDeliveries",
    tag = openapi::DELIVERIES,
    request_body(
        content = Vec<ReportShape>,
        content_type = "application/x-ndjson",
        description = "Reports, one on each line; empty lines are passed over.",
    ),
    responses(
        (status = 200, description = "All are entered, durably.", body = Entered),
        (status = 400, description = "The body could not be read.", body = Refused),
        (status = 422, description = "There is one that is no report; none was entered.", body = Refused),
        (status = 501, description = "The server keeps no delivery log.", body = Refused),
        Always,
        Writing,
    ),
)]
pub(crate) async fn take(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let body = raw::read(request, api.limits.bulk_body).await?;
    let most = api.limits.bulk_lines;
    // Sixteen megabytes of JSON would keep other requests from their turn.
    let parsed = tokio::task::spawn_blocking(move || parse(&body, most)).await;
    let reports = parsed.map_err(|error| ApiError::not_a_report(format!("the reports cannot be read: {error}")))??;
    let reported = reports.len();
    api.service.record(reports).await?;
    Ok(reply::entered(&Entered { reported }))
}

/// What was entered.
#[derive(Serialize, ToSchema)]
#[schema(as = ReportsEntered)]
pub(crate) struct Entered {
    /// How many reports there were.
    reported: usize,
}

/// The reports in a body, `most` of them at most.
fn parse(body: &[u8], most: usize) -> Result<Vec<Report>, ApiError> {
    let reports = if body.trim_ascii_start().starts_with(b"[") {
        let reports: Vec<Report> =
            serde_json::from_slice(body).map_err(|error| ApiError::not_a_report(error.to_string()))?;
        reports.into_iter().enumerate().map(|(at, report)| checked(report, at + 1)).collect::<Result<Vec<_>, _>>()?
    } else {
        let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        let mut reports = Vec::new();
        for (at, line) in lines {
            if reports.len() == most {
                return Err(ApiError::too_many_lines(most));
            }
            let report = serde_json::from_slice(line)
                .map_err(|error| ApiError::not_a_report(format!("line {} is no report: {error}", at + 1)))?;
            reports.push(checked(report, at + 1)?);
        }
        reports
    };
    if reports.len() > most { Err(ApiError::too_many_lines(most)) } else { Ok(reports) }
}

/// Holds a report against what the log can keep; texts that are too long are cut.
fn checked(mut report: Report, number: usize) -> Result<Report, ApiError> {
    let attempt = &mut report.attempt;
    if !(0..=MAX_AT).contains(&attempt.at) {
        let sentence = format!("report {number} is about no time that there is: {} ms after 1970", attempt.at);
        return Err(ApiError::not_a_report(sentence));
    }
    attempt.message = attempt.message.take().map(cut_text);
    attempt.version = attempt.version.take().map(cut_text);
    if let Reported::Dead { reason, .. } = &mut report.reported {
        *reason = cut_text(std::mem::take(reason));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use pusher_core::{DeliveryState, MAX_ATTEMPT_TEXT};

    use super::*;

    const LINE: &str = r#"{"sender":"sample","name":"lupino_0","attempt":{"number":1,"at":5,"tookMs":1,"version":null,"end":"done","status":null,"message":null},"state":"delivered"}"#;

    fn refused(body: &str) -> String {
        match parse(body.as_bytes(), 3) {
            Err(ApiError::Refused { status, sentence }) => format!("{} {sentence}", status.as_u16()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reports_are_lines_or_an_array() {
        let count = |body: String| parse(body.as_bytes(), 3).unwrap().len();
        assert_eq!(count(String::new()), 0);
        assert_eq!(count(format!("{LINE}\n\n  \n{LINE}")), 2);
        assert_eq!(count(format!(" [{LINE},{LINE},{LINE}] ")), 3);
        assert_eq!(count("[]".into()), 0);
    }

    #[test]
    fn texts_are_cut_and_what_is_due_or_dead_says_so() {
        let long = "x".repeat(MAX_ATTEMPT_TEXT + 1);
        let dead = LINE
            .replace("\"message\":null", &format!("\"message\":\"{long}\""))
            .replace("\"delivered\"", &format!("\"dead\",\"reason\":\"{long}\",\"data\":\"{long}\""));
        let waiting = LINE.replace("\"delivered\"", "\"waiting\",\"dueAt\":7");
        let reports = parse(format!("{dead}\n{waiting}").as_bytes(), 3).unwrap();
        let states: Vec<_> = reports.iter().map(|report| report.reported.state()).collect();
        assert_eq!(states, [DeliveryState::Dead, DeliveryState::Waiting]);
        let Reported::Dead { reason, data } = &reports[0].reported else { panic!("{reports:?}") };
        assert_eq!((reason.len(), data.len()), (MAX_ATTEMPT_TEXT, MAX_ATTEMPT_TEXT + 1));
        assert_eq!(reports[0].attempt.message.as_ref().map(String::len), Some(MAX_ATTEMPT_TEXT));
    }

    #[test]
    fn what_is_none_is_refused_with_its_line() {
        assert!(refused(&format!("{LINE}\n\nx")).starts_with("422 line 3 is no report: "));
        assert!(refused(&LINE.replace("\"at\":5", "\"at\":-1")).starts_with("422 report 1 is about no time"));
        assert!(refused(&format!("[{LINE},1]")).starts_with("422 "));
        for changed in [("\"sample\"", "\"dead:x\""), ("lupino_0", ""), ("\"delivered\"", "\"sending\"")] {
            assert!(refused(&LINE.replace(changed.0, changed.1)).starts_with("422 "), "{changed:?}");
        }
        assert!(refused(&format!("{LINE}\n").repeat(4)).starts_with("413 "));
        assert!(refused(&format!("[{LINE},{LINE},{LINE},{LINE}]")).starts_with("413 "));
    }
}
