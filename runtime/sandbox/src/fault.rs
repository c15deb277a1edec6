//! What it means when a send ends in neither an outcome nor a failure.

use std::time::Duration;

use pusher_core::Fault;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

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
    tracing::debug!(error = format!("{error:?}"), "a sender trapped");
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Fault::Trap(format!("it called exit({})", exit.0));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Fault::Trap("it panicked or reached unreachable code".to_owned()),
        Some(trap) => Fault::Trap(trap.to_string()),
        // The host ends a guest that misuses what it was given (a handle that is not its own, too much in one call),
        // so this is about the sender, too. Only the outermost cause: the rest is a backtrace.
        None => Fault::Trap(cut(error.root_cause().to_string())),
    }
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `text`, cut at the limit for reasons.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > MAX_REASON {
        text.truncate(text.floor_char_boundary(MAX_REASON));
        text.push('…');
    }
    text
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
}
