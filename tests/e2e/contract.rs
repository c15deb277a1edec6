//! The API keeps to its description: schemathesis reads docs/openapi.json, makes requests from it, right and wrong ones,
//! and holds every answer of a live server against it. What it checks is in `tests/contract/schemathesis.toml`, what it
//! must not hold against us in `hooks.py` beside it.

use std::path::Path;
use std::time::Duration;

use pusher_tests::build;
use pusher_tests::process::Pusher;
use pusher_tests::rest::Rest;
use tokio::process::Command;
use tokio::time::timeout;

/// It takes half a minute on a quiet machine.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn every_answer_is_one_that_the_description_foresees() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let rest = Rest::new(&server.api);
    for pusher in ["lupino", "日本/a b", "bob"] {
        rest.recipient(pusher, "sendmail").await;
        let tagged = rest.post(&format!("/pusher/pushers/{}/vip/", percent(pusher)), &[]).await;
        assert_eq!(tagged.status, 200, "{tagged:?}");
    }
    // It leaves notes where it runs, so it runs elsewhere.
    let bench = dir.path().join("bench");
    copy(&build::root().join("tests/contract"), &bench);
    let document = build::root().join("docs/openapi.json");
    let run = Command::new(build::python().join("schemathesis"))
        .args(["run", "--no-color", "--url", &server.api])
        .arg(document)
        .current_dir(&bench)
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, run).await.expect("schemathesis takes too long").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "schemathesis ended with {}:\n{said}", output.status);
    assert!(said.contains(" passed"), "schemathesis tried nothing:\n{said}");
    assert_eq!(rest.get("/pusher/pushers/").await.status, 200);
    assert!(server.stop().await.success());
}

/// `text` as one piece of a path.
fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
