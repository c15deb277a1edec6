//! A pushall reaches everybody it is for, also when whoever fans it out is killed.

use std::collections::BTreeMap;
use std::path::Path;

use pusher_tests::process::Pusher;
use pusher_tests::provider::{Provider, Trick};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;

use crate::queue::{jobs, until_jobs};

const KEY: &str = "test-key";
const MAIL: &str = r#"{"subject": "news", "text": "x"}"#;

/// `sendmail`, and `pushall` as it is shipped.
fn senders(folder: &Path, provider: &Provider) {
    senders::sendmail(folder, &provider.url(), KEY).unwrap();
    senders::pushall(folder).unwrap();
}

/// A server that sends mail by itself, and its provider.
struct House {
    provider: Provider,
    server: Pusher,
    rest: Rest,
    _dir: tempfile::TempDir,
}

impl House {
    /// With so many [`recipients`].
    async fn with(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
        let folder = dir.path().join("senders");
        senders(&folder, &provider);
        let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
        let rest = Rest::new(&server.api);
        recipients(&rest, count).await;
        Self { provider, server, rest, _dir: dir }
    }

    /// Pushes to all and says what that was answered.
    async fn pushall(&self, data: &str, tag: &str) -> String {
        let reply = self.rest.post("/pusher/sendmail/pushall", &[("data", data), ("tag", tag)]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    /// Waits until everybody has been pushed to and everything is delivered.
    async fn all_delivered(&self) {
        for func in ["pusher:pushall", "pusher:sendmail"] {
            until_jobs(&self.server, func, 0).await;
        }
    }

    async fn stop(self) {
        assert!(self.server.stop().await.success());
    }
}

/// So many with `sendmail`, of whom every third is `vip`, and as many `vip` who have another sender.
async fn recipients(rest: &Rest, count: usize) {
    let line = |n: usize| {
        let tags = if n.is_multiple_of(3) { r#"["vip"]"# } else { "[]" };
        format!(
            "{{\"id\":\"m{n}\",\"email\":\"m{n}@example.com\",\"senders\":[\"sendmail\"],\"tags\":{tags}}}\n\
             {{\"id\":\"o{n}\",\"email\":\"o{n}@example.com\",\"senders\":[\"other\"],\"tags\":[\"vip\"]}}\n"
        )
    };
    let all: Vec<String> = (0..count).map(line).collect();
    // As many as a request may have.
    for lines in all.chunks(5_000) {
        let reply = rest.post_as("/pusher/pushers/_bulk", "application/x-ndjson", &lines.concat()).await;
        assert!(reply.status == 200 && reply.body.contains("\"failed\":0"), "{reply:?}");
    }
}

/// How many mails each address got.
fn counts(provider: &Provider) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in provider.mails() {
        *counts.entry(mail.to).or_default() += 1;
    }
    counts
}

fn addresses(numbers: impl Iterator<Item = usize>) -> BTreeMap<String, usize> {
    numbers.map(|n| (format!("m{n}@example.com"), 1)).collect()
}

#[tokio::test]
async fn a_pushall_reaches_each_who_has_the_sender_and_the_tag_once() {
    const RECIPIENTS: usize = 1300;
    let house = House::with(RECIPIENTS).await;
    let House { provider, .. } = &house;
    let pushall = async |tag: &str| {
        house.pushall(MAIL, tag).await;
        house.all_delivered().await;
    };
    pushall("").await;
    assert_eq!(counts(provider), addresses(0..RECIPIENTS));
    pushall("vip").await;
    let twice = |(address, count): (String, usize)| (address, count + 1);
    let mut expected = addresses(0..RECIPIENTS);
    expected.extend(addresses((0..RECIPIENTS).step_by(3)).into_iter().map(twice));
    assert_eq!(counts(provider), expected);
    // One that is over can be asked for again, and is another one.
    pushall("").await;
    let expected = expected.into_iter().map(twice).collect();
    assert_eq!(counts(provider), expected);
    pushall("nobody").await;
    assert_eq!(counts(provider), expected);
    house.stop().await;
}

#[tokio::test]
async fn a_fan_out_goes_on_where_it_was_when_worker_and_server_are_killed() {
    const RECIPIENTS: usize = 8000;
    let dir = tempfile::tempdir().unwrap();
    let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
    let (folder, data) = (dir.path().join("senders"), dir.path().join("data"));
    senders(&folder, &provider);
    let server = Pusher::serve(&data, &[]).await;
    let rest = Rest::new(&server.api);
    recipients(&rest, RECIPIENTS).await;
    // As many as are sent at once wait for the provider, so nothing is delivered while pages are.
    provider.play([Trick::Hold; 32]);
    let worker = Pusher::worker(&server, &folder).await;
    let accepted = rest.post("/pusher/sendmail/pushall", &[("data", MAIL)]).await;
    assert_eq!(accepted.status, 200, "{accepted:?}");
    // Between two pages: as soon as there is one. Where this test is kept waiting they may all be there; then only its messages
    // are on the way.
    let seen = until("the first page", async || {
        let status = status_of(&rest, &accepted.body).await;
        (status["submitted"] != 0).then_some(status)
    })
    .await;
    server.kill().await;
    worker.kill().await;

    let server = Pusher::serve(&data, &[]).await;
    if seen["submitted"].as_u64() <= Some(2000) {
        assert_eq!(jobs(&server, "pusher:pushall").await, 1, "it was on the way");
    }
    let worker = Pusher::worker(&server, &folder).await;
    for func in ["pusher:pushall", "pusher:sendmail"] {
        until(func, async || {
            // Those that were not held before the kill are now.
            provider.release();
            (jobs(&server, func).await == 0).then_some(())
        })
        .await;
    }
    let counts = counts(&provider);
    assert_eq!(counts.keys().collect::<Vec<_>>(), addresses(0..RECIPIENTS).keys().collect::<Vec<_>>());
    let repeated = counts.values().filter(|count| **count > 1).count();
    assert!(repeated <= 32, "{repeated} were sent twice, more than were being sent at the kill");
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_pushall_is_for_those_on_whom_an_expression_of_tags_holds() {
    let house = House::with(12).await;
    let House { provider, rest, .. } = &house;
    for n in [0, 1, 2] {
        assert_eq!(rest.post(&format!("/pusher/pushers/m{n}/new%20york/"), &[]).await.status, 200);
    }
    for (tag, expected) in [
        ("vip AND new york", vec![0]),
        ("vip AND NOT new york", vec![3, 6, 9]),
        ("NOT (vip OR \"new york\")", vec![4, 5, 7, 8, 10, 11]),
        ("vip AND nobody", vec![]),
    ] {
        let mail = format!("{{\"subject\": \"to {}\", \"text\": \"x\"}}", tag.replace('"', ""));
        let before = counts(provider);
        house.pushall(&mail, tag).await;
        house.all_delivered().await;
        let mut after = counts(provider);
        for (address, count) in before {
            *after.entry(address).or_default() -= count;
        }
        after.retain(|_, count| *count > 0);
        assert_eq!(after, addresses(expected.into_iter()), "{tag}");
    }
    let wrong = rest.post("/pusher/sendmail/pushall", &[("data", MAIL), ("tag", "vip AND")]).await;
    assert!(wrong.status == 400 && wrong.body.contains("at character 8"), "{wrong:?}");
    house.stop().await;
}

/// What `GET /pusher/pushalls/NAME/` says.
async fn status_of(rest: &Rest, accepted: &str) -> serde_json::Value {
    let accepted: serde_json::Value = serde_json::from_str(accepted).unwrap();
    let reply = rest.get(&format!("/pusher/pushalls/{}/", accepted["name"].as_str().unwrap())).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut reply: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    reply["pushall"].take()
}

#[tokio::test]
async fn a_pushall_is_cancelled_while_it_runs_and_what_has_not_gone_out_never_does() {
    const RECIPIENTS: usize = 4000;
    let house = House::with(RECIPIENTS).await;
    let House { provider, server, rest, .. } = &house;
    // As many as are sent at once wait for the provider.
    provider.play([Trick::Hold; 32]);
    let kept =
        rest.post("/pusher/sendmail/push", &[("pusher", "m7"), ("data", "{\"subject\":\"a\",\"text\":\"b\"}")]).await;
    let accepted = house.pushall(MAIL, "").await;
    assert_eq!(kept.status, 200);
    until("a full house", async || (provider.requests() >= 32).then_some(())).await;
    let name: serde_json::Value = serde_json::from_str(&accepted).unwrap();
    let cancelled = rest.post("/pusher/pushall/cancelpush", &[("name", name["name"].as_str().unwrap())]).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let status = status_of(rest, &accepted).await;
    assert!(["cancelled", "done"].contains(&status["state"].as_str().unwrap()), "{status}");
    until_jobs(server, "pusher:pushall", 0).await;
    until("an empty queue", async || {
        provider.release();
        (jobs(server, "pusher:sendmail").await == 0).then_some(())
    })
    .await;
    let status = status_of(rest, &accepted).await;
    let number = |key: &str| status[key].as_u64().unwrap();
    assert_eq!(number("waiting"), 0, "{status}");
    assert_eq!(number("delivered") + number("cancelled"), number("submitted"), "{status}");
    assert!(number("cancelled") > 0, "{status}");
    // Those that were being sent may have gone out; nobody else.
    assert!(provider.mails().len() <= 32 + 1, "{}", provider.mails().len());
    assert!(provider.mails().iter().any(|mail| mail.to == "m7@example.com"), "another message is not touched");
    house.stop().await;
}

#[tokio::test]
async fn pushalls_at_once_take_turns_and_each_reaches_its_own() {
    const RECIPIENTS: usize = 2200;
    let house = House::with(RECIPIENTS).await;
    let House { provider, rest, .. } = &house;
    let mail = |n: usize| format!("{{\"subject\": \"{n}\", \"text\": \"x\"}}");
    let mut accepted = Vec::new();
    for n in 0..3 {
        accepted.push(house.pushall(&mail(n), "vip").await);
    }
    house.all_delivered().await;
    let expected = RECIPIENTS.div_ceil(3);
    for body in accepted {
        let status = status_of(rest, &body).await;
        let numbers = ["recipients", "submitted", "delivered", "waiting"].map(|key| status[key].as_u64().unwrap());
        let expected = expected as u64;
        assert_eq!((status["state"].as_str(), numbers), (Some("done"), [expected, expected, expected, 0]), "{status}");
    }
    assert_eq!(provider.mails().len(), 3 * expected);
    house.stop().await;
}

#[tokio::test]
async fn a_fan_out_is_asked_for_by_page_and_refuses_what_it_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let rest = Rest::new(&server.api);
    recipients(&rest, 5).await;
    let page = async |sender: &str, form: &[(&str, &str)]| {
        let reply = rest.post(&format!("/pusher/{sender}/fanout"), form).await;
        (reply.status, reply.body)
    };
    let form = [("id", "a"), ("data", "x"), ("limit", "2")];
    for (pushed, done) in [(2, false), (4, false), (5, true), (5, true)] {
        assert_eq!(page("sendmail", &form).await, (200, format!("{{\"done\":{done},\"pushed\":{pushed}}}")));
    }
    until_jobs(&server, "pusher:sendmail", 5).await;
    // Those with the tag and another sender are looked at and not pushed to.
    let form = [("id", "b"), ("data", "x"), ("tag", "vip")];
    assert_eq!(page("sendmail", &form).await, (200, "{\"done\":true,\"pushed\":2}".to_owned()));
    for (sender, form, status) in [
        ("sendmail", &[("data", "x")][..], 406),
        ("sendmail", &[("id", "c"), ("limit", "few")], 400),
        ("pushall", &[("id", "c"), ("data", "x")], 400),
        ("dead:x", &[("id", "c"), ("data", "x")], 400),
    ] {
        assert_eq!(page(sender, form).await.0, status, "{sender} {form:?}");
    }
    assert!(server.stop().await.success());
}
