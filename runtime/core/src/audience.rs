//! Whom a pushall is for: everybody who has a sender and, if labels are asked for, those on whom an expression of tags
//! holds: `vip`, `vip AND NOT trial`, `(a OR b) AND "new york"`.
//!
//! ```text
//! or    = and { "OR" and }          and = not { "AND" not }
//! not   = "NOT" not | "(" or ")" | tag
//! tag   = words | '"' text with \" and \\ '"'
//! ```
//!
//! The operators are words in capitals. A tag may have spaces in it, so words beside each other are one tag. A text without
//! an operator that does not begin with `(` or `"` is one tag, whatever is in it: that is what the Go program takes.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::pusher::Pusher;
use crate::words::{SenderName, Tag};

/// The longest expression, in bytes.
pub const MAX_TAG_EXPR_BYTES: usize = 4096;
/// How many tags an expression may name, and how deep it may be nested.
const MAX_TERMS: usize = 64;

/// Whom a pushall is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// Who has this sender,
    pub sender: SenderName,
    /// and on whom this holds; `None`: everybody.
    pub tags: Option<TagExpr>,
}

impl Audience {
    /// Is it for this recipient?
    #[must_use]
    pub fn has(&self, pusher: &Pusher) -> bool {
        let is_tagged = |tag: &Tag| pusher.tags.contains(tag);
        pusher.has_sender(&self.sender) && self.tags.as_ref().is_none_or(|tags| tags.holds(is_tagged))
    }
}

/// An expression of tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagExpr {
    /// Who has the tag.
    Tag(Tag),
    /// On whom the other does not hold.
    Not(Box<Self>),
    /// On whom all of them hold.
    And(Vec<Self>),
    /// On whom one of them holds.
    Or(Vec<Self>),
}

/// A text that is no expression of tags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tag: {reason} at character {at}; write: vip, a AND NOT b, (a OR b) AND \"a tag\"")]
pub struct TagExprError {
    /// Which character, counted from 1.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

impl TagExpr {
    /// Reads an expression; `None`: the text is empty, which means everybody.
    ///
    /// # Errors
    /// [`TagExprError`] says where it is wrong.
    pub fn parse(text: &str) -> Result<Option<Self>, TagExprError> {
        if text.is_empty() {
            return Ok(None);
        }
        if !is_expression(text) {
            return tag(text, 0).map(Some);
        }
        if text.len() > MAX_TAG_EXPR_BYTES {
            return Err(error(
                text,
                0,
                format!("the expression is {} bytes long, at most {MAX_TAG_EXPR_BYTES} may be, beginning", text.len()),
            ));
        }
        let mut parser = Parser { text, tokens: tokens(text)?, next: 0, terms: 0 };
        let expr = parser.or(0)?;
        match parser.tokens.get(parser.next) {
            None => Ok(Some(expr)),
            Some(token) => Err(error(text, token.at, "AND or OR is missing".into())),
        }
    }

    /// Does it hold on somebody, of whom is known which tags are theirs?
    pub fn holds(&self, has: impl Fn(&Tag) -> bool) -> bool {
        let Ok(holds) = self.try_holds(&mut |tag| Ok::<_, Infallible>(has(tag)));
        holds
    }

    /// The same, where finding out may fail.
    ///
    /// # Errors
    /// What `has` fails with.
    pub fn try_holds<E>(&self, has: &mut impl FnMut(&Tag) -> Result<bool, E>) -> Result<bool, E> {
        match self {
            Self::Tag(tag) => has(tag),
            Self::Not(expr) => expr.try_holds(has).map(|holds| !holds),
            Self::And(all) => {
                for expr in all {
                    if !expr.try_holds(has)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(any) => {
                for expr in any {
                    if expr.try_holds(has)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Tags that everybody has on whom it holds: one of them is enough to find them all by.
    #[must_use]
    pub fn required(&self) -> Vec<&Tag> {
        match self {
            Self::Tag(tag) => vec![tag],
            Self::And(all) => all.iter().flat_map(Self::required).collect(),
            Self::Not(_) | Self::Or(_) => Vec::new(),
        }
    }
}

impl fmt::Display for TagExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, exprs: &[Self], word: &str| {
            for (n, expr) in exprs.iter().enumerate() {
                f.write_str(if n == 0 { "" } else { word })?;
                match expr {
                    Self::And(_) | Self::Or(_) => write!(f, "({expr})")?,
                    _ => write!(f, "{expr}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Tag(tag) => write!(f, "\"{}\"", tag.as_str().replace('\\', "\\\\").replace('"', "\\\"")),
            Self::Not(expr) => match **expr {
                Self::And(_) | Self::Or(_) => write!(f, "NOT ({expr})"),
                _ => write!(f, "NOT {expr}"),
            },
            Self::And(all) => joined(f, all, " AND "),
            Self::Or(any) => joined(f, any, " OR "),
        }
    }
}

impl FromStr for TagExpr {
    type Err = TagExprError;

    fn from_str(text: &str) -> Result<Self, TagExprError> {
        Self::parse(text)?.ok_or_else(|| error(text, 0, "a tag is missing".into()))
    }
}

fn is_expression(text: &str) -> bool {
    text.trim_start().starts_with(['(', '"']) || text.split_whitespace().any(|word| operator(word).is_some())
}

fn tag(text: &str, at: usize) -> Result<TagExpr, TagExprError> {
    Tag::parse(text).map(TagExpr::Tag).map_err(|wrong| error("", at, wrong.to_string()))
}

/// An error at this byte of the text.
fn error(text: &str, at: usize, reason: String) -> TagExprError {
    TagExprError { at: text.get(..at).map_or(at, |before| before.chars().count()) + 1, reason }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    And,
    Or,
    Not,
    Open,
    Close,
    Tag(String),
}

#[derive(Debug)]
struct Token {
    /// Where it begins, in bytes.
    at: usize,
    kind: Kind,
}

fn operator(word: &str) -> Option<Kind> {
    match word {
        "AND" => Some(Kind::And),
        "OR" => Some(Kind::Or),
        "NOT" => Some(Kind::Not),
        _ => None,
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, TagExprError> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut open) = (0, 0_usize);
    // Where the words of a tag began that may go on.
    let mut words: Option<usize> = None;
    while let Some(next) = text[at..].chars().next() {
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        let rest = &text[at..];
        if next == '(' && words.is_none() {
            (open, at) = (open + 1, at + 1);
            tokens.push(Token { at: at - 1, kind: Kind::Open });
            continue;
        }
        if next == '"' && words.is_none() {
            let (quoted, len) = quoted(text, at)?;
            tokens.push(Token { at, kind: Kind::Tag(quoted) });
            at += len;
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let word = &rest[..end];
            let bare = word.trim_end_matches(')');
            let closing = (word.len() - bare.len()).min(open);
            let word = &word[..word.len() - closing];
            if let Some(kind) = operator(word) {
                words = None;
                tokens.push(Token { at, kind });
            } else if !word.is_empty() {
                let begin = *words.get_or_insert(at);
                let whole = Kind::Tag(text[begin..at + word.len()].to_owned());
                match tokens.last_mut().filter(|last| last.at == begin) {
                    Some(last) => last.kind = whole,
                    None => tokens.push(Token { at, kind: whole }),
                }
            }
            at += word.len();
        }
        while open > 0 && text[at..].starts_with(')') {
            (open, at, words) = (open - 1, at + 1, None);
            tokens.push(Token { at: at - 1, kind: Kind::Close });
        }
    }
    Ok(tokens)
}

/// A tag in quotes that begins here, and how many bytes it takes with them.
fn quoted(text: &str, at: usize) -> Result<(String, usize), TagExprError> {
    let mut tag = String::new();
    let mut chars = text[at + 1..].char_indices();
    while let Some((offset, next)) = chars.next() {
        match next {
            '"' => return Ok((tag, offset + 2)),
            '\\' => tag.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => tag.push(next),
        }
    }
    Err(error(text, at, "this quote has no end, which begins".into()))
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    terms: usize,
}

impl Parser<'_> {
    fn or(&mut self, depth: usize) -> Result<TagExpr, TagExprError> {
        let first = self.and(depth)?;
        let mut all = vec![first];
        while self.takes(&Kind::Or) {
            all.push(self.and(depth)?);
        }
        Ok(if all.len() > 1 { TagExpr::Or(all) } else { all.remove(0) })
    }

    fn and(&mut self, depth: usize) -> Result<TagExpr, TagExprError> {
        let first = self.not(depth)?;
        let mut all = vec![first];
        while self.takes(&Kind::And) {
            all.push(self.not(depth)?);
        }
        Ok(if all.len() > 1 { TagExpr::And(all) } else { all.remove(0) })
    }

    fn not(&mut self, depth: usize) -> Result<TagExpr, TagExprError> {
        let at = self.tokens.get(self.next).map_or(self.text.len(), |token| token.at);
        if depth > MAX_TERMS {
            return Err(error(self.text, at, format!("it is nested more than {MAX_TERMS} deep")));
        }
        if self.takes(&Kind::Not) {
            return Ok(TagExpr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.takes(&Kind::Open) {
            let inner = self.or(depth + 1)?;
            if self.takes(&Kind::Close) {
                return Ok(inner);
            }
            return Err(error(self.text, at, "a parenthesis has no end, which begins".into()));
        }
        match self.tokens.get(self.next) {
            Some(Token { kind: Kind::Tag(text), .. }) => {
                self.terms += 1;
                if self.terms > MAX_TERMS {
                    return Err(error(self.text, at, format!("there are more than {MAX_TERMS} tags")));
                }
                self.next += 1;
                Tag::parse(text).map(TagExpr::Tag).map_err(|wrong| error(self.text, at, wrong.to_string()))
            }
            _ => Err(error(self.text, at, "a tag is missing".into())),
        }
    }

    fn takes(&mut self, kind: &Kind) -> bool {
        let is_next = self.tokens.get(self.next).is_some_and(|token| token.kind == *kind);
        self.next += usize::from(is_next);
        is_next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> String {
        TagExpr::parse(text).unwrap().map_or_else(String::new, |expr| expr.to_string())
    }

    #[test]
    fn a_text_without_operators_is_one_tag_as_the_go_program_takes_it() {
        for text in ["vip", " new  york ", "and", "a)b(", "café (old)", "a\"b"] {
            assert_eq!(TagExpr::parse(text).unwrap(), Some(TagExpr::Tag(Tag::parse(text).unwrap())), "{text:?}");
        }
        assert_eq!(TagExpr::parse("").unwrap(), None);
    }

    #[test]
    fn expressions_are_read_as_everybody_expects() {
        for (text, meant) in [
            ("a AND b", r#""a" AND "b""#),
            ("a OR b AND c", r#""a" OR ("b" AND "c")"#),
            ("(a OR b) AND c", r#"("a" OR "b") AND "c""#),
            ("NOT a", r#"NOT "a""#),
            ("NOT (a OR b)", r#"NOT ("a" OR "b")"#),
            ("NOT NOT a", r#"NOT NOT "a""#),
            ("new york AND NOT  old  town", r#""new york" AND NOT "old  town""#),
            (r#""a AND b" OR "q\"\\""#, r#""a AND b" OR "q\"\\""#),
            ("((a))", r#""a""#),
            ("f(x) AND (g(y))", r#""f(x)" AND "g(y)""#),
        ] {
            assert_eq!(parsed(text), meant, "{text}");
            assert_eq!(parsed(meant), meant, "what is shown can be read again");
        }
    }

    #[test]
    fn an_error_says_where() {
        for (text, at) in [("a AND", 6), ("é AND OR b", 7), ("(a", 1), ("a AND \"b", 7), ("\"a\" b", 5), ("AND", 1)] {
            let wrong = TagExpr::parse(text).unwrap_err();
            assert_eq!(wrong.at, at, "{text}: {wrong}");
        }
        assert!(TagExpr::parse(&format!("{}a", "NOT ".repeat(99))).is_err());
        assert!(TagExpr::parse(&vec!["a"; 99].join(" OR ")).is_err());
        assert!(TagExpr::parse(&format!("a AND {}", "b".repeat(5000))).is_err());
    }

    #[test]
    fn what_everybody_must_have_is_known() {
        let required = |text: &str| -> Vec<String> {
            let expr = TagExpr::parse(text).unwrap().unwrap();
            expr.required().into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(required("a AND (b OR c) AND NOT d AND (e AND f)"), ["a", "e", "f"]);
        assert_eq!(required("a OR b"), [] as [String; 0]);
    }

    fn exprs() -> impl Strategy<Value = TagExpr> {
        let tag = "[ab \"()]{1,3}".prop_map(|text| TagExpr::Tag(Tag::parse(&text).unwrap()));
        tag.prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|expr| TagExpr::Not(Box::new(expr))),
                prop::collection::vec(inner.clone(), 2..4).prop_map(TagExpr::And),
                prop::collection::vec(inner, 2..4).prop_map(TagExpr::Or),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(expr in exprs()) {
            prop_assert_eq!(TagExpr::parse(&expr.to_string()).unwrap(), Some(expr));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[a-c\"() \\\\éANDORT]{0,40}") {
            let _ = TagExpr::parse(&text);
        }
    }
}
