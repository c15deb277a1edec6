//! `/pusher/pushalls/…`: how far pushalls have come.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;

use crate::deliveries::query::{page_size, word};
use crate::error::ApiError;
use crate::form::Form;
use crate::openapi;
use crate::openapi::forms::{DeliveryInPath, PushAllsQuery};
use crate::openapi::refusals::{Always, NoDeliveries, NoSuchDelivery};
use crate::path::{Named, OfDelivery};
use crate::reply::{self, OnePushAll, PushAlls, Refused};
use crate::routes::Api;

/// Lists pushalls
///
/// The one that was accepted last first, each with how far it has come.
#[utoipa::path(
    get,
    path = "/pusher/pushalls/",
    operation_id = "listPushAlls",
    tag = openapi::DELIVERIES,
    params(PushAllsQuery),
    responses(
        (status = 200, description = "The part that was asked for.", body = PushAlls),
        (status = 400, description = "`after` or `size` is not what it can be.", body = Refused),
        NoDeliveries,
        Always,
    ),
)]
pub(crate) async fn list(State(api): State<Arc<Api>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let values = Form::parse(b"", query.as_deref(), ["after", "size"])?.intact()?;
    let [after, size] = values.map(|value| value.filter(|text| !text.is_empty()));
    let after = word("after", after)?;
    Ok(reply::pushalls(&api.service.pushalls(after, page_size(size.as_deref())?).await?))
}

/// Shows how far a pushall has come
///
/// By the name that it was answered with.
#[utoipa::path(
    get,
    path = "/pusher/pushalls/{name}/",
    operation_id = "getPushAll",
    tag = openapi::DELIVERIES,
    params(DeliveryInPath),
    responses(
        (status = 200, description = "The pushall.", body = OnePushAll),
        (status = 400, description = "The name in the path cannot be one.", body = Refused),
        NoSuchDelivery,
        NoDeliveries,
        Always,
    ),
)]
pub(crate) async fn get(State(api): State<Arc<Api>>, Named(of): Named<OfDelivery>) -> Result<Response, ApiError> {
    Ok(reply::pushall(&api.service.pushall_status(&of.name).await?))
}
