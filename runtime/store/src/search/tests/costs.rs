//! No query can hurt the server: what costs too much is refused in a sentence, and soon.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pusher_core::{PusherChange, Search, SearchError};

use super::{Place, apply, created, settings, tagged};
use crate::search::indexer::Settings;
use crate::search::lanes::Cost;

/// Enough recipients that a scan of their dictionary is work.
async fn crowd(n: usize) -> Place {
    fill(Place::new(), n).await
}

async fn fill(place: Place, n: usize) -> Place {
    let ids: Vec<String> = (0..n).map(|n| format!("person{n:05} a{n}")).collect();
    for some in ids.chunks(1000) {
        let changes: Vec<PusherChange> = some.iter().flat_map(|id| [created(id), tagged(id, "t")]).collect();
        apply(&place.store, changes).await;
    }
    place
}

#[tokio::test]
async fn a_search_that_costs_too_much_is_refused_where_it_does() {
    let limited = Settings { steps: 300_000, ..settings() };
    let place = fill(Place::with(Arc::new(tempfile::tempdir().unwrap()), limited), 1000).await;
    // Each clause visits all words and all who have them: fine once, not fifty times.
    assert_eq!(place.index.search("person*", 0, 1).await.unwrap().total, 1000);
    let query = "tags:t ".repeat(3) + &"*a* ".repeat(50);
    let refusal = place.refuse(&query).await;
    assert!(refusal.contains("a search may cost only so much, and with this clause it costs more"), "{refusal}");
    let at: usize = refusal.split(['r', ':']).find_map(|part| part.trim().parse().ok()).unwrap();
    assert!(query[at - 1..].starts_with("*a*"), "{refusal}");
    let all = format!(r#"{{"disjuncts":[{}{{"match_all":{{}}}}]}}"#, r#"{"match_all":{}},"#.repeat(350));
    assert!(place.refuse(&all).await.contains("costs more"));
}

#[tokio::test]
async fn a_quick_search_does_not_wait_for_costly_ones() {
    let soon = Settings { turn: Duration::from_millis(20), quick_steps: 500, ..settings() };
    let place = fill(Place::with(Arc::new(tempfile::tempdir().unwrap()), soon), 1000).await;
    let _costly_ones = place.index.lanes().occupy(Cost::Costly).await;
    for (query, total) in [
        ("id:person00001", 1),
        ("\"person00001 a1\"", 1),
        ("+id:person00001 -tags:x createdAt:>5", 1),
        ("createdAt:>5", 0),
        (r#"{"term":"person00001","fuzziness":0}"#, 1),
        (r#"{"ids":["person00002 a2"]}"#, 1),
    ] {
        assert_eq!(place.index.search(query, 0, 1).await.unwrap().total, total, "{query}");
    }
    for query in [
        "person00001*",
        "/person00001/",
        "person00001~",
        "+id:person00001 -id:a?",
        r#"{"prefix":"person"}"#,
        r#"{"match":"person00001","fuzziness":1}"#,
        r#"{"must":{"term":"x"},"should":[{"conjuncts":[{"disjuncts":[{"wildcard":"a*"}]}]}]}"#,
        // It names its word, but all of them have it.
        "tags:t",
        "*",
    ] {
        match place.index.search(query, 0, 1).await {
            Err(SearchError::Unavailable(sentence)) => {
                assert_eq!(sentence, "other searches took longer than 0.02 s; ask again", "{query}");
            }
            other => panic!("{query}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_costly_search_does_not_wait_for_quick_ones_and_has_its_turn_after_costly_ones() {
    let place = crowd(10).await;
    let _quick_ones = place.index.lanes().occupy(Cost::Quick).await;
    let costly_ones = place.index.lanes().occupy(Cost::Costly).await;
    let search = place.index.search("person*", 0, 1);
    let (found, ()) = tokio::join!(search, async {
        tokio::task::yield_now().await;
        drop(costly_ones);
    });
    assert_eq!(found.unwrap().total, 10);
}

#[tokio::test]
async fn a_long_line_of_costly_searches_has_an_end_and_leaves_the_other_line_alone() {
    let place = Place::new();
    let line: Vec<_> = std::iter::from_fn(|| place.index.lanes().enter(Cost::Costly).ok()).collect();
    assert_eq!(line.len(), 64);
    match place.index.search("a*", 0, 1).await {
        Err(SearchError::Unavailable(sentence)) => assert_eq!(sentence, "too many searches are under way; ask again"),
        other => panic!("{other:?}"),
    }
    assert_eq!(place.index.search("a", 0, 1).await.unwrap().total, 0);
}

#[tokio::test]
async fn patterns_that_explode_are_refused_soon() {
    let place = crowd(1000).await;
    let began = Instant::now();
    for query in ["/.*a.{300}.*/", "/(.?){300}x/", &format!("{}*", "?*".repeat(150)), "/(a|b|.){1,200}.*y{100}/"] {
        // Found or refused, but answered.
        match place.index.search(query, 0, 1).await {
            Ok(_) | Err(SearchError::Query(_)) => {}
            Err(error) => panic!("{query}: {error}"),
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn each_bound_has_its_sentence() {
    let place = Place::new();
    let too_deep = place.index.search("x", 100_001, 10).await.unwrap_err().to_string();
    assert!(too_deep.starts_with("from is 100001, and a search passes over 100000 hits at most"), "{too_deep}");
    assert_eq!(place.index.search("x", 100_000, 100).await.unwrap().total, 0);
    for (query, says) in [
        (
            format!("a {}~2", "x".repeat(65)),
            "at character 3: fuzziness works for words of up to 64 characters, and this one has 65",
        ),
        (format!("{}*", "x".repeat(1000)), "a pattern may have about 333 characters"),
        (
            format!(r#"{{"match":"{}"}}"#, (0..1025).map(|n| format!("w{n} ")).collect::<String>()),
            "a query may have 1024 words",
        ),
        ("/a{2000}/".to_owned(), "this pattern is too large"),
    ] {
        let refusal = place.refuse(&query).await;
        assert!(refusal.contains(says), "{refusal}");
    }
}

#[tokio::test]
async fn a_word_that_is_asked_for_a_thousand_times_is_looked_for_once() {
    let place = crowd(10).await;
    let query = format!(r#"{{"match":"{}","field":"id"}}"#, "person00001 ".repeat(600));
    assert_eq!(place.find(&query).await, ["person00001 a1"]);
}
