//! `/pusher/{sender}/…`: switching a channel on and off for a recipient, pushing over it, and cancelling.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use pusher_core::{FanOutRequest, JobName, PushRequest, PusherId, ServiceError, StoreError};

use crate::binding::{self, BindingError, PushAllForm, PushForm};
use crate::error::ApiError;
use crate::form::{Form, integer};
use crate::idempotency;
use crate::openapi::forms::{
    CancelForm, FanOutForm, IdempotencyKeyHeader, PushAllForm as PushAllShape, PushAllJson, PushForm as PushShape,
    PushJson, SenderInPath, SwitchForm,
};
use crate::openapi::refusals::{Always, NoSuchPusher, Writing};
use crate::openapi::shapes::NotBound;
use crate::openapi::{self, FORM};
use crate::path::{Named, OfSender};
use crate::reply::{self, Accepted, Done, FannedOut, Refused, StatusPage};
use crate::routes::Api;

/// Switches a channel on for a recipient
#[utoipa::path(
    post,
    path = "/pusher/{sender}/add",
    operation_id = "addSender",
    tag = openapi::SENDERS,
    params(SenderInPath),
    request_body(content = SwitchForm, content_type = FORM),
    responses(
        (status = 200, description = "The channel is on now.", body = Done),
        (status = 400, description = "A field or the name in the path is not what it can be.", body = Refused),
        NoSuchPusher,
        Always,
        Writing,
    ),
)]
pub(crate) async fn add(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let pusher = pusher_in_form(request, api.limits.body).await?;
    api.service.add_sender(pusher, of.sender).await?;
    Ok(reply::ok())
}

/// Switches a channel off for a recipient
#[utoipa::path(
    post,
    path = "/pusher/{sender}/delete",
    operation_id = "removeSender",
    tag = openapi::SENDERS,
    params(SenderInPath),
    request_body(content = SwitchForm, content_type = FORM),
    responses(
        (status = 200, description = "The channel is off now.", body = Done),
        (status = 400, description = "A field or the name in the path is not what it can be.", body = Refused),
        NoSuchPusher,
        Always,
        Writing,
    ),
)]
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let pusher = pusher_in_form(request, api.limits.body).await?;
    api.service.remove_sender(pusher, of.sender).await?;
    Ok(reply::ok())
}

/// Pushes a message to a recipient
///
/// When this is answered 200 the message is durable. The same message to the same recipient is the same job: pushed
/// again while it waits, it replaces itself.
#[utoipa::path(
    post,
    path = "/pusher/{sender}/push",
    operation_id = "push",
    tag = openapi::SENDERS,
    params(SenderInPath, IdempotencyKeyHeader),
    request_body(content(
        (PushShape = "application/x-www-form-urlencoded"),
        (PushShape = "multipart/form-data"),
        (PushJson = "application/json"),
    )),
    responses(
        (status = 200, description = "The message is accepted.", body = Accepted, headers(
            ("Location" = String, description = "Where it can be looked at."),
        )),
        (status = 400, description = "The body does not bind, or a field or the name in the path is not what it can be.", body = NotBound),
        NoSuchPusher,
        (status = 406, description = "The recipient has not switched the channel on.", body = Refused),
        (status = 409, description = "A request with this `Idempotency-Key` is being served: ask again.", body = Refused),
        (status = 415, description = "The body has another content type, or none.", body = Vec<BindingError>),
        (status = 422, description = "The `Idempotency-Key` was used for another message.", body = Refused),
        Always,
        Writing,
    ),
)]
pub(crate) async fn push(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let (key, page) = (idempotency::key(&request)?, StatusPage::of_push(&request));
    let PushForm { pusher, data, sched_at, force } = binding::bind(request, api.limits.body).await?;
    let pusher = PusherId::parse(&pusher)?;
    let sched_at = integer("schedat", Some(&sched_at))?.unwrap_or(0);
    let push = PushRequest { sender: of.sender, pusher, data, sched_at, force };
    let name = match &key {
        Some(key) => {
            let asked = key.asks(&["push", push.sender.as_str(), push.pusher.as_str(), &push.data], sched_at, force);
            // Apart, because a push without a key would carry it along.
            Box::pin(api.service.push_once(push, asked)).await?
        }
        None => api.service.push(push).await?,
    };
    Ok(reply::accepted(&name, &page))
}

/// Pushes a message to all recipients of a channel
///
/// To every recipient that has the channel switched on and, unless it is empty, the tag.
#[utoipa::path(
    post,
    path = "/pusher/{sender}/pushall",
    operation_id = "pushAll",
    tag = openapi::SENDERS,
    params(SenderInPath, IdempotencyKeyHeader),
    request_body(content(
        (PushAllShape = "application/x-www-form-urlencoded"),
        (PushAllShape = "multipart/form-data"),
        (PushAllJson = "application/json"),
    )),
    responses(
        (status = 200, description = "The message is accepted.", body = Accepted, headers(
            ("Location" = String, description = "Where it can be looked at."),
        )),
        (status = 400, description = "The body does not bind, or a field or the name in the path is not what it can be.", body = NotBound),
        (status = 404, description = "The path lacks a name.", body = String, content_type = "text/plain"),
        (status = 409, description = "A request with this `Idempotency-Key` is being served: ask again.", body = Refused),
        (status = 415, description = "The body has another content type, or none.", body = Vec<BindingError>),
        (status = 422, description = "The `Idempotency-Key` was used for another message.", body = Refused),
        Always,
        Writing,
    ),
)]
pub(crate) async fn pushall(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let (key, page) = (idempotency::key(&request)?, StatusPage::of_pushall(&request));
    let PushAllForm { data, tag, sched_at } = binding::bind(request, api.limits.body).await?;
    let sched_at = integer("schedat", Some(&sched_at))?.unwrap_or(0);
    let name = match &key {
        Some(key) => {
            let asked = key.asks(&["pushall", of.sender.as_str(), &tag, &data], sched_at, false);
            api.service.pushall_once(&of.sender, &tag, &data, sched_at, asked).await?
        }
        None => api.service.pushall(&of.sender, &tag, &data, sched_at).await?,
    };
    Ok(reply::accepted(&name, &page))
}

/// Cancels a push or a pushall
///
/// `sender` is the one that was pushed to, or `pushall` for a pushall. One that is not there, or has gone out, is no
/// error.
#[utoipa::path(
    post,
    path = "/pusher/{sender}/cancelpush",
    operation_id = "cancelPush",
    tag = openapi::SENDERS,
    params(SenderInPath),
    request_body(content = CancelForm, content_type = FORM),
    responses(
        (status = 200, description = "The message does not wait any more.", body = Done),
        (status = 400, description = "A field or the name in the path is not what it can be.", body = Refused),
        (status = 404, description = "The path lacks a name.", body = String, content_type = "text/plain"),
        (status = 406, description = "There is no `name`.", body = Refused),
        Always,
    ),
)]
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let form = Form::read(request, ["name"], api.limits.body).await?;
    let name = JobName::parse(form.nonempty(0).unwrap_or_default())?;
    form.intact()?;
    // A pushall may have a million messages: they are all cancelled, also if that takes longer than a request may.
    let cancelled = tokio::spawn(async move { api.service.cancel(&of.sender, name).await });
    cancelled.await.map_err(|error| ServiceError::Store(StoreError::Failed(error.to_string())))??;
    Ok(reply::ok())
}

/// Pushes to the next page of a pushall's recipients
///
/// For the sender `pushall` on a worker elsewhere: to be asked until it is done. How far it has come is kept under `id`,
/// and a request that was answered or not can be repeated: it goes on from there.
#[utoipa::path(
    post,
    path = "/pusher/{sender}/fanout",
    operation_id = "fanOut",
    tag = openapi::SENDERS,
    params(SenderInPath),
    request_body(content = FanOutForm, content_type = FORM),
    responses(
        (status = 200, description = "How far it has come.", body = FannedOut),
        (status = 400, description = "A field or the name in the path is not what it can be, or this sender cannot be fanned out to.", body = Refused),
        (status = 404, description = "The path lacks a name.", body = String, content_type = "text/plain"),
        (status = 406, description = "There is no `id`.", body = Refused),
        Always,
        Writing,
    ),
)]
pub(crate) async fn fan_out(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let form = Form::read(request, ["id", "tag", "data", "limit"], api.limits.body).await?;
    let id = JobName::parse(form.nonempty(0).unwrap_or_default())?;
    let tag = form.nonempty(1).unwrap_or_default().to_owned();
    let data = form.nonempty(2).unwrap_or_default().to_owned();
    let limit = integer("limit", form.nonempty(3))?;
    form.intact()?;
    let limit = usize::try_from(limit.unwrap_or(i64::MAX)).unwrap_or(1);
    let request = FanOutRequest { id, sender: of.sender, tag, data, limit };
    Ok(reply::fanned_out(api.service.fan_out(&request).await?))
}

async fn pusher_in_form(request: Request, limit: usize) -> Result<PusherId, ApiError> {
    let form = Form::read(request, ["pusher"], limit).await?;
    let pusher = PusherId::parse(form.nonempty(0).ok_or_else(ApiError::nobody)?)?;
    form.intact()?;
    Ok(pusher)
}
