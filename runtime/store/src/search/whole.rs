//! Who has all of several whole words: the tags and senders that messages are sent by, which are the searches that must
//! be fast. Where all the words are common, the lists of who has them are laid over each other bit by bit instead of
//! being followed in step.

use std::fmt;

use tantivy::index::InvertedIndexReader;
use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::query::{EnableScoring, Explanation, Query, Scorer, TermQuery, Weight, intersect_scorers};
use tantivy::schema::{IndexRecordOption, Term};
use tantivy::{BitSet, COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, Score, SegmentReader, TantivyError};

/// Everybody who has all of these words, of which there are at least two.
#[derive(Clone)]
pub(crate) struct AllWords(pub(crate) Vec<Term>);

impl fmt::Debug for AllWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AllWords({} words)", self.0.len())
    }
}

impl Query for AllWords {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let weight = |term: &Term| TermQuery::new(term.clone(), IndexRecordOption::Basic).weight(scoring);
        let one_by_one = self.0.iter().map(weight).collect::<tantivy::Result<_>>()?;
        Ok(Box::new(AllWordsWeight { words: self.0.clone(), one_by_one }))
    }
}

struct AllWordsWeight {
    words: Vec<Term>,
    one_by_one: Vec<Box<dyn Weight>>,
}

/// Where the rarest word is had by less than one in so many, following the lists in step is faster.
const RARE: u32 = 32;

impl Weight for AllWordsWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let scorers =
            self.one_by_one.iter().map(|weight| weight.scorer(reader, boost)).collect::<tantivy::Result<_>>()?;
        Ok(intersect_scorers(scorers, reader.num_docs()))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        match scorer.doc() <= doc && scorer.seek(doc) == doc {
            true => Ok(Explanation::new("all of several words", scorer.score())),
            false => Err(TantivyError::InvalidArgument(format!("document {doc} lacks one of the words"))),
        }
    }

    fn for_each_no_score(&self, reader: &SegmentReader, callback: &mut dyn FnMut(&[DocId])) -> tantivy::Result<()> {
        let mut lists = Vec::with_capacity(self.words.len());
        for word in &self.words {
            let inverted = reader.inverted_index(word.field())?;
            let Some(info) = inverted.get_term_info(word)? else { return Ok(()) };
            lists.push((inverted, info));
        }
        lists.sort_by_key(|(_, info)| info.doc_freq);
        let [(first, rarest), between @ .., (last, commonest)] = lists.as_slice() else { return Ok(()) };
        if rarest.doc_freq < reader.max_doc() / RARE {
            let mut docs = [0; COLLECT_BLOCK_BUFFER_LEN];
            let mut scorer = self.scorer(reader, 1.0)?;
            loop {
                let count = scorer.fill_buffer(&mut docs);
                callback(&docs[..count]);
                if count < docs.len() {
                    return Ok(());
                }
            }
        }
        let mut all = BitSet::with_max_value(reader.max_doc());
        each_block(first, rarest, |docs| docs.iter().for_each(|doc| _ = all.insert(*doc)))?;
        for (inverted, info) in between {
            let mut some = BitSet::with_max_value(reader.max_doc());
            each_block(inverted, info, |docs| docs.iter().for_each(|doc| _ = some.insert(*doc)))?;
            all.intersect_update(&(&some).into());
        }
        let mut found = Vec::with_capacity(COLLECT_BLOCK_BUFFER_LEN * 2);
        each_block(last, commonest, |docs| {
            found.clear();
            found.extend(docs.iter().filter(|doc| all.contains(**doc)));
            callback(&found);
        })
    }
}

/// Reads a list block by block.
pub(super) fn each_block(
    inverted: &InvertedIndexReader,
    info: &TermInfo,
    mut take: impl FnMut(&[DocId]),
) -> tantivy::Result<()> {
    let mut blocks: BlockSegmentPostings =
        inverted.read_block_postings_from_terminfo(info, IndexRecordOption::Basic)?;
    while !blocks.docs().is_empty() {
        take(blocks.docs());
        blocks.advance();
    }
    Ok(())
}
