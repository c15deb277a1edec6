//! What a worker's senders do, and what they are given to do it with.

use std::sync::Arc;

use async_trait::async_trait;
use pusher_sandbox::Sandbox;
use pusher_worker::{Activity, SenderActivity};

use super::{Labels, Page, Source};
use crate::senders::Loaded;

/// The senders of a worker.
pub(crate) struct Senders {
    pub(crate) sandbox: Sandbox,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) activity: Activity,
}

#[async_trait]
impl Source for Senders {
    async fn show(&self, page: &mut Page) {
        let (loaded, refused) = self.loaded.read();
        page.gauge("pusher_senders_loaded", "How many senders are loaded.", [(vec![], loaded)]);
        let help = "How many files in the directory of senders are refused as they are; the log says why.";
        page.gauge("pusher_senders_refused", help, [(vec![], refused)]);
        self.sends(page);
        self.sandbox(page);
    }
}

impl Senders {
    fn sends(&self, page: &mut Page) {
        let senders = self.activity.read();
        let each = |value: fn(&SenderActivity) -> u64| {
            senders.iter().map(move |(name, sender)| (of(name), value(sender))).collect::<Vec<_>>()
        };
        let help = "Whether a sender only crashed and gets no more messages (1).";
        page.gauge("pusher_sender_parked", help, each(|sender| sender.is_parked.into()));
        let help = "Whether a sender's connection has a Periodic server to take messages from (1).";
        page.gauge("pusher_sender_connected", help, each(|sender| sender.is_connected.into()));
        let sends = senders.iter().flat_map(|(name, sender)| {
            let end = |(end, count): (pusher_worker::SendEnd, u64)| {
                (vec![("sender", name.to_string()), ("outcome", end.as_str().to_owned())], count)
            };
            sender.sends.map(end)
        });
        let help = "How many times a sender was given a message, by how that ended.";
        page.counter("pusher_sends_total", help, sends.collect::<Vec<_>>());
        let times = senders.iter().map(|(name, sender)| (of(name), sender.times.clone()));
        let help = "How long sends took, waiting for a place included.";
        page.times("pusher_send_duration_seconds", help, times.collect::<Vec<_>>());
        let help = "How many messages have become dead letters.";
        page.counter("pusher_dead_letters_total", help, each(|sender| sender.dead_letters));
        let help = "How many messages wait until their sender's [rate] lets them go.";
        page.gauge("pusher_sends_waiting_for_rate", help, each(|sender| sender.waiting_for_rate as u64));
    }

    fn sandbox(&self, page: &mut Page) {
        let places = self.sandbox.pool_use();
        page.gauge("pusher_sandbox_places", "How many sends can run at once.", [(vec![], places.size as u64)]);
        page.gauge("pusher_sandbox_running", "How many sends run.", [(vec![], places.running as u64)]);
        let help = "How many sends wait for a place, or for one of their own sender's.";
        page.gauge("pusher_sandbox_waiting", help, [(vec![], places.waiting as u64)]);
        let help = "How many instances wait for the next message of their sender.";
        page.gauge("pusher_sandbox_idle", help, [(vec![], places.idle as u64)]);
        let denials = self.sandbox.denials().into_iter().flat_map(|(name, denied)| {
            [("http", denied.http), ("pushers", denied.pushers)].map(|(capability, count)| {
                (vec![("sender", name.to_string()), ("capability", capability.to_owned())], count)
            })
        });
        let help = "How many times a sender was denied what its manifest does not grant.";
        page.counter("pusher_sandbox_denials_total", help, denials.collect::<Vec<_>>());
        if let Some(cache) = self.sandbox.cache_use() {
            let help = "How many components, or parts of them, were found compiled.";
            page.counter("pusher_compile_cache_hits_total", help, [(vec![], cache.found as u64)]);
            let help = "How many components, or parts of them, had to be compiled.";
            page.counter("pusher_compile_cache_misses_total", help, [(vec![], cache.compiled as u64)]);
        }
    }
}

fn of(sender: &impl ToString) -> Labels {
    vec![("sender", sender.to_string())]
}
