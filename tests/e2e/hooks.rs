//! The Go program's `hooks.json`: pushes go to the webhooks in it, signed as that program signed them.

use std::path::{Path, PathBuf};

use pusher_tests::build;
use pusher_tests::command;
use pusher_tests::process::Pusher;
use pusher_tests::rest::Rest;
use pusher_tests::wait::until;
use pusher_tests::webhook::{Call, Webhook};

use crate::queue::{until_jobs, workers};

const SECRET: &str = "go-secret";

/// A directory of senders with nothing in it but the component of hooks.
fn senders(dir: &Path) -> String {
    let folder = dir.join("senders");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(build::components().join("hook.wasm"), folder.join("hook.wasm")).unwrap();
    folder.to_string_lossy().into_owned()
}

/// A file of hooks, each with its name, URL and secret.
fn hooks(dir: &Path, entries: &[(&str, &str, &str)]) -> PathBuf {
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, url, secret)| format!(r#"{{ "name": "{name}", "url": "{url}", "secret": "{secret}" }}"#))
        .collect();
    let (beside, file) = (dir.join("hooks.part"), dir.join("hooks.json"));
    std::fs::write(&beside, format!("[\n  {}\n]\n", entries.join(",\n  "))).unwrap();
    std::fs::rename(&beside, &file).unwrap();
    file
}

fn call(sender: &str, data: &str) -> Call {
    Call { sender: sender.into(), pusher: "lupino".into(), data: data.into() }
}

#[tokio::test]
async fn a_push_to_a_hook_is_delivered_with_a_signature_that_holds_and_the_file_can_change() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Webhook::start(SECRET).await.unwrap(), Webhook::start("another").await.unwrap());
    let senders = senders(dir.path());
    let file = hooks(dir.path(), &[("orders", &first.url(), SECRET), ("refunds", &first.url(), SECRET)]);
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let file = file.to_string_lossy();
    let args = ["worker", "--senders", &senders, "--periodic", &server.periodic, "--api", &server.api];
    let worker = Pusher::start(&args, &[("PUSHER_HOOKS", &file)]).await.unwrap();
    let rest = Rest::new(&server.api);
    let data = r#"{"n": "1 & 2 = ünïcode ✓"}"#;
    rest.recipient("lupino", "orders").await;
    assert_eq!(rest.push("orders", "lupino", data).await.status, 200);
    assert_eq!(first.wait_for(1).await, [call("orders", data)]);
    rest.recipient("lupino", "refunds").await;
    rest.push("refunds", "lupino", "money").await;
    assert_eq!(first.wait_for(2).await[1], call("refunds", "money"));

    // From now on orders go elsewhere, and refunds nowhere.
    hooks(dir.path(), &[("orders", &second.url(), "another")]);
    until("refunds to be gone", async || (workers(&server, "pusher:refunds").await == 0).then_some(())).await;
    rest.push("orders", "lupino", "elsewhere").await;
    assert_eq!(second.wait_for(1).await, [call("orders", "elsewhere")]);
    until_jobs(&server, "pusher:orders", 0).await;
    assert_eq!((first.refused(), second.refused(), first.wait_for(2).await.len()), (0, 0, 2));
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn hooks_run_in_serve_and_a_wrong_secret_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let hook = Webhook::start(SECRET).await.unwrap();
    let senders = senders(dir.path());
    let file = hooks(dir.path(), &[("orders", &hook.url(), "not the one")]);
    let args = ["--senders", &senders, "--hooks", &file.to_string_lossy()];
    let server = Pusher::serve(&dir.path().join("data"), &args).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "orders").await;
    rest.push("orders", "lupino", "x").await;
    until("the endpoint to refuse it", async || (hook.refused() == 1).then_some(())).await;
    hooks(dir.path(), &[("orders", &hook.url(), SECRET)]);
    assert_eq!(hook.wait_for(1).await, [call("orders", "x")], "after five seconds, with the secret that is there now");
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_file_of_hooks_that_is_none_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (senders, missing) = (senders(dir.path()), dir.path().join("hoks.json"));
    let missing = missing.to_string_lossy();
    let said = command::run(&["worker", "--senders", &senders, "--hooks", &missing], b"").await;
    let told = format!("pusher: --hooks: {missing}: the file of hooks cannot be read: ");
    assert!(said.stderr.contains(&told) && said.stderr.ends_with("; mend the file, or name another\n"), "{said:?}");
    assert_eq!(said.code, 1);
    let said = command::run(&["serve", "--hooks", &missing], b"").await;
    assert!(said.stderr.starts_with("pusher: --senders is missing: --hooks needs the directory"), "{said:?}");
    assert_eq!(said.code, 2);
}
