//! Queries that stand for many words: wildcards, prefixes, regular expressions, words with a mistake in them. The words
//! are looked up in each segment's dictionary, and whoever has one of them is a hit. All that is paid for from the
//! search's [`Budget`].

use std::fmt;
use std::sync::Arc;

use tantivy::postings::TermInfo;
use tantivy::query::{
    BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, FuzzyTermQuery, Query, Scorer, Weight,
};
use tantivy::schema::{Field, Term};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TantivyError};
use tantivy_fst::Automaton;

use super::budget::{Budget, Overdrawn};
use super::machine::Machine;
use super::pattern::Pattern;
use super::whole::each_block;

/// What an opened list of hits costs, beside the hits in it.
const WORD_STEPS: u64 = 20;
/// What it costs to prepare fuzziness for one character of a word.
const FUZZY_CHAR_STEPS: u64 = 10_000;

/// Everybody who has one of many words in a field.
#[derive(Clone)]
pub(crate) struct Expansion {
    pub(crate) field: Field,
    pub(crate) words: Words,
    pub(crate) budget: Arc<Budget>,
    /// Where the clause begins, for the sentence if it costs too much.
    pub(crate) at: usize,
}

/// Which words.
#[derive(Clone)]
pub(crate) enum Words {
    Matching(Arc<Pattern>),
    /// Words at most so many edits from this one, that begin with this.
    Near {
        word: Term,
        edits: u8,
        prefix: String,
    },
}

impl fmt::Debug for Expansion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expansion(clause at {})", self.at)
    }
}

impl Query for Expansion {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Expansion {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let Some(hits) = self.hits(reader)? else { return Ok(Box::new(EmptyScorer)) };
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(hits), boost)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        match scorer.doc() <= doc && scorer.seek(doc) == doc {
            true => Ok(Explanation::new("one of many words", 1.0)),
            false => Err(TantivyError::InvalidArgument(format!("document {doc} has none of the words"))),
        }
    }
}

impl Expansion {
    fn hits(&self, reader: &SegmentReader) -> tantivy::Result<Option<BitSet>> {
        let words = match &self.words {
            Words::Matching(pattern) => {
                let machine = Machine::new(pattern, self.budget.left());
                let words = self.look_up(reader, &machine, "")?;
                self.pay(machine.steps())?;
                words
            }
            Words::Near { word, edits, prefix } => {
                let length = word.value().as_str().map_or(0, |word| word.chars().count()) as u64;
                self.pay(FUZZY_CHAR_STEPS * length)?;
                let near = FuzzyTermQuery::new(word.clone(), *edits, false).automaton()?;
                self.look_up(reader, &near, prefix)?
            }
        };
        if words.is_empty() {
            return Ok(None);
        }
        // A bit for each recipient; paid for so that the bits of a whole search fit 25 MB.
        self.pay(u64::from(reader.max_doc()) / 2)?;
        let inverted = reader.inverted_index(self.field)?;
        let mut hits = BitSet::with_max_value(reader.max_doc());
        for word in words {
            each_block(&inverted, &word, |docs| docs.iter().for_each(|doc| _ = hits.insert(*doc)))?;
        }
        Ok(Some(hits))
    }

    /// The words of a segment that `automaton` accepts and that begin with `prefix`.
    fn look_up<A>(&self, reader: &SegmentReader, automaton: &A, prefix: &str) -> tantivy::Result<Vec<TermInfo>>
    where
        A: Automaton,
        A::State: Clone,
    {
        let inverted = reader.inverted_index(self.field)?;
        let mut stream = inverted.terms().search(automaton).ge(prefix).into_stream()?;
        let mut words = Vec::new();
        while stream.advance() {
            if !stream.key().starts_with(prefix.as_bytes()) {
                break;
            }
            self.pay(WORD_STEPS + u64::from(stream.value().doc_freq))?;
            words.push(stream.value().clone());
        }
        Ok(words)
    }

    fn pay(&self, steps: u64) -> tantivy::Result<()> {
        // The budget remembers who overdrew it; this only breaks the search off.
        let broke = |Overdrawn| TantivyError::InvalidArgument("the search costs too much".into());
        self.budget.take(steps, self.at).map_err(broke)
    }
}
