//! A query string into tokens, as bleve's lexer does it.
//!
//! A word goes on to the next space, `:`, `^` or `~`; everything else may be in it (`t+est`, `a>b`, `(x)`), and signs
//! mean something only where a token may begin. `\` before one of `+-=&|><!(){}[]^"~*?:\/` or a space makes it a plain
//! character; before any other it is itself a plain character.

use super::QueryError;

/// A token, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Word(Word),
    /// What is between two quotes.
    Phrase(String),
    /// What is between two slashes, as it stands.
    Regexp(String),
    Plus,
    Minus,
    Colon,
    Greater,
    Less,
    Equal,
    /// What follows `^`.
    Boost(String),
    /// What follows `~`.
    Tilde(String),
}

/// A word: its characters, and for each if it was escaped.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Word(pub(super) Vec<(char, bool)>);

impl Word {
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(c, _)| c).collect()
    }

    /// Is it digits with at most one point?
    pub(super) fn is_number(&self) -> bool {
        let points = self.0.iter().filter(|(c, _)| *c == '.').count();
        let plain = self.0.iter().all(|(c, escaped)| !escaped && (c.is_ascii_digit() || *c == '.'));
        plain && points <= 1 && self.0.first().is_some_and(|(c, _)| c.is_ascii_digit())
    }

    /// Is there a `*` or `?` in it that was not escaped?
    pub(super) fn is_pattern(&self) -> bool {
        self.0.iter().any(|(c, escaped)| !escaped && matches!(c, '*' | '?'))
    }
}

/// All tokens of a query string.
pub(super) fn tokens(chars: &[char]) -> Result<Vec<Token>, QueryError> {
    let mut lexer = Lexer { chars, next: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    chars: &'a [char],
    next: usize,
}

impl Lexer<'_> {
    fn token(&mut self) -> Result<Option<Token>, QueryError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next += 1;
        }
        let at = self.next;
        let Some(first) = self.peek() else { return Ok(None) };
        let sign = match first {
            '+' => Some(TokenKind::Plus),
            '-' => Some(TokenKind::Minus),
            ':' => Some(TokenKind::Colon),
            '>' => Some(TokenKind::Greater),
            '<' => Some(TokenKind::Less),
            '=' => Some(TokenKind::Equal),
            _ => None,
        };
        let kind = match (sign, first) {
            (Some(sign), _) => {
                self.next += 1;
                sign
            }
            (None, '"') => self.phrase()?,
            (None, '^') => TokenKind::Boost(self.suffix(&[])),
            (None, '~') => TokenKind::Tilde(self.suffix(&['^'])),
            (None, '/') => match self.regexp_end() {
                Some(end) => self.regexp(end),
                None => TokenKind::Word(self.word()),
            },
            (None, _) => TokenKind::Word(self.word()),
        };
        Ok(Some(Token { at, kind }))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).copied()
    }

    /// The next character, and whether a `\` stood before it.
    fn character(&mut self) -> Option<(char, bool)> {
        let c = self.peek()?;
        self.next += 1;
        match (c, self.peek()) {
            ('\\', Some(escaped)) if can_be_escaped(escaped) => {
                self.next += 1;
                Some((escaped, true))
            }
            _ => Some((c, false)),
        }
    }

    fn word(&mut self) -> Word {
        let mut word = Word::default();
        while self.peek().is_some_and(|c| !c.is_whitespace() && !matches!(c, ':' | '^' | '~')) {
            word.0.extend(self.character());
        }
        word
    }

    fn phrase(&mut self) -> Result<TokenKind, QueryError> {
        let opening = self.next;
        self.next += 1;
        let mut text = String::new();
        loop {
            match self.character() {
                Some(('"', false)) => return Ok(TokenKind::Phrase(text)),
                Some((c, _)) => text.push(c),
                None => {
                    return Err(QueryError::at(opening, "this quote is not closed; a \" is expected before the end"));
                }
            }
        }
    }

    /// What follows a sign up to the next space, or to one of `stops`.
    fn suffix(&mut self, stops: &[char]) -> String {
        self.next += 1;
        let start = self.next;
        while self.peek().is_some_and(|c| !c.is_whitespace() && !stops.contains(&c)) {
            self.next += 1;
        }
        self.chars[start..self.next].iter().collect()
    }

    /// Where the regular expression ends that begins here: at the first slash that ends a word. Without one, the first
    /// slash is a plain character.
    fn regexp_end(&self) -> Option<usize> {
        let mut at = self.next + 1;
        while let Some(c) = self.chars.get(at) {
            let behind = self.chars.get(at + 1);
            match c {
                '\\' => at += 2,
                '/' if behind.is_none_or(|c| c.is_whitespace() || *c == '^') => return Some(at),
                c if c.is_whitespace() => return None,
                _ => at += 1,
            }
        }
        None
    }

    fn regexp(&mut self, end: usize) -> TokenKind {
        let text: String = self.chars[self.next + 1..end].iter().collect();
        self.next = end + 1;
        TokenKind::Regexp(text)
    }
}

fn can_be_escaped(c: char) -> bool {
    c.is_whitespace() || "+-=&|><!(){}[]^\"~*?:\\/".contains(c)
}
