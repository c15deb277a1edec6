//! How text becomes words: word boundaries of Unicode (UAX #29) and lower case, which is bleve's standard analyser
//! without its English stop words: names and addresses are short, and somebody may be called The.
//!
//! `lupino@example.com` is the words `lupino` and `example.com`, `sample_sender` is one word, `日本` is two.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_segmentation::UnicodeSegmentation;

/// The analyser.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Words;

/// The words of one text.
pub(crate) struct WordStream<'a> {
    words: Box<dyn Iterator<Item = (usize, &'a str)> + 'a>,
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        WordStream { words: Box::new(text.unicode_word_indices()), token: Token::default() }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((at, word)) = self.words.next() else { return false };
        // Counted from 0; a fresh token's position is just before that.
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (at, at + word.len());
        self.token.text.clear();
        self.token.text.extend(lower_case(word));
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// The words of `text`, in order.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().map(|word| lower_case(word).collect())
}

/// Text as the index spells it.
pub(crate) fn lower_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unicodes_in_lower_case() {
        for (text, expected) in [
            ("lmjubuntu@gmail.com", vec!["lmjubuntu", "gmail.com"]),
            ("Sample_Sender vip-gold", vec!["sample_sender", "vip", "gold"]),
            ("日本 ニック", vec!["日", "本", "ニック"]),
            ("The O'Neills, 3.14!", vec!["the", "o'neills", "3.14"]),
            ("ÉTÉ ΣΊΣΥΦΟΣ", vec!["été", "σίσυφοσ"]),
            ("+49 (30) 12345", vec!["49", "30", "12345"]),
            (" @ 👍 ", vec![]),
        ] {
            assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text}");
            let mut analyser = Words;
            let mut stream = analyser.token_stream(text);
            let mut tokens = Vec::new();
            while stream.advance() {
                tokens.push((stream.token().position, stream.token().text.clone()));
            }
            let numbered: Vec<_> = expected.into_iter().map(str::to_owned).enumerate().collect();
            assert_eq!(tokens, numbered, "{text}");
        }
    }
}
