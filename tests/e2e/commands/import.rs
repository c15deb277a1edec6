//! `pushers import`: what a file makes of the list of recipients, and what is said about it.

use std::path::PathBuf;

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use pusher_tests::command;
use pusher_tests::wait::until;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{House, lines};

impl House {
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path: PathBuf = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_string_lossy().into_owned()
    }
}

#[tokio::test]
async fn a_table_creates_and_changes_and_can_be_imported_again() {
    let house = House::new().await;
    house.run(&["pushers", "create", "there", "--nickname", "stays", "--email", "old@x.y", "--tag", "old"]).await.ok();
    let table = "\u{feff}id,email,tags\r\nthere,new@x.y,\r\n\"a/b, \"\"c\"\"\",,vip; new one\r\n";
    let file = house.file("people.csv", table);
    let said = house.run(&["pushers", "import", &file]).await.ok();
    assert_eq!(said, "2 lines: 1 created, 1 changed, 0 unchanged, 0 failed.\n");
    let there = house.get("there").await;
    assert_eq!(
        [&there["email"], &there["nickname"], &there["tags"]],
        [&json!("new@x.y"), &json!("stays"), &json!(null)]
    );
    let created = house.get("a/b, \"c\"").await;
    assert_eq!([&created["email"], &created["tags"]], [&json!(""), &json!(["vip", "new one"])]);
    let again = house.run(&["pushers", "import", &file, "--json"]).await.ok();
    assert_eq!(again, "{\"created\":0,\"changed\":0,\"unchanged\":2,\"failed\":0}\n");
}

#[tokio::test]
async fn lines_that_are_wrong_are_told_and_the_others_imported() {
    let house = House::new().await;
    let long = "x".repeat(300);
    let file = house.file(
        "people.jsonl",
        format!(
            "{{\"id\":\"a\"}}\n\nnot json\n{{\"id\":\"b\",\"mail\":\"x\"}}\n{{\"id\":\"{long}\"}}\n{{\"id\":\"c\"}}\n"
        ),
    );
    let errors = house.dir.path().join("wrong.jsonl").to_string_lossy().into_owned();
    let ended = house.run(&["pushers", "import", &file, "--errors", &errors, "--batch", "2"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "5 lines: 2 created, 0 changed, 0 unchanged, 3 failed.\n"));
    let told = ended.stderr;
    for number in [3, 4, 5] {
        assert!(told.contains(&format!("{file}:{number}: ")), "{number}: {told}");
    }
    assert!(told.contains("mail") && told.contains("3 lines"), "{told}");
    let written = lines(&std::fs::read_to_string(&errors).unwrap());
    let mut wrong: Vec<_> = written.iter().map(|one| one["line"].as_u64().unwrap()).collect();
    wrong.sort_unstable();
    assert_eq!(wrong, [3, 4, 5]);
    assert!(written.iter().all(|one| !one["err"].as_str().unwrap().is_empty()), "{written:?}");
    assert_eq!(lines(&house.run(&["pushers", "list", "--json"]).await.ok()).len(), 2);
}

#[tokio::test]
async fn rows_that_are_wrong_are_found_on_their_lines() {
    let house = House::new().await;
    let file = house.file("people.csv", "id,createdAt\na,1\n\"b\n\nb\",yesterday\nc,1,2\nd,4\n");
    let ended = house.run(&["pushers", "import", &file]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, "4 lines: 2 created, 0 changed, 0 unchanged, 2 failed.\n"));
    assert!(ended.stderr.contains(&format!("{file}:3: b\\n\\nb: createdAt \"yesterday\"")), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{file}:6: ")), "{}", ended.stderr);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_imported_up_to_there() {
    let house = House::new().await;
    let nothing = house.run(&["pushers", "import", &house.file("a.csv", "id,mail\nx,y\n")]).await;
    assert_eq!((nothing.code, nothing.stderr.contains("\"mail\"")), (1, true), "{nothing:?}");
    assert!(nothing.stderr.ends_with("; nothing of it is imported\n"), "running it again is no use: {nothing:?}");
    let endless = format!("id\nx\ny\n\"{}", "z".repeat(9 * 1024 * 1024));
    let some = house.run(&["pushers", "import", &house.file("b.csv", endless)]).await;
    assert_eq!((some.code, some.stdout.as_str()), (1, "2 lines: 2 created, 0 changed, 0 unchanged, 0 failed.\n"));
    assert!(some.stderr.contains("every line up to 3 is done"), "{}", some.stderr);
    let gone = house.run(&["pushers", "import", "/nonexistent/people.csv"]).await.fails(1);
    assert!(gone.contains("/nonexistent/people.csv"), "{gone}");
}

/// A server whose store takes the first line of every batch and has no room for the others; its address.
async fn full_server() -> String {
    let bulk = async |body: String| {
        let full = |at: usize| json!({"line": at + 1, "err": "the store is full: no page left"});
        let mut results: Vec<_> = (0..body.lines().count()).map(full).collect();
        results[0] = json!({"line": 1, "id": "x", "result": "created"});
        let failed = results.len() - 1;
        let report = json!({"created": 1, "changed": 0, "unchanged": 0, "failed": failed, "results": results});
        (StatusCode::INSUFFICIENT_STORAGE, Json(report))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/pusher/pushers/_bulk", post(bulk));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test]
async fn an_import_into_a_store_that_gets_full_stops_and_says_so() {
    let api = full_server().await;
    let import = ["pushers", "import", "-", "--format", "jsonl", "--batch", "5", "--json", "--api", &api];
    let file: String = (0..1_000).map(|n| format!("{{\"id\":\"{n}\"}}\n")).collect();
    let ended = command::run(&import, file.as_bytes()).await;
    let counts = &lines(&ended.stdout)[0];
    assert_eq!((ended.code, &counts["failed"]), (1, &json!(0)), "{ended:?}");
    let created = counts["created"].as_u64().unwrap();
    assert!((1..10).contains(&created), "it stops, but for what is in flight: {ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "no line is told to be wrong: {}", ended.stderr);
    let said = "the store is full, and takes no more until there is room";
    assert!(ended.stderr.contains(said) && ended.stderr.contains("run it again"), "{}", ended.stderr);
}

#[tokio::test]
async fn of_two_lines_about_one_recipient_the_later_one_counts() {
    let house = House::new().await;
    let file: String = (0..200).map(|n| format!("{{\"id\":\"x\",\"nickname\":\"{n}\"}}\n")).collect();
    let import = ["pushers", "import", "-", "--format", "jsonl", "--batch", "3"];
    house.run_with(&import, file.as_bytes()).await.ok();
    assert_eq!(house.get("x").await["nickname"], "199");
}

#[tokio::test]
async fn many_batches_are_all_imported() {
    let house = House::new().await;
    let table: String = (0..25_000).map(|n| format!("{n},{n}@example.com,t{};all\n", n % 10)).collect();
    let import = ["pushers", "import", "-", "--format", "csv", "--json"];
    let said = house.run_with(&import, format!("id,email,tags\n{table}").as_bytes()).await.ok();
    assert_eq!(said, "{\"created\":25000,\"changed\":0,\"unchanged\":0,\"failed\":0}\n");
    assert_eq!(house.run(&["pushers", "export"]).await.ok().lines().count(), 25_000);
}

/// Recipients whose ids come the wrong way round.
fn numbered(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|n| format!("{{\"id\":\"{}\"}}\n", 1_000 - n)).collect()
}

#[tokio::test]
async fn an_import_that_is_told_to_stop_finishes_what_it_began_and_says_how_far_it_is() {
    let house = House::new().await;
    let args = ["pushers", "import", "-", "--format", "jsonl", "--batch", "1", "--api", &house.server.api];
    let mut child = command::command(&args).stdin(std::process::Stdio::piped()).spawn().unwrap();
    // Standard input stays open: only the signal can end this.
    let mut stdin = child.stdin.take().unwrap();
    // Thirty batches are sorted and sent together; the rest of these lines waits for more.
    stdin.write_all(numbered(0..75).as_bytes()).await.unwrap();
    until("sixty lines to be imported", async || {
        let list = house.run(&["pushers", "list", "--size", "100", "--json"]).await.ok();
        (list.lines().count() > 59).then_some(())
    })
    .await;
    let pid = child.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    drop(stdin);
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stdout, "60 lines: 60 created, 0 changed, 0 unchanged, 0 failed.\n");
    assert!(stderr.contains("told to stop") && stderr.contains("every line up to 60 is done"), "{stderr}");
}

#[tokio::test]
async fn an_import_whose_server_goes_away_says_how_far_it_is() {
    let house = House::new().await;
    let args = ["pushers", "import", "-", "--format", "jsonl", "--batch", "1", "--api", &house.server.api];
    let mut child = command::command(&args).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(numbered(0..45).as_bytes()).await.unwrap();
    until("a line to be imported", async || {
        let list = house.run(&["pushers", "list", "--json"]).await.ok();
        (list.lines().count() >= 1).then_some(())
    })
    .await;
    house.server.kill().await;
    drop(stdin.write_all(numbered(45..150).as_bytes()).await);
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot be reached") && stderr.contains("run it again"), "{stderr}");
}
