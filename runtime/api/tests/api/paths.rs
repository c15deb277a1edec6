//! Paths: what is found, and what the names in them are.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;

use crate::bench::{Bench, FORM};

#[tokio::test]
async fn names_are_decoded_once_and_whole() {
    let bench = Bench::new();
    for (id, encoded) in
        [("a/b", "a%2Fb"), ("100%", "100%25"), ("a+b", "a+b"), ("%2F", "%252F"), ("日本", "%E6%97%A5%E6%9C%AC")]
    {
        let form = format!("pusher={}", id.replace('%', "%25").replace('+', "%2B"));
        assert_eq!(bench.post("/pusher/pushers/", FORM, form).await.status, 200, "{id}");
        let tagged = bench.post(&format!("/pusher/pushers/{encoded}/{encoded}/"), "", "").await;
        assert_eq!(tagged.status, 200, "{id}: {tagged:?}");
        let got = bench.get(&format!("/pusher/pushers/{encoded}/")).await;
        let body: serde_json::Value = serde_json::from_str(&got.body).unwrap();
        assert_eq!((&body["pusher"]["id"], &body["pusher"]["tags"][0]), (&id.into(), &id.into()));
    }
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_refused() {
    let answer = Bench::new().get("/pusher/pushers/%FF/").await;
    assert_eq!((answer.status, answer.sentence().as_deref()), (400, Some("the pusher in the path is not UTF-8")));
}

#[tokio::test]
async fn a_percent_sign_that_encodes_nothing_is_refused() {
    let bench = Bench::new().with_lupino().await;
    bench.post("/pusher/pushers/", FORM, "pusher=%25zz").await;
    let before = bench.state();
    for (method, target, shown) in [
        ("DELETE", "/pusher/pushers/%zz/", "%zz"),
        ("GET", "/pusher/pushers/100%/", "%/"),
        ("GET", "/pusher/pushers/%E6%97%A5%4/", "%4/"),
        ("POST", "/pusher/pushers/lupino/%g0/", "%g0"),
        ("POST", "/pusher/s%/add?pusher=lupino", "%/a"),
        ("GET", "/pusher/deliveries/%%25/", "%%2"),
    ] {
        let request = Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
        let answer = bench.send(request).await;
        let sentence = format!("invalid URL escape {shown:?}");
        assert_eq!((answer.status, answer.sentence()), (400, Some(sentence)), "{method} {target}");
    }
    assert_eq!(bench.state(), before);
}

#[tokio::test]
async fn a_sender_may_be_called_like_another_path() {
    let bench = Bench::new().with_lupino().await;
    for sender in ["pushers", "search", "a%2Fb"] {
        let answer = bench.post(&format!("/pusher/{sender}/add"), FORM, "pusher=lupino").await;
        assert_eq!(answer.status, 200, "{sender}: {answer:?}");
    }
    let senders: Vec<String> =
        bench.state().0.values().next().unwrap().senders.iter().map(ToString::to_string).collect();
    assert_eq!(senders, ["sample", "pushers", "search", "a/b"]);
}

#[tokio::test]
async fn a_sender_cannot_have_the_name_of_the_deliveries() {
    let bench = Bench::new().with_lupino().await;
    for operation in ["add", "push", "pushall", "cancelpush"] {
        let answer = bench.post(&format!("/pusher/deliveries/{operation}"), FORM, "pusher=lupino&data=x&name=x").await;
        let sentence = answer.sentence().unwrap();
        assert!(answer.status == 400 && sentence.contains("reserved"), "{operation}: {} {sentence}", answer.status);
    }
    assert_eq!(bench.post("/pusher/pushalls/add", FORM, "pusher=lupino").await.status, 200, "nothing is in its way");
}

#[tokio::test]
async fn what_is_not_a_path_is_not_found() {
    let bench = Bench::new();
    for target in [
        "/",
        "/pusher",
        "/pusher/",
        "/pusher/pushers",
        "/pusher/pushers//",
        "/pusher/pushers/x",
        "/pusher/sample/add/",
        "/pusher/sample/other",
        "/pusher/pushers/x/y",
        "/pusher/pushers/x/y/z/",
        "/pusher/search",
        "/pusher/deliveries",
        "/pusher/deliveries//",
        "/pusher/pushalls/x",
    ] {
        let answer = bench.get(target).await;
        let got = (answer.status, answer.content_type(), answer.body.as_str());
        assert_eq!(got, (404, "text/plain; charset=utf-8", "404 page not found\n"), "{target}");
    }
    for target in ["/pusher//add", "/pusher/pushers//", "/pusher/pushers/a//", "/pusher/pushers//b/", "/pusher//push"] {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let request = Request::builder().method(method).uri(target).header("content-type", FORM);
            let answer = bench.send(request.body(Body::from("pusher=lupino")).unwrap()).await;
            assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{method} {target}");
        }
    }
}

#[tokio::test]
async fn another_method_is_told_which_are_allowed() {
    let bench = Bench::new();
    for (target, allowed) in [
        ("/pusher/pushers/", "GET,HEAD,POST"),
        ("/pusher/pushers/x/", "GET,HEAD,POST,DELETE"),
        ("/pusher/pushers/x/t/", "POST,DELETE"),
        ("/pusher/sample/push", "POST"),
        ("/pusher/deliveries/", "GET,HEAD"),
        ("/pusher/deliveries/x/", "GET,HEAD,DELETE"),
        ("/pusher/deliveries/redrive", "POST"),
    ] {
        let answer = bench.send(Request::put(target).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.allow()), (405, Some(allowed)), "{target}");
        assert!(answer.sentence().is_some(), "{target}: {answer:?}");
    }
}

#[tokio::test]
async fn it_can_be_mounted_in_another_router() {
    let bench = Bench::new().with_lupino().await;
    let other = Router::new().route("/other", axum::routing::get(async || "other")).fallback(async || "elsewhere");
    let status = async |app: Router, path: &str| {
        app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
    };
    let nested = other.clone().nest("/api/{tenant}", bench.router.clone());
    assert_eq!(status(nested, "/api/acme/pusher/pushers/lupino/").await, 200);
    let merged = Router::new().route("/other", axum::routing::get(async || "other")).merge(bench.router.clone());
    assert_eq!(status(merged.clone(), "/pusher/pushers/lupino/").await, 200);
    assert_eq!(status(merged, "/other").await, 200);
    let behind =
        Router::new().route("/other", axum::routing::get(async || "other")).fallback_service(bench.router.clone());
    assert_eq!(status(behind, "/pusher/pushers/lupino/").await, 200);
}

#[tokio::test]
async fn an_update_leaves_what_is_empty_and_a_create_sets_what_is_given() {
    let bench = Bench::new();
    let pusher = || bench.state().0.into_values().next().unwrap();
    bench.post("/pusher/pushers/", FORM, "pusher=x&email=a%40b.c&nickname=n&createdAt=7").await;
    bench.post("/pusher/pushers/x/", FORM, "email=&nickname=m&createdAt=").await;
    assert_eq!((pusher().email.as_str(), pusher().nickname.as_str(), pusher().created_at), ("a@b.c", "m", 7));
    bench.post("/pusher/pushers/", FORM, "pusher=x&email=").await;
    assert_eq!((pusher().email.as_str(), pusher().nickname.as_str(), pusher().created_at), ("", "m", 7));
}
