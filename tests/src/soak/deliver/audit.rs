//! What must hold at the end: what the log, the queue and the provider say of every message that was accepted.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use pusher_client::{Client, Options, base_url};
use pusher_core::{DeliveryFilter, DeliveryState, JobName, PusherId};

use super::provider::Sent;
use crate::wait::must;

/// How many deliveries are read at once.
const PAGE: usize = 100;

/// Where messages ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ended {
    pub(super) delivered: usize,
    pub(super) dead: usize,
    pub(super) waiting: usize,
}

/// The name of the message's job.
pub(super) fn name((pusher, data): &Sent) -> String {
    JobName::for_push(&must("a pusher", PusherId::parse(pusher)), data).to_string()
}

/// How every delivery stands, by its name, as the API server tells.
pub(super) async fn log(api: &str) -> HashMap<String, DeliveryState> {
    let base = must("the address", base_url(api));
    let client = must("a client", Client::new(base, Options::default()));
    let (mut found, mut after) = (HashMap::new(), None);
    loop {
        let page = must("the log", client.deliveries(&DeliveryFilter::default(), after, PAGE).await);
        // A pushall is delivered, too, by the sender of that name.
        let messages = page.deliveries.into_iter().filter(|delivery| delivery.sender.as_str() != "pushall");
        found.extend(messages.map(|delivery| (delivery.name.to_string(), delivery.state)));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// Holds them against each other.
pub(super) fn audit(
    accepted: &HashSet<Sent>,
    log: &HashMap<String, DeliveryState>,
    waiting: &HashSet<Bytes>,
    taken: &HashMap<Sent, usize>,
    refused: &HashSet<Sent>,
) -> Ended {
    let mut ended = Ended::default();
    let mut missing = Vec::new();
    for sent in accepted {
        let name = name(sent);
        match log.get(&name) {
            _ if waiting.contains(name.as_bytes()) => ended.waiting += 1,
            Some(DeliveryState::Delivered) => {
                assert!(taken.contains_key(sent), "{name} is delivered, and the provider has never taken it");
                ended.delivered += 1;
            }
            Some(DeliveryState::Dead) => {
                assert!(refused.contains(sent), "{name} is dead, and the provider did not refuse it");
                ended.dead += 1;
            }
            other => missing.push((sent, other)),
        }
    }
    assert!(missing.is_empty(), "{} accepted and nowhere: {:?} …", missing.len(), &missing[..missing.len().min(5)]);
    // Also of what nobody was answered: the log tells no tales.
    let names: HashSet<_> = taken.keys().map(name).collect();
    let tales: Vec<_> =
        log.iter().filter(|(name, state)| **state == DeliveryState::Delivered && !names.contains(*name)).collect();
    assert!(tales.is_empty(), "delivered, says the log, and not the provider: {tales:?}");
    ended
}
