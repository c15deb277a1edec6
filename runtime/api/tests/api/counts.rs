//! Requests are counted by what they are, never by what a client can choose.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use pusher_api::{Gate, OperationCounts, Options, RequestCounts};

use crate::auth::auth;
use crate::bench::{Bench, FORM, answer};

fn counted() -> (RequestCounts, Options) {
    let counts = RequestCounts::new();
    (counts.clone(), Options { counts: Some(counts), ..Options::default() })
}

/// What was counted: route, method, class, how often.
fn seen(counts: &RequestCounts) -> Vec<(String, String, &'static str, u64)> {
    let lines = |OperationCounts { route, method, answers, times }: OperationCounts| {
        assert_eq!(times.count(), answers.iter().map(|(_, count)| count).sum::<u64>(), "{method} {route}");
        let some = answers.into_iter().filter(|(_, count)| *count > 0);
        some.map(move |(class, count)| (route.clone(), method.clone(), class, count)).collect::<Vec<_>>()
    };
    counts.read().into_iter().flat_map(lines).collect()
}

fn line(route: &str, method: &str, class: &'static str, count: u64) -> (String, String, &'static str, u64) {
    (route.to_owned(), method.to_owned(), class, count)
}

#[tokio::test]
async fn each_request_counts_for_its_route_whatever_names_are_in_it() {
    let (counts, options) = counted();
    let bench = Bench::with_options(options).with_lupino().await;
    for message in ["data=1", "data=2"] {
        bench.post("/pusher/sample/push", FORM, format!("pusher=lupino&{message}")).await;
    }
    bench.post("/pusher/other/push", FORM, "pusher=nobody&data=1").await;
    bench.get("/pusher/pushers/a%2Fb/").await;
    bench.post("/pusher/pushers/_bulk", "application/x-ndjson", "{\"id\":\"x\"}\n").await;
    let all = [
        line("/pusher/pushers/", "POST", "2xx", 1),
        line("/pusher/pushers/_bulk", "POST", "2xx", 1),
        line("/pusher/pushers/{pusher}/", "GET", "4xx", 1),
        line("/pusher/{sender}/add", "POST", "2xx", 1),
        line("/pusher/{sender}/push", "POST", "2xx", 2),
        line("/pusher/{sender}/push", "POST", "4xx", 1),
    ];
    assert_eq!(seen(&counts), all);
}

#[tokio::test]
async fn what_is_no_operation_is_other() {
    let (counts, options) = counted();
    let bench = Bench::with_options(options);
    bench.get("/nowhere").await;
    bench.get("/pusher/sample/push").await;
    let brew = Request::builder().method("BREW").uri("/pusher/pushers/");
    bench.send(brew.body(Body::empty()).unwrap()).await;
    assert_eq!(seen(&counts), [line("other", "other", "4xx", 3)]);
}

#[tokio::test]
async fn refusals_count_too() {
    let (counts, options) = counted();
    let bench = Bench::with_options(Options { gate: Some(Gate::new(0)), ..options.clone() });
    bench.get("/pusher/search/?q=x").await;
    let bench = Bench::with_options(Options { auth: Some(auth([("k1", "s1")])), ..options });
    bench.get("/pusher/search/?q=x").await;
    bench.post("/pusher/pushers/_bulk", "application/x-ndjson", "{}").await;
    let all = [line("/pusher/pushers/_bulk", "POST", "4xx", 1), line("/pusher/search/", "GET", "4xx", 2)];
    assert_eq!(seen(&counts), all);
}

#[tokio::test]
async fn the_routes_are_the_same_behind_a_path_of_the_server_around_them() {
    let (counts, options) = counted();
    let router = Router::new().nest("/v1", Bench::with_options(options).router);
    let request = Request::get("/v1/pusher/pushers/lupino/").body(Body::empty()).unwrap();
    assert_eq!(answer(&router, request).await.status, 404);
    assert_eq!(seen(&counts), [line("/pusher/pushers/{pusher}/", "GET", "4xx", 1)]);
}
