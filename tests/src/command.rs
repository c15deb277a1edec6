//! The real binary as a command: run to its end, with what it was given and what it said.

use std::ffi::OsStr;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::build;
use crate::wait::PATIENCE;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it said to programs.
    pub stdout: String,
    /// What it said to people.
    pub stderr: String,
}

impl Ended {
    /// What it said, if it did what it was told.
    ///
    /// # Panics
    /// If it did not: this is for tests.
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// What it said to people when it ended with `code`.
    ///
    /// # Panics
    /// If it ended in another way, or said something else than why: this is for tests.
    pub fn fails(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        self.stderr
    }
}

/// `pusher` with these arguments and nothing else in its way: no setting from the environment of the tests.
#[must_use]
pub fn command<A: AsRef<OsStr>>(args: &[A]) -> Command {
    let mut command = Command::new(build::pusher());
    // A worker's reports would lie where the tests run.
    let spool = build::root().join(format!("target/spool/{}", std::process::id()));
    command
        .args(args)
        .env_clear()
        .env("PUSHER_SPOOL", spool)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// Runs `pusher` with these arguments, and `input` as its standard input.
///
/// # Panics
/// If it does not start, or does not end: this is for tests.
pub async fn run<A: AsRef<OsStr>>(args: &[A], input: &[u8]) -> Ended {
    finish(command(args), input).await
}

/// Runs a command that was made by [`command`].
///
/// # Panics
/// As [`run`].
pub async fn finish(mut command: Command, input: &[u8]) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A command that does not want it all closes it.
            drop(stdin.write_all(input).await);
        }
    };
    let (_, output) = timeout(PATIENCE, async { tokio::join!(feed, child.wait_with_output()) })
        .await
        .unwrap_or_else(|_| panic!("{command:?} did not end"));
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|e| panic!("{command:?}: {e}"));
    Ended { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}
