//! A clock that is set ahead and back by hours while messages are pushed, now and for later, and tried again: each is
//! delivered, and once. The Periodic server is told the time by whoever runs it, so it runs in this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use periodic::{Clock, Server, ServerOptions, SystemClock};
use pusher::adapters::{EmbeddedQueue, LogReports};
use pusher_core::{
    ContactFields, DeliveryLog, DeliveryState, Failure, JobName, Message, Outcome, Prefix, PushRequest, PusherId,
    RetryPolicy, SendError, Sender, SenderName, Service,
};
use pusher_store::{Store, StoreOptions};
use pusher_worker::{Channel, Worker, WorkerOptions};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::soak::Random;
use crate::wait::{must, until};

/// Messages.
const MESSAGES: u64 = 600;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(4);
/// After so many the clock is set.
const JUMP: u64 = 20;
/// By so many seconds at most.
const FAR: u64 = 2 * 3600;

/// The machine's clock, and how far it is off.
#[derive(Default)]
struct Set(AtomicI64);

impl Clock for Set {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() + self.0.load(Ordering::SeqCst)
    }
}

/// Fails at first, and keeps what it delivered.
struct Keeps {
    name: SenderName,
    delivered: Mutex<HashMap<JobName, usize>>,
}

#[async_trait]
impl Sender for Keeps {
    fn name(&self) -> &SenderName {
        &self.name
    }

    async fn send(&self, message: Message) -> Result<Outcome, SendError> {
        match (message.data.len() % 3, message.attempt) {
            (0, 1) => Err(Failure::Temporary("a bad day".into()).into()),
            (1, 1) => Ok(Outcome::Later(1)),
            _ => {
                let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
                *delivered.entry(message.id).or_default() += 1;
                Ok(Outcome::Done)
            }
        }
    }
}

/// How often the clock was set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Jumps {
    pub(super) ahead: usize,
    pub(super) back: usize,
}

/// Pushes while the clock jumps.
pub(super) async fn jumps(random: &mut Random) -> Jumps {
    let dir = must("a temporary directory", tempfile::tempdir());
    let store = Arc::new(must("the store", Store::open(dir.path(), StoreOptions::default())));
    let clock = Arc::new(Set::default());
    let server = must("the server", Server::start(store.clone(), clock.clone(), ServerOptions::default()).await);
    let queue = Arc::new(EmbeddedQueue(server.handle()));
    let service = Service::new(store.clone(), queue, Prefix::default()).with_deliveries(store.clone());
    let (sender, pusher) = (must("a name", SenderName::parse("keeps")), must("a name", PusherId::parse("lupino")));
    must("a recipient", service.create(pusher.clone(), ContactFields::default()).await);
    must("a recipient", service.add_sender(pusher.clone(), sender.clone()).await);

    let keeps = Arc::new(Keeps { name: sender.clone(), delivered: Mutex::default() });
    let retry = RetryPolicy { schedule: vec![1, 1], jitter: 0.0, max_age: None };
    let reports = Arc::new(LogReports { log: store.clone(), keeps_ends: true });
    let worker = Worker::new(Arc::new(server.handle().connector()), reports, WorkerOptions::default())
        .channel(Channel { retry, ..Channel::new(keeps.clone()) });
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));

    let (mut accepted, mut jumps) = (Vec::new(), Jumps::default());
    for n in 0..MESSAGES {
        if n % JUMP == 0 {
            let by = i64::try_from(random.millis(0, 2 * FAR * 1000).as_millis()).unwrap_or_default();
            let off = by - i64::try_from(FAR).unwrap_or_default() * 1000;
            let count = if clock.0.swap(off, Ordering::SeqCst) < off { &mut jumps.ahead } else { &mut jumps.back };
            *count += 1;
        }
        let sched_at = if n % 2 == 0 { 0 } else { clock.now() + 1 };
        let data = format!("message {n}{}", "x".repeat(random.below(3)));
        let request = PushRequest { sender: sender.clone(), pusher: pusher.clone(), data, sched_at, force: false };
        accepted.push(must("a push", service.push(request).await));
        sleep(PAUSE).await;
    }
    // What waits for a time that was ahead has its time, and its next.
    until("everything to be delivered", async || {
        clock.0.fetch_add(i64::try_from(FAR).unwrap_or_default() * 2000, Ordering::SeqCst);
        sleep(Duration::from_millis(200)).await;
        let status = server.handle().status().await;
        status.iter().all(|func| func.jobs == 0).then_some(())
    })
    .await;
    stop.cancel();
    must("the worker", working.await);
    server.stop().await;
    let delivered = keeps.delivered.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for name in &accepted {
        assert_eq!(delivered.get(name), Some(&1), "{name} was delivered so often");
        let found = must("the log", store.get(name).await);
        assert_eq!(found.iter().map(|delivery| delivery.state).collect::<Vec<_>>(), [DeliveryState::Delivered]);
    }
    jumps
}
