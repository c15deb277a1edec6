//! What became of messages, asked and changed over HTTP, with real processes, senders and kills.

use std::path::Path;

use pusher_tests::process::Pusher;
use pusher_tests::provider::{Provider, Trick};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;
use serde_json::{Value, json};

use crate::queue::until_jobs;

const KEY: &str = "test-key";
const MAIL: &str = r#"{"subject": "news", "text": "x"}"#;

/// A provider, `sendmail` that sends to it, and `pushall` as it is shipped.
struct House {
    dir: tempfile::TempDir,
    provider: Provider,
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
        let folder = dir.path().join("senders");
        senders::sendmail(&folder, &provider.url(), KEY).unwrap();
        senders::pushall(&folder).unwrap();
        Self { dir, provider }
    }

    fn data(&self) -> &Path {
        self.dir.path()
    }

    /// `pusher serve --senders`, all in one process.
    async fn serve(&self) -> Pusher {
        let senders = self.dir.path().join("senders");
        Pusher::serve(&self.data().join("data"), &["--senders", &senders.to_string_lossy()]).await
    }
}

async fn get(rest: &Rest, target: &str) -> Value {
    let reply = rest.get(target).await;
    assert_eq!(reply.status, 200, "{target}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

async fn post(rest: &Rest, operation: &str, body: Value) -> Value {
    let target = format!("/pusher/deliveries/{operation}");
    let reply = rest.post_as(&target, "application/json", &body.to_string()).await;
    assert_eq!(reply.status, 200, "{target} {body}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// The deliveries that a list has, once there are `count`.
async fn listed(rest: &Rest, query: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} deliveries: {query}"), async || {
        let list = get(rest, &format!("/pusher/deliveries/?{query}")).await;
        let found = list["deliveries"].as_array().unwrap();
        (found.len() == count).then(|| found.clone())
    })
    .await
}

#[tokio::test]
async fn a_failure_is_found_with_its_reason_and_goes_out_when_it_is_redriven() {
    let house = House::new().await;
    house.provider.play([Trick::Status(400)]);
    let server = house.serve().await;
    let rest = Rest::new(&server.api);
    for pusher in ["lupino", "ana"] {
        rest.recipient(pusher, "sendmail").await;
    }
    rest.push("sendmail", "lupino", MAIL).await;
    let dead = listed(&rest, "state=dead&sender=sendmail&pusher=lupino", 1).await;
    assert!(dead[0]["reason"].as_str().unwrap().contains("bad day"), "{dead:?}");
    rest.push("sendmail", "ana", MAIL).await;
    listed(&rest, "state=delivered&pusher=ana", 1).await;
    let name = dead[0]["name"].as_str().unwrap();
    let shown = get(&rest, &format!("/pusher/deliveries/{name}/")).await;
    assert_eq!(
        (&shown["deliveries"][0]["data"], &shown["deliveries"][0]["attempts"][0]["status"]),
        (&MAIL.into(), &400.into())
    );
    assert_eq!(
        post(&rest, "redrive", json!({"error": "bad day"})).await,
        json!({"redriven": 1, "more": false, "result": "OK"})
    );
    assert_eq!(house.provider.wait_for(2).await[1].to, "lupino@example.com");
    let delivered = listed(&rest, "state=delivered&pusher=lupino", 1).await;
    assert_eq!(delivered[0]["tries"], 2, "the attempt before is kept: {delivered:?}");
    assert_eq!(post(&rest, "redrive", json!({"all": true})).await["redriven"], 0, "nothing is dead any more");
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_pushall_says_how_far_it_has_come_where_its_reply_says() {
    let house = House::new().await;
    house.provider.play([Trick::Status(400), Trick::Status(400)]);
    let server = house.serve().await;
    let rest = Rest::new(&server.api);
    let people = (0..40).map(|n| {
        let tags = if n % 4 == 0 { r#"["vip","trial"]"# } else { r#"["vip"]"# };
        format!("{{\"id\":\"m{n}\",\"email\":\"m{n}@example.com\",\"senders\":[\"sendmail\"],\"tags\":{tags}}}\n")
    });
    rest.post_as("/pusher/pushers/_bulk", "application/x-ndjson", &people.collect::<String>()).await;
    let form = [("data", MAIL), ("tag", "vip AND NOT trial")];
    let answer = reqwest::Client::new().post(format!("{}/pusher/sendmail/pushall", server.api));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let answer = answer.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let ended = until("a pushall that has ended", async || {
        let pushall = get(&rest, &location).await["pushall"].clone();
        (pushall["state"] == "done" && pushall["waiting"] == 0).then_some(pushall)
    })
    .await;
    let counts =
        ["recipients", "submitted", "delivered", "dead", "cancelled", "merged"].map(|count| ended[count].as_u64());
    assert_eq!(counts, [30, 30, 28, 2, 0, 0].map(Some), "{ended}");
    let name = ended["name"].as_str().unwrap();
    assert_eq!(listed(&rest, &format!("pushall={name}&state=dead"), 2).await[0]["tag"], "vip AND NOT trial");
    assert_eq!(get(&rest, "/pusher/pushalls/").await["pushalls"], json!([ended]));
    server.stop().await;
}

#[tokio::test]
async fn what_is_scheduled_is_listed_moved_and_cancelled() {
    let house = House::new().await;
    let server = house.serve().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    for (data, sched_at) in [(MAIL, "4102444800"), (r#"{"subject": "later", "text": "y"}"#, "4102444801")] {
        let form = [("pusher", "lupino"), ("data", data), ("schedat", sched_at)];
        assert_eq!(rest.post("/pusher/sendmail/push", &form).await.status, 200);
    }
    let all = rest.post("/pusher/sendmail/pushall", &[("data", MAIL), ("schedat", "4102444800")]).await;
    let all: Value = serde_json::from_str(&all.body).unwrap();
    let waits = listed(&rest, "scheduled=2099-12-31T00:00:00Z&sender=sendmail", 2).await;
    let of = |due: i64| waits.iter().find(|one| one["dueAt"] == due).unwrap()["name"].clone();
    post(&rest, "schedule", json!({"name": of(4_102_444_800), "schedat": 0})).await;
    assert_eq!(house.provider.wait_for(1).await[0].subject, "news");
    assert_eq!(post(&rest, "cancel", json!({"name": of(4_102_444_801)})).await["cancelled"], 1);
    let status = format!("/pusher/pushalls/{}/", all["name"].as_str().unwrap());
    post(&rest, "schedule", json!({"name": all["name"], "schedat": 4_102_444_805_i64})).await;
    let pushall = get(&rest, &status).await;
    assert_eq!(
        (&pushall["pushall"]["state"], &pushall["pushall"]["dueAt"]),
        (&json!("accepted"), &json!(4_102_444_805_i64))
    );
    post(&rest, "cancel", json!({"pushall": all["name"]})).await;
    assert_eq!(get(&rest, &status).await["pushall"]["state"], "cancelled");
    for func in ["pusher:sendmail", "pusher:pushall"] {
        until_jobs(&server, func, 0).await;
    }
    listed(&rest, "state=cancelled&pusher=lupino", 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_push_with_a_key_goes_out_once_though_the_server_is_killed_in_between() {
    let house = House::new().await;
    let push = async |server: &Pusher, data: &str| {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("pusher", "lupino"), ("data", data)])
            .finish();
        let request = reqwest::Client::new().post(format!("{}/pusher/sendmail/push", server.api));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.header("idempotency-key", "order-4711").body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let server = house.serve().await;
    Rest::new(&server.api).recipient("lupino", "sendmail").await;
    let first = push(&server, MAIL).await;
    assert_eq!(first.0, 200, "{first:?}");
    house.provider.wait_for(1).await;
    until_jobs(&server, "pusher:sendmail", 0).await;
    server.kill().await;
    let server = house.serve().await;
    assert_eq!(push(&server, MAIL).await, first);
    assert_eq!(push(&server, r#"{"subject": "other", "text": "y"}"#).await.0, 422);
    until_jobs(&server, "pusher:sendmail", 0).await;
    assert_eq!(house.provider.mails().len(), 1);
    server.stop().await;
}
