//! The processes: an API server, a Periodic server within it or beside it, and two workers. Each can die at any moment, and
//! comes back to the same directories and addresses.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::provider::Provider;
use crate::build;
use crate::process::Pusher;
use crate::senders;
use crate::wait::must;

/// Messages that a worker sends at once.
pub(super) const AT_ONCE: usize = 16;

/// Where the Periodic server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the API server.
    Within,
    /// In a process of its own.
    Beside,
}

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Server,
    Periodicd,
    FirstWorker,
    SecondWorker,
}

/// The house.
pub(super) struct House {
    dir: tempfile::TempDir,
    pub(super) form: Form,
    host: String,
    running: BTreeMap<Part, Pusher>,
    /// How often each was killed.
    pub(super) kills: BTreeMap<Part, usize>,
    /// How many sends can have been under way at kills that make somebody send them again.
    pub(super) in_flight: usize,
}

impl House {
    /// All of it, up and running; messages go to the provider.
    pub(super) async fn open(form: Form, provider: &Provider) -> Self {
        let dir = must("a temporary directory", tempfile::tempdir());
        let (kills, in_flight) = (form.parts().into_iter().map(|part| (part, 0)).collect(), 0);
        let mut house = Self { dir, form, host: "127.0.0.1:0".into(), running: BTreeMap::new(), kills, in_flight };
        must("the senders", house.senders(provider));
        for part in form.parts() {
            house.start(part).await;
        }
        house
    }

    fn senders(&self, provider: &Provider) -> std::io::Result<()> {
        let folder = self.path("senders");
        let origin = provider.origin();
        let hook = format!(
            "component = \"hook.wasm\"\n[http]\nallow = [\"{origin}\"]\nprivate = true\n\
             [config]\nurl = \"{origin}/pushed\"\nstandard = \"false\"\n\
             [secrets]\nsecret = {{ file = \"hook.key\" }}\n\
             [limits]\nconcurrency = {AT_ONCE}\n[retry]\nschedule = [\"1s\"]\nattempts = 20\n"
        );
        senders::write(&folder, "hook", "hook.wasm", &hook)?;
        std::fs::write(folder.join("hook.key"), "secret")?;
        let pushall = std::fs::read_to_string(build::root().join("senders-wasm/pushall/pushall.toml"))?;
        senders::write(
            &folder,
            "pushall",
            "pushall.wasm",
            &format!("{pushall}[retry]\nschedule = [\"1s\"]\nattempts = 99\n"),
        )
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The API server's address.
    pub(super) fn api(&self) -> String {
        format!("http://{}", self.host)
    }

    /// The Periodic server's address.
    pub(super) fn periodic(&self) -> String {
        format!("unix://{}", self.path("periodic.sock").display())
    }

    /// The processes of its form, in the order in which they need each other.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.form.parts()
    }

    pub(super) fn get(&self, part: Part) -> &Pusher {
        self.running.get(&part).unwrap_or_else(|| panic!("{part:?} does not run"))
    }

    /// The one that has the Periodic server.
    pub(super) fn queue(&self) -> &Pusher {
        self.get(if self.form == Form::Within { Part::Server } else { Part::Periodicd })
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self, part: Part) {
        let Some(process) = self.running.remove(&part) else { return };
        process.kill().await;
        *self.kills.entry(part).or_default() += 1;
        self.in_flight += match (part, self.form) {
            (Part::FirstWorker | Part::SecondWorker, _) => AT_ONCE,
            // Both workers have messages whose end nobody takes note of.
            (Part::Periodicd, _) | (Part::Server, Form::Within) => 2 * AT_ONCE,
            (Part::Server, Form::Beside) => 0,
        };
    }

    pub(super) async fn start(&mut self, part: Part) {
        let [data, jobs, folder, spool] = ["data", "jobs", "senders", "spool"].map(|name| self.path(name));
        let [data, jobs, folder, spool] = [&data, &jobs, &folder, &spool].map(|path| path.to_string_lossy());
        let (api, periodic) = (self.api(), self.periodic());
        let operator = ["--admin", "127.0.0.1:0"];
        let started = match part {
            Part::Server => {
                let which = if self.form == Form::Within { "--periodic-listen" } else { "--periodic" };
                let args = ["serve", "--host", &self.host, "--work-dir", &data, which, &periodic];
                Pusher::start(&[&args[..], &operator].concat(), &[]).await
            }
            Part::Periodicd => Pusher::periodicd(&["--work-dir", &jobs, "--listen", &periodic]).await,
            Part::FirstWorker | Part::SecondWorker => {
                let args = ["worker", "--senders", &folder, "--periodic", &periodic, "--api", &api, "--spool", &spool];
                Pusher::start(&[&args[..], &operator].concat(), &[]).await
            }
        };
        let started = must("a process", started);
        if part == Part::Server {
            started.api.trim_start_matches("http://").clone_into(&mut self.host);
        }
        self.running.insert(part, started);
    }

    /// Ends everything as it wants to be ended, the workers first.
    pub(super) async fn stop(&mut self) {
        while let Some((part, process)) = self.running.pop_last() {
            assert!(process.stop().await.success(), "{part:?} did not stop as it should");
        }
    }
}

impl Form {
    fn parts(self) -> Vec<Part> {
        match self {
            Self::Within => vec![Part::Server, Part::FirstWorker, Part::SecondWorker],
            Self::Beside => vec![Part::Periodicd, Part::Server, Part::FirstWorker, Part::SecondWorker],
        }
    }
}
