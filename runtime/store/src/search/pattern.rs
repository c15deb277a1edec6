//! Patterns for words: wildcards, prefixes and regular expressions, as a small machine over characters.
//!
//! A pattern always matches a word as a whole. It is compiled without any table of states, so compiling is cheap however
//! nasty the pattern is; [`crate::search::expand`] runs it over a dictionary and finds the states as it goes, against a
//! budget.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use crate::search::limits::PATTERN_STATES;
use crate::search::query::Piece;

/// A compiled pattern. It begins at its first instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    insts: Vec<Inst>,
}

/// What the machine does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inst {
    /// Take this character.
    Char(char),
    /// Take any character.
    Any,
    /// Take one of these characters: ranges in ascending order, both ends included.
    OneOf(Box<[(char, char)]>),
    /// Go on in both places.
    Split(usize, usize),
    /// Go on there.
    Jump(usize),
    /// The word matches if it ends here.
    Match,
}

/// Why a regular expression was refused: where in it, in characters, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatternError {
    pub(crate) offset: usize,
    pub(crate) sentence: String,
}

impl Pattern {
    /// A regular expression in the syntax of the regex crate, without anchors and word boundaries: it matches whole
    /// words anyway.
    pub(crate) fn regexp(text: &str) -> Result<Self, PatternError> {
        // Deeper nesting than a person writes; the recursion here follows it.
        let mut parser = ParserBuilder::new().nest_limit(50).build();
        let hir = parser.parse(text).map_err(|error| syntax_error(text, &error))?;
        let mut compiler = Compiler { insts: Vec::new() };
        compiler
            .add(&hir)
            .and_then(|()| compiler.push(Inst::Match))
            .map_err(|sentence| PatternError { offset: 0, sentence: sentence.into() })?;
        Ok(Self { insts: compiler.insts })
    }

    /// A wildcard pattern, each character as `spell` spells it. `None` if it is too long.
    pub(crate) fn wildcard(pieces: &[Piece], spell: impl Fn(char) -> Vec<char>) -> Option<Self> {
        let mut compiler = Compiler { insts: Vec::new() };
        let added = pieces.iter().try_for_each(|piece| match piece {
            Piece::Char(c) => spell(*c).into_iter().try_for_each(|c| compiler.push(Inst::Char(c))),
            Piece::One => compiler.push(Inst::Any),
            Piece::Many => compiler.star(),
        });
        added.and_then(|()| compiler.push(Inst::Match)).ok()?;
        Some(Self { insts: compiler.insts })
    }

    /// The instructions.
    pub(crate) fn insts(&self) -> &[Inst] {
        &self.insts
    }
}

impl Inst {
    /// Does this take `c`?
    pub(crate) fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(taken) => *taken == c,
            Self::Any => true,
            Self::OneOf(ranges) => {
                let after = ranges.partition_point(|(first, _)| *first <= c);
                after > 0 && ranges[after - 1].1 >= c
            }
            Self::Split(..) | Self::Jump(_) | Self::Match => false,
        }
    }
}

const TOO_LARGE: &str = "this pattern is too large; repeat fewer things, or fewer times";
const NO_ANCHORS: &str = "a pattern matches whole words, so it has no ^, $ or \\b";
const NO_BYTES: &str = "a pattern matches characters, not bytes, so it has no (?-u)";

struct Compiler {
    insts: Vec<Inst>,
}

impl Compiler {
    fn push(&mut self, inst: Inst) -> Result<(), &'static str> {
        if self.insts.len() >= PATTERN_STATES {
            return Err(TOO_LARGE);
        }
        self.insts.push(inst);
        Ok(())
    }

    /// Any characters, also none.
    fn star(&mut self) -> Result<(), &'static str> {
        let start = self.insts.len();
        self.push(Inst::Split(start + 1, start + 3))?;
        self.push(Inst::Any)?;
        self.push(Inst::Jump(start))
    }

    fn add(&mut self, hir: &Hir) -> Result<(), &'static str> {
        match hir.kind() {
            HirKind::Empty => Ok(()),
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).map_err(|_| NO_BYTES)?;
                text.chars().try_for_each(|c| self.push(Inst::Char(c)))
            }
            HirKind::Class(Class::Unicode(class)) => {
                self.push(Inst::OneOf(class.iter().map(|range| (range.start(), range.end())).collect()))
            }
            HirKind::Class(Class::Bytes(class)) => {
                if !class.is_ascii() {
                    return Err(NO_BYTES);
                }
                let ranges = class.iter().map(|range| (char::from(range.start()), char::from(range.end())));
                self.push(Inst::OneOf(ranges.collect()))
            }
            HirKind::Look(_) => Err(NO_ANCHORS),
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().try_for_each(|part| self.add(part)),
            HirKind::Alternation(choices) => self.choice(choices),
            HirKind::Repetition(repetition) => self.repeat(repetition),
        }
    }

    fn choice(&mut self, choices: &[Hir]) -> Result<(), &'static str> {
        let Some((last, others)) = choices.split_last() else { return Ok(()) };
        let mut jumps = Vec::new();
        for choice in others {
            let split = self.insts.len();
            self.push(Inst::Split(split + 1, split + 1))?;
            self.add(choice)?;
            jumps.push(self.insts.len());
            self.push(Inst::Jump(split))?;
            self.insts[split] = Inst::Split(split + 1, self.insts.len());
        }
        self.add(last)?;
        let end = self.insts.len();
        for jump in jumps {
            self.insts[jump] = Inst::Jump(end);
        }
        Ok(())
    }

    fn repeat(&mut self, repetition: &Repetition) -> Result<(), &'static str> {
        let Repetition { min, max, sub, .. } = repetition;
        if max.is_some_and(|max| max as usize > PATTERN_STATES) || *min as usize > PATTERN_STATES {
            return Err(TOO_LARGE);
        }
        for _ in 0..*min {
            self.add(sub)?;
        }
        let start = self.insts.len();
        match max {
            None => {
                self.push(Inst::Split(start + 1, start + 1))?;
                self.add(sub)?;
                self.push(Inst::Jump(start))?;
                self.insts[start] = Inst::Split(start + 1, self.insts.len());
            }
            Some(max) => {
                let mut splits = Vec::new();
                for _ in *min..*max {
                    splits.push(self.insts.len());
                    self.push(Inst::Jump(start))?;
                    self.add(sub)?;
                }
                let end = self.insts.len();
                for split in splits {
                    self.insts[split] = Inst::Split(split + 1, end);
                }
            }
        }
        Ok(())
    }
}

fn syntax_error(text: &str, error: &regex_syntax::Error) -> PatternError {
    let (offset, reason) = match error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
        other => (0, other.to_string()),
    };
    let offset = text.get(..offset).map_or(0, |before| before.chars().count());
    PatternError { offset, sentence: format!("the regular expression cannot be read: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The machine at its plainest: all places it can be in, character by character.
    fn matches(pattern: &Pattern, word: &str) -> bool {
        let mut places = vec![0];
        let follow = |places: &mut Vec<usize>| {
            let mut at = 0;
            while let Some(&place) = places.get(at) {
                let more = match pattern.insts[place] {
                    Inst::Split(a, b) => vec![a, b],
                    Inst::Jump(a) => vec![a],
                    _ => vec![],
                };
                places.extend(more.into_iter().filter(|place| !places.contains(place)).collect::<Vec<_>>());
                at += 1;
            }
        };
        follow(&mut places);
        for c in word.chars() {
            places = places.into_iter().filter(|&place| pattern.insts[place].takes(c)).map(|place| place + 1).collect();
            follow(&mut places);
        }
        places.iter().any(|&place| pattern.insts[place] == Inst::Match)
    }

    #[test]
    fn a_regular_expression_matches_whole_words() {
        for (pattern, yes, no) in [
            ("lup.*", vec!["lup", "lupino"], vec!["lu", "xlupino"]),
            ("a|bc|d", vec!["a", "bc", "d"], vec!["", "b", "abc"]),
            ("[^a-c]?x+", vec!["x", "dxx", "日x"], vec!["ax", "d"]),
            (r"\d{2,3}", vec!["12", "123", "٣٤"], vec!["1", "1234"]),
            ("(ab)*?c{0}", vec!["", "ab", "abab"], vec!["aba", "c"]),
            ("(?i)VIP", vec!["vip", "Vip"], vec!["vi"]),
            (r"a\/b\ \.", vec!["a/b ."], vec!["a/b x"]),
            ("(x|)(y|z)(|w)", vec!["y", "xz", "xyw"], vec!["x", ""]),
            (r"(?-u:\w)+", vec!["ab"], vec!["é"]),
            ("[a&&b]", vec![], vec!["", "a", "b"]),
        ] {
            let compiled = Pattern::regexp(pattern).unwrap();
            for word in yes {
                assert!(matches(&compiled, word), "{pattern} should match {word:?}");
            }
            for word in no {
                assert!(!matches(&compiled, word), "{pattern} should not match {word:?}");
            }
        }
    }

    #[test]
    fn a_wildcard_matches_whole_words() {
        use Piece::{Char, Many, One};
        let pattern = Pattern::wildcard(&[Char('A'), One, Many, Char('*')], |c| c.to_lowercase().collect()).unwrap();
        for (word, is) in [("ab*", true), ("abcd*", true), ("a*", false), ("ab", false), ("A b*", false)] {
            assert_eq!(matches(&pattern, word), is, "{word}");
        }
        assert!(Pattern::wildcard(&vec![One; PATTERN_STATES], |c| vec![c]).is_none());
    }

    #[test]
    fn what_cannot_be_read_is_told_of_where_it_is() {
        for (pattern, offset, says) in [
            ("日a(b", 2, "unclosed group"),
            ("a**)", 3, "unopened group"),
            ("*", 0, "repetition operator missing expression"),
            (r"x\q", 1, "unrecognized escape"),
            (r"\p{Nothing}", 0, "Unicode property not found"),
            ("^a", 0, "whole words"),
            (r"a\b", 0, "whole words"),
            ("(?-u:\\xff)", 5, "invalid UTF-8"),
        ] {
            let error = Pattern::regexp(pattern).unwrap_err();
            assert_eq!(error.offset, offset, "{pattern}: {error:?}");
            assert!(error.sentence.contains(says), "{pattern}: {error:?}");
        }
    }

    #[test]
    fn what_would_be_too_large_is_refused_at_once() {
        for pattern in ["a{1001}", "(a{100}){100}", "((((x{9}){9}){9}){9}){9}", "(a{0,999}){0,999}", &"a".repeat(1000)]
        {
            assert_eq!(Pattern::regexp(pattern).unwrap_err().sentence, TOO_LARGE, "{pattern}");
        }
        let nested = format!("{}a{}", "(".repeat(60), ")".repeat(60));
        assert!(Pattern::regexp(&nested).unwrap_err().sentence.contains("nest"), "{nested}");
        assert!(Pattern::regexp(r"\w{100}\W{100}.*").is_ok());
    }
}
