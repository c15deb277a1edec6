//! What `sender run` prints.

use pusher::core::{Failure, Outcome, PushRequest, SendError};
use pusher::sandbox::Usage;
use serde_json::{Value, json};

use super::super::check::{bytes, duration, millis};
use super::super::lines::Line;
use super::recording::Answer;
use super::tape::Tape;
use crate::commands::CommandError;
use crate::commands::output::Output;
use crate::commands::table::shown;

/// What there is to tell about one send.
pub(super) struct Report<'a> {
    pub(super) result: &'a Result<Outcome, SendError>,
    pub(super) usage: Usage,
    pub(super) lines: Vec<Line>,
    pub(super) tape: &'a Tape,
    pub(super) pushed: Vec<PushRequest>,
    pub(super) warnings: &'a [String],
    pub(super) has_manifest: bool,
}

impl Report<'_> {
    /// Prints it, for people or for programs.
    pub(super) fn print(&self, json: bool) -> Result<(), CommandError> {
        let mut out = Output::new(json);
        if json {
            out.line(&self.object().to_string())?;
        } else {
            for line in self.sentences() {
                out.line(&line)?;
            }
        }
        out.flush()
    }

    fn sentences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut tell = |word: &str, text: &str| lines.push(format!("{word:<8} {}", shown(&self.tape.hide(text))));
        if !self.has_manifest {
            tell("note", "no manifest names this component, so nothing is granted to it");
        }
        for warning in self.warnings {
            tell("warning", warning);
        }
        for said in self.tape.said().iter() {
            let (request, answer) = (&said.exchange.request, said.exchange.answer.shown());
            tell("request", &format!("{} {} -> {answer}, {}", request.method, request.url, duration(said.time)));
        }
        for push in &self.pushed {
            tell("push", &format!("to {} on {}, kept here: {}", push.pusher, push.sender, push.data));
        }
        for line in &self.lines {
            tell(&line.stream, &line.text);
        }
        for difference in self.tape.differences() {
            tell("replay", &difference);
        }
        tell("outcome", &outcome(self.result));
        let Usage { time, cpu, memory } = self.usage;
        tell("took", &format!("{}, {} of it computing; {} of memory", duration(time), duration(cpu), bytes(memory)));
        lines
    }

    fn object(&self) -> Value {
        let said: Vec<_> = self.tape.said().iter().map(|said| {
            let (status, error) = match &said.exchange.answer {
                Answer::Response(got) => (Some(got.status), None),
                error @ Answer::Error(_) => (None, Some(error.shown())),
            };
            let request = &said.exchange.request;
            json!({ "method": request.method, "url": request.url, "status": status, "error": error, "ms": millis(said.time) })
        }).collect();
        let pushed: Vec<_> = self.pushed.iter().map(|push| {
            json!({ "sender": push.sender, "pusher": push.pusher, "data": push.data, "schedat": push.sched_at })
        }).collect();
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| json!({ "stream": line.stream, "line": self.tape.hide(&line.text) }))
            .collect();
        let (word, seconds, reason) = parts(self.result);
        json!({
            "outcome": word,
            "seconds": seconds,
            "reason": reason.map(|reason| self.tape.hide(&reason)),
            "ms": millis(self.usage.time),
            "cpuMs": millis(self.usage.cpu),
            "memory": self.usage.memory,
            "requests": said,
            "pushes": pushed,
            "log": lines,
            "differences": self.tape.differences(),
            "warnings": self.warnings,
            "manifest": self.has_manifest,
        })
    }
}

/// The outcome in words: `done`, `later 10 s`, `temporary: …`.
fn outcome(result: &Result<Outcome, SendError>) -> String {
    match parts(result) {
        (word, Some(seconds), _) => format!("{word} {seconds} s"),
        (word, None, Some(reason)) => format!("{word}: {reason}"),
        (word, None, None) => word.to_owned(),
    }
}

/// What it is called, the seconds to wait if it says so, and the reason if there is one.
fn parts(result: &Result<Outcome, SendError>) -> (&'static str, Option<u32>, Option<String>) {
    match result {
        Ok(Outcome::Done) => ("done", None, None),
        Ok(Outcome::Later(seconds)) => ("later", Some(*seconds), None),
        Err(SendError::Failure(Failure::Temporary(reason))) => ("temporary", None, Some(reason.clone())),
        Err(SendError::Failure(Failure::Limited(seconds))) => ("limited", *seconds, None),
        Err(SendError::Failure(Failure::Permanent(reason))) => ("permanent", None, Some(reason.clone())),
        Err(SendError::Fault(fault)) => ("fault", None, Some(fault.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pusher::core::Fault;

    #[test]
    fn an_outcome_is_one_word_and_what_belongs_to_it() {
        assert_eq!(outcome(&Ok(Outcome::Done)), "done");
        assert_eq!(outcome(&Ok(Outcome::Later(10))), "later 10 s");
        assert_eq!(outcome(&Err(Failure::Temporary("down".into()).into())), "temporary: down");
        assert_eq!(outcome(&Err(Failure::Limited(None).into())), "limited");
        assert_eq!(outcome(&Err(Failure::Limited(Some(7)).into())), "limited 7 s");
        assert_eq!(outcome(&Err(Failure::Permanent("gone".into()).into())), "permanent: gone");
        assert_eq!(outcome(&Err(Fault::Trap("x".into()).into())), "fault: the sender trapped: x");
    }
}
