//! Senders are exchanged while messages are on their way: none is lost, none is sent twice, and each is sent by one whole
//! version.

use std::path::Path;
use std::time::Duration;

use pusher_tests::process::Pusher;
use pusher_tests::provider::{Provider, Trick};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::soak::Random;
use pusher_tests::soak::reload::Reload;
use pusher_tests::wait::until;

use crate::queue::until_jobs;

const KEY: &str = "test-key";

fn mail(subject: &str) -> String {
    format!(r#"{{"subject": "{subject}", "text": "x"}}"#)
}

fn subjects(provider: &Provider) -> Vec<String> {
    provider.mails().into_iter().map(|mail| mail.subject).collect()
}

/// As editors do: written beside it, and put in its place.
fn exchange(folder: &Path, beside: &Path, provider: &Provider) {
    senders::sendmail(beside, &provider.url(), KEY).unwrap();
    std::fs::rename(beside.join("sendmail.toml"), folder.join("sendmail.toml")).unwrap();
}

#[tokio::test]
async fn a_new_version_takes_over_and_what_is_being_sent_ends_on_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) =
        (Provider::start("127.0.0.1:0", KEY).await.unwrap(), Provider::start("127.0.0.1:0", KEY).await.unwrap());
    let (folder, beside) = (dir.path().join("senders"), dir.path().join("beside"));
    senders::sendmail(&folder, &old.url(), KEY).unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    let worker = Pusher::worker(&server, &folder).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;

    old.play([Trick::Hold]);
    rest.push("sendmail", "lupino", &mail("held")).await;
    until("the old version to send", async || (old.requests() == 1).then_some(())).await;
    exchange(&folder, &beside, &new);
    // From some moment on the new version has them all.
    let mut sent = 1;
    while new.mails().is_empty() {
        assert_eq!(rest.push("sendmail", "lupino", &mail(&format!("during {sent}"))).await.status, 200);
        sent += 1;
        assert!(sent < 5000, "the new version does not take over");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    until_jobs(&server, "pusher:sendmail", 1).await;
    let before = old.requests();
    rest.push("sendmail", "lupino", &mail("after")).await;
    until_jobs(&server, "pusher:sendmail", 1).await;
    assert!(subjects(&new).contains(&"after".to_owned()));
    assert_eq!(old.requests(), before);
    assert!(!subjects(&old).contains(&"held".to_owned()));
    old.release();
    until_jobs(&server, "pusher:sendmail", 0).await;
    assert!(subjects(&old).contains(&"held".to_owned()), "it ended on the version it began with");
    assert_eq!(old.mails().len() + new.mails().len(), sent + 1, "each once");
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

/// The long form is `cargo xtask soak reload`.
#[tokio::test]
async fn senders_that_are_exchanged_taken_away_and_broken_under_load_lose_and_repeat_nothing() {
    let mut reload = Reload::start().await;
    let pushing = reload.push(10, Random::new(1));
    for _ in 0..3 {
        reload.exchange().await;
        reload.break_it().await;
    }
    reload.take_away().await;
    until("messages to wait", async || (reload.waiting().await >= 1).then_some(())).await;
    reload.bring_back().await;
    let pushed = reload.settle(pushing).await;
    assert!(pushed >= 100, "only {pushed} were pushed");
    reload.stop().await;
}
