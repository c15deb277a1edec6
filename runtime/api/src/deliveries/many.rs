//! What is done to many deliveries at once, batch by batch: each answer says how many were done and whether there are
//! more, and asking again goes on. And the one thing that is done to a single one: it is moved to another time.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use pusher_core::{DeliveryState, Retention};

use super::selection::{Prune, Schedule, Selection, batch};
use crate::error::ApiError;
use crate::moment::Moment;
use crate::openapi;
use crate::openapi::refusals::{Always, NoDeliveries, NotJson, Writing};
use crate::reply::{self, Cancelled, Deleted, Done, Pruned, Redriven, Refused};
use crate::routes::Api;
use crate::strict_json;

/// Redrives dead letters
///
/// Each is accepted once more, as if it had just been pushed, and keeps the attempts that it had.
#[utoipa::path(
    post,
    path = "/pusher/deliveries/redrive",
    operation_id = "redriveDeliveries",
    tag = openapi::DELIVERIES,
    request_body(content = Selection),
    responses(
        (status = 200, description = "So many are redriven.", body = Redriven),
        (status = 400, description = "The body is not what it can be, or does not say which.", body = Refused),
        NotJson,
        NoDeliveries,
        Always,
        Writing,
    ),
)]
pub(crate) async fn redrive(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let selection: Selection = strict_json::read(request, api.limits.body).await?;
    let (filter, limit) = selection.narrowed(|state| state == DeliveryState::Dead, "redriven")?;
    Ok(reply::redriven(api.service.redrive(&filter, limit).await?))
}

/// Cancels what has not gone out
///
/// What is being sent at that moment goes out all the same. To cancel a pushall cancels its pages, too: nobody is pushed
/// to any more.
#[utoipa::path(
    post,
    path = "/pusher/deliveries/cancel",
    operation_id = "cancelDeliveries",
    tag = openapi::DELIVERIES,
    request_body(content = Selection),
    responses(
        (status = 200, description = "So many are cancelled.", body = Cancelled),
        (status = 400, description = "The body is not what it can be, or does not say which.", body = Refused),
        NotJson,
        NoDeliveries,
        Always,
        Writing,
    ),
)]
pub(crate) async fn cancel(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let selection: Selection = strict_json::read(request, api.limits.body).await?;
    let (filter, limit) = selection.narrowed(|state| !state.is_final(), "cancelled")?;
    Ok(reply::cancelled(api.service.cancel_deliveries(&filter, limit).await?))
}

/// Forgets deliveries
///
/// Those that have ended; dead ones, unless `state` says otherwise. A dead letter that is forgotten cannot be redriven.
#[utoipa::path(
    post,
    path = "/pusher/deliveries/delete",
    operation_id = "deleteDeliveries",
    tag = openapi::DELIVERIES,
    request_body(content = Selection),
    responses(
        (status = 200, description = "So many are forgotten.", body = Deleted),
        (status = 400, description = "The body is not what it can be, or does not say which.", body = Refused),
        NotJson,
        NoDeliveries,
        Always,
    ),
)]
pub(crate) async fn delete(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let selection: Selection = strict_json::read(request, api.limits.body).await?;
    let (mut filter, limit) = selection.narrowed(DeliveryState::is_final, "deleted; cancel it first")?;
    filter.state.get_or_insert(DeliveryState::Dead);
    Ok(reply::deleted(api.service.delete_deliveries(&filter, limit).await?))
}

/// Moves a delivery to another time
///
/// One that waits, be it for its time or for its next attempt.
#[utoipa::path(
    post,
    path = "/pusher/deliveries/schedule",
    operation_id = "scheduleDelivery",
    tag = openapi::DELIVERIES,
    request_body(content = Schedule),
    responses(
        (status = 200, description = "It waits for that time now.", body = Done),
        (status = 400, description = "The body is not what it can be.", body = Refused),
        (status = 404, description = "There is nothing of this name that waits.", body = Refused),
        (status = 409, description = "It is being sent.", body = Refused),
        NotJson,
        NoDeliveries,
        Always,
        Writing,
    ),
)]
pub(crate) async fn schedule(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let Schedule { name, sender, schedat } = strict_json::read(request, api.limits.body).await?;
    api.service.move_delivery(&name, sender.as_ref(), schedat.seconds()).await?;
    Ok(reply::ok())
}

/// Forgets what is old
///
/// The oldest first. The server does the same by itself, by its configuration.
#[utoipa::path(
    post,
    path = "/pusher/deliveries/prune",
    operation_id = "pruneDeliveries",
    tag = openapi::DELIVERIES,
    request_body(content = Prune),
    responses(
        (status = 200, description = "So many are forgotten.", body = Pruned),
        (status = 400, description = "The body is not what it can be, or has neither time.", body = Refused),
        NotJson,
        NoDeliveries,
        Always,
    ),
)]
pub(crate) async fn prune(State(api): State<Arc<Api>>, request: Request) -> Result<Response, ApiError> {
    let Prune { delivered, dead, limit } = strict_json::read(request, api.limits.body).await?;
    if delivered.is_none() && dead.is_none() {
        return Err(ApiError::bad_request("say what is old: delivered, dead or both, each a time"));
    }
    let limit = batch(limit)?;
    // Nothing is older than the oldest time there is.
    let before = |moment: Option<Moment>| moment.map_or(i64::MIN, |moment| moment.millis);
    let retention = Retention { delivered_before: before(delivered), dead_before: before(dead) };
    Ok(reply::pruned(api.service.prune(retention, limit).await?, limit))
}
