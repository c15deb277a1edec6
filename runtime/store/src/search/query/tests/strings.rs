//! Query strings.

use super::{refused, understood};

#[track_caller]
fn means(text: &str, shape: &str) {
    assert_eq!(understood(text), shape, "{text}");
}

#[test]
fn words_stand_for_themselves_in_all_fields_or_one() {
    means("lupino", r#"(or (match _ "lupino"))"#);
    means("  lu   pino\t", r#"(or (match _ "lu") (match _ "pino"))"#);
    means("tags:friends", r#"(or (match tags "friends"))"#);
    means("tags: friends", r#"(or (match tags "friends"))"#);
    means("_all:x", r#"(or (match _all "x"))"#);
    means(r#""fie ld":x"#, r#"(or (match fie ld "x"))"#);
    means("127.0.0.1", r#"(or (match _ "127.0.0.1"))"#);
    means("555c3bb", r#"(or (match _ "555c3bb"))"#);
    means("日本", r#"(or (match _ "日本"))"#);
}

#[test]
fn signs_mean_something_at_the_start_of_a_word_only() {
    means("field:t-e+s=t>a<b", r#"(or (match field "t-e+s=t>a<b"))"#);
    means(
        "a@b.c (x) {y} !z & |",
        r#"(or (match _ "a@b.c") (match _ "(x)") (match _ "{y}") (match _ "!z") (match _ "&") (match _ "|"))"#,
    );
    means("say\"quote\"", r#"(or (match _ "say\"quote\""))"#);
}

#[test]
fn plus_must_be_and_minus_must_not() {
    means("+a -b c", r#"((must (match _ "a")) (should (match _ "c")) (not (match _ "b")))"#);
    means("+senders:mail -tags:vip", r#"((must (match senders "mail")) (not (match tags "vip")))"#);
    means("-b", r#"((not (match _ "b")))"#);
    means("+ a", r#"((must (match _ "a")))"#);
    means(r#"+"a b" -/c/"#, r#"((must (phrase _ "a b")) (not (regexp _ 2 steps)))"#);
}

#[test]
fn quotes_hold_a_phrase_together() {
    means(r#""lu pino""#, r#"(or (phrase _ "lu pino"))"#);
    means(r#"nickname:"lu pino""#, r#"(or (phrase nickname "lu pino"))"#);
    means(r#""what \"quote\" means""#, r#"(or (phrase _ "what \"quote\" means"))"#);
    means(r#""a"b"#, r#"(or (phrase _ "a") (match _ "b"))"#);
    means(r#""""#, r#"(or (phrase _ ""))"#);
}

#[test]
fn a_backslash_makes_a_sign_plain() {
    means(r"name\:marty", r#"(or (match _ "name:marty"))"#);
    means(r"tags:a\:b", r#"(or (match tags "a:b"))"#);
    means(r"lu\ pino", r#"(or (match _ "lu pino"))"#);
    means(r"\+a \-b", r#"(or (match _ "+a") (match _ "-b"))"#);
    means(r"escap\e", r#"(or (match _ "escap\\e"))"#);
    means(r"a\*b c\?", r#"(or (match _ "a*b") (match _ "c?"))"#);
    means(r"3\.0 3\:", r#"(or (match _ "3\\.0") (match _ "3:"))"#);
    means(r"a\", r#"(or (match _ "a\\"))"#);
    means(r"\/a/", r#"(or (match _ "/a/"))"#);
    means(r"2016\-02", r#"(or (match _ "2016-02"))"#);
}

#[test]
fn stars_and_question_marks_stand_for_letters() {
    means("lup*", "(or (wildcard _ lup*))");
    means("nickname:?u*o", "(or (wildcard nickname ?u*o))");
    means(r"a\*b*", r"(or (wildcard _ a\*b*))");
    means("*", "(or (wildcard _ *))");
}

#[test]
fn slashes_hold_a_regular_expression() {
    means("/mar.*ty/", "(or (regexp _ 9 steps))");
    means("nickname:/[^a]b/^2 x", r#"(or (regexp nickname 3 steps)^2 (match _ "x"))"#);
    means(r"tags:/a:\/\ b/", "(or (regexp tags 6 steps))");
    means("/usr/bin", r#"(or (match _ "/usr/bin"))"#);
    means("/ /", r#"(or (match _ "/") (match _ "/"))"#);
    means("//", "(or (regexp _ 1 steps))");
}

#[test]
fn a_tilde_allows_mistakes() {
    means("watex~", r#"(or (match~1 _ "watex"))"#);
    means("watex~2", r#"(or (match~2 _ "watex"))"#);
    means("nickname:watex~0 x", r#"(or (match nickname "watex") (match _ "x"))"#);
    means("watex~ 2^3", r#"(or (match~1 _ "watex") (any (match _ "2") (range _ 2..2))^3)"#);
    means("lup*~1^2", r#"(or (match~1 _ "lup*")^2)"#);
}

#[test]
fn a_caret_gives_weight() {
    means("a^3 b^0.5", r#"(or (match _ "a")^3 (match _ "b")^0.5)"#);
    means("a^", r#"(or (match _ "a"))"#);
    means(r#"+tags:"a b"^1e2 -x"#, r#"((must (phrase tags "a b")^100) (not (match _ "x")))"#);
    means("createdAt:>5^2", "(or (range createdAt 6..)^2)");
}

#[test]
fn a_number_is_a_word_and_a_number() {
    means("33", r#"(or (any (match _ "33") (range _ 33..33)))"#);
    means("createdAt:-5", r#"(or (any (match createdAt "-5") (range createdAt -5..-5)))"#);
    means("tags:1.50", r#"(or (any (match tags "1.50") (range tags 2..1)))"#);
}

#[test]
fn numbers_can_be_compared() {
    means("createdAt:>1000", "(or (range createdAt 1001..))");
    means("createdAt:>=1000", "(or (range createdAt 1000..))");
    means("createdAt:<1000", "(or (range createdAt ..999))");
    means("createdAt:<=-1000.5", "(or (range createdAt ..-1001))");
    means("createdAt: > = 7", "(or (range createdAt 7..))");
    means("+createdAt:>=1 +createdAt:<5", "((must (range createdAt 1..) (range createdAt ..4)))");
}

#[test]
fn dates_can_be_compared() {
    means(r#"createdAt:>"2016-02-25""#, "(or (range createdAt 1456358401..))");
    means(r#"createdAt:>="2016-02-25T12:31:33Z""#, "(or (range createdAt 1456403493..))");
    means(r#"createdAt:<"2016-02-25T20:31:33+08:00""#, "(or (range createdAt ..1456403492))");
    means(r#"createdAt:<="2016-02-25 12:31:33""#, "(or (range createdAt ..1456403493))");
}

#[test]
fn what_begins_with_a_brace_and_is_no_json_is_a_query_string() {
    means("{x", r#"(or (match _ "{x"))"#);
    means("{x}:y", r#"(or (match {x} "y"))"#);
}

#[test]
fn a_refusal_says_where_and_what_was_expected() {
    for (text, at, says) in [
        ("", 1, "a word is expected, and the query ends"),
        ("  \n", 4, "a word is expected, and the query ends"),
        ("a +", 4, "a word is expected, and the query ends"),
        (":", 1, "a word is expected here"),
        ("a :b:c", 5, "no : is expected here; write \\:"),
        ("tags:", 5, "a value is expected after this :"),
        ("tags::x", 6, "a word is expected here"),
        ("5:x", 2, "no : is expected here"),
        ("email:\"unterminated", 7, "this quote is not closed"),
        ("日本 \"x\\\"", 4, "this quote is not closed"),
        ("--a", 2, "a word is expected here"),
        ("tags:+a", 6, "a word is expected here"),
        ("tags:-a", 6, "a number is expected after this -"),
        (">5", 1, "a comparison needs a field before it"),
        ("a =b", 3, "a comparison needs a field before it"),
        ("createdAt:=5", 11, "a comparison needs a field before it"),
        ("createdAt:>", 11, "a number or a date in quotes is expected"),
        ("createdAt:>text", 12, "a number or a date in quotes is expected"),
        ("createdAt:>=2016-02-25", 13, "a number or a date in quotes is expected"),
        ("createdAt:<-\"2016-02-25\"", 13, "a number or a date in quotes is expected"),
        ("createdAt:<\"yesterday\"", 12, "a date is expected in these quotes, as 2016-02-25"),
        ("^5", 1, "this goes after a word"),
        ("tags:~x", 6, "this goes after a word"),
        ("a^x", 2, "a boost is a number from 0 to 1000000"),
        ("a^-1", 2, "a boost is a number"),
        ("a^nan", 2, "a boost is a number"),
        ("a^1^2", 2, "a boost is a number"),
        ("a^1 ^2", 5, "one boost is enough"),
        ("cat~3", 4, "fuzziness is 0, 1 or 2"),
        ("cat~x", 4, "fuzziness is 0, 1 or 2"),
        ("\"a b\"~1", 6, "a ~ goes directly after a word"),
        ("x /a(b/", 5, "the regular expression cannot be read: unclosed group"),
        ("x tags:/日[z-a]/", 11, "the regular expression cannot be read: invalid character class range"),
        ("/a$/", 2, "a pattern matches whole words"),
    ] {
        let (found_at, sentence) = refused(text);
        assert_eq!(found_at, at, "{text:?}: {sentence}");
        assert!(
            sentence.starts_with(&format!("the query is refused at character {at}: {says}")),
            "{text:?}: {sentence}"
        );
    }
}
