//! The real binary as a process: started on free ports, told to stop, killed without warning, started again.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::build;
use crate::wait::PATIENCE;

/// A running `pusher`.
pub struct Pusher {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it said on standard error, line by line; errors only, unless the environment says more.
    log: watch::Receiver<Vec<String>>,
    /// Where the REST API is, `http://127.0.0.1:PORT`; empty where there is none.
    pub api: String,
    /// Where the Periodic server is, as a URL, the last one if there are several; empty for a worker.
    pub periodic: String,
    /// Where the operator listener is.
    pub admin: String,
}

impl Pusher {
    /// `pusher serve` on free ports, with its database in `work_dir`; ready when this returns.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn serve(work_dir: &Path, more: &[&str]) -> Self {
        Self::try_serve(work_dir, more).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`Pusher::serve`].
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn try_serve(work_dir: &Path, more: &[&str]) -> Result<Self, String> {
        let work_dir = work_dir.to_string_lossy();
        let mut args = vec!["serve", "--host", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--work-dir", &work_dir];
        if !more.contains(&"--periodic-listen") && !more.contains(&"--periodic") {
            args.extend(["--periodic-listen", "tcp://127.0.0.1:0"]);
        }
        args.extend(more);
        Self::start(&args, &[]).await
    }

    /// `pusher worker`, taking jobs from `server` and asking it about pushers.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn worker(server: &Self, senders: &Path) -> Self {
        Self::try_worker(server, senders).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`Pusher::worker`].
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn try_worker(server: &Self, senders: &Path) -> Result<Self, String> {
        let senders = senders.to_string_lossy();
        let args = ["worker", "--senders", &senders, "--periodic", &server.periodic, "--api", &server.api];
        Self::start(&[&args[..], &["--admin", "127.0.0.1:0"]].concat(), &[]).await
    }

    /// `pusher periodicd` on a free port, with `keep` saying where its jobs are (`--work-dir DIR` or `--memory`); and
    /// an operator listener.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn periodicd(keep: &[&str]) -> Result<Self, String> {
        let mut args = vec!["periodicd", "--admin", "127.0.0.1:0"];
        if !keep.contains(&"--listen") {
            args.extend(["--listen", "tcp://127.0.0.1:0"]);
        }
        args.extend(keep);
        Self::start(&args, &[]).await
    }

    /// Any `pusher` command that prints `ready` when it is.
    ///
    /// # Errors
    /// What it said, if it ends before that or takes too long.
    pub async fn start(args: &[&str], env: &[(&str, &str)]) -> Result<Self, String> {
        Self::start_within(PATIENCE, args, env).await
    }

    /// As [`Pusher::start`], for one that has more to do before it is ready.
    ///
    /// # Errors
    /// As there.
    pub async fn start_within(patience: Duration, args: &[&str], env: &[(&str, &str)]) -> Result<Self, String> {
        let shown = format!("pusher {}", args.join(" "));
        let mut child = Command::new(build::pusher())
            .args(args)
            // What a test expects to go wrong would fill the screen.
            .env("PUSHER_LOG", "error")
            // Not the cache of whoever runs the tests.
            .env("PUSHER_CACHE", build::root().join("target/senders-cache"))
            // Nor his reports; a server's address comes again, so they are of this run of the tests.
            .env("PUSHER_SPOOL", build::root().join(format!("target/spool/{}", std::process::id())))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("{shown} did not start: {e}"))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let lines = BufReader::new(stdout).lines();
        let log = follow(child.stderr.take().ok_or("no standard error")?);
        let mut pusher = Self { child, lines, log, api: String::new(), periodic: String::new(), admin: String::new() };
        timeout(patience, pusher.until_ready())
            .await
            .map_err(|_| format!("{shown} was not ready after {patience:?}"))??;
        Ok(pusher)
    }

    /// Reads the lines that say where it listens.
    async fn until_ready(&mut self) -> Result<(), String> {
        while let Some(line) = self.lines.next_line().await.map_err(|e| e.to_string())? {
            let value = |key: &str| line.strip_prefix(key).map(|value| value.trim().to_owned());
            if let Some(url) = value("api:") {
                self.api = url;
            } else if let Some(url) = value("periodic:") {
                self.periodic = url;
            } else if let Some(url) = value("operator:") {
                self.admin = url;
            } else if line == "ready" {
                return Ok(());
            }
        }
        let status = self.child.wait().await.map_err(|e| e.to_string())?;
        Err(format!("pusher ended with {status} before it was ready; its standard error says why"))
    }

    /// Waits until so many lines of its log have `part` in them.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn logged(&self, part: &str, times: usize) {
        let mut log = self.log.clone();
        let has = |lines: &Vec<String>| lines.iter().filter(|line| line.contains(part)).count() >= times;
        let waited = timeout(PATIENCE, log.wait_for(has)).await;
        assert!(matches!(waited, Ok(Ok(_))), "waited in vain for {times} of {part:?} in {:#?}", *self.log.borrow());
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL: no chance to clean up.
    ///
    /// # Panics
    /// If there is nothing to kill.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap_or_else(|e| panic!("kill -9: {e}"));
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn stop(self) -> ExitStatus {
        self.try_stop().await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// As [`Pusher::stop`].
    ///
    /// # Errors
    /// If it does not end.
    pub async fn try_stop(mut self) -> Result<ExitStatus, String> {
        let pid = self.pid().ok_or("pusher has ended already")?.to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.map_err(|e| format!("kill -TERM: {e}"))?;
        if !sent.success() {
            return Err(format!("kill -TERM {pid} ended with {sent}"));
        }
        self.wait().await
    }

    /// How it ended by itself.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn ended(mut self) -> ExitStatus {
        self.wait().await.unwrap_or_else(|e| panic!("{e}"))
    }

    async fn wait(&mut self) -> Result<ExitStatus, String> {
        let ended = timeout(PATIENCE + Duration::from_secs(15), self.child.wait()).await;
        ended.map_err(|_| "pusher did not stop")?.map_err(|e| format!("waiting for pusher: {e}"))
    }
}

/// Keeps what is said, and says it again on our own standard error.
fn follow(stderr: ChildStderr) -> watch::Receiver<Vec<String>> {
    let (keep, kept) = watch::channel(Vec::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            eprintln!("{line}");
            keep.send_modify(|log| log.push(line));
        }
    });
    kept
}
