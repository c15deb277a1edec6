//! One step of a verb: a command that is shown, run and judged; a failure says which step it was and why.

use std::ffi::OsStr;
use std::fmt;
use std::process::Command;

/// A step that did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    step: String,
    reason: String,
}

impl Failure {
    pub(crate) fn new(step: &str, reason: impl Into<String>) -> Self {
        Self { step: step.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.step, self.reason)
    }
}

/// A command in the workspace's root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::root());
    command
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs the command to its end and wants it to succeed.
pub(crate) fn run(step: &str, command: &mut Command) -> Result<(), Failure> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(step, format!("{} ended with {status}", show(command)))),
        Err(error) => Err(Failure::new(step, format!("{} did not start: {error}", show(command)))),
    }
}

/// Does the command run and succeed, quietly?
pub(crate) fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// What the command prints, if it succeeds.
pub(crate) fn output(step: &str, command: &mut Command) -> Result<String, Failure> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(Failure::new(step, String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(Failure::new(step, format!("{} did not start: {error}", show(command)))),
    }
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
