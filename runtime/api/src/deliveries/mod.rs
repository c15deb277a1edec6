//! `/pusher/deliveries/…`: what became of messages, listed, shown, and told what to do next.
//!
//! `query` reads which of them a list is of, `selection` which of them something is done to; `many` does it.

pub(crate) mod many;
pub(crate) mod query;
pub(crate) mod selection;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use pusher_core::DeliveryFilter;

use crate::error::ApiError;
use crate::openapi;
use crate::openapi::forms::{DeliveriesQuery, DeliveryInPath};
use crate::openapi::refusals::{Always, NoDeliveries, NoSuchDelivery};
use crate::path::{Named, OfDelivery};
use crate::reply::{self, Deliveries, DeliveriesOfName, Done, Refused};
use crate::routes::Api;

/// Lists deliveries
///
/// The one that changed last first. What a push was answered with is known once it was tried, scheduled or cancelled; a
/// page may be short, or empty, and yet not be the last: only a `next` of `null` is the end.
#[utoipa::path(
    get,
    path = "/pusher/deliveries/",
    operation_id = "listDeliveries",
    tag = openapi::DELIVERIES,
    params(DeliveriesQuery),
    responses(
        (status = 200, description = "The part that was asked for.", body = Deliveries),
        (status = 400, description = "A parameter is not what it can be.", body = Refused),
        NoDeliveries,
        Always,
    ),
)]
pub(crate) async fn list(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let query::Asked { filter, after, size } = query::read(query.as_deref())?;
    Ok(reply::deliveries(&api.service.deliveries(&filter, after, size).await?))
}

/// Shows a delivery
///
/// By the name that its push was answered with: one for each sender that the same message was pushed over. With its
/// attempts, and with its data if it is dead.
#[utoipa::path(
    get,
    path = "/pusher/deliveries/{name}/",
    operation_id = "getDelivery",
    tag = openapi::DELIVERIES,
    params(DeliveryInPath),
    responses(
        (status = 200, description = "The deliveries of this name.", body = DeliveriesOfName),
        (status = 400, description = "The name in the path cannot be one.", body = Refused),
        NoSuchDelivery,
        NoDeliveries,
        Always,
    ),
)]
pub(crate) async fn get(State(api): State<Arc<Api>>, Named(of): Named<OfDelivery>) -> Result<Response, ApiError> {
    Ok(reply::deliveries_of_name(&api.service.delivery(&of.name).await?))
}

/// Forgets a delivery
///
/// One that has ended: delivered, dead or cancelled. A dead letter that is forgotten cannot be redriven.
#[utoipa::path(
    delete,
    path = "/pusher/deliveries/{name}/",
    operation_id = "deleteDelivery",
    tag = openapi::DELIVERIES,
    params(DeliveryInPath),
    responses(
        (status = 200, description = "It is forgotten.", body = Done),
        (status = 400, description = "The name in the path cannot be one.", body = Refused),
        NoSuchDelivery,
        (status = 409, description = "It has not ended: cancel it first.", body = Refused),
        NoDeliveries,
        Always,
    ),
)]
pub(crate) async fn delete(State(api): State<Arc<Api>>, Named(of): Named<OfDelivery>) -> Result<Response, ApiError> {
    let found = api.service.delivery(&of.name).await?;
    if !found.iter().any(|delivery| delivery.state.is_final()) {
        return Err(ApiError::conflict(format!("{} has not ended; cancel it first", of.name)));
    }
    let filter = DeliveryFilter { name: Some(of.name), ..DeliveryFilter::default() };
    api.service.delete_deliveries(&filter, found.len()).await?;
    Ok(reply::ok())
}
