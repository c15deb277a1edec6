//! Collects what a search found: how many there are, and one page of them, best first. Equal scores are ordered by id,
//! ascending, so that a page does not depend on how the index happens to lie.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::io;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::query::Weight;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, Score, SegmentOrdinal, SegmentReader, TantivyError};

use super::fields::Fields;

/// Collects the page of `size` hits after the first `from`.
pub(crate) struct Page {
    pub(crate) from: usize,
    pub(crate) size: usize,
    /// Do scores differ at all?
    pub(crate) scored: bool,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) total: u64,
    /// The ids on the page, in order.
    pub(crate) ids: Vec<String>,
}

/// A hit. The greatest is the best: the highest score, then the least ordinal, for ordinals have the order of ids.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Hit {
    score: Score,
    ord: u64,
}

impl Eq for Hit {}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.ord.cmp(&self.ord))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The best hits of a segment.
pub(crate) struct SegmentPage {
    ids: StrColumn,
    keep: usize,
    total: u64,
    /// The worst on top.
    best: BinaryHeap<Reverse<Hit>>,
    ords: Vec<Option<u64>>,
}

impl Collector for Page {
    type Fruit = Found;
    type Child = SegmentPage;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentPage> {
        let missing = || TantivyError::SchemaError("the index has no column of ids".into());
        let ids = segment.fast_fields().str(Fields::KEY)?.ok_or_else(missing)?;
        let keep = if self.size == 0 { 0 } else { self.from + self.size };
        Ok(SegmentPage { ids, keep, total: 0, best: BinaryHeap::new(), ords: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        self.scored && self.size > 0
    }

    /// As the default does it, but where recipients have been deleted the living are still taken in blocks.
    fn collect_segment(
        &self,
        weight: &dyn Weight,
        ord: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<Ranked> {
        let mut page = self.for_segment(ord, reader)?;
        match (self.requires_scoring(), reader.alive_bitset()) {
            (true, None) => weight.for_each(reader, &mut |doc, score| page.collect(doc, score))?,
            (true, Some(alive)) => weight.for_each(reader, &mut |doc, score| {
                if alive.is_alive(doc) {
                    page.collect(doc, score);
                }
            })?,
            (false, None) => weight.for_each_no_score(reader, &mut |docs| page.collect_block(docs))?,
            (false, Some(alive)) => {
                let mut living = Vec::with_capacity(COLLECT_BLOCK_BUFFER_LEN);
                weight.for_each_no_score(reader, &mut |docs| {
                    living.clear();
                    living.extend(docs.iter().filter(|doc| alive.is_alive(**doc)));
                    page.collect_block(&living);
                })?;
            }
        }
        Ok(page.harvest())
    }

    fn merge_fruits(&self, segments: Vec<Ranked>) -> tantivy::Result<Found> {
        let total = segments.iter().map(|segment| segment.total).sum();
        let mut segments: Vec<_> = segments.into_iter().filter(|segment| !segment.hits.is_empty()).collect();
        let mut ids = Vec::new();
        for rank in 0..self.from + self.size {
            let mut best: Option<(usize, Score)> = None;
            for at in 0..segments.len() {
                let Some(score) = segments[at].resolve_next()? else { continue };
                let is_better = best.is_none_or(|(other, other_score)| {
                    let by_score = score.total_cmp(&other_score);
                    by_score.then_with(|| segments[other].next_id().cmp(&segments[at].next_id())).is_gt()
                });
                if is_better {
                    best = Some((at, score));
                }
            }
            let Some((at, _)) = best else { break };
            let id = segments[at].take_next();
            if rank >= self.from {
                ids.extend(id);
            }
        }
        Ok(Found { total, ids })
    }
}

impl SegmentCollector for SegmentPage {
    type Fruit = Ranked;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.total += 1;
        if self.best.len() >= self.keep && self.best.peek().is_none_or(|worst| worst.0.score > score) {
            return;
        }
        if let Some(ord) = self.ids.ords().first(doc) {
            self.rank(Hit { score, ord });
        }
    }

    fn collect_block(&mut self, docs: &[DocId]) {
        self.total += docs.len() as u64;
        if self.keep == 0 {
            return;
        }
        let mut ords = std::mem::take(&mut self.ords);
        ords.clear();
        ords.resize(docs.len(), None);
        self.ids.ords().first_vals(docs, &mut ords);
        ords.iter().flatten().for_each(|ord| self.rank(Hit { score: 0.0, ord: *ord }));
        self.ords = ords;
    }

    fn harvest(self) -> Ranked {
        let hits = self.best.into_sorted_vec().into_iter().map(|Reverse(hit)| hit).collect();
        Ranked { ids: self.ids, total: self.total, hits, resolved: VecDeque::new() }
    }
}

impl SegmentPage {
    fn rank(&mut self, hit: Hit) {
        if self.best.len() < self.keep {
            self.best.push(Reverse(hit));
        } else if let Some(mut worst) = self.best.peek_mut()
            && worst.0 < hit
        {
            worst.0 = hit;
        }
    }
}

/// How many ids are looked up in a segment at a time.
const AT_ONCE: usize = 128;

/// The best hits of a segment in order, the next of them with their ids.
pub(crate) struct Ranked {
    ids: StrColumn,
    total: u64,
    hits: VecDeque<Hit>,
    resolved: VecDeque<(Score, String)>,
}

impl Ranked {
    /// The score of the next hit, whose id is known then.
    fn resolve_next(&mut self) -> io::Result<Option<Score>> {
        if self.resolved.is_empty() {
            let next: Vec<Hit> = self.hits.drain(..self.hits.len().min(AT_ONCE)).collect();
            let ords: Vec<u64> = next.iter().map(|hit| hit.ord).collect::<BTreeSet<_>>().into_iter().collect();
            let mut names = Vec::with_capacity(ords.len());
            self.ids
                .dictionary()
                .sorted_ords_to_term_cb(&ords, |id| names.push(String::from_utf8_lossy(id).into_owned()))?;
            let mut names: HashMap<u64, String> = ords.into_iter().zip(names).collect();
            self.resolved = next.iter().filter_map(|hit| Some((hit.score, names.remove(&hit.ord)?))).collect();
        }
        Ok(self.resolved.front().map(|(score, _)| *score))
    }

    fn next_id(&self) -> Option<&str> {
        self.resolved.front().map(|(_, id)| id.as_str())
    }

    fn take_next(&mut self) -> Option<String> {
        self.resolved.pop_front().map(|(_, id)| id)
    }
}
