//! The examples of the `pusher` crate as processes, run as a person would run them.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::build;
use crate::wait::PATIENCE;

/// A running example.
pub struct Example {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts the example `name`.
    ///
    /// # Panics
    /// If it does not start: this is for tests.
    pub fn start(name: &str, args: &[&str]) -> Self {
        let mut child = Command::new(build::example(name))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("the example {name} did not start: {e}"));
        let Some(stdout) = child.stdout.take() else { panic!("the example {name} has no standard output") };
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// The rest of the next line that begins with `start`.
    ///
    /// # Panics
    /// If there is none.
    pub async fn line(&mut self, start: &str) -> String {
        let find = async {
            while let Ok(Some(line)) = self.lines.next_line().await {
                if let Some(rest) = line.strip_prefix(start) {
                    return rest.to_owned();
                }
            }
            panic!("the example ended without a line that begins with {start:?}")
        };
        timeout(PATIENCE, find).await.unwrap_or_else(|_| panic!("waited in vain for a line that begins with {start:?}"))
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn stop(mut self) -> ExitStatus {
        let Some(pid) = self.child.id() else { panic!("the example has ended already") };
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
        assert!(sent.as_ref().is_ok_and(ExitStatus::success), "kill -TERM {pid}: {sent:?}");
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("the example does not stop").unwrap_or_else(|e| panic!("waiting for the example: {e}"))
    }
}
