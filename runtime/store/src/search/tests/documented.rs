//! The examples of `docs/search.md`, as it says.

use pusher_core::{Change, ContactFields, Pusher, PusherChange};

use super::{Place, apply};
use crate::search::limits;

const PAGE: &str = include_str!("../../../../../docs/search.md");

/// The recipients that the page introduces.
fn recipients() -> Vec<Pusher> {
    PAGE.lines().filter(|line| line.starts_with("{\"id\":")).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn changes(pusher: &Pusher) -> Vec<PusherChange> {
    let contact = ContactFields {
        email: Some(pusher.email.clone()),
        nickname: Some(pusher.nickname.clone()),
        phone_number: Some(pusher.phone_number.clone()),
        created_at: Some(pusher.created_at),
    };
    let senders = pusher.senders.iter().cloned().map(Change::AddSender);
    let tags = pusher.tags.iter().cloned().map(Change::AddTag);
    let all = [Change::Put(contact)].into_iter().chain(senders).chain(tags);
    all.map(|change| PusherChange { id: pusher.id.clone(), change }).collect()
}

/// The queries of the page, and whom it says they find.
fn examples() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut examples = Vec::new();
    let mut lines = PAGE.lines();
    while lines.any(|line| line == "| query | finds | because |") {
        for row in lines.by_ref().skip(1).take_while(|line| line.starts_with("| `")) {
            let (query, rest) = row["| `".len()..].split_once("` | ").unwrap();
            let finds = rest.split(" |").next().unwrap();
            examples.push((query, if finds == "nobody" { Vec::new() } else { finds.split(", ").collect() }));
        }
    }
    examples
}

#[tokio::test]
async fn every_example_finds_whom_the_page_says() {
    let place = Place::new();
    let recipients = recipients();
    assert_eq!(recipients.len(), 4);
    apply(&place.store, recipients.iter().flat_map(changes).collect()).await;
    let examples = examples();
    assert!(examples.len() > 60, "only {} examples were understood", examples.len());
    for (query, expected) in examples {
        let found = place.find(query).await;
        // Where the order is what is shown, it is the order found; otherwise the page lists people as it introduces them.
        let weighs = ["^", "boost", "should"].iter().any(|sign| query.contains(sign));
        if weighs {
            assert_eq!(found, expected, "{query}");
        } else {
            let order = |id: &str| recipients.iter().position(|pusher| pusher.id.as_str() == id);
            let mut introduced: Vec<&str> = found.iter().map(String::as_str).collect();
            introduced.sort_by_key(|id| order(id));
            assert_eq!(introduced, expected, "{query}");
        }
    }
}

#[tokio::test]
async fn the_refusal_that_is_shown_is_the_one_that_is_given() {
    let place = Place::new();
    let refusal = serde_json::json!({ "err": place.refuse("email:\"unterminated").await }).to_string();
    assert!(PAGE.lines().any(|line| line == refusal), "{refusal}");
}

#[test]
fn the_limits_are_those_of_the_program() {
    for (what, limit) in [
        ("length of the query", limits::QUERY_BYTES as u64),
        ("clauses, and words, in all", limits::CLAUSES as u64),
        ("JSON queries within each other", limits::DEPTH as u64),
        ("fuzziness", limits::FUZZINESS.into()),
        ("fuzziness", limits::FUZZY_CHARS as u64),
        ("a pattern", limits::PATTERN_STATES as u64),
        ("a boost", limits::BOOST as u64),
        ("`from`", limits::FROM),
    ] {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {what} |")) && !line.contains("at most"));
        let words: Vec<&str> = row.unwrap().split([' ', ',']).collect();
        assert!(words.contains(&limit.to_string().as_str()), "{what}: {limit}");
    }
}
