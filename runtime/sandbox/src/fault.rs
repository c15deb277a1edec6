//! What it means when a send ends in neither an outcome nor a failure.

use std::time::Duration;

use pusher_core::Fault;
use wasmtime::Trap;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use crate::limits::{MAX_BYTES_PER_CALL, MAX_HANDLES, MAX_TABLE_ENTRIES};
use crate::state::State;

/// Most bytes of text about one failure or fault that are kept.
const MAX_REASON: usize = 1_000;

/// Names the limit that a send went over, or what else ended it.
pub(crate) fn judge(error: &wasmtime::Error, state: &State, memory: u64, cpu: Duration) -> Fault {
    // A guest that is refused memory, or interrupted, ends in a trap; the trap is not the news.
    if state.out_of_cpu {
        return Fault::Cpu(millis(cpu));
    }
    if state.memory.refused {
        return Fault::Memory(memory);
    }
    if state.memory.tables_refused {
        return Fault::Trap(format!("its tables would have had more than {MAX_TABLE_ENTRIES} entries"));
    }
    tracing::debug!(error = format!("{error:?}"), "a sender trapped");
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Fault::Trap(format!("it called exit({})", exit.0));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Fault::Trap("it panicked or reached unreachable code".to_owned()),
        Some(trap) => Fault::Trap(trap.to_string()),
        None => Fault::Trap(misuse(error)),
    }
}

/// What a guest did with what it was given that made the host end it: a handle that is not its own, too much in one
/// call. So this is about the sender, too.
fn misuse(error: &wasmtime::Error) -> String {
    // Only the innermost cause: the rest is a backtrace.
    let cause = error.root_cause().to_string();
    // Wasmtime's errors for its own two limits have no type that could be asked for.
    if cause.contains("fuel allocated for hostcalls has been exhausted") {
        return format!("it handed the host more than {MAX_BYTES_PER_CALL} bytes in one call");
    }
    let full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
    if full || cause.contains("store handle limit exceeded") {
        return format!("it held more than {MAX_HANDLES} handles (streams, timers …) at once");
    }
    cut(cause)
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `text`, cut at the limit for reasons, and such that it can do nothing to a terminal or a line of a log.
#[expect(clippy::needless_pass_by_value, reason = "the long text is of no use to anybody after this")]
pub(crate) fn cut(text: String) -> String {
    let mut kept = String::with_capacity(text.len().min(MAX_REASON + '…'.len_utf8()));
    for c in text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }) {
        if kept.len() + c.len_utf8() > MAX_REASON {
            kept.push('…');
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(cut("short".into()), "short");
        let cut = cut("é".repeat(600) + "x");
        assert!(cut.len() <= MAX_REASON + '…'.len_utf8() && cut.ends_with('…'));
    }

    #[test]
    fn a_reason_can_do_nothing_to_a_terminal() {
        assert_eq!(cut("two\nlines\x1b[2J\0".into()), "two\nlines\u{fffd}[2J\u{fffd}");
    }
}
