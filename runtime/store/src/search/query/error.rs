//! What is wrong with a query, and where.

use std::fmt;

/// A refusal: where in the query, counted in characters from 1, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryError {
    at: Option<usize>,
    sentence: String,
}

impl QueryError {
    /// Refuses what begins `offset` characters into the query.
    pub(crate) fn at(offset: usize, sentence: impl Into<String>) -> Self {
        Self { at: Some(offset + 1), sentence: sentence.into() }
    }

    /// Refuses the query as a whole.
    pub(crate) fn whole(sentence: impl Into<String>) -> Self {
        Self { at: None, sentence: sentence.into() }
    }

    /// The same refusal of a text that is itself a part of the query: `place` says where its character at an offset is.
    pub(crate) fn within(self, place: impl Fn(usize) -> usize) -> Self {
        Self { at: self.at.map(|at| place(at - 1) + 1), ..self }
    }

    /// Which character, counted from 1; one more than there are characters means the end.
    #[cfg(test)]
    pub(crate) fn character(&self) -> Option<usize> {
        self.at
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "the query is refused at character {at}: {}", self.sentence),
            None => write!(f, "the query is refused: {}", self.sentence),
        }
    }
}
