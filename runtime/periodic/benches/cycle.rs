//! How many jobs a second a server takes and has run, with a store that costs nothing: the protocol and the scheduler
//! alone. `cargo bench -p periodic`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{
    Answer, Client, ClientOptions, Connect, Endpoint, Handler, Job, JobKey, Listener, MemoryStore, Server,
    ServerOptions, SystemClock, Work, Worker, WorkerOptions,
};
use tokio_util::sync::CancellationToken;

/// Jobs in each measurement.
const JOBS: usize = 200_000;

fn jobs(func: &'static str) -> Vec<Job> {
    let workload = Bytes::from(vec![b'x'; 100]);
    let job = |index: usize| {
        let key =
            JobKey { func: Bytes::from_static(func.as_bytes()), name: Bytes::from(format!("job number {index}")) };
        Job { key, workload: workload.clone(), sched_at: 0, count: 0, timeout: 0 }
    };
    (0..JOBS).map(job).collect()
}

fn report(what: &str, since: Instant) {
    println!("{what:<60} {:>8.0} jobs/s", JOBS as f64 / since.elapsed().as_secs_f64());
}

struct Count(AtomicUsize);

#[async_trait]
impl Handler for Count {
    async fn run(&self, _job: Job, _work: Work) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answer::Done(Bytes::new())
    }
}

async fn drain(server: &Server, connect: Arc<dyn Connect>, func: &'static str) {
    let stop = CancellationToken::new();
    let options = WorkerOptions { grabs: 64, ..WorkerOptions::default() };
    let funcs = vec![Bytes::from_static(func.as_bytes())];
    let worker = Worker::new(connect, options, funcs, Arc::new(Count(AtomicUsize::new(0))));
    let worker = tokio::spawn(worker.run(stop.clone()));
    while server.handle().status().await.iter().any(|status| status.func == func && status.jobs > 0) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    stop.cancel();
    worker.await.expect("the worker ends");
}

#[tokio::main]
async fn main() {
    let store = Arc::new(MemoryStore::new());
    let server = Server::start(store, Arc::new(SystemClock), ServerOptions::default()).await.expect("a server");
    let path = std::env::temp_dir().join(format!("periodic-bench-{}.sock", std::process::id()));
    let endpoint = Endpoint::Unix(path);
    let listener = Listener::bind(&endpoint).await.expect("a socket");
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.serve(listener, stop.clone()));

    let since = Instant::now();
    for chunk in jobs("handle").chunks(64) {
        server.handle().submit(chunk.to_vec()).await;
    }
    report("submit through the handle, 64 at a time", since);

    let client = Client::new(Arc::new(endpoint.clone()), ClientOptions::default());
    let since = Instant::now();
    for chunk in jobs("socket").chunks(1024) {
        assert!(client.submit_many(chunk.to_vec()).await.iter().all(Result::is_ok), "all jobs are taken");
    }
    report("submit through a unix socket, 1024 at a time", since);

    let since = Instant::now();
    drain(&server, Arc::new(endpoint.clone()), "socket").await;
    report("grab, assign, done through a unix socket, 64 grabs", since);

    let since = Instant::now();
    drain(&server, Arc::new(server.handle().connector()), "handle").await;
    report("grab, assign, done in the same process, 64 grabs", since);

    stop.cancel();
    serving.await.expect("serving ends");
    server.stop().await;
}
