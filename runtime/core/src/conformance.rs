//! The suites that every [`Storer`] and every [`DeliveryLog`](crate::DeliveryLog) must pass. A backend's tests call [`storer`] with a way to make an empty store; what
//! does not conform panics, and says which rule was broken.
//!
//! Each function in the files below is one rule of the port and gets a store of its own: `changes`, `lists` (the list of
//! all), `scopes` (who has a sender or a tag), and `history`, a long one of random changes, checked against a model that
//! is nothing but [`Change::apply`] over a map.

mod audiences;
mod changes;
mod deliveries;
mod history;
mod lists;
mod pushalls;
mod scopes;

use crate::change::{Applied, Change, ContactFields, PusherChange, PusherFields};
use crate::cursor::Cursor;
use crate::ports::{Scope, StoreError, Storer};
use crate::pusher::Pusher;
use crate::words::{PusherId, SenderName, Tag};

/// Runs the suite. `make` gives an empty store each time it is called.
///
/// # Panics
/// If a store breaks a rule of the port.
pub async fn storer<F, S>(make: F)
where
    F: Fn() -> S,
    S: Storer,
{
    changes::each_change_does_what_it_says(&make()).await;
    changes::a_set_creates_and_replaces(&make()).await;
    changes::what_is_over_a_limit_changes_nothing(&make()).await;
    changes::nothing_changes_a_recipient_that_is_not_there(&make()).await;
    changes::a_batch_is_carried_out_in_order(&make()).await;
    changes::a_large_batch_is_carried_out_whole(&make()).await;
    changes::results_and_recipients_come_in_the_order_asked_for(&make()).await;
    lists::an_id_is_any_text(&make()).await;
    lists::the_list_is_newest_first(&make()).await;
    lists::the_list_is_cut_by_from_and_size(&make()).await;
    lists::a_long_list_is_cut_wherever_asked(&make()).await;
    lists::a_changed_creation_time_moves_a_recipient_in_the_list(&make()).await;
    lists::the_list_goes_on_behind_a_cursor(&make()).await;
    lists::following_the_list_sees_what_stays_exactly_once(&make()).await;
    scopes::a_scope_holds_exactly_its_own(&make()).await;
    scopes::the_longest_words_are_found(&make()).await;
    scopes::pages_follow_each_other(&make()).await;
    scopes::pages_see_what_stays_whatever_comes_and_goes(&make()).await;
    audiences::an_audience_is_whom_the_expression_holds_on(&make()).await;
    audiences::audiences_follow_page_by_page(&make()).await;
    history::a_long_history_agrees_with_the_model(&make()).await;
}

/// Runs the suite of [`DeliveryLog`](crate::DeliveryLog). `make` gives an empty log each time it is called; its clock has to
/// move on by itself.
///
/// # Panics
/// If a log breaks a rule of the port.
pub async fn delivery_log<F, L>(make: F)
where
    F: Fn() -> L,
    L: crate::DeliveryLog,
{
    deliveries::a_life_is_what_the_events_make_of_it(&make()).await;
    deliveries::a_name_has_one_delivery_for_each_sender(&make()).await;
    deliveries::names_that_begin_alike_are_kept_apart(&make()).await;
    deliveries::a_list_is_the_latest_first_and_can_be_followed(&make()).await;
    deliveries::a_list_has_what_is_asked_for_and_nothing_else(&make()).await;
    deliveries::a_list_of_a_recipient_has_only_its_own(&make()).await;
    deliveries::what_ended_can_be_forgotten_and_nothing_else(&make()).await;
    deliveries::the_oldest_are_pruned_first_and_only_what_has_ended(&make()).await;
    deliveries::a_long_history_of_deliveries_agrees_with_the_model(&make()).await;
    pushalls::a_pushall_is_known_and_goes_forward(&make()).await;
    pushalls::a_cancelled_pushall_takes_no_page(&make()).await;
    pushalls::messages_of_a_pushall_are_counted_with_it(&make()).await;
    pushalls::pushalls_are_listed_the_latest_first(&make()).await;
    pushalls::a_request_is_remembered_by_its_key(&make()).await;
    pushalls::pushalls_that_ended_are_pruned(&make()).await;
}

/// Numbers that look random and are the same every time (a linear congruential generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides) as usize
    }
}

fn id(text: &str) -> PusherId {
    PusherId::parse(text).expect("the suite's ids are ids")
}

fn sender(text: &str) -> SenderName {
    SenderName::parse(text).expect("the suite's senders are senders")
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("the suite's tags are tags")
}

fn change(who: &str, change: Change) -> PusherChange {
    PusherChange { id: id(who), change }
}

fn put(created_at: i64) -> Change {
    Change::Put(ContactFields { created_at: Some(created_at), ..ContactFields::default() })
}

fn ok<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|e| panic!("the store refused what it must do: {e}"))
}

async fn apply(store: &impl Storer, changes: Vec<PusherChange>) -> Vec<Applied> {
    store.apply(changes).await.into_iter().map(ok).collect()
}

async fn apply_one(store: &impl Storer, who: &str, what: Change) -> Applied {
    let applied = apply(store, vec![change(who, what)]).await;
    assert_eq!(applied.len(), 1, "one result for one change");
    applied[0]
}

async fn get_one(store: &impl Storer, who: &str) -> Option<Pusher> {
    let mut found = ok(store.get(&[id(who)]).await);
    assert_eq!(found.len(), 1, "one answer for one id");
    found.remove(0)
}

async fn list(store: &impl Storer, from: u64, size: usize) -> Vec<Pusher> {
    ok(store.list(from, size).await).pushers
}

async fn page(store: &impl Storer, scope: &Scope, after: Option<&str>, size: usize) -> Vec<String> {
    let page = ok(store.page(scope, after.map(id).as_ref(), size).await);
    page.into_iter().map(String::from).collect()
}

/// All pages of a scope, one after the other.
async fn pages(store: &impl Storer, scope: &Scope, size: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let next = page(store, scope, all.last().map(String::as_str), size).await;
        if next.is_empty() {
            return all;
        }
        assert!(next.len() <= size, "a page of {size} has {} ids", next.len());
        all.extend(next);
    }
}

fn ids(pushers: &[Pusher]) -> Vec<&str> {
    pushers.iter().map(|p| p.id.as_str()).collect()
}

/// All fields: this time and these words.
fn fields(created_at: i64, senders: &[&str], tags: &[&str]) -> PusherFields {
    PusherFields {
        contact: ContactFields { created_at: Some(created_at), ..ContactFields::default() },
        senders: Some(senders.iter().map(|text| sender(text)).collect()),
        tags: Some(tags.iter().map(|text| tag(text)).collect()),
    }
}

/// The ids behind a place in the list of all.
async fn behind(store: &impl Storer, after: Option<&Cursor>, size: usize) -> Vec<String> {
    let part = ok(store.list_after(after, size).await).pushers;
    part.into_iter().map(|p| p.id.into()).collect()
}

/// The list of all, followed from place to place.
async fn followed(store: &impl Storer, size: usize) -> Vec<Pusher> {
    let mut all: Vec<Pusher> = Vec::new();
    loop {
        let after = all.last().map(Cursor::behind);
        let next = ok(store.list_after(after.as_ref(), size).await).pushers;
        if next.is_empty() {
            return all;
        }
        assert!(next.len() <= size, "a part of {size} has {} recipients", next.len());
        all.extend(next);
    }
}
