//! `/pusher/pushers/…` and `/pusher/search/`: recipients and their tags, listed and found.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;
use pusher_core::{ContactFields, Cursor, PusherId};

use crate::error::ApiError;
use crate::form::{Form, integer};
use crate::openapi::forms::{After, CreateForm, PusherInPath, Query, TagInPath, UpdateForm, Window};
use crate::openapi::refusals::{Always, NoSuchPusher, Writing};
use crate::openapi::shapes::Listed;
use crate::openapi::{self, FORM};
use crate::path::{Named, OfPusher, OfTag};
use crate::reply::{self, Done, Found, OnePusher, Refused};
use crate::routes::Api;

/// Recipients in a reply, unless the request says otherwise.
const DEFAULT_SIZE: usize = 10;
/// Most recipients in a reply; asking for more gives this many, as in the Go program.
const MAX_SIZE: usize = 100;

/// Lists recipients
///
/// Newest first by `createdAt`: the part behind an offset (`from`), or behind a cursor (`after`), which stays exact while
/// data changes.
#[utoipa::path(
    get,
    path = "/pusher/pushers/",
    operation_id = "listPushers",
    tag = openapi::PUSHERS,
    params(Window, After),
    responses(
        (status = 200, description = "The part that was asked for.", body = Listed),
        (status = 400, description = "`from`, `size` or `after` is not what it can be, or `from` and `after` are both there.", body = Refused),
        Always,
    ),
)]
pub(crate) async fn list(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let [from, size, after] = Form::parse(b"", query.as_deref(), ["from", "size", "after"])?.intact()?;
    let offset_given = from.as_deref().is_some_and(|from| !from.is_empty());
    let (from, size) = part(from.as_deref(), size.as_deref())?;
    let Some(after) = after else {
        return Ok(reply::list(from, size, &api.service.list(from, size).await?));
    };
    if offset_given {
        return Err(ApiError::bad_request("give from or after, not both"));
    }
    if size == 0 {
        return Err(ApiError::bad_request("with after, size must be at least 1: a list of nothing never ends"));
    }
    let cursor: Option<Cursor> = if after.is_empty() { None } else { Some(after.parse()?) };
    Ok(reply::page(&after, size, &api.service.list_after(cursor.as_ref(), size).await?))
}

/// Searches recipients
///
/// Best first. A write is found by the next request.
#[utoipa::path(
    get,
    path = "/pusher/search/",
    operation_id = "searchPushers",
    tag = openapi::PUSHERS,
    params(Query, Window),
    responses(
        (status = 200, description = "The part that was asked for of what was found.", body = Found),
        (status = 400, description = "The query, `from` or `size` is not what it can be; the sentence says where.", body = Refused),
        (status = 501, description = "This server has no search index.", body = Refused),
        Always,
        Writing,
    ),
)]
pub(crate) async fn search(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let form = Form::parse(b"", query.as_deref(), ["q", "from", "size"])?;
    let query = form.nonempty(0).ok_or_else(|| ApiError::bad_request("q is required."))?.to_owned();
    let [_, from, size] = form.intact()?;
    let (from, size) = part(from.as_deref(), size.as_deref())?;
    Ok(reply::found(&query, from, size, &api.service.search(&query, from, size).await?))
}

/// Creates a recipient
///
/// Sets the fields that are given, even to nothing, if there is one of this id; its senders and tags stay.
#[utoipa::path(
    post,
    path = "/pusher/pushers/",
    operation_id = "createPusher",
    tag = openapi::PUSHERS,
    request_body(content = CreateForm, content_type = FORM),
    responses(
        (status = 200, description = "There is such a recipient now.", body = Done),
        (status = 400, description = "A field is not what it can be.", body = Refused),
        (status = 406, description = "There is no `pusher`.", body = Refused),
        Always,
        Writing,
    ),
)]
pub(crate) async fn create(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let names = ["pusher", "email", "nickname", "phoneNumber", "createdAt"];
    let form = Form::read(request, names, api.limits.body).await?;
    let id = form.nonempty(0).ok_or_else(|| ApiError::not_acceptable("pusher is required."))?;
    let id = PusherId::parse(id)?;
    let [_, email, nickname, phone_number, created_at] = form.intact()?;
    let created_at = integer("createdAt", created_at.as_deref())?;
    let fields = ContactFields { email, nickname, phone_number, created_at }.checked()?;
    api.service.create(id, fields).await?;
    Ok(reply::ok())
}

/// Gets a recipient
#[utoipa::path(
    get,
    path = "/pusher/pushers/{pusher}/",
    operation_id = "getPusher",
    tag = openapi::PUSHERS,
    params(PusherInPath),
    responses(
        (status = 200, description = "The recipient.", body = OnePusher),
        (status = 400, description = "The name in the path cannot be one.", body = Refused),
        NoSuchPusher,
        Always,
    ),
)]
pub(crate) async fn get(State(api): State<Arc<Api>>, Named(of): Named<OfPusher>) -> Result<Response, ApiError> {
    Ok(reply::pusher(&api.service.get(&of.pusher).await?))
}

/// Sets contact fields of a recipient
///
/// An empty field leaves what is there, as the Go program means it.
#[utoipa::path(
    post,
    path = "/pusher/pushers/{pusher}/",
    operation_id = "updatePusher",
    tag = openapi::PUSHERS,
    params(PusherInPath),
    request_body(content = Option<UpdateForm>, content_type = FORM),
    responses(
        (status = 200, description = "The fields are set.", body = Done),
        (status = 400, description = "A field or the name in the path is not what it can be.", body = Refused),
        NoSuchPusher,
        Always,
        Writing,
    ),
)]
pub(crate) async fn update(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfPusher>,
    request: Request,
) -> Result<Response, ApiError> {
    let names = ["email", "nickname", "phoneNumber", "createdAt"];
    let form = Form::read(request, names, api.limits.body).await?.intact()?;
    let [email, nickname, phone_number, created_at] = form.map(|value| value.filter(|text| !text.is_empty()));
    let created_at = integer("createdAt", created_at.as_deref())?;
    let fields = ContactFields { email, nickname, phone_number, created_at }.checked()?;
    api.service.update(of.pusher, fields).await?;
    Ok(reply::ok())
}

/// Forgets a recipient
///
/// One that is not there is no error.
#[utoipa::path(
    delete,
    path = "/pusher/pushers/{pusher}/",
    operation_id = "deletePusher",
    tag = openapi::PUSHERS,
    params(PusherInPath),
    responses(
        (status = 200, description = "There is no such recipient now.", body = Done),
        (status = 400, description = "The name in the path cannot be one.", body = Refused),
        (status = 404, description = "The path lacks a name.", body = String, content_type = "text/plain"),
        Always,
    ),
)]
pub(crate) async fn delete(State(api): State<Arc<Api>>, Named(of): Named<OfPusher>) -> Result<Response, ApiError> {
    api.service.delete(of.pusher).await?;
    Ok(reply::ok())
}

/// Puts a tag on a recipient
#[utoipa::path(
    post,
    path = "/pusher/pushers/{pusher}/{tag}/",
    operation_id = "addTag",
    tag = openapi::PUSHERS,
    params(PusherInPath, TagInPath),
    responses(
        (status = 200, description = "The recipient has the tag now.", body = Done),
        (status = 400, description = "A name in the path cannot be one.", body = Refused),
        NoSuchPusher,
        Always,
        Writing,
    ),
)]
pub(crate) async fn add_tag(State(api): State<Arc<Api>>, Named(of): Named<OfTag>) -> Result<Response, ApiError> {
    api.service.add_tag(of.pusher, of.tag).await?;
    Ok(reply::ok())
}

/// Takes a tag off a recipient
#[utoipa::path(
    delete,
    path = "/pusher/pushers/{pusher}/{tag}/",
    operation_id = "removeTag",
    tag = openapi::PUSHERS,
    params(PusherInPath, TagInPath),
    responses(
        (status = 200, description = "The recipient has no such tag now.", body = Done),
        (status = 400, description = "A name in the path cannot be one.", body = Refused),
        NoSuchPusher,
        Always,
        Writing,
    ),
)]
pub(crate) async fn remove_tag(State(api): State<Arc<Api>>, Named(of): Named<OfTag>) -> Result<Response, ApiError> {
    api.service.remove_tag(of.pusher, of.tag).await?;
    Ok(reply::ok())
}

/// Which part of a list is asked for: how many to pass over, and how many to give.
fn part(from: Option<&str>, size: Option<&str>) -> Result<(u64, usize), ApiError> {
    let from = count("from", from)?.unwrap_or(0);
    let size = count("size", size)?.map_or(DEFAULT_SIZE, |n| usize::try_from(n).unwrap_or(MAX_SIZE));
    Ok((from, size.min(MAX_SIZE)))
}

/// A number that is not negative; `None` if it is not given or empty.
fn count(name: &str, text: Option<&str>) -> Result<Option<u64>, ApiError> {
    let number = integer(name, text)?;
    number.map(|n| u64::try_from(n).map_err(|_| ApiError::bad_request(format!("{name} is negative")))).transpose()
}
