//! Promise 1: a push that was answered 200 survives `kill -9` of any process at any moment.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use pusher_tests::process::Pusher;
use pusher_tests::provider::{Provider, Trick};
use pusher_tests::rest::Rest;
use pusher_tests::senders;
use pusher_tests::wait::until;
use tokio::time::sleep;

use crate::queue::{jobs, until_jobs};

const KEY: &str = "test-key";
const HELLO: &str = r#"{"subject": "Welcome", "text": "Hello"}"#;

/// A place that processes can die in and come back to: same directories, same addresses.
struct Place {
    dir: tempfile::TempDir,
    provider: Provider,
    host: String,
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
        senders::sendmail(&dir.path().join("senders"), &provider.url(), KEY).unwrap();
        Self { dir, provider, host: "127.0.0.1:0".into() }
    }

    /// `pusher serve`; the next one takes the address that the first one got.
    async fn serve(&mut self) -> Pusher {
        let listen = format!("unix://{}", self.dir.path().join("periodic.sock").display());
        let args = ["--host", &self.host, "--periodic-listen", &listen];
        let mut all = vec!["serve", "--admin", "127.0.0.1:0", "--work-dir"];
        let data = self.dir.path().join("data");
        let data = data.to_string_lossy();
        all.push(&data);
        all.extend(args);
        let server = Pusher::start(&all, &[]).await.unwrap();
        self.host = server.api.trim_start_matches("http://").to_owned();
        server
    }

    /// `pusher serve` with a recipient to push to.
    async fn open(&mut self) -> (Pusher, Rest) {
        let server = self.serve().await;
        let rest = Rest::new(&server.api);
        rest.recipient("lupino", "sendmail").await;
        (server, rest)
    }

    /// `pusher worker`, with the mail sender.
    async fn worker(&self, server: &Pusher) -> Pusher {
        Pusher::worker(server, &self.senders()).await
    }

    /// Server and worker with a message that the provider has seen and does not answer.
    async fn sending(&mut self) -> (Pusher, Pusher) {
        self.provider.play([Trick::Hold]);
        let (server, rest) = self.open().await;
        let worker = self.worker(&server).await;
        rest.push("sendmail", "lupino", HELLO).await;
        self.provider.seen(1).await;
        (server, worker)
    }

    fn senders(&self) -> PathBuf {
        self.dir.path().join("senders")
    }
}

#[tokio::test]
async fn serve_killed_after_a_200_and_before_delivery_delivers_after_its_restart() {
    let mut place = Place::new().await;
    let (server, rest) = place.open().await;
    assert_eq!(rest.push("sendmail", "lupino", HELLO).await.status, 200);
    server.kill().await;

    let server = place.serve().await;
    assert_eq!(jobs(&server, "pusher:sendmail").await, 1);
    let worker = place.worker(&server).await;
    assert_eq!(place.provider.wait_for(1).await.len(), 1);
    worker.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_worker_killed_in_mid_send_leaves_the_message_to_the_next_one() {
    let mut place = Place::new().await;
    let (server, worker) = place.sending().await;
    worker.kill().await;

    let worker = place.worker(&server).await;
    assert_eq!(place.provider.wait_for(1).await.len(), 1);
    until_jobs(&server, "pusher:sendmail", 0).await;
    worker.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_worker_waits_for_its_server_to_come_back() {
    let mut place = Place::new().await;
    let (server, _) = place.open().await;
    let worker = place.worker(&server).await;
    server.kill().await;

    let server = place.serve().await;
    let rest = Rest::new(&server.api);
    assert_eq!(rest.push("sendmail", "lupino", HELLO).await.status, 200);
    assert_eq!(place.provider.wait_for(1).await.len(), 1);
    assert!(worker.stop().await.success());
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_what_it_is_sending() {
    let mut place = Place::new().await;
    let (server, worker) = place.sending().await;
    let (status, ()) = tokio::join!(worker.stop(), async {
        sleep(Duration::from_millis(500)).await;
        place.provider.release();
    });
    assert!(status.success());
    assert_eq!(place.provider.mails().len(), 1);
    until_jobs(&server, "pusher:sendmail", 0).await;
    assert_eq!(place.provider.requests(), 1, "sent once");
    server.stop().await;
}

#[tokio::test]
async fn a_server_told_to_stop_lets_its_own_worker_finish() {
    let place = Place::new().await;
    place.provider.play([Trick::Hold]);
    let data = place.dir.path().join("data");
    let senders = place.senders();
    let server = Pusher::serve(&data, &["--senders", &senders.to_string_lossy()]).await;
    let rest = Rest::new(&server.api);
    rest.recipient("lupino", "sendmail").await;
    rest.push("sendmail", "lupino", HELLO).await;
    place.provider.seen(1).await;
    let (status, ()) = tokio::join!(server.stop(), async {
        sleep(Duration::from_millis(500)).await;
        place.provider.release();
    });
    assert!(status.success());
    assert_eq!(place.provider.mails().len(), 1);
    let server = Pusher::serve(&data, &[]).await;
    assert_eq!(jobs(&server, "pusher:sendmail").await, 0, "what was done is recorded as done");
    server.stop().await;
}

/// Pushes without pause while server and worker are killed in turn: at the end every message that was answered 200 is
/// with the provider.
#[tokio::test]
async fn nothing_accepted_is_lost_while_everything_is_killed_again_and_again() {
    let mut place = Place::new().await;
    let (mut server, rest) = place.open().await;
    let mut worker = place.worker(&server).await;

    let pushing = tokio::spawn(async move {
        let mut accepted = HashSet::new();
        for n in 0..400 {
            let subject = format!("message {n}");
            let data = format!(r#"{{"subject": "{subject}", "text": "x"}}"#);
            let form = [("pusher", "lupino"), ("data", data.as_str())];
            // A request that a killed server did not answer promises nothing; it is not counted.
            match rest.try_post("/pusher/sendmail/push", &form).await {
                Ok(reply) => {
                    assert_eq!(reply.status, 200, "{reply:?}");
                    accepted.insert(subject);
                }
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
            sleep(Duration::from_millis(5)).await;
        }
        accepted
    });
    let mut kills = 0;
    while !pushing.is_finished() {
        sleep(Duration::from_millis(300)).await;
        if kills % 2 == 0 {
            server.kill().await;
            server = place.serve().await;
        } else {
            worker.kill().await;
            worker = place.worker(&server).await;
        }
        kills += 1;
    }
    let accepted = pushing.await.unwrap();
    assert!(kills >= 4, "only {kills} kills");
    assert!(accepted.len() >= 100, "only {} were accepted", accepted.len());
    until("every accepted message at the provider", async || {
        let delivered: HashSet<_> = place.provider.mails().into_iter().map(|mail| mail.subject).collect();
        accepted.is_subset(&delivered).then_some(())
    })
    .await;
    until_jobs(&server, "pusher:sendmail", 0).await;
    let duplicates = place.provider.mails().len() - accepted.len();
    println!("{} accepted, {kills} kills, at most {duplicates} sent again", accepted.len());
    worker.stop().await;
    server.stop().await;
}
