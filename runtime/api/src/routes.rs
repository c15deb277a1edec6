//! Every path of the API, and what serves it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use pusher_core::Service;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{self, Auth, Scope};
use crate::counts::{Counter, RequestCounts};
use crate::deliveries::many;
use crate::error::ApiError;
use crate::gate::Gate;
use crate::limits::{Guard, Limits};
use crate::{bulk, deliveries, openapi, path, pushalls, pushers, reports, senders};

/// What every handler has at hand.
pub(crate) struct Api {
    pub(crate) service: Service,
    pub(crate) limits: Limits,
}

/// How [`router`] serves. [`Limits`] alone will do for it, too.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What requests may take.
    pub limits: Limits,
    /// Who may ask for what. Default: anybody for anything.
    pub auth: Option<Auth>,
    /// A gate of your own, to close it when the server stops; it, and not `limits.concurrent`, says then how many
    /// requests are served at once. Default: one that is never closed.
    pub gate: Option<Gate>,
    /// Counts what is asked and how it is answered. Default: nothing is counted.
    pub counts: Option<RequestCounts>,
}

impl From<Limits> for Options {
    fn from(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }
}

/// The API over `service`, served as `options` say.
///
/// Its paths begin with `/pusher/`. Mount it with [`Router::nest`] to put something before that, with [`Router::merge`]
/// into a router that has no fallback of its own, or with [`Router::fallback_service`] behind one that has. Requests
/// that are being served when the server stops are the server's to wait for (axum's graceful shutdown does, and
/// [`Gate::close`]).
pub fn router(service: Service, options: impl Into<Options>) -> Router {
    let Options { limits, auth, gate, counts } = options.into();
    let gate = gate.unwrap_or_else(|| Gate::new(limits.concurrent));
    // The guard is before the signature: reading the body that is signed takes room and time.
    let signed = |router: Router<Arc<Api>>, limits: &Limits| match &auth {
        Some(auth) => router.layer(auth.clone().body(limits.body).scope(needed_scope)),
        None => router,
    };
    // Two layers as one: each that is put on by itself costs every request an allocation.
    let guarded = |router: Router<Arc<Api>>, gate: Gate, limits: &Limits| {
        router.layer((Counter(counts.clone()), Guard::new(gate, limits)))
    };
    let router = Router::from(documented())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(async || ApiError::NoSuchPage);
    let of_bulk = limits.of_bulk();
    let bulk = Router::from(documented_bulk()).method_not_allowed_fallback(method_not_allowed);
    let bulk = signed(bulk, &of_bulk).layer(Guard::new(gate.clone(), &of_bulk));
    let bulk = guarded(bulk, Gate::new(of_bulk.concurrent), &of_bulk);
    let router = guarded(signed(router, &limits), gate, &limits);
    router.merge(bulk).with_state(Arc::new(Api { service, limits }))
}

/// What a request needs to be allowed: sending has a scope of its own.
fn needed_scope(method: &Method, path: &str) -> Scope {
    match path.rsplit('/').next() {
        Some("push" | "pushall" | "cancelpush" | "fanout" | "_report") => Scope::Push,
        // Not below a name: a sender or a tag may be called so.
        Some("redrive" | "cancel" | "schedule") if path.starts_with("/pusher/deliveries/") => Scope::Push,
        _ => auth::by_method(method, path),
    }
}

/// The routes, each where its handler's description says, and the document they make together.
pub(crate) fn documented() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(pushers::list, pushers::create))
        .routes(routes!(pushers::get, pushers::update, pushers::delete))
        .routes(routes!(pushers::add_tag, pushers::remove_tag))
        .routes(routes!(pushers::search))
        .routes(routes!(senders::add))
        .routes(routes!(senders::remove))
        .routes(routes!(senders::push))
        .routes(routes!(senders::pushall))
        .routes(routes!(senders::cancel))
        .routes(routes!(senders::fan_out))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get, deliveries::delete))
        .routes(routes!(many::redrive))
        .routes(routes!(many::cancel))
        .routes(routes!(many::delete))
        .routes(routes!(many::schedule))
        .routes(routes!(many::prune))
        .routes(routes!(pushalls::list))
        .routes(routes!(pushalls::get))
}

/// As [`documented`], for what has limits of its own.
pub(crate) fn documented_bulk() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(bulk::set)).routes(routes!(reports::take))
}

async fn method_not_allowed(request: Request) -> ApiError {
    // A path that lacks a name is no path, whatever the method.
    if path::lacks_a_name(request.uri()) {
        ApiError::NoSuchPage
    } else {
        ApiError::method_not_allowed(request.method())
    }
}
