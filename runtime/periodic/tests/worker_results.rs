//! What becomes of a result that is too large to be sent.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use common::{PATIENCE, Running, job};
use periodic::{Answer, Client, ClientOptions, Handler, Job, RunError, Work, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Keeps the warnings, a line each.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = String::new();
        event.record(&mut Line(&mut line));
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Answers as many bytes as the workload says.
struct Bytewise;

#[async_trait]
impl Handler for Bytewise {
    async fn run(&self, job: Job, _work: Work) -> Answer {
        let bytes: usize = std::str::from_utf8(&job.workload).unwrap().parse().unwrap();
        Answer::Done(vec![b'x'; bytes].into())
    }
}

#[tokio::test]
async fn a_result_that_is_too_large_is_empty_and_the_log_says_so() {
    let warnings = Warnings::default();
    let _here = tracing::subscriber::set_default(warnings.clone());
    let server = Running::start().await;
    let options = WorkerOptions { max_payload: 64 << 10, ..WorkerOptions::default() };
    let funcs = vec![Bytes::from_static(b"f")];
    let worker = Worker::new(Arc::new(server.endpoint.clone()), options, funcs, Arc::new(Bytewise));
    tokio::spawn(worker.run(CancellationToken::new()));
    let client = Client::new(Arc::new(server.endpoint.clone()), ClientOptions::default());
    let result = async |name: &str, bytes: usize| {
        let job = Job { workload: bytes.to_string().into(), ..job("f", name) };
        let run = async {
            loop {
                match client.run_job(job.clone()).await {
                    // The worker is not there yet.
                    Err(RunError::NoWorker) => tokio::task::yield_now().await,
                    other => return other.unwrap().len(),
                }
            }
        };
        tokio::time::timeout(PATIENCE, run).await.expect("a result in time")
    };
    assert_eq!(result("fits", 63 << 10).await, 63 << 10);
    assert_eq!(*warnings.0.lock().unwrap(), [""; 0]);
    assert_eq!(result("large", 64 << 10).await, 0);
    let warned = warnings.0.lock().unwrap().clone();
    let [said] = warned.as_slice() else { panic!("one warning, not {warned:?}") };
    for word in ["func=f", "job=large", "bytes=65536", "WorkerOptions::max_payload"] {
        assert!(said.contains(word), "{said}");
    }
}
