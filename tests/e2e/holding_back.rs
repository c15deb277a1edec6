//! What holds messages back: a provider that says so, a sender's rate, its circuit breaker; and when one is too old to go
//! on. None of it loses a message.

use std::path::PathBuf;
use std::time::Duration;

use pusher_core::{Delivery, DeliveryFilter, DeliveryLog, DeliveryState};
use pusher_store::{Store, StoreOptions};
use pusher_tests::process::Pusher;
use pusher_tests::provider::{Provider, Trick};
use pusher_tests::recorded::{recorded, until_recorded};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use tokio::time::{Instant, sleep, timeout};

use crate::queue::{jobs, until_jobs};

const KEY: &str = "test-key";

/// A mail sender whose manifest ends in some lines, and a server that runs it.
struct House {
    dir: tempfile::TempDir,
    provider: Provider,
    server: Pusher,
    rest: Rest,
}

impl House {
    async fn new(lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("senders");
        let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
        senders::sendmail(&folder, &provider.url(), KEY).unwrap();
        let manifest = std::fs::read_to_string(folder.join("sendmail.toml")).unwrap();
        std::fs::write(folder.join("sendmail.toml"), format!("{manifest}{lines}")).unwrap();
        let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
        let rest = Rest::new(&server.api);
        rest.recipient("lupino", "sendmail").await;
        Self { dir, provider, server, rest }
    }

    fn senders(&self) -> PathBuf {
        self.dir.path().join("senders")
    }

    async fn push(&self, messages: std::ops::Range<usize>) {
        for n in messages {
            let data = format!(r#"{{"subject": "{n}", "text": "x"}}"#);
            assert_eq!(self.rest.push("sendmail", "lupino", &data).await.status, 200);
        }
    }

    /// Everything in the log, once the server has stopped.
    async fn log(self) -> Vec<Delivery> {
        assert!(self.server.stop().await.success());
        let store = Store::open(&self.dir.path().join("data"), StoreOptions::default()).unwrap();
        store.list(&DeliveryFilter::default(), None, 1000).await.unwrap().deliveries
    }
}

#[tokio::test]
async fn a_provider_that_says_when_is_asked_again_then_and_not_before() {
    let house = House::new("[retry]\nschedule = [\"1s\"]\njitter = 0.0\n").await;
    house.provider.play([Trick::Limit(3)]);
    house.push(0..1).await;
    house.provider.seen(1).await;
    let asked = Instant::now();
    house.provider.wait_for(1).await;
    assert!(asked.elapsed() >= Duration::from_millis(2_500), "{:?}", asked.elapsed());
    let log = house.log().await;
    assert_eq!((log[0].state, log[0].tries, log[0].attempts[0].status), (DeliveryState::Delivered, 2, Some(429)));
}

#[tokio::test]
async fn a_rate_delays_messages_each_worker_counting_alone_and_drops_none() {
    let house = House::new("[rate]\nper-second = 5.0\nburst = 1\n").await;
    let began = Instant::now();
    house.push(0..11).await;
    house.provider.wait_for(11).await;
    assert!(
        began.elapsed() >= Duration::from_millis(1_900),
        "one at once, ten at five a second: {:?}",
        began.elapsed()
    );
    // Another worker brings as much again.
    let other = Pusher::worker(&house.server, &house.senders()).await;
    let began = Instant::now();
    house.push(11..51).await;
    house.provider.wait_for(51).await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(3_000) && took < Duration::from_millis(7_000),
        "forty at ten a second: {took:?}"
    );
    until_jobs(&house.server, "pusher:sendmail", 0).await;
    until_recorded(&house.server, "delivered", 51).await;
    assert!(other.stop().await.success());
    let log = house.log().await;
    assert_eq!((log.len(), log.iter().all(|delivery| delivery.tries == 1)), (51, true), "waiting is no attempt");
}

#[tokio::test]
async fn after_failures_in_a_row_one_message_is_tried_and_the_others_wait_without_losing_an_attempt() {
    // One at once, or more could be under way when the fourth fails. A message that was tried once more than it is here
    // would be dead.
    let lines = "[limits]\nconcurrency = 1\n[retry]\nschedule = [\"1s\", \"1s\", \"1s\"]\njitter = 0.0\n\
                 [breaker]\nfailures = 4\npause = \"2s\"\n";
    let house = House::new(lines).await;
    house.provider.play([Trick::Status(500); 5]);
    house.push(0..20).await;
    // Four in a row, and then one after two seconds, which fails, too.
    house.provider.seen(4).await;
    let opened = Instant::now();
    sleep(Duration::from_millis(1_000)).await;
    assert_eq!(house.provider.requests(), 4, "nobody is tried before the pause is over");
    house.provider.seen(5).await;
    assert!(opened.elapsed() >= Duration::from_millis(1_500), "{:?}", opened.elapsed());
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!((house.provider.requests(), jobs(&house.server, "pusher:sendmail").await), (5, 20), "twice the pause");
    // The next one is delivered, and all of them go.
    house.provider.wait_for(20).await;
    assert!(opened.elapsed() >= Duration::from_millis(5_000), "{:?}", opened.elapsed());
    until_jobs(&house.server, "pusher:sendmail", 0).await;
    assert_eq!([recorded(&house.server, "delivered").await, recorded(&house.server, "dead").await], [20, 0]);
    assert_eq!(house.provider.requests(), 25);
    let log = house.log().await;
    assert_eq!(log.iter().map(|delivery| delivery.tries).sum::<u32>(), 25, "an attempt for each request, and no more");
    assert!(log.iter().filter(|delivery| delivery.tries == 1).count() >= 15, "most were never tried before");
}

#[tokio::test]
async fn who_waits_for_the_rate_is_held_back_when_the_breaker_opens() {
    let lines = "[rate]\nper-second = 2.0\nburst = 1\n[retry]\nschedule = [\"1s\", \"1s\", \"1s\"]\njitter = 0.0\n\
                 [breaker]\nfailures = 3\npause = \"3s\"\n";
    let house = House::new(lines).await;
    house.provider.play([Trick::Status(500); 3]);
    // All of them wait for their time when the third fails.
    house.push(0..12).await;
    house.provider.seen(3).await;
    sleep(Duration::from_millis(2_200)).await;
    let requests = house.provider.requests();
    assert!(requests <= 4, "one may have been on its way, and four more would have had their time: {requests}");
    house.provider.wait_for(12).await;
    until_jobs(&house.server, "pusher:sendmail", 0).await;
    let log = house.log().await;
    assert_eq!(log.iter().map(|delivery| delivery.tries).sum::<u32>(), 15, "an attempt for each request, and no more");
}

#[tokio::test]
async fn a_message_is_given_up_when_its_next_attempt_would_be_too_late_however_many_it_has_left() {
    let lines = "[retry]\nschedule = [\"1s\", \"20s\"]\njitter = 0.0\nattempts = 99\nmax-age = \"10s\"\n";
    let house = House::new(lines).await;
    house.provider.play([Trick::Status(500); 50]);
    house.push(0..1).await;
    until_recorded(&house.server, "dead", 1).await;
    let log = house.log().await;
    let delivery = &log[0];
    assert_eq!((delivery.state, delivery.tries), (DeliveryState::Dead, 2), "{delivery:?}");
    assert!(delivery.reason.as_ref().is_some_and(|why| why.contains("s after the first attempt")), "{delivery:?}");
}

#[tokio::test]
async fn a_dead_letter_that_is_redriven_is_no_older_than_what_was_just_pushed() {
    let house = House::new("[retry]\nschedule = [\"1s\"]\njitter = 0.0\nattempts = 99\nmax-age = \"10s\"\n").await;
    house.provider.play([Trick::Status(500), Trick::Status(400)]);
    house.push(0..1).await;
    until_recorded(&house.server, "dead", 1).await;
    sleep(Duration::from_secs(10)).await;
    // Three failures more: the second is the first of which the age is asked.
    house.provider.play([Trick::Status(500); 3]);
    let redriven = house.rest.post_as("/pusher/deliveries/redrive", "application/json", r#"{"all": true}"#).await;
    assert_eq!(redriven.status, 200, "{redriven:?}");
    timeout(Duration::from_secs(60), house.provider.wait_for(1)).await.expect("it is not given up again");
    until_jobs(&house.server, "pusher:sendmail", 0).await;
    let log = house.log().await;
    assert_eq!((log[0].state, log[0].tries), (DeliveryState::Delivered, 6), "{:?}", log[0]);
}
