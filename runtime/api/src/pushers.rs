//! `/pusher/pushers/…`: recipients and their tags.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use pusher_core::{ContactFields, Cursor, PusherId};

use crate::error::ApiError;
use crate::form::{Form, integer};
use crate::path::{Named, OfPusher, OfTag};
use crate::reply;
use crate::routes::Api;

/// Recipients in a reply, unless the request says otherwise.
const DEFAULT_SIZE: usize = 10;
/// Most recipients in a reply; asking for more gives this many, as in the Go program.
const MAX_SIZE: usize = 100;

/// GET `/pusher/pushers/`: a part of the list, cut by an offset (`from`) or behind a cursor (`after`, empty at first).
pub(crate) async fn list(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let [from, size, after] = Form::parse(b"", query.as_deref(), ["from", "size", "after"])?.intact()?;
    let from = count("from", from.as_deref())?;
    let size = count("size", size.as_deref())?.map_or(DEFAULT_SIZE, |n| usize::try_from(n).unwrap_or(MAX_SIZE));
    let size = size.min(MAX_SIZE);
    let Some(after) = after else {
        let from = from.unwrap_or(0);
        return Ok(reply::list(from, size, &api.service.list(from, size).await?));
    };
    if from.is_some() {
        return Err(ApiError::bad_request("give from or after, not both"));
    }
    if size == 0 {
        return Err(ApiError::bad_request("with after, size must be at least 1: a list of nothing never ends"));
    }
    let cursor: Option<Cursor> = if after.is_empty() { None } else { Some(after.parse()?) };
    Ok(reply::page(&after, size, &api.service.list_after(cursor.as_ref(), size).await?))
}

/// POST `/pusher/pushers/`: creates a recipient, or sets the fields that are given, even to nothing, of one that is
/// there.
pub(crate) async fn create(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let names = ["pusher", "email", "nickname", "phoneNumber", "createdAt"];
    let form = Form::read(request, names, api.limits.body).await?;
    let id = form.nonempty(0).ok_or_else(|| ApiError::not_acceptable("pusher is required."))?;
    let id = PusherId::parse(id)?;
    let [_, email, nickname, phone_number, created_at] = form.intact()?;
    let created_at = integer("createdAt", created_at.as_deref())?;
    api.service.create(id, ContactFields { email, nickname, phone_number, created_at }).await?;
    Ok(reply::ok())
}

/// GET `/pusher/pushers/{pusher}/`
pub(crate) async fn get(State(api): State<Arc<Api>>, Named(of): Named<OfPusher>) -> Result<Response, ApiError> {
    Ok(reply::pusher(&api.service.get(&of.pusher).await?))
}

/// POST `/pusher/pushers/{pusher}/`: sets the fields that are given. An empty one leaves what is there, as the Go
/// program means it.
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfPusher>,
    request: Request,
) -> Result<Response, ApiError> {
    let names = ["email", "nickname", "phoneNumber", "createdAt"];
    let form = Form::read(request, names, api.limits.body).await?.intact()?;
    let [email, nickname, phone_number, created_at] = form.map(|value| value.filter(|text| !text.is_empty()));
    let created_at = integer("createdAt", created_at.as_deref())?;
    api.service.update(of.pusher, ContactFields { email, nickname, phone_number, created_at }).await?;
    Ok(reply::ok())
}

/// DELETE `/pusher/pushers/{pusher}/`
pub(crate) async fn delete(State(api): State<Arc<Api>>, Named(of): Named<OfPusher>) -> Result<Response, ApiError> {
    api.service.delete(of.pusher).await?;
    Ok(reply::ok())
}

/// POST `/pusher/pushers/{pusher}/{tag}/`
pub(crate) async fn add_tag(State(api): State<Arc<Api>>, Named(of): Named<OfTag>) -> Result<Response, ApiError> {
    api.service.add_tag(of.pusher, of.tag).await?;
    Ok(reply::ok())
}

/// DELETE `/pusher/pushers/{pusher}/{tag}/`
pub(crate) async fn remove_tag(State(api): State<Arc<Api>>, Named(of): Named<OfTag>) -> Result<Response, ApiError> {
    api.service.remove_tag(of.pusher, of.tag).await?;
    Ok(reply::ok())
}

/// A number that is not negative; `None` if it is not given or empty.
fn count(name: &str, text: Option<&str>) -> Result<Option<u64>, ApiError> {
    let number = integer(name, text)?;
    number.map(|n| u64::try_from(n).map_err(|_| ApiError::bad_request(format!("{name} is negative")))).transpose()
}
