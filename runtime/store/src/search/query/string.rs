//! Query strings: `+tags:vip nickname:"lu pino" -senders:sms createdAt:>=2016 name~2 star*^3`.
//!
//! ```text
//! query  = clause+
//! clause = [+ | -] [field :] value [^ boost]
//! field  = word | "…"
//! value  = word [~ edits] | word with * or ? | "…" | /regular expression/ | [-] number
//!        | (> | >= | < | <=) ([-] number | "date")
//! ```

use super::lexer::{self, Token, TokenKind, Word};
use super::range::{End, Range, Value};
use super::{Bool, Clauses, Field, Fuzziness, Kind, Piece, Query, QueryError};
use crate::search::limits;
use crate::search::pattern::Pattern;

/// Reads a query string.
pub(super) fn parse(chars: &[char], clauses: &mut Clauses) -> Result<Query, QueryError> {
    let tokens = lexer::tokens(chars)?;
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), end: chars.len(), clauses };
    let mut all = Bool { lenient: true, ..Bool::default() };
    loop {
        let occur = parser.occur();
        let clause = parser.clause()?;
        match occur {
            Occur::Should => all.should.push(clause),
            Occur::Must => all.must.push(clause),
            Occur::MustNot => all.must_not.push(clause),
        }
        if parser.tokens.peek().is_none() {
            return Ok(Query::new(0, Kind::Bool(Box::new(all))));
        }
    }
}

enum Occur {
    Should,
    Must,
    MustNot,
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Where the text ends.
    end: usize,
    clauses: &'a mut Clauses,
}

impl Parser<'_> {
    fn occur(&mut self) -> Occur {
        if self.take(&TokenKind::Plus) {
            Occur::Must
        } else if self.take(&TokenKind::Minus) {
            Occur::MustNot
        } else {
            Occur::Should
        }
    }

    fn clause(&mut self) -> Result<Query, QueryError> {
        let Some(first) = self.tokens.next() else {
            return Err(QueryError::at(self.end, "a word is expected, and the query ends"));
        };
        self.clauses.count(first.at)?;
        let is_field = self.tokens.peek().is_some_and(|token| token.kind == TokenKind::Colon);
        let (field, value) = match first.kind {
            TokenKind::Word(ref word) if is_field && !word.is_number() => (Some(word.text()), None),
            TokenKind::Phrase(ref name) if is_field => (Some(name.clone()), None),
            _ => (None, Some(first.clone())),
        };
        let value = match value {
            Some(value) => value,
            None => {
                let colon = self.tokens.next().map_or(self.end, |colon| colon.at);
                self.tokens.next().ok_or_else(|| {
                    QueryError::at(
                        colon,
                        "a value is expected after this : and the query ends; write \\: for a plain :",
                    )
                })?
            }
        };
        let mut query = Query::new(first.at, self.value(field, value)?);
        if let Some(Token { at, kind: TokenKind::Boost(text) }) =
            self.tokens.next_if(|token| matches!(token.kind, TokenKind::Boost(_)))
        {
            let text = if text.is_empty() { "1" } else { &text };
            query.boost = super::boost(text).ok_or_else(|| QueryError::at(at, super::boost_expected()))?;
        }
        match self.tokens.peek() {
            Some(Token { at, kind: TokenKind::Colon }) => {
                Err(QueryError::at(*at, "no : is expected here; write \\: for one that belongs to a word, or quote it"))
            }
            Some(Token { at, kind: TokenKind::Tilde(_) }) => Err(QueryError::at(*at, "a ~ goes directly after a word")),
            Some(Token { at, kind: TokenKind::Boost(_) }) => Err(QueryError::at(*at, "one boost is enough")),
            _ => Ok(query),
        }
    }

    /// What `token`, as the value of `field`, and what belongs to it ask for.
    fn value(&mut self, field: Field, token: Token) -> Result<Kind, QueryError> {
        let at = token.at;
        match token.kind {
            TokenKind::Word(word) => self.word(field, &word, at),
            TokenKind::Phrase(text) => Ok(Kind::Phrase { field, text }),
            TokenKind::Regexp(text) => match Pattern::regexp(&text) {
                Ok(pattern) => Ok(Kind::Regexp { field, pattern }),
                // One further, behind the slash.
                Err(error) => Err(QueryError::at(at + 1 + error.offset, error.sentence)),
            },
            TokenKind::Minus if field.is_some() => match self.number() {
                Some(digits) => Ok(number(field, &format!("-{digits}"), at)),
                None => {
                    Err(QueryError::at(at, "a number is expected after this -; to exclude, put - before the field"))
                }
            },
            TokenKind::Greater if field.is_some() => self.comparison(field, at, true),
            TokenKind::Less if field.is_some() => self.comparison(field, at, false),
            TokenKind::Greater | TokenKind::Less | TokenKind::Equal => Err(QueryError::at(
                at,
                "a comparison needs a field before it, as in createdAt:>1000; to search for the sign, write \\ before it",
            )),
            TokenKind::Plus | TokenKind::Minus | TokenKind::Colon => {
                Err(QueryError::at(at, "a word is expected here; to search for the sign, write \\ before it"))
            }
            TokenKind::Boost(_) | TokenKind::Tilde(_) => {
                Err(QueryError::at(at, "this goes after a word; to search for the sign, write \\ before it"))
            }
        }
    }

    fn word(&mut self, field: Field, word: &Word, at: usize) -> Result<Kind, QueryError> {
        if let Some(Token { at, kind: TokenKind::Tilde(edits) }) =
            self.tokens.next_if(|token| matches!(token.kind, TokenKind::Tilde(_)))
        {
            let edits = if edits.is_empty() { Some(1) } else { edits.parse().ok() };
            let edits = edits.filter(|edits| *edits <= limits::FUZZINESS);
            let edits = edits.ok_or_else(|| QueryError::at(at, super::fuzziness_expected()))?;
            let fuzziness = Fuzziness { edits, prefix: 0 };
            return Ok(Kind::Match { field, text: word.text(), every: false, fuzziness });
        }
        Ok(if word.is_number() {
            number(field, &word.text(), at)
        } else if word.is_pattern() {
            Kind::Wildcard { field, pattern: pieces(&word.0) }
        } else {
            Kind::Match { field, text: word.text(), every: false, fuzziness: Fuzziness::default() }
        })
    }

    /// What follows the `>` or `<` at `at`.
    fn comparison(&mut self, field: Field, at: usize, greater: bool) -> Result<Kind, QueryError> {
        let inclusive = self.take(&TokenKind::Equal);
        let negative = self.take(&TokenKind::Minus);
        let sign = if negative { "-" } else { "" };
        let number = self.number().and_then(|digits| Value::number(&format!("{sign}{digits}")));
        let value = match (number, self.tokens.peek()) {
            (Some(number), _) => number,
            (None, Some(Token { at, kind: TokenKind::Phrase(text) })) if !negative => {
                let no_date = "a date is expected in these quotes, as 2016-02-25 or 2016-02-25T12:31:33Z";
                let value = Value::date(text).ok_or_else(|| QueryError::at(*at, no_date))?;
                self.tokens.next();
                value
            }
            (None, token) => {
                let at = token.map_or(at, |token| token.at);
                return Err(QueryError::at(at, "a number or a date in quotes is expected for the comparison"));
            }
        };
        let end = Some(End { value, inclusive });
        let range = if greater { Range::between(end, None) } else { Range::between(None, end) };
        Ok(Kind::Range { field, range })
    }

    /// The digits of the next token, if it is a number.
    fn number(&mut self) -> Option<String> {
        let token = self.tokens.next_if(|token| matches!(&token.kind, TokenKind::Word(word) if word.is_number()))?;
        match token.kind {
            TokenKind::Word(word) => Some(word.text()),
            _ => None,
        }
    }

    fn take(&mut self, sign: &TokenKind) -> bool {
        self.tokens.next_if(|token| token.kind == *sign).is_some()
    }
}

/// A number is looked for as a word and, where there are numbers, as one.
fn number(field: Field, text: &str, at: usize) -> Kind {
    let word =
        Kind::Match { field: field.clone(), text: text.to_owned(), every: false, fuzziness: Fuzziness::default() };
    match Value::number(text) {
        Some(value) => {
            let equal = Kind::Range { field, range: Range::exactly(value) };
            Kind::Any { queries: vec![Query::new(at, word), Query::new(at, equal)], min: 1 }
        }
        None => word,
    }
}

/// A wildcard pattern: a `*` or `?` that was escaped stands for itself.
pub(super) fn pieces(chars: &[(char, bool)]) -> Vec<Piece> {
    let piece = |&(c, escaped): &(char, bool)| match (c, escaped) {
        ('*', false) => Piece::Many,
        ('?', false) => Piece::One,
        (c, _) => Piece::Char(c),
    };
    chars.iter().map(piece).collect()
}
