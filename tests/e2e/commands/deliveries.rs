//! `pusher deliveries …`, `pusher pushalls …` and `pusher pushall --wait`, against a server with real senders.

use pusher_tests::command::{Ended, run};
use pusher_tests::process::Pusher;
use pusher_tests::provider::{Provider, Trick};
use pusher_tests::senders;
use pusher_tests::wait::until;
use serde_json::json;

use super::lines;

const KEY: &str = "test-key";
const MAIL: &str = r#"{"subject": "news", "text": "x"}"#;
const NAME: &str = "lupino_ab2bb2a6e4e9a9b8c5d5c54a1f1ac1d5";

/// A server with `sendmail` and `pushall`, its provider, and commands that speak to it.
struct Post {
    _dir: tempfile::TempDir,
    provider: Provider,
    server: Pusher,
}

impl Post {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
        let folder = dir.path().join("senders");
        senders::sendmail(&folder, &provider.url(), KEY).unwrap();
        senders::pushall(&folder).unwrap();
        let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
        Self { _dir: dir, provider, server }
    }

    async fn run(&self, args: &[&str]) -> Ended {
        run(&[args, &["--api", &self.server.api]].concat(), b"").await
    }

    async fn recipient(&self, id: &str, tags: &[&str]) {
        let email = format!("{id}@example.com");
        let mut args = vec!["pushers", "create", id, "--email", &email, "--sender", "sendmail"];
        for tag in tags {
            args.extend(["--tag", tag]);
        }
        self.run(&args).await.ok();
    }

    /// Pushes to lupino what is given up; its name.
    async fn dead(&self) -> String {
        self.provider.play([Trick::Status(400)]);
        let said = self.run(&["push", "sendmail", "lupino", MAIL, "--json"]).await.ok();
        self.until_listed(&["--state", "dead"], 1).await;
        lines(&said)[0]["name"].as_str().unwrap().to_owned()
    }

    async fn until_listed(&self, filter: &[&str], count: usize) {
        until(&format!("{count} deliveries: {filter:?}"), async || {
            let said = self.run(&[&["deliveries", "list", "--json"], filter].concat()).await.ok();
            (lines(&said).len() == count).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_dead_letter_is_listed_shown_and_redriven() {
    let post = Post::new().await;
    assert_eq!(post.run(&["deliveries", "list"]).await.ok(), "No such deliveries.\n");
    post.recipient("lupino", &[]).await;
    let name = post.dead().await;
    let list = post.run(&["deliveries", "list", "--sender", "sendmail", "--since", "-1h"]).await.ok();
    let mut table = list.lines();
    assert!(table.next().unwrap().starts_with("STATE  SENDER    TRIES  CHANGED"), "{list}");
    let row = table.next().unwrap();
    assert!(row.starts_with("dead   sendmail  1 ") && row.contains("answered 400") && row.ends_with(&name), "{list}");
    assert_eq!(table.next(), None, "{list}");
    let shown = post.run(&["deliveries", "show", &name]).await.ok();
    for part in [
        &format!("name      {name}\n"),
        "state     dead since ",
        &format!("data      {MAIL}\n"),
        "\n1    ",
        "  permanent  400 ",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(post.run(&["deliveries", "redrive", "--error", "full"]).await.ok(), "Redrove 0 deliveries.\n");
    assert_eq!(post.run(&["deliveries", "redrive", &name]).await.ok(), "Redrove 1 delivery.\n");
    assert_eq!(post.provider.wait_for(1).await[0].to, "lupino@example.com");
    post.until_listed(&["--state", "delivered", "--pusher", "lupino"], 1).await;
    let again = post.run(&["deliveries", "redrive", "--all", "--json"]).await.ok();
    assert_eq!(lines(&again), [json!({"redriven": 0, "more": false, "result": "OK"})]);
    let unknown = post.run(&["deliveries", "show", NAME]).await.fails(1);
    assert!(unknown.contains(NAME), "{unknown}");
}

#[tokio::test]
async fn more_than_a_batch_is_cancelled_and_deleted() {
    const COUNT: usize = 1200;
    let post = Post::new().await;
    post.recipient("lupino", &[]).await;
    let rest = pusher_tests::rest::Rest::new(&post.server.api);
    for n in 0..COUNT {
        let form = [("pusher", "lupino"), ("data", &n.to_string()), ("schedat", "4102444800")];
        assert_eq!(rest.post("/pusher/sendmail/push", &form).await.status, 200);
    }
    let listed = post.run(&["deliveries", "list", "--scheduled", "--size", "250"]).await.ok();
    assert!(listed.contains("250 shown; --after ") && listed.lines().count() == 252, "{listed}");
    let cancelled = post.run(&["deliveries", "cancel", "--pusher", "lupino"]).await.ok();
    assert_eq!(cancelled, format!("Cancelled {COUNT} deliveries.\n"));
    assert_eq!(crate::queue::jobs(&post.server, "pusher:sendmail").await, 0);
    let deleted = post.run(&["deliveries", "delete", "--all", "--state", "cancelled"]).await.ok();
    assert_eq!(deleted, format!("Deleted {COUNT} deliveries.\n"));
    assert_eq!(post.run(&["deliveries", "list"]).await.ok(), "No such deliveries.\n");
}

#[tokio::test]
async fn a_message_that_waits_is_moved_and_what_is_old_is_pruned() {
    let post = Post::new().await;
    post.recipient("lupino", &[]).await;
    let said = post.run(&["push", "sendmail", "lupino", MAIL, "--at", "+1d", "--json"]).await.ok();
    let name = lines(&said)[0]["name"].as_str().unwrap().to_owned();
    let moved = post.run(&["deliveries", "schedule", &name, "2100-01-01T00:00:00Z"]).await.ok();
    assert_eq!(moved, format!("Moved {name} to 2100-01-01T00:00:00Z.\n"));
    let shown = lines(&post.run(&["deliveries", "show", &name, "--json"]).await.ok());
    assert_eq!((&shown[0]["state"], &shown[0]["dueAt"]), (&"accepted".into(), &4_102_444_800_i64.into()));
    post.run(&["deliveries", "schedule", &name, "now", "--sender", "sendmail"]).await.ok();
    post.until_listed(&["--state", "delivered"], 1).await;
    let late = post.run(&["deliveries", "schedule", &name, "now"]).await.fails(1);
    assert!(late.contains("does not wait"), "{late}");
    assert_eq!(post.run(&["deliveries", "prune"]).await.ok(), "Pruned 0 deliveries.\n");
    assert_eq!(post.run(&["deliveries", "prune", "--delivered", "+1m"]).await.ok(), "Pruned 1 delivery.\n");
    assert!(post.run(&["deliveries", "show", &name]).await.fails(1).contains(&name));
}

#[tokio::test]
async fn a_pushall_is_waited_for_and_its_failures_are_told() {
    let post = Post::new().await;
    for (id, tags) in [("ana", &["vip"][..]), ("bo", &["vip", "trial"]), ("cy", &["vip"]), ("di", &[])] {
        post.recipient(id, tags).await;
    }
    let push = ["pushall", "sendmail", MAIL, "--tag", "vip AND NOT trial", "--wait"];
    let said = post.run(&push).await.ok();
    assert!(said.starts_with("Accepted as sendmail_") && said.ends_with("\nDelivered 2 of 2.\n"), "{said}");
    post.provider.play([Trick::Status(400)]);
    let ended = post.run(&["pushall", "sendmail", MAIL, "--tag", "trial", "--wait", "--json"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let (said, name) = (lines(&ended.stdout), lines(&ended.stdout)[0]["name"].as_str().unwrap().to_owned());
    assert_eq!((&said[1]["state"], &said[1]["dead"], &said[1]["delivered"]), (&"done".into(), &1.into(), &0.into()));
    assert!(ended.stderr.contains(&format!("--pushall {name} --state dead")), "{}", ended.stderr);
    post.until_listed(&["--pushall", &name, "--state", "dead"], 1).await;
    let list = post.run(&["pushalls", "list"]).await.ok();
    assert!(list.lines().nth(1).unwrap().starts_with("done   ") && list.lines().count() == 3, "{list}");
    let shown = post.run(&["pushalls", "show", &name]).await.ok();
    assert!(shown.contains("tag         trial\n") && shown.contains("dead        1\n"), "{shown}");
    let wrong = post.run(&["pushall", "sendmail", MAIL, "--tag", "vip AND"]).await.fails(2);
    assert!(wrong.contains("character"), "{wrong}");
}

#[tokio::test]
async fn a_push_with_a_key_is_one_push_however_often_the_command_is_run() {
    let post = Post::new().await;
    post.recipient("lupino", &[]).await;
    let push = ["push", "sendmail", "lupino", MAIL, "--idempotency-key", "order \"4711\""];
    let first = post.run(&push).await.ok();
    post.provider.wait_for(1).await;
    post.until_listed(&["--state", "delivered"], 1).await;
    assert_eq!(post.run(&push).await.ok(), first);
    let other = ["push", "sendmail", "lupino", "{}", "--idempotency-key", "order \"4711\""];
    assert!(post.run(&other).await.fails(1).contains("Idempotency-Key"));
    crate::queue::until_jobs(&post.server, "pusher:sendmail", 0).await;
    assert_eq!(post.provider.mails().len(), 1);
}

#[tokio::test]
async fn nothing_is_done_to_deliveries_that_nobody_named() {
    for (args, said) in [
        (&["deliveries", "redrive"][..], "--all"),
        (&["deliveries", "redrive", "--all", "--sender", "sendmail"], "not both"),
        (&["deliveries", "cancel"], "--pushall"),
        (&["deliveries", "delete"], "--all"),
        (&["deliveries", "delete", "--all", "--state", "waiting"], "cancel it first"),
        (&["deliveries", "list", "--state", "sent"], "no state"),
        (&["deliveries", "list", "--after", "x"], "no cursor"),
        (&["push", "sendmail", "lupino", "x", "--idempotency-key", ""], "1 to 255"),
    ] {
        let stderr = run(args, b"").await.fails(2);
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }
}
