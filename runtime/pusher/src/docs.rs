//! The API's description on the operator listener: `/openapi.json` for programs, `/docs/` for people.
//!
//! The page is Swagger UI, compiled in, and asks no other host for anything: its content security policy would not let
//! it. It is for reading. Requests cannot be sent from it, because it comes from another origin than the API, which
//! lets no page of another origin call it (and browsers open no page on port 6000); the document's server is the
//! address to send them to.

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::middleware::map_response;
use axum::response::Response;
use utoipa::openapi::Server;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Nothing from elsewhere, no script but the page's own files. The page sets styles as it goes, and its icons are data.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Which methods may be tried out from the page: none.
const TRY_OUT: [&str; 0] = [];

/// `/docs/` and `/openapi.json`, for the API that is served at `api` (a URL).
pub(crate) fn router(api: &str) -> Router {
    let mut document = pusher_api::openapi();
    document.servers = Some(vec![Server::new(api)]);
    let config = Config::default()
        .use_base_layout()
        .supported_submit_methods(TRY_OUT)
        // By default Swagger UI sends the document to a validator on another host.
        .validator_url("none")
        .default_models_expand_depth(0);
    Router::from(SwaggerUi::new("/docs").url("/openapi.json", document).config(config)).layer(map_response(guarded))
}

async fn guarded(mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}
