//! The query of a list of deliveries: which of them, from where on, and how many.

use std::fmt::Display;
use std::str::FromStr;

use pusher_core::{DeliveryCursor, DeliveryFilter, JobName};

use crate::error::ApiError;
use crate::form::{Form, integer};
use crate::moment::Moment;

/// Deliveries in a reply, unless the request says otherwise.
const DEFAULT_SIZE: usize = 20;
/// Most deliveries in a reply, so that a reply stays small.
const MAX_SIZE: usize = 100;

const NAMES: [&str; 11] =
    ["state", "sender", "pusher", "tag", "pushall", "error", "since", "until", "scheduled", "after", "size"];

/// What a list is asked for.
pub(crate) struct Asked {
    pub(crate) filter: DeliveryFilter,
    pub(crate) after: Option<DeliveryCursor>,
    pub(crate) size: usize,
}

/// Reads it. What is empty is not given.
pub(crate) fn read(query: Option<&str>) -> Result<Asked, ApiError> {
    let values = Form::parse(b"", query, NAMES)?.intact()?;
    let [state, sender, pusher, tag, pushall, error, since, until, scheduled, after, size] =
        values.map(|value| value.filter(|text| !text.is_empty()));
    let filter = DeliveryFilter {
        state: word("state", state)?,
        sender: word("sender", sender)?,
        pusher: word("pusher", pusher)?,
        tag,
        pushall: pushall.map(|name| JobName::parse(&name)).transpose()?,
        error,
        since: word::<Moment>("since", since)?.map(|moment| moment.millis),
        until: word::<Moment>("until", until)?.map(|moment| moment.millis),
        due_from: word::<Moment>("scheduled", scheduled)?.map(Moment::seconds),
        name: None,
    };
    Ok(Asked { filter, after: word("after", after)?, size: page_size(size.as_deref())? })
}

/// How many a page is to hold: at least 1, because a list of nothing never ends.
pub(crate) fn page_size(text: Option<&str>) -> Result<usize, ApiError> {
    match integer("size", text)? {
        None => Ok(DEFAULT_SIZE),
        Some(..=0) => Err(ApiError::bad_request("size must be at least 1: a list of nothing never ends")),
        Some(size) => Ok(usize::try_from(size).unwrap_or(MAX_SIZE).min(MAX_SIZE)),
    }
}

/// A word, if it is given.
pub(crate) fn word<W: FromStr<Err: Display>>(name: &str, text: Option<String>) -> Result<Option<W>, ApiError> {
    let word = text.map(|text| text.parse()).transpose();
    word.map_err(|error| ApiError::bad_request(format!("{name}: {error}")))
}
