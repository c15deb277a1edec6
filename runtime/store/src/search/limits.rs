//! What one search may cost. Each bound has a sentence that says it to whoever meets it.

use std::time::Duration;

/// Longest query, in bytes. A request's head is no longer either.
pub(crate) const QUERY_BYTES: usize = 8 << 10;

/// How deep JSON queries may be nested. A person nests three or four.
pub(crate) const DEPTH: usize = 20;

/// How many clauses and words there may be in a query, all together.
pub(crate) const CLAUSES: usize = 1024;

/// How many characters a word may have that is searched with fuzziness: the automaton grows with it.
pub(crate) const FUZZY_CHARS: usize = 64;

/// How many edits fuzziness may allow. More finds everything that is short.
pub(crate) const FUZZINESS: u8 = 2;

/// How many states a pattern may have: `.{900}` has 900.
pub(crate) const PATTERN_STATES: usize = 1000;

/// Largest boost. Scores are 32-bit numbers, and nested boosts multiply.
pub(crate) const BOOST: f32 = 1e6;

/// Deepest page: how many hits `from` may pass over. Whoever goes deeper wants the list, which has a cursor.
pub(crate) const FROM: u64 = 100_000;

/// What a search may do, in steps of about twenty nanoseconds: a step is a recipient looked at, a letter of the
/// dictionary compared with a pattern, or the like. This is about a second of one core, and a million recipients are a
/// million steps for each word that all of them have.
pub(crate) const STEPS: u64 = 50_000_000;

/// What a search may do that goes with the quick ones: about a tenth of a second.
pub(crate) const QUICK_STEPS: u64 = 5_000_000;

/// The longest time that a search waits for its turn. Whoever waits that long has better things to hold than a place.
pub(crate) const TURN: Duration = Duration::from_secs(5);
