//! A place that processes can die in and come back to: the same directories, the same addresses, and a provider that
//! outlives them.

use std::path::{Path, PathBuf};

use crate::process::Pusher;
use crate::provider::Provider;
use crate::rest::Rest;
use crate::senders;
use crate::wait::must;

/// The key of the provider.
const KEY: &str = "test-key";

/// The place.
pub struct Place {
    dir: tempfile::TempDir,
    /// Who takes the mails.
    pub provider: Provider,
    /// Where the API is to be: the first server's port is the next one's.
    host: String,
}

impl Place {
    /// One with the mail sender, and nobody in it.
    ///
    /// # Panics
    /// If it cannot be made: this is for tests.
    pub async fn new() -> Self {
        let dir = must("a temporary directory", tempfile::tempdir());
        let provider = must("the provider", Provider::start("127.0.0.1:0", KEY).await);
        must("the mail sender", senders::sendmail(&dir.path().join("senders"), &provider.url(), KEY));
        Self { dir, provider, host: "127.0.0.1:0".into() }
    }

    /// `pusher serve`; the next one takes the address that the first one got.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn serve(&mut self) -> Pusher {
        let listen = format!("unix://{}", self.path().join("periodic.sock").display());
        let data = self.data();
        let data = data.to_string_lossy();
        let args = ["serve", "--admin", "127.0.0.1:0", "--work-dir", &data, "--host", &self.host, "--periodic-listen"];
        let args: Vec<_> = args.into_iter().chain([&*listen]).collect();
        let server = Pusher::start(&args, &[]).await.unwrap_or_else(|e| panic!("{e}"));
        self.host = server.api.trim_start_matches("http://").to_owned();
        server
    }

    /// `pusher serve` with a recipient to push to.
    ///
    /// # Panics
    /// As [`Place::serve`].
    pub async fn open(&mut self) -> (Pusher, Rest) {
        let server = self.serve().await;
        let rest = Rest::new(&server.api);
        rest.recipient("lupino", "sendmail").await;
        (server, rest)
    }

    /// `pusher worker`, with the mail sender.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn worker(&self, server: &Pusher) -> Pusher {
        Pusher::worker(server, &self.senders()).await
    }

    /// The directory of senders.
    #[must_use]
    pub fn senders(&self) -> PathBuf {
        self.path().join("senders")
    }

    /// The directory of the database.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}
