//! The query language: from a text to a tree that says what is meant. `docs/search.md` is its description for users.
//!
//! ```text
//! parse        is it JSON or a query string?
//!  ├ json.rs     JSON with the position of every value
//!  ├ object.rs   JSON queries: {"term": …}, {"conjuncts": […]} …
//!  ├ lexer.rs    a query string into words, phrases and signs
//!  ├ string.rs   and these into clauses: +tags:vip createdAt:>1000
//!  └ range.rs    numbers and dates, and what lies between two of them
//! ```
//!
//! The language is bleve's, which the Go program had. Nothing here knows an index or a field.

mod error;
mod json;
mod lexer;
mod object;
mod range;
mod string;
#[cfg(test)]
mod tests;

pub(crate) use error::QueryError;
pub(crate) use range::Range;

use crate::search::limits;
use crate::search::pattern::Pattern;

/// A query, and what its score is multiplied by.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) kind: Kind,
    pub(crate) boost: f32,
    /// Where it begins, in characters from the start of the text.
    pub(crate) at: usize,
}

/// What a query asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// Everybody.
    Everything,
    /// Nobody.
    Nothing,
    /// The words of a text: one of them, or all.
    Match {
        field: Field,
        text: String,
        every: bool,
        fuzziness: Fuzziness,
    },
    /// The words of a text, one after the other.
    Phrase {
        field: Field,
        text: String,
    },
    /// One word as it is in the index.
    Term {
        field: Field,
        term: String,
    },
    /// A word like this one.
    Fuzzy {
        field: Field,
        term: String,
        fuzziness: Fuzziness,
    },
    /// Words that begin so.
    Prefix {
        field: Field,
        prefix: String,
    },
    /// Words of this shape.
    Wildcard {
        field: Field,
        pattern: Vec<Piece>,
    },
    /// Words that match a regular expression as a whole.
    Regexp {
        field: Field,
        pattern: Pattern,
    },
    /// Numbers in a range.
    Range {
        field: Field,
        range: Range,
    },
    /// These recipients.
    Ids(Vec<String>),
    /// All of them.
    All(Vec<Query>),
    /// At least so many of them; 0 is 1, unless this is the `should` of a query that has a `must`.
    Any {
        queries: Vec<Query>,
        min: usize,
    },
    Bool(Box<Bool>),
}

/// What must, may and must not hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Bool {
    pub(crate) must: Vec<Query>,
    pub(crate) should: Vec<Query>,
    /// How many of `should` must hold. With 0 none need hold if there is a `must`, else one.
    pub(crate) min: usize,
    pub(crate) must_not: Vec<Query>,
    /// Clauses without a word in them (`+@`) do not count, as in a query string.
    pub(crate) lenient: bool,
}

/// The field that was named, in the spelling of the query; `None`: all fields.
pub(crate) type Field = Option<String>;

/// How far a word may be from the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fuzziness {
    /// In edits: a letter more, less or other.
    pub(crate) edits: u8,
    /// So many letters at the beginning must be the same.
    pub(crate) prefix: usize,
}

/// A piece of a wildcard pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
}

impl Query {
    pub(crate) fn new(at: usize, kind: Kind) -> Self {
        Self { kind, boost: 1.0, at }
    }

    /// Reads a query. What begins with `{` and is JSON is a JSON query; all else is a query string.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > limits::QUERY_BYTES {
            let (is, max) = (text.len(), limits::QUERY_BYTES);
            return Err(QueryError::whole(format!("it is {is} bytes long; the limit is {max}")));
        }
        let chars: Vec<char> = text.chars().collect();
        let mut clauses = Clauses::default();
        match json::read(&chars) {
            Ok(Some(value)) => object::parse(&value, &mut clauses),
            Ok(None) => string::parse(&chars, &mut clauses),
            Err(error) => Err(error),
        }
    }
}

impl Query {
    /// Are there words in it that have to be looked for, because it does not name them?
    pub(crate) fn expands(&self) -> bool {
        let any = |queries: &[Self]| queries.iter().any(Self::expands);
        match &self.kind {
            Kind::Wildcard { field: None, pattern } if pattern[..] == [Piece::Many] => false,
            Kind::Prefix { .. } | Kind::Wildcard { .. } | Kind::Regexp { .. } => true,
            Kind::Match { fuzziness, .. } | Kind::Fuzzy { fuzziness, .. } => fuzziness.edits > 0,
            Kind::Everything
            | Kind::Nothing
            | Kind::Phrase { .. }
            | Kind::Term { .. }
            | Kind::Range { .. }
            | Kind::Ids(_) => false,
            Kind::All(queries) | Kind::Any { queries, .. } => any(queries),
            Kind::Bool(clauses) => any(&clauses.must) || any(&clauses.should) || any(&clauses.must_not),
        }
    }

    /// The same query, as a part of a text: `place` says where there its character at an offset is.
    fn within(self, place: &dyn Fn(usize) -> usize) -> Self {
        let all = |queries: Vec<Self>| queries.into_iter().map(|query| query.within(place)).collect();
        let kind = match self.kind {
            Kind::All(queries) => Kind::All(all(queries)),
            Kind::Any { queries, min } => Kind::Any { queries: all(queries), min },
            Kind::Bool(clauses) => {
                let Bool { must, should, min, must_not, lenient } = *clauses;
                let (must, should, must_not) = (all(must), all(should), all(must_not));
                Kind::Bool(Box::new(Bool { must, should, min, must_not, lenient }))
            }
            kind => kind,
        };
        Self { kind, at: place(self.at), ..self }
    }
}

/// Counts clauses against the limit.
#[derive(Default)]
struct Clauses(usize);

impl Clauses {
    fn count(&mut self, at: usize) -> Result<(), QueryError> {
        self.0 += 1;
        if self.0 > limits::CLAUSES {
            return Err(QueryError::at(
                at,
                format!("a query may have {} clauses, and this is one more", limits::CLAUSES),
            ));
        }
        Ok(())
    }
}

/// The factor after `^` or in `boost`.
fn boost(text: &str) -> Option<f32> {
    text.parse().ok().filter(|boost| (0.0..=limits::BOOST).contains(boost))
}

/// What a boost must be, for the sentence when it is not.
fn boost_expected() -> String {
    format!("a boost is a number from 0 to {}", limits::BOOST)
}

/// What fuzziness must be, for the sentence when it is not.
fn fuzziness_expected() -> String {
    format!("fuzziness is 0, 1 or {}: that many letters may be wrong", limits::FUZZINESS)
}
