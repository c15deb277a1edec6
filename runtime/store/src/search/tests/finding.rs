//! What each construct of the query language finds. The examples of `docs/search.md` are here.

use pusher_core::Search;

use super::{Place, who};

/// A few people who differ in what queries can tell apart.
async fn people() -> Place {
    let place = Place::new();
    for somebody in [
        who("lupino")
            .email("lmjubuntu@gmail.com")
            .nickname("Lu Pino")
            .phone("12345678901")
            .created_at(1_456_403_493)
            .senders(&["sendmail", "sendsms"])
            .tags(&["friends", "vip"]),
        who("lupine").nickname("Pino Lu").created_at(1000).senders(&["sendmail"]).tags(&["friends"]),
        who("marty").email("marty@example.com").nickname("Lu").created_at(-5).tags(&["Friends"]),
        who("日本").nickname("ニック <b>").senders(&["sendsms"]),
        who("a/b:c").email("The.Slash+x@example.com").tags(&["a b", "c:d"]),
    ] {
        place.put(somebody).await;
    }
    place
}

/// What is found, whatever its order.
async fn finds(place: &Place, query: &str, expected: &[&str]) {
    let mut found = place.find(query).await;
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{query}");
}

const ALL: [&str; 5] = ["lupino", "lupine", "marty", "日本", "a/b:c"];

#[tokio::test]
async fn words_are_found_in_any_field_or_in_one_whatever_their_case() {
    let place = people().await;
    for (query, expected) in [
        ("lupino", vec!["lupino"]),
        ("LUPINO", vec!["lupino"]),
        ("pino", vec!["lupino", "lupine"]),
        ("lmjubuntu", vec!["lupino"]),
        ("gmail.com", vec!["lupino"]),
        ("gmail", vec![]),
        ("12345678901", vec!["lupino"]),
        ("friends", vec!["lupino", "lupine", "marty"]),
        ("sendsms", vec!["lupino", "日本"]),
        ("the", vec![]),
        ("the.slash", vec!["a/b:c"]),
        ("nickname:lu", vec!["lupino", "lupine", "marty"]),
        ("nickname:pino", vec!["lupino", "lupine"]),
        ("email:marty@example.com", vec!["marty", "a/b:c"]),
        ("phoneNumber:12345678901", vec!["lupino"]),
        ("id:a", vec!["a/b:c"]),
        ("_all:marty", vec!["marty"]),
        ("日", vec!["日本"]),
        ("id:本", vec!["日本"]),
        ("ニック", vec!["日本"]),
        ("marty 日本", vec!["marty", "日本"]),
        ("@", vec![]),
    ] {
        finds(&place, query, &expected).await;
    }
}

#[tokio::test]
async fn field_names_are_the_json_names_exactly_and_an_unknown_field_finds_nobody() {
    let place = people().await;
    for query in ["PhoneNumber:12345678901", "NickName:lu", "Id:lupino", "key:lupino", "nobody:lupino", "nobody:>5"] {
        finds(&place, query, &[]).await;
    }
    finds(&place, "-nobody:lupino", &ALL).await;
}

#[tokio::test]
async fn plus_must_hold_and_minus_must_not() {
    let place = people().await;
    for (query, expected) in [
        ("+senders:sendmail +tags:vip", vec!["lupino"]),
        ("+senders:sendmail -tags:vip", vec!["lupine"]),
        ("+nickname:lu marty", vec!["lupino", "lupine", "marty"]),
        ("nickname:lu -marty", vec!["lupino", "lupine"]),
        ("-senders:sendmail", vec!["marty", "日本", "a/b:c"]),
        ("-senders:nobody", ALL.to_vec()),
        ("+senders:nobody lupino", vec![]),
        ("+@ lupino", vec!["lupino"]),
        ("+@", vec![]),
        ("-@", vec![]),
    ] {
        finds(&place, query, &expected).await;
    }
}

#[tokio::test]
async fn phrases_are_words_in_a_row() {
    let place = people().await;
    for (query, expected) in [
        ("\"lu pino\"", vec!["lupino"]),
        ("\"Pino, Lu!\"", vec!["lupine"]),
        ("nickname:\"lu pino\"", vec!["lupino"]),
        ("nickname:\"lu\"", vec!["lupino", "lupine", "marty"]),
        ("email:\"marty@example.com\"", vec!["marty"]),
        ("\"日本\"", vec!["日本"]),
        ("\"本日\"", vec![]),
        ("\"lupino lmjubuntu\"", vec![]),
        ("\"\"", vec![]),
        ("+nickname:\"!\" lupino", vec!["lupino"]),
    ] {
        finds(&place, query, &expected).await;
    }
}

#[tokio::test]
async fn a_backslash_makes_a_sign_plain() {
    let place = people().await;
    for (query, expected) in [
        (r"id:a\/b\:c", vec!["a/b:c"]),
        (r"tags:a\ b", vec!["a/b:c"]),
        (r"tags:c\:d", vec!["a/b:c"]),
        (r"nickname:\<b\>", vec!["日本"]),
        (r"tags:vi\*", vec![]),
    ] {
        finds(&place, query, &expected).await;
    }
}

#[tokio::test]
async fn wildcards_stand_for_letters() {
    let place = people().await;
    for (query, expected) in [
        ("lupin*", vec!["lupino", "lupine"]),
        ("LUPIN?", vec!["lupino", "lupine"]),
        ("lupin", vec![]),
        ("id:lupin?", vec!["lupino", "lupine"]),
        ("id:lup?", vec![]),
        ("email:*ubuntu", vec!["lupino"]),
        ("email:*", vec!["lupino", "marty", "a/b:c"]),
        ("*", ALL.to_vec()),
        ("tags:*", vec!["lupino", "lupine", "marty", "a/b:c"]),
        ("tags:a*b", vec!["a/b:c"]),
        ("tags:F*", vec!["marty"]),
        ("id:?", vec!["日本", "a/b:c"]),
        ("createdAt:1*", vec![]),
    ] {
        finds(&place, query, &expected).await;
    }
}

#[tokio::test]
async fn regular_expressions_match_whole_words() {
    let place = people().await;
    for (query, expected) in [
        ("/lup.*/", vec!["lupino", "lupine"]),
        ("/lup/", vec![]),
        ("id:/lupin[oe]/", vec!["lupino", "lupine"]),
        ("id:/LUPINO/", vec![]),
        ("id:/(?i)LUPINO/", vec!["lupino"]),
        (r"phoneNumber:/\d{11}/", vec!["lupino"]),
        (r"tags:/a\ b|(?i)FRIENDS/", vec!["lupino", "lupine", "marty", "a/b:c"]),
        (r"id:/\p{Han}/", vec!["日本"]),
    ] {
        finds(&place, query, &expected).await;
    }
}

#[tokio::test]
async fn a_tilde_allows_mistakes_and_the_very_word_comes_first() {
    let place = people().await;
    for (query, expected) in [
        ("lupyno~", vec!["lupino"]),
        ("lupyno~2", vec!["lupino", "lupine"]),
        ("lupyno~0", vec![]),
        ("id:marti~1", vec!["marty"]),
        ("tags:Friend~1", vec!["marty"]),
        ("tags:friend~2", vec!["lupino", "lupine", "marty"]),
    ] {
        finds(&place, query, &expected).await;
    }
    assert_eq!(place.find("id:lupine~1").await, ["lupine", "lupino"]);
    assert_eq!(place.find("id:lupino~1").await, ["lupino", "lupine"]);
}

#[tokio::test]
async fn a_caret_gives_weight() {
    let place = people().await;
    assert_eq!(place.find("id:marty^3 id:lupino").await, ["marty", "lupino"]);
    assert_eq!(place.find("id:marty id:lupino^3").await, ["lupino", "marty"]);
    assert_eq!(place.find("createdAt:>=1000 id:lupine^9").await, ["lupine", "lupino"]);
}

#[tokio::test]
async fn numbers_and_dates_are_compared() {
    let place = people().await;
    for (query, expected) in [
        ("createdAt:>1000", vec!["lupino"]),
        ("createdAt:>=1000", vec!["lupino", "lupine"]),
        ("createdAt:<1000", vec!["marty", "日本", "a/b:c"]),
        ("createdAt:<=-5", vec!["marty"]),
        ("createdAt:<-5", vec![]),
        ("createdAt:1000", vec!["lupine"]),
        ("createdAt:-5", vec!["marty"]),
        ("1456403493", vec!["lupino"]),
        ("+createdAt:>0 +createdAt:<1e9", vec![]),
        ("createdAt:>\"2016-02-25\"", vec!["lupino"]),
        ("createdAt:>=\"2016-02-25T12:31:33Z\"", vec!["lupino"]),
        ("createdAt:>\"2016-02-25T12:31:33Z\"", vec![]),
        ("createdAt:<=\"2016-02-25T20:31:33+08:00\"", ALL.to_vec()),
        ("tags:>1", vec![]),
    ] {
        if query.contains("1e9") {
            assert!(place.refuse(query).await.contains("a number or a date in quotes is expected"));
        } else {
            finds(&place, query, &expected).await;
        }
    }
}

#[tokio::test]
async fn json_queries_find_what_they_say() {
    let place = people().await;
    for (query, expected) in [
        (r#"{"query":"+senders:sendmail -tags:vip"}"#, vec!["lupine"]),
        (r#"{"match":"pino marty"}"#, vec!["lupino", "lupine", "marty"]),
        (r#"{"match":"PINO lu","field":"nickname","operator":"and"}"#, vec!["lupino", "lupine"]),
        (r#"{"match":"lupyno marty","operator":"or","fuzziness":1}"#, vec!["lupino", "marty"]),
        (r#"{"match":"mupino","fuzziness":1,"prefix_length":1}"#, vec![]),
        (r#"{"match":"lupyno","fuzziness":1,"prefix_length":3}"#, vec!["lupino"]),
        (r#"{"match_phrase":"lu pino"}"#, vec!["lupino"]),
        (r#"{"term":"lupino","field":"id"}"#, vec!["lupino"]),
        (r#"{"term":"lu pino","field":"nickname"}"#, vec![]),
        (r#"{"term":"vip","field":"tags"}"#, vec!["lupino"]),
        (r#"{"term":"lupyno","fuzziness":1,"field":"id"}"#, vec!["lupino"]),
        (r#"{"fuzzy":"lupyno","field":"id","prefix_length":3}"#, vec!["lupino"]),
        (r#"{"prefix":"LUP","field":"id"}"#, vec!["lupino", "lupine"]),
        (r#"{"prefix":"fr","field":"tags"}"#, vec!["lupino", "lupine"]),
        (r#"{"wildcard":"l?pi*","field":"id"}"#, vec!["lupino", "lupine"]),
        (r#"{"regexp":"lupin[^e]","field":"id"}"#, vec!["lupino"]),
        (r#"{"min":-5,"max":1000,"field":"createdAt"}"#, vec!["marty", "日本", "a/b:c"]),
        (r#"{"min":-5,"max":1000,"inclusive_min":false,"inclusive_max":true}"#, vec!["lupine", "日本", "a/b:c"]),
        (r#"{"start":"2016-02-25","end":"2016-02-26","field":"createdAt"}"#, vec!["lupino"]),
        (r#"{"conjuncts":[{"query":"tags:friends"},{"query":"senders:sendsms"}]}"#, vec!["lupino"]),
        (r#"{"conjuncts":[{"query":"tags:nope"},{"query":"senders:sendmail"}]}"#, vec![]),
        (r#"{"conjuncts":[]}"#, vec![]),
        (r#"{"disjuncts":[{"term":"vip","field":"tags"},{"term":"日","field":"id"}]}"#, vec!["lupino", "日本"]),
        (
            r#"{"disjuncts":[{"term":"friends","field":"tags"},{"match":"lu"},{"match":"vip"}],"min":2}"#,
            vec!["lupino", "lupine"],
        ),
        (r#"{"disjuncts":[{"match":"lu"},{"match":"vip"},{"match":"nope"}],"min":3}"#, vec![]),
        (
            r#"{"must":{"conjuncts":[{"match":"lu"}]},"must_not":{"disjuncts":[{"term":"vip","field":"tags"}]}}"#,
            vec!["lupine", "marty"],
        ),
        (r#"{"should":{"disjuncts":[{"match":"vip"},{"match":"marty"}]}}"#, vec!["lupino", "marty"]),
        (r#"{"must":{"match":"lu"},"should":{"disjuncts":[{"match":"vip"}]}}"#, vec!["lupino", "lupine", "marty"]),
        (r#"{"must":{"match":"lu"},"should":{"disjuncts":[{"match":"vip"}],"min":1}}"#, vec!["lupino"]),
        (r#"{"must_not":[{"match":"lu"}]}"#, vec!["日本", "a/b:c"]),
        (r#"{"match_all":{}}"#, ALL.to_vec()),
        (r#"{"match_none":{}}"#, vec![]),
        (r#"{"ids":["marty","nobody","a/b:c"]}"#, vec!["marty", "a/b:c"]),
        (r#"{"foo":"bar"}"#, vec![]),
    ] {
        finds(&place, query, &expected).await;
    }
    let weighty = r#"{"disjuncts":[{"term":"marty","field":"id","boost":3},{"term":"lupino","field":"id"}]}"#;
    assert_eq!(place.find(weighty).await, ["marty", "lupino"]);
}

#[tokio::test]
async fn what_is_there_comes_as_it_is_stored() {
    let place = people().await;
    let found = place.index.search("id:lupino", 0, 10).await.unwrap();
    let json = serde_json::to_string(&found.pushers[0]).unwrap();
    let stored = concat!(
        r#"{"id":"lupino","email":"lmjubuntu@gmail.com","nickname":"Lu Pino","phoneNumber":"12345678901","#,
        r#""senders":["sendmail","sendsms"],"tags":["friends","vip"],"createdAt":1456403493}"#
    );
    assert_eq!(json, stored);
}

#[tokio::test]
async fn the_best_come_first_and_equals_by_id_page_by_page() {
    let place = Place::new();
    let ids: Vec<String> = (0..50).map(|n| format!("id{:02}", n * 7 % 50)).collect();
    for id in &ids {
        super::apply(&place.store, vec![super::created(id), super::tagged(id, "t")]).await;
        // Searching in between spreads them over many parts of the index.
        place.index.search("tags:t", 0, 0).await.unwrap();
    }
    super::apply(&place.store, vec![super::tagged("id33", "best")]).await;
    let mut expected = ids.clone();
    expected.sort_unstable();
    assert_eq!(place.find("tags:t").await, expected);
    expected.retain(|id| id != "id33");
    expected.insert(0, "id33".into());
    assert_eq!(place.find("tags:t tags:best").await, expected);
    for (from, size) in [(0, 10), (7, 13), (45, 10), (49, 1), (50, 5), (1000, 5), (0, 0)] {
        for (query, first) in [("tags:t tags:best", "id33"), ("tags:t", "id00")] {
            let part = place.index.search(query, from, size).await.unwrap();
            let got: Vec<String> = part.pushers.into_iter().map(|pusher| pusher.id.into()).collect();
            expected.sort_unstable_by_key(|id| (id != first, id.clone()));
            let want: Vec<_> = expected.iter().skip(from as usize).take(size).cloned().collect();
            assert_eq!((part.total, got), (50, want), "{query}: {size} after {from}");
        }
    }
}
