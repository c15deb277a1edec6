//! A pushall reaches everybody it is for, also when whoever fans it out is killed.

use std::collections::BTreeMap;
use std::path::Path;

use pusher_tests::build;
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
    let manifest = std::fs::read_to_string(build::root().join("senders-wasm/pushall/pushall.toml")).unwrap();
    senders::write(folder, "pushall", "pushall.wasm", &manifest).unwrap();
}

/// So many with `sendmail`, of whom every third is `vip`, and as many `vip` who have another sender.
async fn recipients(rest: &Rest, count: usize) {
    let lines = (0..count).map(|n| {
        let tags = if n % 3 == 0 { r#"["vip"]"# } else { "[]" };
        format!(
            "{{\"id\":\"m{n}\",\"email\":\"m{n}@example.com\",\"senders\":[\"sendmail\"],\"tags\":{tags}}}\n\
             {{\"id\":\"o{n}\",\"email\":\"o{n}@example.com\",\"senders\":[\"other\"],\"tags\":[\"vip\"]}}\n"
        )
    });
    let reply = rest.post_as("/pusher/pushers/_bulk", "application/x-ndjson", &lines.collect::<String>()).await;
    assert!(reply.status == 200 && reply.body.contains("\"failed\":0"), "{}", &reply.body[..200]);
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
    let dir = tempfile::tempdir().unwrap();
    let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
    let folder = dir.path().join("senders");
    senders(&folder, &provider);
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
    let rest = Rest::new(&server.api);
    recipients(&rest, RECIPIENTS).await;
    let pushall = async |tag: &str| {
        let reply = rest.post("/pusher/sendmail/pushall", &[("data", MAIL), ("tag", tag)]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        for func in ["pusher:pushall", "pusher:sendmail"] {
            until_jobs(&server, func, 0).await;
        }
    };
    pushall("").await;
    assert_eq!(counts(&provider), addresses(0..RECIPIENTS));
    pushall("vip").await;
    let twice = |(address, count): (String, usize)| (address, count + 1);
    let mut expected = addresses(0..RECIPIENTS);
    expected.extend(addresses((0..RECIPIENTS).step_by(3)).into_iter().map(twice));
    assert_eq!(counts(&provider), expected);
    // One that is over can be asked for again, and is another one.
    pushall("").await;
    let expected = expected.into_iter().map(twice).collect();
    assert_eq!(counts(&provider), expected);
    pushall("nobody").await;
    assert_eq!(counts(&provider), expected);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_fan_out_goes_on_where_it_was_when_worker_and_server_are_killed() {
    const RECIPIENTS: usize = 2500;
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
    assert_eq!(rest.post("/pusher/sendmail/pushall", &[("data", MAIL)]).await.status, 200);
    until("the first page", async || (provider.requests() >= 1).then_some(())).await;
    worker.kill().await;
    server.kill().await;

    let server = Pusher::serve(&data, &[]).await;
    assert_eq!(jobs(&server, "pusher:pushall").await, 1, "it was on the way");
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
