//! Programs that are not ours: a client and a worker of aio-periodic, the Python library, as it is on PyPI, against
//! `pusher periodicd`. The scripts are in `periodic/`.

use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use periodic::{Job, JobKey};
use pusher_tests::build;
use pusher_tests::process::Pusher;
use pusher_tests::queue::{client, workers};
use pusher_tests::wait::until;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::queue::until_jobs;

/// The library opens one GRAB a second and pauses in several places.
const PATIENCE: Duration = Duration::from_secs(120);
/// As many as the worker's script waits for.
const BACKLOG: usize = 1000;

fn python(script: &str, args: &[&str]) -> Command {
    let mut command = Command::new(build::python().join("python"));
    command.arg(build::root().join("tests/e2e/periodic").join(script)).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// A worker, and the lines that it says.
struct PythonWorker {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl PythonWorker {
    async fn start(server: &Pusher, size: &str) -> Self {
        let url = server.periodic.replace("tcp://", "");
        let mut process = python("worker.py", &[&url, size]).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut worker = Self { _process: process, lines };
        assert_eq!(worker.says().await, "ready");
        worker
    }

    async fn says(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("the worker is silent");
        line.unwrap().expect("the worker ended; standard error says why")
    }
}

#[tokio::test]
async fn everything_that_its_client_and_its_worker_can_do_works() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::periodicd(&["--work-dir", &dir.path().to_string_lossy()]).await.unwrap();
    let _worker = PythonWorker::start(&server, "8").await;
    let url = server.periodic.replace("tcp://", "");
    let client = python("client.py", &[&url]).stderr(Stdio::piped()).output();
    let ended = timeout(PATIENCE, client).await.expect("the client takes too long").unwrap();
    let (said, errors) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!((said.trim(), ended.status.success()), ("ok", true), "{errors}");
    assert!(server.stop().await.success());
}

/// The reference server drops the connection a dozen times over this and does 150 in a minute.
#[tokio::test]
async fn its_worker_does_a_backlog_without_losing_its_connection() {
    let dir = tempfile::tempdir().unwrap();
    let server = Pusher::periodicd(&["--work-dir", &dir.path().to_string_lossy()]).await.unwrap();
    let job = |n: usize| {
        let key = JobKey { func: Bytes::from_static(b"backlog"), name: Bytes::from(format!("job {n}")) };
        Job { key, workload: Bytes::from_static(b"x"), sched_at: 0, count: 0, timeout: 0 }
    };
    for submitted in client(&server.periodic).submit_many((0..BACKLOG).map(job).collect()).await {
        submitted.unwrap();
    }
    until_jobs(&server, "backlog", BACKLOG as u64).await;
    let mut worker = PythonWorker::start(&server, "8").await;
    assert_eq!(worker.says().await, format!("done {BACKLOG}"), "the next thing it says");
    until_jobs(&server, "backlog", 0).await;
    until("the worker is still there", async || (workers(&server, "backlog").await == 1).then_some(())).await;
    // The next thing that it says is that the server, stopped, is gone: nothing was said in between.
    assert!(server.stop().await.success());
    assert_eq!(worker.says().await, "disconnected");
}
