//! Senders are exchanged while messages are on their way: none is lost, none is sent twice, and each is sent by one whole
//! version.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use pusher_tests::process::Pusher;
use pusher_tests::provider::{Provider, Trick};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;

use crate::queue::{jobs, until_jobs, workers};

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

#[tokio::test]
async fn senders_that_are_exchanged_taken_away_and_broken_under_load_lose_and_repeat_nothing() {
    const MESSAGES: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let providers =
        [Provider::start("127.0.0.1:0", KEY).await.unwrap(), Provider::start("127.0.0.1:0", KEY).await.unwrap()];
    let (folder, beside) = (dir.path().join("senders"), dir.path().join("beside"));
    senders::sendmail(&folder, &providers[0].url(), KEY).unwrap();
    senders::sample(&folder).unwrap();
    let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    let pushing = {
        let rest = rest.clone();
        tokio::spawn(async move {
            for n in 0..MESSAGES {
                assert_eq!(rest.push("sendmail", "lupino", &mail(&format!("m{n}"))).await.status, 200);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    };
    let manifest = folder.join("sendmail.toml");
    for round in 1..4 {
        let (now, before) = (&providers[round % 2], &providers[(round + 1) % 2]);
        let count = (now.mails().len(), before.mails().len());
        exchange(&folder, &beside, now);
        until("the new version to send", async || (now.mails().len() > count.0).then_some(())).await;
        // One that cannot be a sender leaves it in place.
        let good = std::fs::read(&manifest).unwrap();
        std::fs::write(&manifest, "component = \"sendmail.wasm\"\n[htpp]\n").unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(workers(&server, "pusher:sendmail").await, 1, "round {round}");
        std::fs::write(&manifest, good).unwrap();
    }
    std::fs::remove_file(&manifest).unwrap();
    until("nobody to send", async || (workers(&server, "pusher:sendmail").await == 0).then_some(())).await;
    pushing.await.unwrap();
    assert_eq!(rest.push("sendmail", "lupino", &mail("last")).await.status, 200, "it is accepted all the same");
    assert!(jobs(&server, "pusher:sendmail").await >= 1, "and waits");
    exchange(&folder, &beside, &providers[0]);
    until_jobs(&server, "pusher:sendmail", 0).await;
    let sent: Vec<_> = providers.iter().flat_map(subjects).collect();
    let distinct: HashSet<_> = sent.iter().collect();
    assert_eq!((sent.len(), distinct.len()), (MESSAGES + 1, MESSAGES + 1));
    assert_eq!(jobs(&server, "pusher:dead:sendmail").await, 0);
    assert!(server.stop().await.success());
}
