//! Whom a pushall is for: a sender and an expression of tags.

use super::{Dice, apply, change, fields, id, ok, sender};
use crate::audience::{Audience, TagExpr};
use crate::change::Change;
use crate::ports::Storer;

const TAGS: [&str; 4] = ["a", "b", "c", "new york"];
const EXPRESSIONS: [&str; 14] = [
    "",
    "a",
    "nobody",
    "a AND b",
    "a OR b",
    "NOT a",
    "a AND NOT b",
    "NOT (a OR b)",
    "(a OR b) AND c",
    "a AND b AND c",
    "new york AND (a OR NOT b)",
    "a OR NOT a",
    "a AND nobody",
    "NOT NOT c",
];

/// Recipients with senders and tags at random.
async fn fill(store: &impl Storer, count: usize) {
    let mut dice = Dice(3);
    let mut changes = Vec::new();
    for n in 0..count {
        let some = |words: &[&'static str], dice: &mut Dice| -> Vec<&str> {
            words.iter().copied().filter(|_| dice.roll(2) == 0).collect()
        };
        let (senders, tags) = (some(&["s", "t"], &mut dice), some(&TAGS, &mut dice));
        changes.push(change(&format!("p{n:03}"), Change::Set(fields(1, &senders, &tags))));
    }
    apply(store, changes).await;
}

async fn expected(store: &impl Storer, audience: &Audience, count: usize) -> Vec<String> {
    let ids: Vec<_> = (0..count).map(|n| id(&format!("p{n:03}"))).collect();
    let all = ok(store.get(&ids).await);
    all.into_iter().flatten().filter(|pusher| audience.has(pusher)).map(|pusher| pusher.id.into()).collect()
}

pub(super) async fn an_audience_is_whom_the_expression_holds_on(store: &impl Storer) {
    fill(store, 200).await;
    for text in EXPRESSIONS {
        let audience = Audience { sender: sender("s"), tags: TagExpr::parse(text).expect("an expression") };
        let expected = expected(store, &audience, 200).await;
        let found: Vec<String> =
            ok(store.audience(&audience, None, 1000).await).into_iter().map(String::from).collect();
        assert_eq!(found, expected, "{text}");
        assert_eq!(ok(store.count(&audience).await), expected.len() as u64, "{text}");
    }
    let nobody = Audience { sender: sender("nobody's"), tags: None };
    assert!(ok(store.audience(&nobody, None, 10).await).is_empty());
}

pub(super) async fn audiences_follow_page_by_page(store: &impl Storer) {
    fill(store, 60).await;
    for text in EXPRESSIONS {
        let audience = Audience { sender: sender("s"), tags: TagExpr::parse(text).expect("an expression") };
        let expected = expected(store, &audience, 60).await;
        for size in [1, 2, 7, 30] {
            let mut all: Vec<String> = Vec::new();
            loop {
                let after = all.last().map(|last| id(last));
                let page = ok(store.audience(&audience, after.as_ref(), size).await);
                let is_last = page.len() < size;
                all.extend(page.into_iter().map(String::from));
                if is_last {
                    break;
                }
            }
            assert_eq!(all, expected, "{text}, in pages of {size}");
        }
    }
}
