//! `kill`: server and worker are killed at random moments while somebody pushes without pause. At the end of each round
//! every message that was answered 200 is with the provider, and no job is left.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::sleep;

use super::{Form, Random};
use crate::place::Place;
use crate::process::Pusher;
use crate::queue::until_jobs;
use crate::recorded::recorded;
use crate::rest::Rest;
use crate::wait::{must, until};

/// Pushes in a round.
const PUSHES: u32 = 400;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(5);
/// After one that a killed server did not answer.
const DOWN: Duration = Duration::from_millis(20);

/// A server and a worker that die again and again.
pub struct Kill {
    place: Place,
    /// Nobody, for a moment.
    server: Option<Pusher>,
    worker: Option<Pusher>,
    rest: Rest,
    rounds: u32,
}

/// What a round did.
#[derive(Debug, Clone, Copy)]
pub struct Killed {
    /// Messages that were answered 200.
    pub accepted: usize,
    /// Processes that were killed.
    pub kills: usize,
    /// Messages that were sent more than once, at most.
    pub repeated: usize,
}

impl Kill {
    /// Starts both.
    ///
    /// # Panics
    /// If they do not.
    pub async fn start() -> Self {
        let mut place = Place::new().await;
        let (server, rest) = place.open().await;
        let worker = place.worker(&server).await;
        Self { place, server: Some(server), worker: Some(worker), rest, rounds: 0 }
    }

    /// Kills and starts again until everything is pushed, then waits for it to be delivered.
    ///
    /// # Panics
    /// If something that was accepted is not.
    pub async fn killed(&mut self, random: &mut Random) -> Killed {
        self.rounds += 1;
        let before = self.place.provider.mails().len();
        let pushing = tokio::spawn(push(self.rest.clone(), self.rounds));
        let mut kills = 0;
        while !pushing.is_finished() {
            sleep(random.millis(20, 600)).await;
            let which = random.below(3);
            if which != 0 {
                if let Some(server) = self.server.take() {
                    server.kill().await;
                }
                self.server = Some(self.place.serve().await);
                kills += 1;
            }
            if which != 1 {
                if let Some(worker) = self.worker.take() {
                    worker.kill().await;
                }
                self.worker = Some(self.place.worker(self.server()).await);
                kills += 1;
            }
        }
        let accepted = must("pushing", pushing.await);
        until("every accepted message at the provider", async || {
            let delivered: HashSet<_> = self.place.provider.mails().into_iter().map(|mail| mail.subject).collect();
            accepted.is_subset(&delivered).then_some(())
        })
        .await;
        until_jobs(self.server(), "pusher:sendmail", 0).await;
        assert_eq!(recorded(self.server(), "dead").await, 0, "dead letters");
        let repeated = self.place.provider.mails().len() - before - accepted.len();
        Killed { accepted: accepted.len(), kills, repeated }
    }

    /// Stops both, as they want to be stopped.
    ///
    /// # Panics
    /// If they do not stop.
    pub async fn stop(self) {
        for process in [self.worker, self.server].into_iter().flatten() {
            process.stop().await;
        }
    }

    fn server(&self) -> &Pusher {
        self.server.as_ref().unwrap_or_else(|| panic!("there is no server"))
    }
}

impl Form for Kill {
    const NAME: &'static str = "kill";

    async fn round(&mut self, random: &mut Random) -> String {
        let Killed { accepted, kills, repeated } = self.killed(random).await;
        format!("{accepted} accepted and delivered, {kills} killed, at most {repeated} sent again")
    }
}

/// Pushes, and says which messages were accepted.
async fn push(rest: Rest, round: u32) -> HashSet<String> {
    let mut accepted = HashSet::new();
    for n in 0..PUSHES {
        let subject = format!("message {round}.{n}");
        let data = format!(r#"{{"subject": "{subject}", "text": "x"}}"#);
        // A request that a killed server did not answer promises nothing; it is not counted.
        match rest.try_post("/pusher/sendmail/push", &[("pusher", "lupino"), ("data", &data)]).await {
            Ok(reply) => {
                assert_eq!(reply.status, 200, "{reply:?}");
                accepted.insert(subject);
            }
            Err(_) => sleep(DOWN).await,
        }
        sleep(PAUSE).await;
    }
    accepted
}
