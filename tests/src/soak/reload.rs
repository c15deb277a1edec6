//! `reload`: the mail sender is exchanged, broken and taken away while messages are on their way. Each of them is sent, and
//! none twice.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Form, Random};
use crate::process::Pusher;
use crate::provider::{Mail, Provider};
use crate::queue::{jobs, until_jobs, workers};
use crate::recorded::recorded;
use crate::rest::Rest;
use crate::senders;
use crate::wait::{must, until};

const KEY: &str = "test-key";
const FUNC: &str = "pusher:sendmail";

/// A server whose mail sender changes: each version sends to the other of two providers.
pub struct Reload {
    dir: tempfile::TempDir,
    providers: [Provider; 2],
    server: Pusher,
    rest: Rest,
    /// Which of the providers the sender of now has.
    now: usize,
    /// How often it was broken.
    broken: usize,
    /// How many messages were pushed.
    pushed: usize,
}

/// Somebody who pushes without pause.
pub struct Pushing {
    over: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Reload {
    /// Starts the server with the first version.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start() -> Self {
        let dir = must("a temporary directory", tempfile::tempdir());
        let provider = async || must("a provider", Provider::start("127.0.0.1:0", KEY).await);
        let providers = [provider().await, provider().await];
        let folder = dir.path().join("senders");
        must("the mail sender", senders::sendmail(&folder, &providers[0].url(), KEY));
        must("the other sender", senders::sample(&folder));
        let server = Pusher::serve(&dir.path().join("data"), &["--senders", &folder.to_string_lossy()]).await;
        let rest = Rest::new(&server.api);
        rest.recipient("lupino", "sendmail").await;
        Self { dir, providers, server, rest, now: 0, broken: 0, pushed: 0 }
    }

    /// Begins to push, with a pause of up to so many milliseconds between two messages.
    #[must_use]
    pub fn push(&self, pause: u64, mut random: Random) -> Pushing {
        let (rest, over, first) = (self.rest.clone(), Arc::<AtomicBool>::default(), self.pushed);
        let told = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let mut pushed = 0;
            while !told.load(Relaxed) {
                let data = format!(r#"{{"subject": "m{}", "text": "x"}}"#, first + pushed);
                assert_eq!(rest.push("sendmail", "lupino", &data).await.status, 200);
                pushed += 1;
                sleep(random.millis(0, pause)).await;
            }
            pushed
        });
        Pushing { over, task }
    }

    /// Puts a version in the sender's place that sends to the other provider, and waits until it does. Needs somebody who
    /// pushes.
    ///
    /// # Panics
    /// If it does not.
    pub async fn exchange(&mut self) {
        self.now = 1 - self.now;
        self.put();
        let provider = &self.providers[self.now];
        let before = provider.mails().len();
        until("the new version to send", async || (provider.mails().len() > before).then_some(())).await;
    }

    /// Puts something there that cannot be a sender, waits until it is refused, and puts the version from before back, which
    /// went on meanwhile.
    ///
    /// # Panics
    /// If it did not.
    pub async fn break_it(&mut self) {
        let good = must("the manifest", std::fs::read(self.manifest()));
        must("breaking it", std::fs::write(self.manifest(), "component = \"sendmail.wasm\"\n[htpp]\n"));
        self.broken += 1;
        self.server.logged("sender refused; the one from before goes on", self.broken).await;
        assert_eq!(workers(&self.server, FUNC).await, 1, "nobody sends");
        must("breaking it", std::fs::write(self.manifest(), good));
    }

    /// Takes the sender away, and waits until nobody takes its messages.
    ///
    /// # Panics
    /// If somebody goes on.
    pub async fn take_away(&mut self) {
        must("taking it away", std::fs::remove_file(self.manifest()));
        until("nobody to send", async || (workers(&self.server, FUNC).await == 0).then_some(())).await;
    }

    /// Puts the version of now back, and waits until it takes messages.
    ///
    /// # Panics
    /// If it does not.
    pub async fn bring_back(&self) {
        self.put();
        until("somebody to send", async || (workers(&self.server, FUNC).await == 1).then_some(())).await;
    }

    /// Puts the version of now there.
    fn put(&self) {
        let (folder, beside) = (self.manifest(), self.dir.path().join("beside"));
        let provider = &self.providers[self.now];
        // As editors do: written beside it, and put in its place.
        let written = senders::sendmail(&beside, &provider.url(), KEY);
        must("putting it there", written.and_then(|()| std::fs::rename(beside.join("sendmail.toml"), folder)));
    }

    /// Ends the pushing and waits until everything is sent. How many messages that were.
    ///
    /// # Panics
    /// If one is lost or was sent twice.
    pub async fn settle(&mut self, pushing: Pushing) -> usize {
        pushing.over.store(true, Relaxed);
        let pushed = must("pushing", pushing.task.await);
        self.pushed += pushed;
        until_jobs(&self.server, FUNC, 0).await;
        let sent: Vec<Mail> = self.providers.iter().flat_map(Provider::mails).collect();
        let distinct: HashSet<_> = sent.iter().map(|mail| &mail.subject).collect();
        assert_eq!((sent.len(), distinct.len()), (self.pushed, self.pushed), "sent, and different ones of them");
        assert_eq!(recorded(&self.server, "dead").await, 0, "dead letters");
        pushed
    }

    /// How many messages wait.
    pub async fn waiting(&self) -> u64 {
        jobs(&self.server, FUNC).await
    }

    /// Stops the server, as it wants to be stopped.
    ///
    /// # Panics
    /// If it does not stop.
    pub async fn stop(self) {
        assert!(self.server.stop().await.success(), "the server did not stop well");
    }

    fn manifest(&self) -> PathBuf {
        self.dir.path().join("senders/sendmail.toml")
    }
}

impl Form for Reload {
    const NAME: &'static str = "reload";

    async fn round(&mut self, random: &mut Random) -> String {
        let pushing = self.push(20, Random::new(random.number()));
        let mut done = Vec::new();
        for _ in 0..2 + random.below(4) {
            match random.below(4) {
                0 => {
                    self.break_it().await;
                    done.push("broken");
                }
                1 => {
                    self.take_away().await;
                    self.bring_back().await;
                    done.push("away and back");
                }
                _ => {
                    self.exchange().await;
                    done.push("exchanged");
                }
            }
        }
        let pushed = self.settle(pushing).await;
        format!("{pushed} pushed and each sent once, sender {}", done.join(", "))
    }
}
