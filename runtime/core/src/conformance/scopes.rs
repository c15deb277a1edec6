//! Who has a sender or a tag, page by page.

use super::{apply, apply_one, change, page, pages, put, sender, tag};
use crate::change::Change;
use crate::ports::{Scope, Storer};
use crate::words::{MAX_ID_BYTES, MAX_SENDER_BYTES, MAX_TAG_BYTES};

pub(super) async fn a_scope_holds_exactly_its_own(store: &impl Storer) {
    let words = ["x", "xy", "xyz", "y", "X", "x\0", "x/", "é"];
    for word in words {
        let holder = format!("has {word}");
        apply(
            store,
            vec![
                change(&holder, put(1)),
                change(&holder, Change::AddSender(sender(word))),
                change(&format!("tagged {word}"), put(1)),
                change(&format!("tagged {word}"), Change::AddTag(tag(word))),
            ],
        )
        .await;
    }
    for word in words {
        assert_eq!(
            page(store, &Scope::Sender(sender(word)), None, 9).await,
            [format!("has {word}")],
            "sender {word:?}"
        );
        assert_eq!(page(store, &Scope::Tag(tag(word)), None, 9).await, [format!("tagged {word}")], "tag {word:?}");
    }
    // An id that is what another word and id would make together.
    apply(store, vec![change("y", put(1)), change("y", Change::AddSender(sender("x")))]).await;
    assert_eq!(page(store, &Scope::Sender(sender("x")), None, 9).await, ["has x", "y"]);
    assert_eq!(page(store, &Scope::Sender(sender("xy")), None, 9).await, ["has xy"]);

    apply(store, vec![change("has x", Change::Delete), change("y", Change::RemoveSender(sender("x")))]).await;
    assert_eq!(page(store, &Scope::Sender(sender("x")), None, 9).await, [] as [String; 0], "after the last one went");
    assert_eq!(page(store, &Scope::Sender(sender("xy")), None, 9).await, ["has xy"], "the others stay");
    apply_one(store, "has x", put(1)).await;
    assert_eq!(
        page(store, &Scope::Sender(sender("x")), None, 9).await,
        [] as [String; 0],
        "made again, it starts anew"
    );
}

pub(super) async fn the_longest_words_are_found(store: &impl Storer) {
    let (name, label) = (sender(&"s".repeat(MAX_SENDER_BYTES)), tag(&"t".repeat(MAX_TAG_BYTES)));
    let longest = "i".repeat(MAX_ID_BYTES);
    apply(
        store,
        vec![
            change(&longest, put(1)),
            change(&longest, Change::AddSender(name.clone())),
            change(&longest, Change::AddTag(label.clone())),
        ],
    )
    .await;
    assert_eq!(page(store, &Scope::Sender(name), None, 9).await, [longest.as_str()]);
    assert_eq!(page(store, &Scope::Tag(label), None, 9).await, [longest.as_str()]);
}

pub(super) async fn pages_follow_each_other(store: &impl Storer) {
    for n in 0..10 {
        let id = format!("id{n}");
        apply(
            store,
            vec![
                change(&id, put(-n)),
                change(&id, Change::AddSender(sender("mail"))),
                change(&id, Change::AddTag(tag(if n % 2 == 0 { "even" } else { "odd" }))),
            ],
        )
        .await;
    }
    let (mail, even) = (Scope::Sender(sender("mail")), Scope::Tag(tag("even")));
    for size in 1..12 {
        let all: Vec<String> = (0..10).map(|n| format!("id{n}")).collect();
        assert_eq!(pages(store, &mail, size).await, all, "pages of {size}");
        assert_eq!(pages(store, &even, size).await, ["id0", "id2", "id4", "id6", "id8"], "pages of {size}");
    }
    assert_eq!(page(store, &even, Some("id1"), 1).await, ["id2"], "a cursor need not be in the scope");
    assert_eq!(page(store, &even, Some("zzz"), 9).await, [] as [String; 0], "nor be anybody's id");
    assert_eq!(page(store, &mail, None, 0).await, [] as [String; 0]);
    assert_eq!(page(store, &Scope::Sender(sender("nobody's")), None, 9).await, [] as [String; 0]);
}

pub(super) async fn pages_see_what_stays_whatever_comes_and_goes(store: &impl Storer) {
    let scope = Scope::Tag(tag("t"));
    let tagged = |id: &str| vec![change(id, put(1)), change(id, Change::AddTag(tag("t")))];
    for id in ["b", "d", "f", "h", "j"] {
        apply(store, tagged(id)).await;
    }
    assert_eq!(page(store, &scope, None, 2).await, ["b", "d"]);
    // The cursor itself goes, one behind it comes, one before it comes, one ahead goes, one ahead comes.
    apply(store, vec![change("d", Change::Delete), change("f", Change::RemoveTag(tag("t")))]).await;
    for id in ["a", "c", "g"] {
        apply(store, tagged(id)).await;
    }
    assert_eq!(page(store, &scope, Some("d"), 2).await, ["g", "h"]);
    assert_eq!(page(store, &scope, Some("h"), 2).await, ["j"]);
}
