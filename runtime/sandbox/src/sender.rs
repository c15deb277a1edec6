//! One message's way through a component: wait for a place, make a fresh instance or take one that is idle, send, judge.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pusher_core::{Failure, Fault, Message, Outcome, SendError, Sender, SenderName, Sent};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;

use crate::bindings::{self, SenderComponent};
use crate::capabilities::{self, Grants};
use crate::component::Compiled;
use crate::counts::DenialCounts;
use crate::fault;
use crate::idle::{Idle, Instance};
use crate::lanes::{Lanes, Turn};
use crate::limits::{self, CpuMeter};
use crate::manifest::Limits;
use crate::sandbox::Shared;
use crate::state::State;

/// What one call of an instance took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// By the clock, from the making of the instance (if it is a fresh one) to the answer; waiting included.
    pub time: Duration,
    /// On a processor; what `[limits] cpu` bounds.
    pub cpu: Duration,
    /// The instance's memory at the end, in bytes; what `[limits] memory` bounds.
    pub memory: u64,
}

/// A result, and what it took.
pub(crate) struct Measured<T> {
    pub(crate) result: T,
    pub(crate) usage: Usage,
    /// The last HTTP status that it was answered.
    pub(crate) status: Option<u16>,
}

/// A component with its grants and limits.
pub(crate) struct SandboxedSender {
    name: SenderName,
    shared: Arc<Shared>,
    compiled: Arc<Compiled>,
    grants: Grants,
    denials: Arc<DenialCounts>,
    /// `[limits]` of the manifest.
    memory: u64,
    cpu: Duration,
    time: Duration,
    reuse: u32,
    /// Instances that wait for the next message; `None`: every message gets a fresh one.
    idle: Option<Arc<Idle>>,
    /// One permit for each send at once of this sender.
    slots: Semaphore,
    /// Its places in the line for turns to compute.
    lanes: Lanes,
}

impl SandboxedSender {
    pub(crate) fn new(
        name: SenderName,
        shared: Arc<Shared>,
        compiled: Arc<Compiled>,
        grants: Grants,
        limits: &Limits,
    ) -> Self {
        let denials = shared.denials.of(&name);
        let reuse = limits.reuse.get();
        let idle = (reuse > 1).then(|| Idle::new(shared.config.idle_time));
        Self {
            name,
            shared,
            compiled,
            grants,
            denials,
            memory: limits.memory.0,
            cpu: limits.cpu.duration(),
            time: limits.time.duration(),
            reuse,
            idle,
            slots: Semaphore::new(limits.concurrency.get().min(Semaphore::MAX_PERMITS)),
            lanes: Lanes::default(),
        }
    }

    /// The same sender under another name.
    pub(crate) fn renamed(self, name: SenderName) -> Self {
        let denials = self.shared.denials.of(&name);
        Self { name, denials, ..self }
    }

    /// What the component calls itself. Also the proof that it can be instantiated within its limits.
    pub(crate) async fn own_name(&self, message: &Message) -> Result<String, Fault> {
        let call = async |sender: &SenderComponent, store: &mut Store<State>| {
            sender.pusher_sender_sender().call_name(store).await
        };
        self.run(message, None, call).await.result
    }

    /// Makes an instance and does nothing with it.
    pub(crate) async fn instantiate(&self, message: &Message) -> Measured<Result<(), Fault>> {
        self.run(message, None, async |_: &SenderComponent, _: &mut Store<State>| Ok(())).await
    }

    /// Delivers a message, and says what that took.
    pub(crate) async fn deliver(&self, message: &Message) -> Measured<Result<Outcome, SendError>> {
        let call = async |sender: &SenderComponent, store: &mut Store<State>| {
            let message = bindings::Message {
                id: message.id.as_str().to_owned(),
                sender: message.sender.as_str().to_owned(),
                pusher: message.pusher.as_str().to_owned(),
                data: message.data.clone(),
                attempt: message.attempt,
            };
            sender.pusher_sender_sender().call_send(store, &message).await
        };
        let Measured { result, usage, status } = self.run(message, Some(Result::is_ok), call).await;
        let result = match result {
            Ok(Ok(bindings::Outcome::Done)) => Ok(Outcome::Done),
            Ok(Ok(bindings::Outcome::Later(seconds))) => Ok(Outcome::Later(seconds)),
            Ok(Err(failure)) => Err(SendError::Failure(self.failure(failure))),
            Err(fault) => Err(SendError::Fault(fault)),
        };
        Measured { result, usage, status }
    }

    /// Calls an instance, within the limits. With `again` that may be one that has sent before, and it may send once more
    /// if that is true of its answer; otherwise it is a fresh one, and its last call.
    async fn run<T>(
        &self,
        message: &Message,
        again: Option<fn(&T) -> bool>,
        call: impl AsyncFnOnce(&SenderComponent, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Measured<Result<T, Fault>> {
        // Given back after the store is gone, since they are declared before it.
        let Ok(_places) = self.shared.slots.take(&self.slots).await else {
            let closed = Fault::Host("the sandbox is closed".to_owned());
            return Measured { result: Err(closed), usage: Usage::default(), status: None };
        };

        let begun = Instant::now();
        let deadline = begun + self.time;
        let idle = again.zip(self.idle.as_ref());
        let (mut store, component, served) = match idle.and_then(|(_, idle)| idle.take()) {
            Some(Instance { mut store, component, served }) => {
                capabilities::renew(&self.grants, store.data_mut(), message, deadline, &self.denials);
                (store, Some(component), served)
            }
            None => {
                let state = capabilities::prepare(&self.grants, message, self.memory, deadline, &self.denials);
                (Store::new(&self.shared.engine, state), None, 0)
            }
        };
        let meter = Arc::new(CpuMeter::new(self.cpu, Turn::new(&self.lanes, &self.shared.lanes)));
        limits::apply(&mut store, Arc::clone(&meter));
        let attempt = async {
            let component = match component {
                Some(component) => component,
                None => self.compiled.pre.instantiate_async(&mut store).await?,
            };
            let answer = call(&component, &mut store).await?;
            Ok((answer, component))
        };
        let result = timeout_at(deadline, meter.measure(attempt)).await;
        let usage = Usage { time: begun.elapsed(), cpu: meter.used(), memory: store.data().memory.used() };
        let status = store.data().http.status();
        let result = match result {
            Ok(Ok((answer, component))) => {
                if let Some((again, idle)) = idle
                    && again(&answer)
                {
                    self.keep(idle, Instance { store, component, served: served + 1 });
                }
                Ok(answer)
            }
            Ok(Err(error)) => Err(fault::judge(&error, store.data(), self.memory, self.cpu)),
            Err(_) => Err(Fault::Time(fault::millis(self.time))),
        };
        Measured { result, usage, status }
    }

    /// What the guest says went wrong, without its secrets.
    fn failure(&self, failure: bindings::Failure) -> Failure {
        let text = |reason| fault::cut(self.grants.redactor.redact(reason));
        match failure {
            bindings::Failure::Temporary(reason) => Failure::Temporary(text(reason)),
            bindings::Failure::Limited(seconds) => Failure::Limited(seconds),
            bindings::Failure::Permanent(reason) => Failure::Permanent(text(reason)),
        }
    }

    /// Has an instance wait for the next message, unless it has had its share of them, has little memory left for one, has
    /// left a request under way, or enough others wait.
    fn keep(&self, idle: &Arc<Idle>, instance: Instance) {
        let state = instance.store.data();
        if instance.served < self.reuse
            && state.memory.used() <= self.memory / 4 * 3
            && state.wasi_http.is_at_rest()
            && let Some(place) = self.shared.slots.for_idle()
        {
            state.log.end_lines();
            idle.put(instance, place);
        }
    }
}

#[async_trait]
impl Sender for SandboxedSender {
    fn name(&self) -> &SenderName {
        &self.name
    }

    async fn send(&self, message: Message) -> Result<Outcome, SendError> {
        self.deliver(&message).await.result
    }

    async fn attempt(&self, message: Message) -> Sent {
        let Measured { result, status, .. } = self.deliver(&message).await;
        Sent { result, status }
    }

    fn version(&self) -> Option<&str> {
        Some(&self.compiled.version)
    }
}
