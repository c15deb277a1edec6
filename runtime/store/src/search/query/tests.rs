//! Every construct of both languages, as it is understood, and every refusal, with its place.

mod json;
mod shape;
mod strings;

use proptest::prelude::*;

use super::Query;
use shape::shape;

/// The shape of what `text` means.
fn understood(text: &str) -> String {
    shape(&Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// Where `text` is refused, and why.
fn refused(text: &str) -> (usize, String) {
    match Query::parse(text) {
        Ok(query) => panic!("{text} was understood as {}", shape(&query)),
        Err(error) => (error.character().unwrap_or_default(), error.to_string()),
    }
}

/// Texts that look like queries, and some that do not.
fn any_query() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("createdAt:>".to_owned()),
        Just("tags:".to_owned()),
        Just("{\"query\":\"".to_owned()),
        Just("{\"match\":".to_owned()),
        Just("\"conjuncts\":[{".to_owned()),
        Just("{\"must\":{\"disjuncts\":[".to_owned()),
        Just("\"boost\":1e".to_owned()),
        Just("\\u00".to_owned()),
        Just("/(a|b{2".to_owned()),
        "[-+:<>=~^\"\\\\/*? {}\\[\\],0-9a-c日\n]{0,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_text_upsets_the_parser_and_every_refusal_is_within_it(text in any_query()) {
        if let Err(error) = Query::parse(&text) {
            let at = error.character().unwrap();
            prop_assert!((1..=text.chars().count() + 1).contains(&at), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_word_that_is_escaped_is_that_word(word in "\\PC{1,12}") {
        let escaped: String = word.chars().flat_map(|c| ['\\', c]).collect();
        // Letters need no escape, so their `\` is a plain character.
        let plain: String = word
            .chars()
            .flat_map(|c| if c.is_whitespace() || "+-=&|><!(){}[]^\"~*?:\\/".contains(c) { vec![c] } else { vec!['\\', c] })
            .collect();
        prop_assert_eq!(understood(&escaped), format!("(or (match _ {plain:?}))"));
    }
}

#[test]
fn a_query_that_is_too_long_is_refused_whatever_it_says() {
    let (_, sentence) = refused(&"x".repeat(8193));
    assert_eq!(sentence, "the query is refused: it is 8193 bytes long; the limit is 8192");
    assert_eq!(understood(&"x".repeat(8192)).len(), 8192 + "(or (match _ \"\"))".len());
}

#[test]
fn a_query_with_too_many_clauses_is_refused_at_the_first_one_too_many() {
    let many = |n: usize| vec!["x"; n].join(" ");
    assert!(Query::parse(&many(1024)).is_ok());
    let (at, sentence) = refused(&many(1025));
    assert_eq!(at, 2 * 1024 + 1, "{sentence}");
    assert!(sentence.ends_with("a query may have 1024 clauses, and this is one more"), "{sentence}");
    let ids = vec!["\"a\""; 1024].join(",");
    assert!(refused(&format!("{{\"ids\":[{ids}]}}")).1.contains("1024 clauses"));
}
