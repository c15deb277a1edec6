//! From a query's meaning to tantivy's queries over the fields of the index.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, Occur, PhraseQuery, RangeQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, TantivyError, Term};

use super::budget::{Budget, Overdrawn};
use super::expand::{Expansion, Words};
use super::fields::{Fields, Searched};
use super::limits;
use super::pattern::Pattern;
use super::query::{Bool, Field as Name, Fuzziness, Kind, Piece, Query, QueryError, Range};
use super::whole::AllWords;
use super::words::{lower_case, words};

/// A query that may find somebody.
pub(crate) struct Hits {
    pub(crate) query: Box<dyn tantivy::query::Query>,
    /// Has every hit the same score?
    pub(crate) uniform: bool,
    /// The whole word that is all that the query asks for.
    word: Option<Term>,
}

/// Why there is no translation.
#[derive(Debug)]
pub(crate) enum Refusal {
    Query(QueryError),
    /// The budget knows by whom.
    Overdrawn,
    Index(TantivyError),
}

impl From<Overdrawn> for Refusal {
    fn from(_: Overdrawn) -> Self {
        Self::Overdrawn
    }
}

impl From<TantivyError> for Refusal {
    fn from(error: TantivyError) -> Self {
        Self::Index(error)
    }
}

/// Translates for one search.
pub(crate) struct Translator<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) searcher: &'a Searcher,
    pub(crate) budget: Arc<Budget>,
    /// How many words there are so far.
    words: usize,
}

/// What became of a clause.
enum Clause {
    Hits(Hits),
    /// It finds nobody.
    Nothing,
    /// There is no word in its text, so it says nothing.
    Silent,
}

impl Clause {
    fn new(query: impl tantivy::query::Query, uniform: bool) -> Self {
        Self::Hits(Hits { query: Box::new(query), uniform, word: None })
    }
}

/// What it costs to look at somebody in a phrase, where positions are read, against 1 in a list of hits.
const PHRASE_STEPS: u64 = 4;
/// How many numbers are compared in one step.
const NUMBERS_A_STEP: u64 = 8;
/// What it costs to look a word up.
const LOOK_UP_STEPS: u64 = 20;

impl<'a> Translator<'a> {
    pub(crate) fn new(fields: &'a Fields, searcher: &'a Searcher, budget: Arc<Budget>) -> Self {
        Self { fields, searcher, budget, words: 0 }
    }

    /// What `query` finds; `None`: nobody, for certain.
    pub(crate) fn translate(&mut self, query: &Query) -> Result<Option<Hits>, Refusal> {
        Ok(match self.clause(query)? {
            Clause::Hits(hits) => Some(hits),
            Clause::Nothing | Clause::Silent => None,
        })
    }

    fn clause(&mut self, query: &Query) -> Result<Clause, Refusal> {
        let at = query.at;
        let clause = match &query.kind {
            Kind::Everything => self.everything(at)?,
            Kind::Nothing => Clause::Nothing,
            Kind::Match { field, text, every, fuzziness } => self.matching(field, text, *every, *fuzziness, at)?,
            Kind::Phrase { field, text } => self.phrase(field, text, at)?,
            Kind::Term { field, term } => match self.fields.named(field.as_deref()) {
                Searched::Words(field) | Searched::All { words: field, .. } => self.term(field, &lower(term), at)?,
                Searched::Whole(field) => self.term(field, term, at)?,
                Searched::Number(_) | Searched::Unknown => Clause::Nothing,
            },
            Kind::Fuzzy { field, term, fuzziness } => match self.fields.named(field.as_deref()) {
                Searched::Words(field) | Searched::All { words: field, .. } => {
                    self.near(field, &lower(term), *fuzziness, at)?
                }
                Searched::Whole(field) => self.near(field, term, *fuzziness, at)?,
                Searched::Number(_) | Searched::Unknown => Clause::Nothing,
            },
            Kind::Prefix { field, prefix } => {
                let pieces: Vec<_> = prefix.chars().map(Piece::Char).chain([Piece::Many]).collect();
                self.wildcard(field, &pieces, at)?
            }
            // Nobody is without an id, so this spares the reading of everybody's words.
            Kind::Wildcard { field: None, pattern } if pattern[..] == [Piece::Many] => self.everything(at)?,
            Kind::Wildcard { field, pattern } => self.wildcard(field, pattern, at)?,
            Kind::Regexp { field, pattern } => match self.fields.named(field.as_deref()) {
                Searched::Words(field) | Searched::Whole(field) | Searched::All { words: field, .. } => {
                    self.expansion(field, Words::Matching(Arc::new(pattern.clone())), at)
                }
                Searched::Number(_) | Searched::Unknown => Clause::Nothing,
            },
            Kind::Range { field, range } => self.range(field, *range, at)?,
            Kind::Ids(ids) => {
                self.budget.take(LOOK_UP_STEPS * ids.len() as u64, at)?;
                Clause::new(TermSetQuery::new(ids.iter().map(|id| self.fields.key_of(id))), true)
            }
            Kind::All(queries) => self.all(queries)?,
            Kind::Any { queries, min } => self.any(queries, *min)?,
            Kind::Bool(clauses) => self.boolean(clauses, at)?,
        };
        Ok(match clause {
            #[expect(clippy::float_cmp, reason = "exactly 1 is what it is when nothing is said")]
            Clause::Hits(Hits { query: hits, uniform, .. }) if query.boost != 1.0 => {
                Clause::new(BoostQuery::new(hits, query.boost), uniform)
            }
            clause => clause,
        })
    }

    fn everything(&self, at: usize) -> Result<Clause, Refusal> {
        self.budget.take(self.searcher.num_docs(), at)?;
        Ok(Clause::new(AllQuery, true))
    }

    fn matching(
        &mut self,
        field: &Name,
        text: &str,
        every: bool,
        fuzziness: Fuzziness,
        at: usize,
    ) -> Result<Clause, Refusal> {
        let (field, texts) = match self.fields.named(field.as_deref()) {
            Searched::Words(field) | Searched::All { words: field, .. } => (field, distinct(words(text))),
            Searched::Whole(field) => (field, vec![text.to_owned()]),
            Searched::Number(_) | Searched::Unknown => return Ok(Clause::Nothing),
        };
        if texts.is_empty() {
            return Ok(Clause::Silent);
        }
        let mut clauses = Vec::with_capacity(texts.len());
        for text in &texts {
            clauses.push(if fuzziness.edits == 0 {
                self.term(field, text, at)?
            } else {
                self.near(field, text, fuzziness, at)?
            });
        }
        Ok(if every { every_one(clauses) } else { at_least(1, clauses) })
    }

    fn phrase(&mut self, field: &Name, text: &str, at: usize) -> Result<Clause, Refusal> {
        let field = match self.fields.named(field.as_deref()) {
            Searched::Words(field) | Searched::All { words: field, .. } => field,
            Searched::Whole(field) => return self.term(field, text, at),
            Searched::Number(_) | Searched::Unknown => return Ok(Clause::Nothing),
        };
        let terms: Vec<Term> = words(text).map(|word| Term::from_field_text(field, &word)).collect();
        match terms.as_slice() {
            [] => return Ok(Clause::Silent),
            [_] => return self.term(field, &words(text).collect::<String>(), at),
            _ => {}
        }
        for term in &terms {
            self.count_word(at)?;
            self.budget.take(LOOK_UP_STEPS + PHRASE_STEPS * self.searcher.doc_freq(term)?, at)?;
        }
        Ok(Clause::new(PhraseQuery::new(terms), false))
    }

    /// Who has this word, spelled as the index spells it.
    fn term(&mut self, field: Field, word: &str, at: usize) -> Result<Clause, Refusal> {
        self.count_word(at)?;
        let term = Term::from_field_text(field, word);
        let hits = self.searcher.doc_freq(&term)?;
        self.budget.take(LOOK_UP_STEPS + hits, at)?;
        if hits == 0 {
            return Ok(Clause::Nothing);
        }
        // Whole words are there or not; words of a text count by how often and in how much text.
        let uniform = self.fields.schema.get_field_entry(field).field_type().index_record_option()
            == Some(IndexRecordOption::Basic);
        let word = uniform.then(|| term.clone());
        let query = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
        Ok(Clause::Hits(Hits { query, uniform, word }))
    }

    /// Who has a word like this one. Who has the very word comes first.
    fn near(&mut self, field: Field, word: &str, fuzziness: Fuzziness, at: usize) -> Result<Clause, Refusal> {
        let length = word.chars().count();
        if length > limits::FUZZY_CHARS {
            let sentence = format!(
                "fuzziness works for words of up to {} characters, and this one has {length}",
                limits::FUZZY_CHARS
            );
            return Err(Refusal::Query(QueryError::at(at, sentence)));
        }
        if fuzziness.edits == 0 {
            return self.term(field, word, at);
        }
        let exact = self.term(field, word, at)?;
        let prefix = word.chars().take(fuzziness.prefix).collect();
        let near = Words::Near { word: Term::from_field_text(field, word), edits: fuzziness.edits, prefix };
        Ok(at_least(1, vec![exact, self.expansion(field, near, at)]))
    }

    fn wildcard(&mut self, field: &Name, pieces: &[Piece], at: usize) -> Result<Clause, Refusal> {
        let (field, pattern) = match self.fields.named(field.as_deref()) {
            Searched::Words(field) | Searched::All { words: field, .. } => {
                (field, Pattern::wildcard(pieces, |c| c.to_lowercase().collect()))
            }
            Searched::Whole(field) => (field, Pattern::wildcard(pieces, |c| vec![c])),
            Searched::Number(_) | Searched::Unknown => return Ok(Clause::Nothing),
        };
        let Some(pattern) = pattern else {
            let sentence =
                format!("a pattern may have about {} characters, and this one has more", limits::PATTERN_STATES / 3);
            return Err(Refusal::Query(QueryError::at(at, sentence)));
        };
        Ok(self.expansion(field, Words::Matching(Arc::new(pattern)), at))
    }

    fn expansion(&self, field: Field, words: Words, at: usize) -> Clause {
        Clause::new(Expansion { field, words, budget: Arc::clone(&self.budget), at }, true)
    }

    fn range(&self, field: &Name, range: Range, at: usize) -> Result<Clause, Refusal> {
        let (Searched::Number(field) | Searched::All { number: field, .. }) = self.fields.named(field.as_deref())
        else {
            return Ok(Clause::Nothing);
        };
        if range.is_empty() {
            return Ok(Clause::Nothing);
        }
        self.budget.take(self.searcher.num_docs() / NUMBERS_A_STEP, at)?;
        let end = |n| Bound::Included(Term::from_field_i64(field, n));
        Ok(Clause::new(RangeQuery::new(end(range.first), end(range.last)), true))
    }

    fn all(&mut self, queries: &[Query]) -> Result<Clause, Refusal> {
        let clauses = queries.iter().map(|query| self.clause(query)).collect::<Result<_, _>>()?;
        Ok(every_one(clauses))
    }

    fn any(&mut self, queries: &[Query], min: usize) -> Result<Clause, Refusal> {
        let clauses = queries.iter().map(|query| self.clause(query)).collect::<Result<Vec<_>, _>>()?;
        if clauses.iter().all(|clause| matches!(clause, Clause::Silent)) {
            return Ok(Clause::Silent);
        }
        Ok(at_least(min.max(1), clauses))
    }

    fn boolean(&mut self, clauses: &Bool, at: usize) -> Result<Clause, Refusal> {
        let mut heard = |queries: &[Query]| -> Result<Vec<Clause>, Refusal> {
            let mut heard = queries.iter().map(|query| self.clause(query)).collect::<Result<Vec<_>, _>>()?;
            if clauses.lenient {
                heard.retain(|clause| !matches!(clause, Clause::Silent));
            }
            Ok(heard)
        };
        let (must, should, must_not) = (heard(&clauses.must)?, heard(&clauses.should)?, heard(&clauses.must_not)?);
        if must.is_empty() && should.is_empty() && must_not.is_empty() {
            return Ok(Clause::Silent);
        }
        let mut required = Vec::new();
        let min = if must.is_empty() { clauses.min.max(1) } else { clauses.min };
        if !must.is_empty() {
            required.push(every_one(must));
        }
        let mut optional = Vec::new();
        if !should.is_empty() {
            if min > 0 {
                required.push(at_least(min, should));
            } else {
                optional = found(should);
            }
        }
        if required.is_empty() {
            required.push(self.everything(at)?);
        }
        let Clause::Hits(required) = every_one(required) else { return Ok(Clause::Nothing) };
        let must_not = found(must_not);
        if optional.is_empty() && must_not.is_empty() {
            return Ok(Clause::Hits(required));
        }
        let uniform = required.uniform && optional.is_empty();
        let mut parts = vec![(Occur::Must, required.query)];
        parts.extend(optional.into_iter().map(|hits| (Occur::Should, hits.query)));
        parts.extend(must_not.into_iter().map(|hits| (Occur::MustNot, hits.query)));
        Ok(Clause::new(BooleanQuery::with_minimum_required_clauses(parts, 0), uniform))
    }

    fn count_word(&mut self, at: usize) -> Result<(), Refusal> {
        self.words += 1;
        if self.words > limits::CLAUSES {
            let sentence = format!("a query may have {} words, and this is one more", limits::CLAUSES);
            return Err(Refusal::Query(QueryError::at(at, sentence)));
        }
        Ok(())
    }
}

/// Those that may find somebody.
fn found(clauses: Vec<Clause>) -> Vec<Hits> {
    let hits = |clause| match clause {
        Clause::Hits(hits) => Some(hits),
        Clause::Nothing | Clause::Silent => None,
    };
    clauses.into_iter().filter_map(hits).collect()
}

/// Who is found by all clauses. None at all finds nobody, as in bleve.
fn every_one(clauses: Vec<Clause>) -> Clause {
    let count = clauses.len();
    let mut hits = found(clauses);
    if hits.len() < count || hits.is_empty() {
        return Clause::Nothing;
    }
    if hits.iter().filter(|hits| hits.word.is_some()).count() > 1 {
        let words = hits.extract_if(.., |hits| hits.word.is_some()).filter_map(|hits| hits.word).collect();
        hits.push(Hits { query: Box::new(AllWords(words)), uniform: true, word: None });
    }
    let uniform = hits.iter().all(|hits| hits.uniform);
    combine(Occur::Must, hits, 0, uniform)
}

/// Who is found by so many of the clauses, which is at least one.
fn at_least(min: usize, clauses: Vec<Clause>) -> Clause {
    let hits = found(clauses);
    if hits.len() < min {
        return Clause::Nothing;
    }
    let uniform = hits.len() == min && hits.iter().all(|hits| hits.uniform);
    combine(Occur::Should, hits, min, uniform)
}

/// One clause of several, of which there is at least one.
fn combine(occur: Occur, mut hits: Vec<Hits>, min: usize, uniform: bool) -> Clause {
    if hits.len() == 1 {
        return hits.pop().map_or(Clause::Nothing, Clause::Hits);
    }
    let parts = hits.into_iter().map(|hits| (occur, hits.query)).collect();
    Clause::new(BooleanQuery::with_minimum_required_clauses(parts, min), uniform)
}

fn lower(text: &str) -> String {
    lower_case(text).collect()
}

fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    let mut seen = std::collections::HashSet::new();
    distinct.extend(words.filter(|word| seen.insert(word.clone())));
    distinct
}
