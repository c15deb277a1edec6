//! The layer on routers of other people, and our router below theirs.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use axum::routing::{get, post};
use axum::{Extension, Router};
use pusher_api::auth::{Scope, SignedBy};
use tower::ServiceExt;

use super::{Draft, auth, bench};

async fn answer(router: &Router, request: Request<Body>) -> (u16, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().into()).unwrap())
}

#[tokio::test]
async fn a_router_below_another_checks_the_path_as_it_was_sent() {
    let app = Router::new().nest("/api/{tenant}", bench(auth([("k1", "s1")])).router);
    let path = "/api/a%20c/pusher/pushers/%E6%97%A5/";
    for request in [Draft::get(path).v1(), Draft::get(path).v2()] {
        assert_eq!(answer(&app, request).await, (404, r#"{"err":"pusher 日 not exists."}"#.to_owned()));
    }
    let cut = Draft::get("/pusher/pushers/%E6%97%A5/");
    let sent = Draft { target: path.into(), ..cut.clone() };
    for signature in [cut.v1_signature(), cut.v2_signature()] {
        let refused = (400, r#"{"err":"Invalid X-Request-Signature"}"#.to_owned());
        assert_eq!(answer(&app, sent.signed(&signature)).await, refused);
    }
}

#[tokio::test]
async fn the_layer_goes_on_any_router() {
    let echo = async |Extension(SignedBy(key)): Extension<SignedBy>, body: String| format!("{key} sent {body}");
    let routes = || Router::new().route("/echo", post(echo)).route("/open", get(async || "open"));
    for app in [
        routes().layer(auth([("k1", "s1")])),
        Router::new().nest("/below", routes()).layer(auth([("k1", "s1")])),
        Router::new().nest("/below", routes().layer(auth([("k1", "s1")]))),
    ] {
        let path = if answer(&app, Draft::get("/open").v1()).await.0 == 200 { "/echo" } else { "/below/echo" };
        let draft = Draft { body: "a body".into(), ..Draft::new("POST", path) };
        assert_eq!(answer(&app, draft.v2()).await, (200, "k1 sent a body".to_owned()));
        let other = Draft { body: "another".into(), ..draft.clone() }.nonce("a-new-nonce-----");
        let (status, body) = answer(&app, other.signed(&draft.v2_signature())).await;
        assert_eq!((status, body.as_str()), (400, r#"{"err":"Invalid X-Request-Signature"}"#));
    }
}

#[tokio::test]
async fn whoever_owns_the_router_says_what_a_request_needs() {
    fn rule(method: &Method, path: &str) -> Scope {
        if method == Method::POST && path == "/send" { Scope::Push } else { Scope::Read }
    }
    let reader = pusher_api::auth::KeyPair::new("k1", "s1".into(), [Scope::Read].into_iter().collect()).unwrap();
    let auth = pusher_api::Auth::new([reader], || super::NOW).unwrap().scope(rule);
    let app = Router::new().route("/send", post(async || "sent")).route("/form", post(async || "taken")).layer(auth);
    assert_eq!(answer(&app, Draft::post("/form", "a=b").v1()).await.0, 200);
    assert_eq!(answer(&app, Draft::post("/send", "a=b").v1()).await.0, 403);
}
