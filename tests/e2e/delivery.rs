//! A message's way when nothing is killed: delivered, waiting, tried again, given up, cancelled.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pusher_tests::process::Pusher;
use pusher_tests::provider::{Mail, Provider, Trick};
use pusher_tests::recorded::{recorded, until_recorded};
use pusher_tests::rest::{Reply, Rest};
use pusher_tests::senders;
use tokio::time::{Instant, sleep};

use crate::queue::{jobs, until_jobs};

const KEY: &str = "test-key";
const HELLO: &str = r#"{"subject": "Welcome", "text": "Hello {{.NickName}}"}"#;
const HELLO_NAME: &str = "lupino_b4a2d1c07ee0bba3b43a21a4f40a3a41";

struct House {
    dir: tempfile::TempDir,
    provider: Provider,
}

impl House {
    async fn new() -> Self {
        Self::with_key(KEY).await
    }

    /// One whose mail sender has this key, right or wrong.
    async fn with_key(key: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
        senders::sendmail(&dir.path().join("senders"), &provider.url(), key).unwrap();
        Self { dir, provider }
    }

    /// `pusher serve --senders`, all in one process, with a short retry schedule.
    async fn one_process(&self) -> Pusher {
        let senders = self.dir.path().join("senders");
        let manifest = senders.join("sendmail.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(&manifest, format!("{text}[retry]\nschedule = [\"1s\", \"1s\"]\njitter = 0.0\n")).unwrap();
        Pusher::serve(&self.dir.path().join("data"), &["--senders", &senders.to_string_lossy()]).await
    }
}

fn hello_mail() -> Mail {
    Mail {
        to: "lupino@example.com".into(),
        from: "noreply@example.com".into(),
        subject: "Welcome".into(),
        html: "Hello Lu".into(),
    }
}

fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the API takes wall-clock times, so a test of it must know the time")]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn serve_and_worker_as_two_processes_deliver_a_mail() {
    let house = House::new().await;
    let server = Pusher::serve(&house.dir.path().join("data"), &[]).await;
    let worker = Pusher::worker(&server, &house.dir.path().join("senders")).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    let reply = rest.push("sendmail", "lupino", HELLO).await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.starts_with("{\"name\":\"lupino_"), "{reply:?}");
    assert_eq!(house.provider.wait_for(1).await, [hello_mail()]);
    until_jobs(&server, "pusher:sendmail", 0).await;
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
    assert_eq!(house.provider.mails().len(), 1, "delivered once");
}

#[tokio::test]
async fn serve_with_senders_is_one_process_that_does_it_all() {
    let house = House::new().await;
    let server = house.one_process().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    rest.push("sendmail", "lupino", HELLO).await;
    assert_eq!(house.provider.wait_for(1).await, [hello_mail()]);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn what_was_accepted_before_the_worker_came_is_delivered_when_it_comes() {
    let house = House::new().await;
    let server = Pusher::serve(&house.dir.path().join("data"), &[]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    rest.push("sendmail", "lupino", HELLO).await;
    assert_eq!(jobs(&server, "pusher:sendmail").await, 1);
    let worker = Pusher::worker(&server, &house.dir.path().join("senders")).await;
    assert_eq!(house.provider.wait_for(1).await, [hello_mail()]);
    worker.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn the_same_message_to_the_same_pusher_while_it_waits_is_one_delivery() {
    let house = House::new().await;
    let server = Pusher::serve(&house.dir.path().join("data"), &[]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    let first = rest.push("sendmail", "lupino", HELLO).await;
    assert_eq!(rest.push("sendmail", "lupino", HELLO).await, first);
    assert_eq!(jobs(&server, "pusher:sendmail").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_provider_that_has_a_bad_day_is_asked_again() {
    let house = House::new().await;
    house.provider.play([Trick::Status(500), Trick::Status(503)]);
    let server = house.one_process().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    let pushed = Instant::now();
    rest.push("sendmail", "lupino", HELLO).await;
    assert_eq!(house.provider.wait_for(1).await, [hello_mail()]);
    assert!(pushed.elapsed() >= Duration::from_secs(2), "two waits of a second each, not {:?}", pushed.elapsed());
    assert_eq!(house.provider.requests(), 3);
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_fails_every_time_becomes_a_dead_letter_and_is_kept() {
    let house = House::new().await;
    house.provider.play([Trick::Status(500); 3]);
    let server = house.one_process().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    rest.push("sendmail", "lupino", HELLO).await;
    until_recorded(&server, "dead", 1).await;
    until_jobs(&server, "pusher:sendmail", 0).await;
    assert_eq!(house.provider.requests(), 3, "the first attempt and two retries");
    server.stop().await;
}

#[tokio::test]
async fn a_pusher_without_an_address_is_a_dead_letter_at_once() {
    let house = House::new().await;
    let server = house.one_process().await;
    let rest = Rest::new(&server.api);
    rest.post("/pusher/pushers/", &[("pusher", "nomail")]).await;
    rest.post("/pusher/sendmail/add", &[("pusher", "nomail")]).await;
    assert_eq!(rest.push("sendmail", "nomail", HELLO).await.status, 200);
    until_recorded(&server, "dead", 1).await;
    assert_eq!(house.provider.requests(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_provider_that_refuses_the_key_makes_a_dead_letter_not_a_loop() {
    let house = House::with_key("another-key").await;
    let server = house.one_process().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    rest.push("sendmail", "lupino", HELLO).await;
    until_recorded(&server, "dead", 1).await;
    assert_eq!(house.provider.requests(), 1, "a wrong key is wrong the second time too");
    server.stop().await;
}

#[tokio::test]
async fn a_scheduled_push_waits_for_its_time() {
    let house = House::new().await;
    let server = house.one_process().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    let at = now() + 2;
    let form = [("pusher", "lupino"), ("data", HELLO), ("schedat", &at.to_string())];
    rest.post("/pusher/sendmail/push", &form).await;
    house.provider.wait_for(1).await;
    assert!(now() >= at, "not early");
    server.stop().await;
}

#[tokio::test]
async fn a_cancelled_push_does_not_go_out() {
    let house = House::new().await;
    let server = house.one_process().await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    let at = (now() + 1).to_string();
    let pushed = rest.post("/pusher/sendmail/push", &[("pusher", "lupino"), ("data", HELLO), ("schedat", &at)]).await;
    let name = pushed.body.split('"').nth(3).unwrap().to_owned();
    let cancelled = rest.post("/pusher/sendmail/cancelpush", &[("name", &name)]).await;
    assert_eq!(cancelled, Reply { status: 200, body: "{\"result\":\"OK\"}".into() });
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(house.provider.requests(), 0);
    assert_eq!(jobs(&server, "pusher:sendmail").await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_job_that_no_pusher_made_is_dropped() {
    use periodic::client::{Client, ClientOptions};
    use periodic::{Endpoint, Job, JobKey};

    let house = House::new().await;
    let server = house.one_process().await;
    let endpoint: Endpoint = server.periodic.parse().unwrap();
    let client = Client::new(std::sync::Arc::new(endpoint), ClientOptions::default());
    let key = JobKey { func: "pusher:sendmail".into(), name: HELLO_NAME.into() };
    let job = Job { key, workload: "not what the name was made from".into(), sched_at: 0, count: 0, timeout: 0 };
    client.submit(job).await.unwrap();
    until_jobs(&server, "pusher:sendmail", 0).await;
    assert_eq!(recorded(&server, "dead").await, 0);
    assert_eq!(house.provider.requests(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_rate_delays_messages_and_a_stop_does_not_wait_for_their_time() {
    let house = House::new().await;
    let senders = house.dir.path().join("senders");
    let manifest = senders.join("sendmail.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{text}[rate]\nper-second = 4.0\nburst = 2\n")).unwrap();
    let server = Pusher::serve(&house.dir.path().join("data"), &[]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    let push = async |n: usize| {
        let data = format!(r#"{{"subject": "{n}", "text": "x"}}"#);
        assert_eq!(rest.push("sendmail", "lupino", &data).await.status, 200);
    };
    for n in 0..6 {
        push(n).await;
    }
    let began = Instant::now();
    let worker = Pusher::worker(&server, &senders).await;
    assert_eq!(house.provider.wait_for(6).await.len(), 6);
    assert!(began.elapsed() >= Duration::from_millis(1000), "two at once and four at the rate: {:?}", began.elapsed());
    until_jobs(&server, "pusher:sendmail", 0).await;
    for n in 0..100 {
        push(n).await;
    }
    house.provider.wait_for(7).await;
    let told = Instant::now();
    assert!(worker.stop().await.success());
    assert!(told.elapsed() < Duration::from_secs(6), "their time is 25 s away: {:?}", told.elapsed());
    let sent = house.provider.mails().len() as u64;
    assert_eq!(jobs(&server, "pusher:sendmail").await, 106 - sent, "nothing is lost");
    assert_eq!(recorded(&server, "dead").await, 0);
    assert!(server.stop().await.success());
}
