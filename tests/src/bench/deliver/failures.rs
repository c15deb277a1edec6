//! The first page of what failed, among ten million deliveries.

use std::io;
use std::path::Path;

use pusher_core::{
    Attempt, DeliveryEvent, DeliveryFilter, DeliveryLog, DeliveryState, JobName, PusherId, Report, Reported, SendEnd,
    SenderName,
};
use pusher_store::{Store, StoreOptions};
use tokio::time::Instant;

use super::{SMALLER, figure};
use crate::bench::{Figure, median};

const DELIVERIES: u64 = 10_000_000 / SMALLER;
/// Of so many one failed.
const ONE_IN: u64 = 1000;
/// Deliveries in a commit while they are made.
const COMMIT: u64 = 10_000;
/// On the page.
const PAGE: usize = 100;
/// How often it is asked for.
const TIMES: usize = 101;

pub(super) async fn run() -> io::Result<Figure> {
    let dir = tempfile::tempdir()?;
    let few = page_ms(&dir.path().join("few"), 1000).await?;
    let many = page_ms(&dir.path().join("many"), DELIVERIES).await?;
    Ok(figure("failures-page-ms", many, "ms", few, "among a thousand"))
}

/// Milliseconds that the first page takes among so many, in the median.
async fn page_ms(dir: &Path, count: u64) -> io::Result<f64> {
    let store = Store::open(dir, StoreOptions::default()).map_err(io::Error::other)?;
    for first in (0..count).step_by(usize::try_from(COMMIT).unwrap_or(1)) {
        let events = (first..count.min(first + COMMIT)).map(event).collect::<io::Result<_>>()?;
        for entered in store.record(events).await {
            entered.map_err(io::Error::other)?;
        }
    }
    let dead = DeliveryFilter { state: Some(DeliveryState::Dead), ..DeliveryFilter::default() };
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        let page = store.list(&dead, None, PAGE).await.map_err(io::Error::other)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        let wanted = usize::try_from(count.div_ceil(ONE_IN)).unwrap_or(PAGE).min(PAGE);
        if page.deliveries.len() != wanted {
            return Err(io::Error::other(format!("{} on the page, not {wanted}", page.deliveries.len())));
        }
    }
    store.close().await;
    Ok(median(times))
}

fn event(n: u64) -> io::Result<DeliveryEvent> {
    let sender = SenderName::parse("sample").map_err(io::Error::other)?;
    let pusher = PusherId::parse(&format!("recipient-{n}")).map_err(io::Error::other)?;
    let failed = n.is_multiple_of(ONE_IN);
    let (end, status, message) = match failed {
        true => (SendEnd::Permanent, Some(410), Some("the endpoint is gone".to_owned())),
        false => (SendEnd::Done, Some(200), None),
    };
    let at = 1_700_000_000_000 + i64::try_from(n).unwrap_or_default();
    let attempt = Attempt { number: 1, at, took_ms: 12, version: None, end, status, message };
    let reported = match failed {
        true => Reported::Dead { reason: "permanent: the endpoint is gone".into(), data: "a message".into() },
        false => Reported::Delivered,
    };
    let name = JobName::for_push(&pusher, "a message");
    Ok(DeliveryEvent::Attempted(Report { sender, name, attempt, reported }))
}
