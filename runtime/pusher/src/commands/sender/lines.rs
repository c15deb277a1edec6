//! What a sender writes: it becomes log events, and this keeps them for a report.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The lines that senders wrote, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<Line>>>,
}

/// A line, and where it was written to: stdout or stderr.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) stream: String,
    pub(crate) text: String,
}

impl Lines {
    /// Those that were written for this job.
    pub(crate) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // What the sandbox logs of a sender has the stream and the line as fields.
        if !event.metadata().target().starts_with("pusher_sandbox")
            || event.fields().all(|field| field.name() != "line")
        {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "stream" => value.clone_into(&mut self.stream),
            "line" => value.clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
