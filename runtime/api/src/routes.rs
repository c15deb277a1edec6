//! Every path of the API, and what serves it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use pusher_core::Service;

use crate::error::ApiError;
use crate::limits::{Guard, Limits};
use crate::{pushers, senders};

/// What every handler has at hand.
pub(crate) struct Api {
    pub(crate) service: Service,
    pub(crate) limits: Limits,
}

/// The API over `service`, within `limits`.
///
/// Its paths begin with `/pusher/`. Mount it with [`Router::nest`] to put something before that, with [`Router::merge`]
/// into a router that has no fallback of its own, or with [`Router::fallback_service`] behind one that has. Requests
/// that are being served when the server stops are the server's to wait for (axum's graceful shutdown does).
pub fn router(service: Service, limits: Limits) -> Router {
    let guard = Guard::new(&limits);
    Router::new()
        .route("/pusher/pushers/", get(pushers::list).post(pushers::create))
        .route("/pusher/pushers/{pusher}/", get(pushers::get).post(pushers::update).delete(pushers::delete))
        .route("/pusher/pushers/{pusher}/{tag}/", post(pushers::add_tag).delete(pushers::remove_tag))
        .route("/pusher/search/", get(pushers::search))
        .route("/pusher/{sender}/add", post(senders::add))
        .route("/pusher/{sender}/delete", post(senders::remove))
        .route("/pusher/{sender}/push", post(senders::push))
        .route("/pusher/{sender}/pushall", post(senders::pushall))
        .route("/pusher/{sender}/cancelpush", post(senders::cancel))
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(guard)
        .fallback(async || ApiError::NoSuchPage)
        .with_state(Arc::new(Api { service, limits }))
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::method_not_allowed(request.method())
}
