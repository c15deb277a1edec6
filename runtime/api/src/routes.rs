//! Every path of the API, and what serves it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use pusher_core::Service;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::limits::{Guard, Limits};
use crate::{openapi, pushers, senders};

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
    Router::from(documented())
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(guard)
        .fallback(async || ApiError::NoSuchPage)
        .with_state(Arc::new(Api { service, limits }))
}

/// The routes, each where its handler's description says, and the document they make together.
pub(crate) fn documented() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(pushers::list, pushers::create))
        .routes(routes!(pushers::get, pushers::update, pushers::delete))
        .routes(routes!(pushers::add_tag, pushers::remove_tag))
        .routes(routes!(senders::add))
        .routes(routes!(senders::remove))
        .routes(routes!(senders::push))
        .routes(routes!(senders::pushall))
        .routes(routes!(senders::cancel))
}

async fn method_not_allowed(request: Request) -> ApiError {
    ApiError::method_not_allowed(request.method())
}
