//! Senders and tags are matched whole: what is sent to `vip` must not reach `vip-gold`.

use super::{Place, who};

#[tokio::test]
async fn a_tag_or_sender_is_matched_whole_and_in_its_case() {
    let place = Place::new();
    for (id, word) in [
        ("plain", "vip"),
        ("longer", "vip-gold"),
        ("spaced", "vip gold"),
        ("upper", "VIP"),
        ("sign", "vip!"),
        ("accent", "víp"),
        ("padded", " vip"),
        ("empty-ish", "@"),
    ] {
        place.put(who(id).senders(&[word]).tags(&[word])).await;
    }
    for field in ["senders", "tags"] {
        for (word, id) in [
            ("vip", "plain"),
            ("vip-gold", "longer"),
            (r#""vip gold""#, "spaced"),
            (r"vip\ gold", "spaced"),
            ("VIP", "upper"),
            ("vip!", "sign"),
            ("víp", "accent"),
            (r#"" vip""#, "padded"),
            ("@", "empty-ish"),
        ] {
            assert_eq!(place.find(&format!("{field}:{word}")).await, [id], "{field}:{word}");
        }
        for nobody in ["gold", "Vip", "vi", "\"vip\u{20}\""] {
            assert!(place.find(&format!("{field}:{nobody}")).await.is_empty(), "{field}:{nobody}");
        }
        for json in ["match", "match_phrase", "term"] {
            let query = format!(r#"{{"{json}":"vip gold","field":"{field}"}}"#);
            assert_eq!(place.find(&query).await, ["spaced"], "{query}");
        }
    }
}

#[tokio::test]
async fn the_longest_and_oddest_words_are_matched_whole() {
    let place = Place::new();
    let longest: &'static str = "t".repeat(180).leak();
    let odd = ["日本", "a\\b", "a\"b", "a:b", "\u{10ffff}", "\n", "*", "a*", "/x/", "ß"];
    for word in odd.into_iter().chain([longest]) {
        place.put(who(word).tags(&[word])).await;
    }
    for word in odd.into_iter().chain([longest]) {
        let json = serde_json::json!({ "term": word, "field": "tags" }).to_string();
        assert_eq!(place.find(&json).await, [word], "{json}");
        let quoted = format!("tags:\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
        assert_eq!(place.find(&quoted).await, [word], "{quoted}");
    }
    assert_eq!(place.find(r"tags:a\*").await, ["a*"]);
    assert_eq!(place.find(r"tags:\*").await, ["*"]);
}

#[tokio::test]
async fn a_bare_word_searches_senders_and_tags_by_their_words() {
    let place = Place::new();
    place.put(who("a").tags(&["vip-gold"]).senders(&["send_mail"])).await;
    assert_eq!(place.find("GOLD").await, ["a"]);
    assert_eq!(place.find("send_mail").await, ["a"]);
    assert!(place.find("mail").await.is_empty(), "an underscore holds a word together");
}
