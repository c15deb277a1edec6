//! `deliver`: everything goes wrong at once while messages are pushed. The provider is slow, refuses, closes connections
//! in the middle of its answers, and answers 429 or 500 at random; API server, Periodic server and two workers are killed
//! (`kill -9`) at random moments. Then the disk is full ([`full`]), and the clock jumps ([`clock`]).
//!
//! At the end every message that was accepted is delivered, dead or waiting; what is delivered is in the provider's
//! record; and no more messages were taken twice than were under way at kills. A round in which one of the faults did not
//! happen proves nothing, and fails.

mod audit;
mod clock;
mod full;
mod house;
mod provider;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use self::audit::Ended;
use self::clock::Jumps;
use self::house::{Form as Where, House, Part};
use self::provider::{Provider, Sent};
use super::{Form, Random};
use crate::metrics::Metrics;
use crate::queue::jobs;
use crate::rest::Rest;
use crate::soak::periodic_kill::waiting;
use crate::wait::{must, until};

/// Who pushes at once.
const LANES: usize = 8;
/// About how long a kill and a start take.
const KILL: Duration = Duration::from_millis(700);
/// How long nothing may happen before it is said that nothing does.
const STANDSTILL: Duration = Duration::from_secs(60);
/// Pushalls in each form.
const PUSHALLS: usize = 3;

/// Rounds of chaos.
pub struct Deliver {
    messages: usize,
    recipients: usize,
    kills: usize,
}

impl Default for Deliver {
    fn default() -> Self {
        Self { messages: 50_000, recipients: 2_500, kills: 100 }
    }
}

/// What a round with the Periodic server at one place did.
#[derive(Debug)]
struct Done {
    accepted: usize,
    ended: Ended,
    kills: usize,
    repeated: usize,
    in_flight: usize,
}

impl Deliver {
    /// So many messages to so many recipients, and at least so many kills of each process, with the Periodic server within
    /// the API server, and as many beside it.
    #[must_use]
    pub fn with(messages: usize, recipients: usize, kills: usize) -> Self {
        Self { messages, recipients, kills }
    }

    async fn chaos(&self, place: Where, random: &mut Random) -> Done {
        let provider = must("the provider", Provider::start(random.number()).await);
        let mut house = House::open(place, &provider).await;
        recipients(&Rest::new(&house.api()), self.recipients).await;
        let pushed = Arc::new(AtomicUsize::new(0));
        let parts = house.parts().len();
        let pause = KILL * u32::try_from(self.kills * parts * LANES).unwrap_or(u32::MAX)
            / u32::try_from(self.messages).unwrap_or(1);
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let (rest, pushed) = (Rest::new(&house.api()), pushed.clone());
            let (messages, recipients) = (self.messages, self.recipients);
            lanes.spawn(async move {
                let mut accepted = Vec::new();
                for n in (lane..messages).step_by(LANES) {
                    let sent = (format!("p{}", n % recipients), format!("message {n}"));
                    // What a killed server did not answer promises nothing.
                    let form = [("pusher", sent.0.as_str()), ("data", sent.1.as_str())];
                    match rest.try_post("/pusher/hook/push", &form).await {
                        Ok(reply) if matches!(reply.status, 503 | 504) => sleep(pause).await,
                        Ok(reply) => {
                            assert_eq!(reply.status, 200, "{reply:?}");
                            accepted.push(sent);
                        }
                        Err(_) => sleep(Duration::from_millis(20)).await,
                    }
                    pushed.fetch_add(1, Ordering::Relaxed);
                    sleep(pause).await;
                }
                accepted
            });
        }
        let pushalls = tokio::spawn(pushalls(Rest::new(&house.api()), pushed, self.messages));
        let least = |house: &House| house.kills.values().copied().min().unwrap_or_default();
        while least(&house) < self.kills || !pushalls.is_finished() {
            sleep(random.millis(20, 400)).await;
            let part = house.parts()[random.below(parts)];
            house.kill(part).await;
            sleep(random.millis(0, 150)).await;
            house.start(part).await;
        }
        let mut accepted: HashSet<Sent> = HashSet::new();
        while let Some(lane) = lanes.join_next().await {
            accepted.extend(must("pushing", lane));
        }
        let all = must("the pushalls", pushalls.await);
        let to_all = |data: &String| (0..self.recipients).map(|n| (format!("p{n}"), data.clone())).collect::<Vec<_>>();
        let of_pushalls: HashSet<Sent> = all.iter().flat_map(to_all).collect();
        accepted.extend(of_pushalls.iter().cloned());

        let moods = provider.moods();
        assert!(moods.iter().all(|(_, count)| *count > 0), "the provider had no bad day of some kind: {moods:?}");
        provider.behave();
        settle(&house).await;
        let waiting = waiting(&house.periodic()).await;
        let log = audit::log(&house.api()).await;
        house.stop().await;
        let taken = provider.taken();
        let ended = audit::audit(&accepted, &log, &waiting, &taken, &provider.refused());
        // With the Periodic server beside, a kill between a page and its cursor submits the page again, and messages of it may be
        // gone already.
        let twice = |of_pushall: bool| {
            let counts = taken.iter().filter(|(sent, _)| sent.1.starts_with("to all") == of_pushall);
            counts.map(|(_, count)| count - 1).sum::<usize>()
        };
        let (repeated, again) = (twice(false), twice(true));
        let in_flight = house.in_flight;
        assert!(repeated <= in_flight, "{repeated} were taken twice, {in_flight} can have been under way at kills");
        let pages = if place == Where::Within { 0 } else { house.kills[&Part::Server] * self.recipients };
        assert!(repeated + again <= in_flight + pages, "{again} of pushalls were taken twice");
        let kills = house.kills.values().sum();
        Done { accepted: accepted.len(), ended, kills, repeated: repeated + again, in_flight }
    }
}

impl Form for Deliver {
    const NAME: &'static str = "deliver";

    async fn round(&mut self, random: &mut Random) -> String {
        let mut said = Vec::new();
        for (place, name) in [(Where::Within, "within"), (Where::Beside, "beside")] {
            let Done { accepted, ended: Ended { delivered, dead, waiting }, kills, repeated, in_flight } =
                self.chaos(place, random).await;
            said.push(format!(
                "{name}: {accepted} accepted, {delivered} delivered, {dead} dead, {waiting} waiting, {kills} killed, \
                 {repeated} taken twice of {in_flight} that could be"
            ));
        }
        let refused = full::full().await;
        said.push(format!("full disk: {refused} refused"));
        let Jumps { ahead, back } = clock::jumps(random).await;
        assert!(ahead > 0 && back > 0, "the clock was set ahead {ahead} times and back {back} times");
        said.push(format!("clock: {ahead} times ahead, {back} times back"));
        said.join("; ")
    }
}

/// Those who have the sender, `p0`, `p1` …
async fn recipients(rest: &Rest, count: usize) {
    let lines: String = (0..count).map(|n| format!("{{\"id\":\"p{n}\",\"senders\":[\"hook\"]}}\n")).collect();
    let reply = rest.post_as("/pusher/pushers/_bulk", "application/x-ndjson", &lines).await;
    assert!(reply.status == 200 && reply.body.contains("\"failed\":0"), "{reply:?}");
}

/// Pushes to all at a quarter, a half and three quarters of the messages. What those said that were accepted.
async fn pushalls(rest: Rest, pushed: Arc<AtomicUsize>, messages: usize) -> Vec<String> {
    let mut accepted = Vec::new();
    for n in 1.. {
        if accepted.len() == PUSHALLS {
            break;
        }
        while pushed.load(Ordering::Relaxed) < messages * (accepted.len() + 1) / (PUSHALLS + 1) {
            sleep(Duration::from_millis(20)).await;
        }
        // Another one each time: one that was not answered may have been taken.
        let data = format!("to all {n}");
        if let Ok(reply) = rest.try_post("/pusher/hook/pushall", &[("data", &data)]).await
            && reply.status == 200
        {
            accepted.push(data);
        } else {
            sleep(Duration::from_millis(50)).await;
        }
    }
    accepted
}

/// Waits until everything is delivered or dead, and told.
async fn settle(house: &House) {
    let (mut left, mut since) = (u64::MAX, Instant::now());
    loop {
        let now = jobs(house.queue(), "pusher:hook").await + jobs(house.queue(), "pusher:pushall").await;
        if now == 0 {
            break;
        }
        if now != left {
            (left, since) = (now, Instant::now());
        }
        assert!(since.elapsed() < STANDSTILL, "{left} messages wait, and nothing happens");
        sleep(Duration::from_millis(100)).await;
    }
    for worker in [Part::FirstWorker, Part::SecondWorker] {
        let admin = house.get(worker).admin.clone();
        let told = async || Metrics::of(&admin).await.value("pusher_reports_waiting", &[]) == Some(0.0);
        until("all reports to be told", async || told().await.then_some(())).await;
        let refused = Metrics::of(&admin).await.value("pusher_reports_refused_total", &[]);
        assert_eq!(refused, Some(0.0), "reports were refused");
    }
}
