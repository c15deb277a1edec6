//! Searching, as an application sees it: what was just written is found, also after the worst end of a process, and the
//! index is nobody's burden.

use std::path::Path;

use pusher_tests::process::Pusher;
use pusher_tests::rest::Rest;
use pusher_tests::wait::until;
use serde_json::Value;

/// The ids of whom `query` finds.
async fn find(rest: &Rest, query: &str) -> Vec<String> {
    let reply = rest.get(&format!("/pusher/search/?q={query}&size=100")).await;
    assert_eq!(reply.status, 200, "{query}: {reply:?}");
    let found: Value = serde_json::from_str(&reply.body).unwrap();
    let pushers = found["pushers"].as_array().cloned().unwrap_or_default();
    assert_eq!(found["total"], pushers.len(), "{query}: {reply:?}");
    pushers.iter().map(|pusher| pusher["id"].as_str().unwrap().to_owned()).collect()
}

async fn tag(rest: &Rest, pusher: &str, tag: &str) {
    let tagged = rest.post(&format!("/pusher/pushers/{pusher}/{tag}/"), &[]).await;
    assert_eq!(tagged.status, 200, "{tagged:?}");
}

async fn readiness(server: &Pusher) -> String {
    let ready = Rest::new(&server.admin).get("/readyz").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    ready.body
}

fn index(work_dir: &Path) -> std::path::PathBuf {
    work_dir.join("search-index")
}

#[tokio::test]
async fn whoever_is_written_is_found_by_the_next_request_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..8 {
        let rest = Rest::new(&server.api);
        tasks.spawn(async move {
            for n in 0..20 {
                let (id, label) = (format!("p{lane}-{n}"), format!("t{lane}-{n}"));
                rest.recipient(&id, "sendmail").await;
                tag(&rest, &id, &label).await;
                assert_eq!(find(&rest, &format!("%2Btags:{label}+%2Bsenders:sendmail")).await, [id.as_str()]);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn what_was_answered_is_found_after_the_server_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let server = Pusher::serve(dir.path(), &[]).await;
        let rest = Rest::new(&server.api);
        for n in 0..10 {
            let id = format!("p{round}-{n}");
            rest.recipient(&id, "sendmail").await;
            tag(&rest, &id, "everybody").await;
            if n == 5 && round % 2 == 0 {
                // So that the index is behind the store when it dies, and was not when it lived.
                find(&rest, "tags:everybody").await;
            }
        }
        server.kill().await;
    }
    let server = Pusher::serve(dir.path(), &[]).await;
    assert_eq!(find(&Rest::new(&server.api), "%2Btags:everybody+%2Bsenders:sendmail").await.len(), 40);
    server.stop().await;
}

#[tokio::test]
async fn an_index_that_is_lost_or_damaged_comes_back_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    tag(&rest, "lupino", "vip").await;
    assert_eq!(find(&rest, "tags:vip").await, ["lupino"]);
    assert_eq!(readiness(&server).await, "ready\n");
    server.stop().await;

    std::fs::remove_dir_all(index(dir.path())).unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    assert_eq!(find(&Rest::new(&server.api), "tags:vip").await, ["lupino"]);
    server.kill().await;

    for file in std::fs::read_dir(index(dir.path())).unwrap() {
        std::fs::write(file.unwrap().path(), "not an index").unwrap();
    }
    let server = Pusher::serve(dir.path(), &[]).await;
    assert_eq!(find(&Rest::new(&server.api), "tags:vip").await, ["lupino"]);
    until("the server to say that it can search", async || (readiness(&server).await == "ready\n").then_some(())).await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_search_says_so_and_does_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    // A file where the directory of the index should be.
    std::fs::write(index(dir.path()), "x").unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    assert_eq!(rest.push("sendmail", "lupino", "hello").await.status, 200);
    let refused = rest.get("/pusher/search/?q=lupino").await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert!(refused.body.contains("the search index"), "{refused:?}");
    let readiness = readiness(&server).await;
    assert!(readiness.starts_with("ready, but the store failed: the search index"), "{readiness}");
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_worker_elsewhere_searches_as_one_within_the_server_does() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let rest = Rest::new(&server.api);
    for who in ["ada", "bob"] {
        rest.recipient(who, "sendmail").await;
    }
    tag(&rest, "ada", "vip").await;
    let client = pusher_client::Client::new(server.api.parse().unwrap(), pusher_client::Options::default()).unwrap();
    let port: &dyn pusher_core::Pushers = &client;
    let found = port.search("tags:vip", 0, 100).await.unwrap();
    assert_eq!((found.total, found.pushers.len(), found.pushers[0].id.as_str()), (1, 1, "ada"));
    let refused = port.search("tags:/(/", 0, 100).await.unwrap_err();
    assert!(matches!(refused, pusher_core::PushersError::Refused(_)), "{refused}");
    server.stop().await;
}
