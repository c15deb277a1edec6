//! Senders and tags are matched whole: what is sent to `vip` must not reach `vip-gold`.

use pusher_core::{Change, Search};

use super::{Place, apply, change, created, tagged, who};

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
async fn who_has_all_of_several_tags_is_found_be_they_rare_or_common() {
    let place = Place::new();
    let divisors = [1, 2, 3, 5, 97, 400];
    let tags = |n: usize| divisors.into_iter().filter(move |divisor| n.is_multiple_of(*divisor));
    for n in 1..=400 {
        let id = format!("{n:03}");
        let tagged = tags(n).map(|divisor| tagged(&id, &format!("by {divisor}")));
        apply(&place.store, [created(&id)].into_iter().chain(tagged).collect()).await;
        if n % 90 == 0 {
            // Parts of the index in which some words are not.
            place.index.search("x", 0, 0).await.unwrap();
        }
    }
    for gone in [30, 60, 97, 400] {
        apply(&place.store, vec![change(&format!("{gone:03}"), Change::Delete)]).await;
    }
    for chosen in 0..1 << divisors.len() {
        let chosen: Vec<usize> =
            (0..divisors.len()).filter(|at| chosen >> at & 1 == 1).map(|at| divisors[at]).collect();
        let all: String = chosen.iter().map(|divisor| format!("+tags:\"by {divisor}\" ")).collect();
        let is_there =
            |n: &usize| ![30, 60, 97, 400].contains(n) && chosen.iter().all(|divisor| n.is_multiple_of(*divisor));
        let expected: Vec<usize> = (1..=400).filter(is_there).collect();
        if chosen.is_empty() {
            continue;
        }
        for (query, expected) in [
            (all.clone(), expected.clone()),
            (format!("{all} -tags:\"by 2\""), expected.iter().copied().filter(|n| n % 2 == 1).collect()),
            (format!("{all} +id:*"), expected.clone()),
        ] {
            let found = place.index.search(&query, 0, 100).await.unwrap();
            let ids: Vec<usize> = found.pushers.iter().map(|pusher| pusher.id.as_str().parse().unwrap()).collect();
            assert_eq!(found.total, expected.len() as u64, "{query}");
            assert_eq!(ids, expected[..expected.len().min(100)], "{query}");
        }
    }
}

#[tokio::test]
async fn a_bare_word_searches_senders_and_tags_by_their_words() {
    let place = Place::new();
    place.put(who("a").tags(&["vip-gold"]).senders(&["send_mail"])).await;
    assert_eq!(place.find("GOLD").await, ["a"]);
    assert_eq!(place.find("send_mail").await, ["a"]);
    assert!(place.find("mail").await.is_empty(), "an underscore holds a word together");
}
