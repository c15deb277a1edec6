//! Starting and stopping: what is ready, what is refused, and that every refusal says what to do.

use std::process::Output;

use pusher_tests::command::command;
use pusher_tests::process::Pusher;
use pusher_tests::rest::Rest;

async fn fails(args: &[&str]) -> String {
    let Output { status, stderr, .. } = command(args).output().await.unwrap();
    assert!(!status.success(), "{args:?} should fail");
    String::from_utf8(stderr).unwrap()
}

#[tokio::test]
async fn the_operator_listener_says_alive_and_ready() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let operator = Rest::new(&server.admin);
    assert_eq!(operator.get("/livez").await.status, 200);
    assert_eq!(operator.get("/readyz").await.status, 200);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn one_database_has_one_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(dir.path(), &[]).await;
    let path = dir.path().to_string_lossy();
    let args = ["serve", "--host", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--periodic-listen", "tcp://127.0.0.1:0"];
    let said = fails(&[&args[..], &["--work-dir", &path]].concat()).await;
    assert!(said.contains(&*path), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let server = Pusher::serve(dirs[0].path(), &[]).await;
    let taken = server.api.trim_start_matches("http://");
    let path = dirs[1].path().to_string_lossy();
    let said = fails(&["serve", "--host", taken, "--admin", "127.0.0.1:0", "--work-dir", &path]).await;
    assert!(said.contains(taken), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn a_cache_among_the_senders_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (senders, cache) = (dir.path().to_string_lossy(), dir.path().join("cache"));
    let said = fails(&["worker", "--senders", &senders, "--cache", &cache.to_string_lossy()]).await;
    assert!(said.contains("lies within the directory of senders; name another one with --cache"), "{said}");
    assert!(!cache.exists());
}

#[tokio::test]
async fn a_worker_without_senders_says_which_flag_is_missing() {
    assert!(fails(&["worker"]).await.contains("--senders"));
    let said = fails(&["worker", "--senders", "/nonexistent/senders"]).await;
    assert!(said.contains("/nonexistent/senders"), "{said}");
}
