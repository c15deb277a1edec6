//! The examples for those who embed pusher do what they say.

use periodic::{Clock, SystemClock};
use pusher_core::signing::{APP_KEY, REQUEST_NONCE, REQUEST_SIGNATURE, REQUEST_TIME, Secret, V1, V2};
use pusher_tests::example::Example;
use pusher_tests::process::Pusher;
use pusher_tests::recorded::until_recorded;
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;

use crate::queue::{until_jobs, workers};

/// The store of the example `custom_storer`.
#[path = "../../runtime/pusher/examples/custom_storer/map.rs"]
mod map;

const LIST_OF_ONE: &str = r#"{"from":0,"pushers":[{"id":"lupino","email":"lupino@example.com","nickname":"Lu","phoneNumber":"","senders":["sendmail"],"tags":null,"createdAt":0}],"size":10,"total":1}"#;

#[tokio::test]
async fn the_api_lives_inside_another_server_and_keeps_what_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_string_lossy();
    for start in ["first", "again"] {
        let mut server = Example::start("embed_api", &[&path, "127.0.0.1:0"]);
        let rest = Rest::new(&server.line("listening on ").await);
        assert_eq!(rest.get("/hello").await.body, "hello from the server around it\n");
        if start == "first" {
            rest.recipient("lupino", "sendmail").await;
            assert_eq!(rest.push("sendmail", "lupino", "hello").await.status, 200);
        }
        assert_eq!(rest.get("/pusher/pushers/").await.body, LIST_OF_ONE, "{start}");
        assert_eq!(rest.get("/elsewhere").await.status, 404);
        assert!(server.stop().await.success());
    }
}

#[tokio::test]
async fn the_api_runs_over_a_store_of_ones_own() {
    let mut server = Example::start("custom_storer", &["127.0.0.1:0"]);
    let rest = Rest::new(&server.line("listening on ").await);
    rest.recipient("lupino", "sendmail").await;
    assert_eq!(rest.get("/pusher/pushers/").await.body, LIST_OF_ONE);
    assert_eq!(rest.push("sendmail", "lupino", "hello").await.status, 200);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn the_store_of_ones_own_conforms() {
    pusher_core::conformance::storer(map::Map::default).await;
}

#[tokio::test]
async fn the_auth_layer_guards_any_router() {
    let mut server = Example::start("auth_layer", &["demo", "a secret", "127.0.0.1:0"]);
    let base = server.line("listening on ").await;
    let (time, secret) = (SystemClock.now().to_string(), Secret::new("a secret"));
    let ask = async |method: reqwest::Method, headers: &[(&str, &str)]| {
        let request = reqwest::Client::new().request(method, format!("{base}/whoami"));
        let signed = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = signed.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let get = reqwest::Method::GET;
    assert_eq!(Rest::new(&base).get("/hello").await.body, "hello, whoever you are\n");
    assert_eq!(ask(get.clone(), &[]).await, (400, r#"{"err":"Invalid X-App-Key"}"#.into()));

    let v1 = V1::<&str> { app_key: "demo", path: "/whoami", timestamp: &time, params: &[] }.sign(&secret);
    let v1 = [(APP_KEY, "demo"), (REQUEST_TIME, &time), (REQUEST_SIGNATURE, &v1)];
    assert_eq!(ask(get.clone(), &v1).await, (200, "you are demo\n".into()));
    assert_eq!(ask(reqwest::Method::POST, &v1).await.0, 403);

    let nonce = "0123456789abcdef";
    let (query, body) = ("", &b""[..]);
    let v2 = V2 { app_key: "demo", method: "GET", path: "/whoami", query, timestamp: &time, nonce, body }.sign(&secret);
    let v2 = [(APP_KEY, "demo"), (REQUEST_TIME, &time), (REQUEST_NONCE, nonce), (REQUEST_SIGNATURE, &v2)];
    assert_eq!(ask(get.clone(), &v2).await, (200, "you are demo\n".into()));
    assert_eq!(ask(get, &v2).await.0, 400, "the same request again is refused");
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_sender_in_rust_delivers_and_may_give_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let reports = dir.path().join("reports");
    let mut worker = Example::start("native_sender", &[&server.periodic, &server.api, &reports.to_string_lossy()]);
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "print").await;
    assert_eq!(rest.push("print", "lupino", "hi there").await.status, 200);
    assert_eq!(worker.line("to lupino: ").await, "hi there");
    until_jobs(&server, "pusher:print", 0).await;
    rest.push("print", "lupino", "two\nlines").await;
    until_recorded(&server, "dead", 1).await;
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn components_and_a_sender_in_rust_share_a_worker_and_the_directory_can_change() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("senders");
    std::fs::create_dir(&folder).unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let rest = Rest::new(&server.api);
    let reports = dir.path().join("reports");
    let (senders, reports) = (folder.to_string_lossy(), reports.to_string_lossy());
    let mut worker = Example::start("both_kinds", &[&server.periodic, &server.api, &senders, &reports]);
    assert_eq!(worker.line("senders: ").await, "print", "there is no component yet");
    for sender in ["print", "sample"] {
        rest.recipient("lupino", sender).await;
        assert_eq!(rest.push(sender, "lupino", &format!("by {sender}")).await.status, 200);
    }
    assert_eq!(worker.line("to lupino: ").await, "by print");

    senders::sample(&folder).unwrap();
    until_jobs(&server, "pusher:sample", 0).await;
    // One that takes the name of the sender in Rust is not run, and neither does it end that one when it goes.
    let thief = folder.join("print.toml");
    std::fs::write(&thief, "component = \"sample.wasm\"\n").unwrap();
    std::fs::write(folder.join("third.toml"), "component = \"sample.wasm\"\n").unwrap();
    let serves = async |func: &str, count| (workers(&server, func).await == count).then_some(());
    until("both to be looked at", async || serves("pusher:third", 1).await).await;
    rest.push("print", "lupino", "still here").await;
    assert_eq!(worker.line("to lupino: ").await, "still here");
    std::fs::remove_file(thief).unwrap();
    std::fs::remove_file(folder.join("third.toml")).unwrap();
    until("both to be gone", async || serves("pusher:third", 0).await).await;
    assert_eq!(workers(&server, "pusher:print").await, 1);
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn the_periodic_crates_worker_does_what_its_client_asks() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let _worker = Example::start("worker", &[&server.periodic, "shout"]);
    let known = async || (workers(&server, "shout").await == 1).then_some(());
    until("the worker", known).await;
    let mut client = Example::start("client", &[&server.periodic, "shout", "hello there"]);
    assert_eq!(client.line("meanwhile: ").await, "HELLO");
    assert_eq!(client.line("meanwhile: ").await, "THERE");
    assert_eq!(client.line("result: ").await, "HELLO THERE");
    assert!(client.line("1 jobs, 1 workers").await.starts_with(", the next at "));
    server.stop().await;
}
