//! `/pusher/{sender}/…`: switching a channel on and off for a recipient, pushing over it, and cancelling.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use pusher_core::{JobName, PushRequest, PusherId, Tag};

use crate::binding::{self, PushAllForm, PushForm};
use crate::error::ApiError;
use crate::form::{Form, integer};
use crate::path::{Named, OfSender};
use crate::reply;
use crate::routes::Api;

/// POST `/pusher/{sender}/add`
pub(crate) async fn add(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let pusher = pusher_in_form(request, api.limits.body).await?;
    api.service.add_sender(pusher, of.sender).await?;
    Ok(reply::ok())
}

/// POST `/pusher/{sender}/delete`
pub(crate) async fn remove(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let pusher = pusher_in_form(request, api.limits.body).await?;
    api.service.remove_sender(pusher, of.sender).await?;
    Ok(reply::ok())
}

/// POST `/pusher/{sender}/push`
pub(crate) async fn push(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let PushForm { pusher, data, sched_at, force } = binding::bind(request, api.limits.body).await?;
    let pusher = PusherId::parse(&pusher)?;
    let sched_at = integer("schedat", Some(&sched_at))?.unwrap_or(0);
    let name = api.service.push(PushRequest { sender: of.sender, pusher, data, sched_at, force }).await?;
    Ok(reply::accepted(&name))
}

/// POST `/pusher/{sender}/pushall`
pub(crate) async fn pushall(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let PushAllForm { data, tag, sched_at } = binding::bind(request, api.limits.body).await?;
    let sched_at = integer("schedat", Some(&sched_at))?.unwrap_or(0);
    if !tag.is_empty() {
        Tag::parse(&tag)?;
    }
    let name = api.service.pushall(&of.sender, &tag, &data, sched_at).await?;
    Ok(reply::accepted(&name))
}

/// POST `/pusher/{sender}/cancelpush`
pub(crate) async fn cancel(
    State(api): State<Arc<Api>>,
    Named(of): Named<OfSender>,
    request: Request,
) -> Result<Response, ApiError> {
    let form = Form::read(request, ["name"], api.limits.body).await?;
    let name = JobName::parse(form.nonempty(0).unwrap_or_default())?;
    form.intact()?;
    api.service.cancel(&of.sender, name).await?;
    Ok(reply::ok())
}

async fn pusher_in_form(request: Request, limit: usize) -> Result<PusherId, ApiError> {
    let form = Form::read(request, ["pusher"], limit).await?;
    let pusher = PusherId::parse(form.nonempty(0).ok_or_else(ApiError::nobody)?)?;
    form.intact()?;
    Ok(pusher)
}
