//! JSON queries.

use super::{refused, understood};

#[track_caller]
fn means(text: &str, shape: &str) {
    assert_eq!(understood(text), shape, "{text}");
}

#[test]
fn words_and_texts() {
    means(r#" {"query":"+a tags:b"} "#, r#"((must (match _ "a")) (should (match tags "b")))"#);
    means(r#"{"query":""}"#, "nothing");
    means(r#"{"match":"lu pino","field":"nickname"}"#, r#"(match nickname "lu pino")"#);
    means(r#"{"match":"a b","operator":"and","fuzziness":1,"prefix_length":2}"#, r#"(match-all~1/2 _ "a b")"#);
    means(r#"{"match":"a","operator":"or"}"#, r#"(match _ "a")"#);
    means(r#"{"match_phrase":"lu pino","field":""}"#, r#"(phrase _ "lu pino")"#);
    means(r#"{"term":"lupino","field":"id"}"#, r#"(term id "lupino")"#);
    means(r#"{"term":"lupyno","fuzziness":2,"prefix_length":1,"field":"id"}"#, r#"(fuzzy~2/1 id "lupyno")"#);
    means(r#"{"fuzzy":"lupyno"}"#, r#"(fuzzy~1 _ "lupyno")"#);
    means(r#"{"prefix":"lup","field":"id"}"#, r#"(prefix id "lup")"#);
    means(r#"{"wildcard":"l?p*"}"#, "(wildcard _ l?p*)");
    means(r#"{"regexp":"l\\d+","field":"id"}"#, "(regexp id 6 steps)");
    means(r#"{"ids":["a","b/c"]}"#, r#"(ids ["a", "b/c"])"#);
}

#[test]
fn ranges() {
    means(r#"{"min":5,"max":10,"field":"createdAt"}"#, "(range createdAt 5..9)");
    means(r#"{"min":5,"max":10,"inclusive_min":false,"inclusive_max":true}"#, "(range _ 6..10)");
    means(r#"{"max":-1.5e1}"#, "(range _ ..-16)");
    means(r#"{"start":"2016-02-25","field":"createdAt"}"#, "(range createdAt 1456358400..)");
    means(
        r#"{"start":"2016-02-25","end":"2016-02-25T12:31:33Z","inclusive_start":false,"inclusive_end":true}"#,
        "(range _ 1456358401..1456403493)",
    );
}

#[test]
fn combinations() {
    means(r#"{"conjuncts":[{"term":"a"},{"query":"b"}]}"#, r#"(all (term _ "a") (or (match _ "b")))"#);
    means(r#"{"disjuncts":[{"term":"a"},{"term":"b"}],"min":2}"#, r#"(any-2 (term _ "a") (term _ "b"))"#);
    means(r#"{"disjuncts":[]}"#, "(any)");
    means(
        r#"{"must":{"conjuncts":[{"term":"a"}]},"should":{"disjuncts":[{"term":"b"}],"min":1},"must_not":{"disjuncts":[{"term":"c"}]}}"#,
        r#"((must (all (term _ "a"))) (should-1 (term _ "b")) (not (any (term _ "c"))))"#,
    );
    means(r#"{"must_not":{"term":"c"}}"#, r#"((not (term _ "c")))"#);
    means(
        r#"{"must":[{"term":"a"},{"term":"b"}],"should":[{"term":"c"}]}"#,
        r#"((must (term _ "a") (term _ "b")) (should (term _ "c")))"#,
    );
    means(r#"{"match_all":{}}"#, "everything");
    means(r#"{"match_none":{}}"#, "nothing");
}

#[test]
fn a_boost_goes_with_every_query() {
    means(r#"{"term":"a","boost":2.5}"#, r#"(term _ "a")^2.5"#);
    means(r#"{"conjuncts":[{"match_all":null,"boost":3}],"boost":0}"#, "(all everything^3)^0");
    means(
        r#"{"should":{"disjuncts":[{"term":"a"},{"term":"b"}],"min":1,"boost":2}}"#,
        r#"((should (any (term _ "a") (term _ "b"))^2))"#,
    );
}

#[test]
fn the_kind_is_the_first_that_is_named_and_other_keys_are_passed_over() {
    means(r#"{"term":"t","match":"m","query":"q","analyzer":{"x":[1,true]}}"#, r#"(match _ "m")"#);
    means(r#"{"prefix":"p","min":1}"#, "(range _ 1..)");
    means(r#"{"term":"first","term":"last"}"#, r#"(term _ "last")"#);
}

#[test]
fn numbers_are_jsons_and_a_count_may_be_written_as_a_float() {
    for (number, first) in [("0", 0), ("-0.0", 0), ("2.0", 2), ("1e3", 1000), ("-12.50E+1", -125), ("10e-1", 1)] {
        means(&format!(r#"{{"min":{number},"max":5000}}"#), &format!("(range _ {first}..4999)"));
    }
    means(r#"{"min":-1e400,"max":1e400}"#, "(range _ ..)");
    for min in ["2", "2.0", "2e0"] {
        let query = format!(r#"{{"disjuncts":[{{"term":"a"}},{{"term":"b"}}],"min":{min}}}"#);
        means(&query, r#"(any-2 (term _ "a") (term _ "b"))"#);
    }
}

#[test]
fn strings_are_unescaped() {
    means(r#"{"term":"a\"\\\/\b\f\n\r\t\u0041\u65e5\ud834\udd1e"}"#, r#"(term _ "a\"\\/\u{8}\u{c}\n\r\tA日𝄞")"#);
}

#[test]
fn an_object_that_is_no_query_finds_nobody() {
    for text in [r#"{"foo":"bar"}"#, "{}", r#"{"a":{"b":[1,null,true,false,-2.5e+3,{}]}}"#, r#"{"match":null}"#] {
        means(text, "nothing");
    }
}

#[test]
fn what_is_no_json_is_refused_where_it_ceases_to_be() {
    for (text, at, says) in [
        (r#"{"query":"#, 10, "a JSON value is expected"),
        (r#"{"query":"a"#, 10, "this string is not closed"),
        (r#"{"query" "a"}"#, 10, "a : is expected after the key"),
        (r#"{"query":"a" "b"}"#, 14, "a , or } is expected"),
        (r#"{"query":"a",}"#, 14, "a key in quotes is expected"),
        (r#"{"conjuncts":[{} {}]}"#, 18, "a , or ] is expected"),
        (r#"{"conjuncts":[,]}"#, 15, "a JSON value is expected"),
        (r#"{"boost":1.2.3}"#, 10, "this is not a number"),
        (r#"{"min":01}"#, 8, "this is not a number"),
        (r#"{"min":-01.5}"#, 8, "this is not a number"),
        (r#"{"min":1.}"#, 8, "this is not a number"),
        (r#"{"min":-.5}"#, 8, "this is not a number"),
        (r#"{"min":1e}"#, 8, "this is not a number"),
        (r#"{"min":-}"#, 8, "this is not a number"),
        (r#"{"a":truth}"#, 6, "a JSON value is expected"),
        (r#"{"日":"\x"}"#, 7, "this escape is none of JSON's"),
        (r#"{"a":"\ud834x"}"#, 7, "this escape is none of JSON's"),
        (r#"{"a":1} x"#, 9, "the end of the query is expected"),
        ("{\"a\":\"\u{1}\"}", 7, "a control character"),
    ] {
        let (found_at, sentence) = refused(text);
        assert_eq!(found_at, at, "{text}: {sentence}");
        assert!(sentence.starts_with(&format!("the query is refused at character {at}: {says}")), "{text}: {sentence}");
    }
}

#[test]
fn what_is_json_and_no_query_is_refused_where_it_is_wrong() {
    for (text, at, says) in [
        (r#"{"match":5}"#, 10, "a string is expected for \"match\", and this is a number"),
        (r#"{"query":{"term":"a"}}"#, 10, "a string is expected for \"query\", and this is an object"),
        (r#"{"term":"a","field":["id"]}"#, 21, "a string is expected for \"field\""),
        (r#"{"term":"a","boost":"2"}"#, 21, "a number is expected for \"boost\", and this is a string"),
        (r#"{"term":"a","boost":-2}"#, 21, "a boost is a number from 0"),
        (r#"{"term":"a","fuzziness":3}"#, 25, "fuzziness is 0, 1 or 2"),
        (r#"{"match":"a","operator":"xor"}"#, 26, "the operator is \"or\" or \"and\""),
        (r#"{"min":"a"}"#, 8, "a number is expected for \"min\""),
        (r#"{"min":1,"inclusive_min":1}"#, 26, "true or false is expected"),
        (r#"{"start":"soon"}"#, 11, "a date is expected"),
        (r#"{"conjuncts":{"term":"a"}}"#, 14, "an array of queries is expected for \"conjuncts\""),
        (
            r#"{"conjuncts":[{"term":"a"},{"foo":"bar"}]}"#,
            28,
            "a query is expected: an object with one of the keys query,",
        ),
        (r#"{"disjuncts":["a"]}"#, 15, "a query is an object, and this is a string"),
        (r#"{"disjuncts":[{"term":"a"}],"min":2}"#, 35, "2 must hold, and there are only 1"),
        (r#"{"disjuncts":[],"min":0.5}"#, 23, "a whole number that is not negative"),
        (r#"{"disjuncts":[],"min":-1}"#, 23, "a whole number that is not negative"),
        (r#"{"must":{"foo":1}}"#, 9, "a query is expected"),
        (r#"{"ids":"a"}"#, 8, "an array of strings is expected"),
        (r#"{"regexp":"a(b"}"#, 13, "the regular expression cannot be read: unclosed group"),
        // Within a string, the place is that of the character in the whole query, escapes counted.
        (r#"{"query":"a \"b"}"#, 13, "this quote is not closed"),
        (r#"{"conjuncts":[{"query":"\u65e5 tags:"}]}"#, 36, "a value is expected after this :"),
        (r#"{"query":"a +"}"#, 14, "a word is expected, and the query ends"),
    ] {
        let (found_at, sentence) = refused(text);
        assert_eq!(found_at, at, "{text}: {sentence}");
        assert!(sentence.starts_with(&format!("the query is refused at character {at}: {says}")), "{text}: {sentence}");
    }
}

#[test]
fn queries_may_be_nested_but_not_for_ever() {
    let nested = |depth: usize| {
        let (open, close) = (r#"{"conjuncts":["#.repeat(depth), "]}".repeat(depth));
        format!(r#"{open}{{"term":"a"}}{close}"#)
    };
    assert!(understood(&nested(20)).ends_with(&format!("(term _ \"a\"){}", ")".repeat(20))));
    let (at, sentence) = refused(&nested(21));
    assert_eq!(at, 21 * r#"{"conjuncts":["#.len() + 1, "{sentence}");
    assert!(sentence.contains("queries may be nested 20 deep"), "{sentence}");
    let arrays = format!(r#"{{"a":{}"#, "[".repeat(8000));
    assert!(refused(&arrays).1.contains("nested"), "no recursion without end");
}
