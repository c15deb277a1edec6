//! The commands that are clients of the REST API: the real binary against a real server, as people and scripts use it.

mod deliveries;
mod import;
mod periodic;
mod round_trip;
mod signed;

use pusher_tests::command::{Ended, run};
use pusher_tests::process::Pusher;
use serde_json::{Value, json};

/// A server with nothing in it, and commands that speak to it.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) server: Pusher,
}

impl House {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Pusher::serve(&dir.path().join("data"), &[]).await;
        Self { dir, server }
    }

    /// `pusher ARGS --api …` with `input` as its standard input. What is behind a `--` stays behind it.
    pub(crate) async fn run_with(&self, args: &[&str], input: &[u8]) -> Ended {
        let (options, names) = args.split_at(args.iter().position(|arg| *arg == "--").unwrap_or(args.len()));
        run(&[options, &["--api", &self.server.api], names].concat(), input).await
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, b"").await
    }

    /// `pusher pushers get ID --json`
    pub(crate) async fn get(&self, id: &str) -> Value {
        serde_json::from_str(&self.run(&["pushers", "get", "--json", "--", id]).await.ok()).unwrap()
    }
}

/// Each line of `text` as JSON.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_recipient_is_created_shown_changed_and_deleted() {
    let house = House::new().await;
    let create = ["pushers", "create", "lupino", "--email", "l@example.com", "--nickname", "Lu", "--phone", "12345"];
    let more = ["--created-at", "2016-02-25T12:31:33Z", "--sender", "sendmail", "--tag", "vip", "--tag", "new one"];
    assert_eq!(house.run(&[&create[..], &more].concat()).await.ok(), "Saved lupino.\n");
    assert_eq!(
        house.run(&["pushers", "get", "lupino"]).await.ok(),
        "id           lupino\n\
         email        l@example.com\n\
         nickname     Lu\n\
         phoneNumber  12345\n\
         senders      sendmail\n\
         tags         vip, new one\n\
         createdAt    2016-02-25T12:31:33Z (1456403493)\n"
    );
    let update = ["pushers", "update", "lupino", "--email", "new@example.com", "--phone", ""];
    assert_eq!(house.run(&update).await.ok(), "Updated lupino.\n");
    assert_eq!(house.run(&["pushers", "tag", "lupino", "a/b", "c"]).await.ok(), "Tagged lupino: a/b, c.\n");
    assert_eq!(house.run(&["pushers", "untag", "lupino", "vip", "c"]).await.ok(), "Took off lupino: vip, c.\n");
    let add = ["pushers", "add-sender", "lupino", "sendsms", "hook"];
    assert_eq!(house.run(&add).await.ok(), "Switched on for lupino: sendsms, hook.\n");
    let remove = ["pushers", "remove-sender", "lupino", "sendmail"];
    assert_eq!(house.run(&remove).await.ok(), "Switched off for lupino: sendmail.\n");
    let expected = json!({
        "id": "lupino", "email": "new@example.com", "nickname": "Lu", "phoneNumber": "",
        "senders": ["sendsms", "hook"], "tags": ["new one", "a/b"], "createdAt": 1_456_403_493,
    });
    assert_eq!(house.get("lupino").await, expected);
    assert_eq!(house.run(&["pushers", "delete", "lupino", "nobody", "--json"]).await.ok(), "{\"result\":\"OK\"}\n");
    assert_eq!(house.run(&["pushers", "get", "lupino"]).await.fails(1), "pusher: pusher lupino not exists.\n");
}

#[tokio::test]
async fn a_list_is_a_table_for_people_and_json_lines_for_programs() {
    let house = House::new().await;
    assert_eq!(house.run(&["pushers", "list"]).await.ok(), "No pushers here, and 0 in all.\n");
    for (id, at) in [("old", "1"), ("日本", "2"), ("new\u{1b}[2J", "3")] {
        house.run(&["pushers", "create", id, "--created-at", at, "--sender", "s", "--tag", "t"]).await.ok();
    }
    assert_eq!(
        house.run(&["pushers", "list", "--size", "2"]).await.ok(),
        "ID            NICKNAME  EMAIL  PHONE  SENDERS  TAGS  CREATED\n\
         new\\u{1b}[2J                          s        t     1970-01-01T00:00:03Z\n\
         日本                                  s        t     1970-01-01T00:00:02Z\n\
         1 to 2 of 3; --from 2 shows the next ones\n"
    );
    let listed = lines(&house.run(&["pushers", "list", "--from", "1", "--json"]).await.ok());
    assert_eq!(listed.iter().map(|one| &one["id"]).collect::<Vec<_>>(), ["日本", "old"]);
}

#[tokio::test]
async fn a_list_may_be_longer_than_a_page_of_the_server() {
    let house = House::new().await;
    let file: String = (0..250).map(|n| format!("{{\"id\":\"{n:03}\"}}\n")).collect();
    house.run_with(&["pushers", "import", "-", "--format", "jsonl"], file.as_bytes()).await.ok();
    let listed = lines(&house.run(&["pushers", "list", "--size", "240", "--from", "5", "--json"]).await.ok());
    assert_eq!((listed.len(), &listed[0]["id"], &listed[239]["id"]), (240, &json!("244"), &json!("005")));
}

#[tokio::test]
async fn a_search_finds_what_was_just_written() {
    let house = House::new().await;
    for (id, tag) in [("a", "vip"), ("b", "vip"), ("c", "new")] {
        house.run(&["pushers", "create", id, "--tag", tag, "--created-at", "1"]).await.ok();
    }
    let found = lines(&house.run(&["pushers", "search", "tags:vip", "--json"]).await.ok());
    let mut ids: Vec<_> = found.iter().map(|one| one["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["a", "b"]);
    let table = house.run(&["pushers", "search", "+tags:vip -a"]).await.ok();
    assert!(table.contains("\nb ") && table.ends_with("1 to 1 of 1\n"), "{table}");
    let nothing = house.run(&["pushers", "search", "-x +nobody"]).await.ok();
    assert_eq!(nothing, "No pushers here, and 0 in all.\n");
    let wrong = house.run(&["pushers", "search", "createdAt:>"]).await.fails(1);
    assert!(wrong.starts_with("pusher: refused: "), "{wrong}");
}

#[tokio::test]
async fn a_push_is_accepted_under_its_name_and_can_be_cancelled() {
    let house = House::new().await;
    house.run(&["pushers", "create", "lupino", "--sender", "sample"]).await.ok();
    let push = ["push", "sample", "lupino", "hello", "--at", "2100-01-01T00:00:00Z"];
    let said = house.run(&push).await.ok();
    assert!(said.starts_with("Accepted as lupino_"), "{said}");
    assert!(said.ends_with(", to be sent at 2100-01-01T00:00:00Z.\n"), "{said}");
    let answer = lines(&house.run(&[&push[..], &["--json"]].concat()).await.ok());
    assert_eq!(answer[0]["result"], "OK");
    let accepted = answer[0]["name"].as_str().unwrap();
    assert!(said.contains(accepted), "the same message to the same recipient is the same push: {accepted}");
    let cancelled = house.run(&["cancel", "sample", accepted]).await.ok();
    assert_eq!(cancelled, format!("Cancelled {accepted}, unless it had gone out already.\n"));
    let status = crate::queue::jobs(&house.server, "pusher:sample").await;
    assert_eq!(status, 0, "nothing waits any more");
}

#[tokio::test]
async fn a_message_can_come_from_standard_input_every_byte_of_it() {
    let house = House::new().await;
    house.run(&["pushers", "create", "lupino", "--sender", "sample"]).await.ok();
    let far = ["--at", "+30d", "--json"];
    let text = "zwei\nZeilen ✓\n";
    let piped = house.run_with(&[&["push", "sample", "lupino", "-"], &far[..]].concat(), text.as_bytes()).await.ok();
    let given = house.run(&[&["push", "sample", "lupino", text], &far[..]].concat()).await.ok();
    assert_eq!(piped, given);
    let bytes = house.run_with(&["push", "sample", "lupino", "-"], b"\xff").await.fails(1);
    assert!(bytes.contains("not UTF-8"), "{bytes}");
}

#[tokio::test]
async fn a_pushall_waits_for_the_fan_out_and_can_be_cancelled() {
    let house = House::new().await;
    let pushall = ["pushall", "sample", "-", "--tag", "vip", "--at", "+1d", "--json"];
    let name = lines(&house.run_with(&pushall, b"hello").await.ok())[0]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("sample_"), "{name}");
    assert_eq!(crate::queue::jobs(&house.server, "pusher:pushall").await, 1);
    house.run(&["cancel", "pushall", &name]).await.ok();
    assert_eq!(crate::queue::jobs(&house.server, "pusher:pushall").await, 0);
}

#[tokio::test]
async fn a_push_can_be_forced_and_one_that_is_not_wanted_is_refused() {
    let house = House::new().await;
    house.run(&["pushers", "create", "lupino"]).await.ok();
    let push = ["push", "sample", "lupino", "hello"];
    assert_eq!(house.run(&push).await.fails(1), "pusher: refused: not such pusher lupino\n");
    house.run(&[&push[..], &["--force"]].concat()).await.ok();
}

#[tokio::test]
async fn what_makes_no_sense_is_told_apart_from_what_is_refused() {
    let house = House::new().await;
    for (args, said) in [
        (&["push", "sample", "lupino"][..], "<DATA>"),
        (&["push", "sample", "lupino", "x", "--at", "tomorrow"], "RFC 3339"),
        (&["push", "dead:x", "lupino", "x"], "reserved"),
        (&["pushers", "get", ""], "pusher is empty"),
        (&["pushers", "update", "lupino"], "--email"),
        (&["pushers", "import", "people.txt"], "--format"),
        (&["pushers", "import", "x.csv", "--batch", "10001"], "10001"),
        (&["pushers", "list", "--key", "k"], "--secret"),
    ] {
        let stderr = house.run(args).await.fails(2);
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
    let stderr = run(&["pushers", "list", "--api", "ftp://x"], b"").await.fails(2);
    assert!(stderr.contains("--api") && stderr.contains("http://localhost:6000"), "{stderr}");
    assert_eq!(
        house.run(&["pushers", "update", "nobody", "--email", ""]).await.fails(1),
        "pusher: pusher nobody not exists.\n"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_it_is_said_what_to_do() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let stderr = run(&["pushers", "list", "--api", &nobody.to_string()], b"").await.fails(1);
    assert!(stderr.contains(&format!("http://{nobody}")), "{stderr}");
    assert!(stderr.contains("pusher serve") && stderr.contains("--api"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[tokio::test]
async fn a_reader_that_has_read_enough_ends_the_output_quietly() {
    let house = House::new().await;
    let file: String = (0..300).map(|n| format!("{{\"id\":\"{n}\"}}\n")).collect();
    house.run_with(&["pushers", "import", "-", "--format", "jsonl"], file.as_bytes()).await.ok();
    for args in [&["pushers", "export"][..], &["pushers", "export", "--format", "csv"], &["pushers", "list"]] {
        let args = [args, &["--api", &house.server.api]].concat();
        let mut child = pusher_tests::command::command(&args).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}

#[tokio::test]
async fn help_and_the_settings_file_are_there_for_those_who_look() {
    let help = run(&["help", "pushers", "import"], b"").await.ok();
    for word in ["senders", "createdAt", "--errors", "Examples:"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let house = House::new().await;
    let file = house.dir.path().join("pusher.toml");
    std::fs::write(&file, format!("[client]\napi = \"{}\"\n", house.server.api)).unwrap();
    let said = run(&["pushers", "list", "--config", &file.to_string_lossy()], b"").await.ok();
    assert_eq!(said, "No pushers here, and 0 in all.\n");
}
