//! A spool between a worker and a sink that is not always there.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pusher_core::{Attempt, PusherId, SendEnd};

use super::*;

/// Keeps what it is told, when it is there.
#[derive(Default)]
struct Sink {
    is_there: AtomicBool,
    refuses: AtomicBool,
    told: Mutex<Vec<Report>>,
    requests: Mutex<usize>,
}

#[async_trait]
impl ReportSink for Sink {
    async fn send(&self, reports: Vec<Report>) -> Result<(), ReportError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(ReportError::Refused("no".into()));
        }
        if !self.is_there.load(Ordering::SeqCst) {
            return Err(ReportError::Unavailable("down".into()));
        }
        *self.requests.lock().unwrap() += 1;
        self.told.lock().unwrap().extend(reports);
        Ok(())
    }

    async fn first_attempt(&self, _: &SenderName, _: &JobName) -> Option<i64> {
        Some(7)
    }
}

impl Sink {
    fn new(is_there: bool) -> Arc<Self> {
        let sink = Self::default();
        sink.is_there.store(is_there, Ordering::SeqCst);
        Arc::new(sink)
    }

    fn told(&self) -> Vec<u32> {
        self.told.lock().unwrap().iter().map(|report| report.attempt.number).collect()
    }

    async fn until_told(&self, count: usize) {
        while self.told().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn report(number: u32) -> Report {
    let attempt = Attempt { number, at: 1, took_ms: 1, version: None, end: SendEnd::Done, status: None, message: None };
    let name = JobName::for_push(&PusherId::parse("lupino").unwrap(), "data");
    Report { sender: SenderName::parse("sample").unwrap(), name, attempt, reported: Reported::Delivered }
}

fn dead(number: u32) -> Report {
    Report { reported: Reported::Dead { reason: "x".into(), data: "日本\n".into() }, ..report(number) }
}

fn open(dir: &Path, sink: &Arc<Sink>) -> Spool {
    Spool::open(SpoolOptions::new(dir), sink.clone()).unwrap()
}

fn files(dir: &Path, ending: &str) -> usize {
    let names = std::fs::read_dir(dir.join("0")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(ending)).count()
}

#[tokio::test]
async fn reports_are_told_in_order_many_at_once_and_nothing_is_left() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), Sink::new(true));
    let spool = Arc::new(open(dir.path(), &sink));
    for number in 0..1200 {
        spool.report(if number % 100 == 0 { dead(number) } else { report(number) }).await.unwrap();
    }
    sink.until_told(1200).await;
    assert_eq!(sink.told(), (0..1200).collect::<Vec<_>>());
    assert_eq!(spool.first_attempt(&report(1).sender, &report(1).name).await, Some(7));
    Arc::into_inner(spool).unwrap().close(Duration::from_secs(10)).await;
    assert_eq!(files(dir.path(), ".jsonl"), 0);
}

#[tokio::test]
async fn what_a_worker_could_not_tell_the_next_one_tells_first() {
    let (dir, away) = (tempfile::tempdir().unwrap(), Sink::new(false));
    let spool = open(dir.path(), &away);
    for number in 0..700 {
        spool.report(report(number)).await.unwrap();
    }
    spool.report(dead(700)).await.unwrap();
    assert!(away.told().is_empty() && files(dir.path(), ".jsonl") >= 2);
    spool.close(Duration::from_millis(20)).await;
    // As a worker that is killed in the middle of a line leaves it.
    std::fs::write(dir.path().join("0/999.jsonl"), b"{\"sender\":\"sam").unwrap();
    // The place is free when the last of the old worker's parts is gone.
    let lock = std::fs::File::options().write(true).open(dir.path().join("0/lock")).unwrap();
    while lock.try_lock().is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    lock.unlock().unwrap();
    let sink = Sink::new(true);
    let spool = open(dir.path(), &sink);
    spool.report(report(701)).await.unwrap();
    sink.until_told(702).await;
    assert_eq!(sink.told(), (0..702).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_spool_takes_no_more_until_there_is_room_and_two_workers_do_not_share_a_place() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), Sink::new(false));
    let options = SpoolOptions { max_bytes: 600, ..SpoolOptions::new(dir.path()) };
    let spool = Spool::open(options, sink.clone()).unwrap();
    let mut taken = 0;
    while spool.report(report(taken)).await.is_ok() {
        taken += 1;
        assert!(taken < 10);
    }
    assert!(taken >= 2);
    assert!(matches!(spool.report(dead(9)).await, Err(ReportError::Unavailable(_))));
    let waiting = spool.usage().read();
    assert_eq!((waiting.reports, waiting.bytes <= 600), (u64::from(taken), true));
    let second = open(dir.path(), &sink);
    assert!(dir.path().join("1/lock").exists());
    sink.is_there.store(true, Ordering::SeqCst);
    sink.until_told(taken as usize).await;
    while spool.report(report(100)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    second.close(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_is_refused_is_put_aside_and_holds_nobody_up() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), Sink::new(true));
    sink.refuses.store(true, Ordering::SeqCst);
    let spool = open(dir.path(), &sink);
    spool.report(report(1)).await.unwrap();
    while files(dir.path(), ".refused") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(spool.usage().read(), Waiting { reports: 0, bytes: 0, refused: 1 });
    sink.refuses.store(false, Ordering::SeqCst);
    spool.report(report(2)).await.unwrap();
    sink.until_told(1).await;
    assert_eq!(sink.told(), [2]);
}

#[tokio::test]
async fn what_was_put_aside_takes_room_also_after_a_restart() {
    let (dir, sink) = (tempfile::tempdir().unwrap(), Sink::new(true));
    std::fs::create_dir(dir.path().join("0")).unwrap();
    std::fs::write(dir.path().join("0/7.refused"), [b'x'; 500]).unwrap();
    let spool = Spool::open(SpoolOptions { max_bytes: 600, ..SpoolOptions::new(dir.path()) }, sink.clone()).unwrap();
    assert!(spool.report(report(1)).await.is_err());
    spool.close(Duration::from_secs(1)).await;
    assert!(dir.path().join("0/7.refused").exists());
}
