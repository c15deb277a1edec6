//! `pusher periodic …` against the Periodic server of a real `pusher serve`, and against one that says no.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use periodic::{
    Answer, AuthFile, Endpoint, Handler, Job, Listener, MemoryStore, Server, ServerOptions, SystemClock, Work, Worker,
    WorkerOptions, wire,
};
use pusher_tests::command::{Ended, run};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{House, lines};

/// `pusher periodic ARGS --periodic …` with `input` as its standard input.
async fn ask_with(periodic: &str, args: &[&str], input: &[u8]) -> Ended {
    run(&[&["periodic", "--periodic", periodic], args].concat(), input).await
}

impl House {
    async fn ask(&self, args: &[&str]) -> Ended {
        ask_with(&self.server.periodic, args, b"").await
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }
}

/// Does as the workload says.
struct Script;

#[async_trait]
impl Handler for Script {
    async fn run(&self, job: Job, work: Work) -> Answer {
        match job.workload.as_ref() {
            b"fail" => Answer::Fail,
            b"stream" => {
                for chunk in ["one\n", "two\n"] {
                    work.send_data(chunk).await.unwrap();
                }
                Answer::Done(Bytes::from_static(b"three\n"))
            }
            b"wait" => std::future::pending().await,
            _ => Answer::Done(job.workload),
        }
    }
}

/// A worker of `echo`, once the server knows it.
async fn worker(house: &House) {
    let endpoint: Endpoint = house.server.periodic.parse().unwrap();
    let funcs = vec![Bytes::from_static(b"echo")];
    let worker = Worker::new(Arc::new(endpoint), WorkerOptions::default(), funcs, Arc::new(Script));
    tokio::spawn(worker.run(CancellationToken::new()));
    let known = async || (crate::queue::workers(&house.server, "echo").await == 1).then_some(());
    pusher_tests::wait::until("the worker", known).await;
}

#[tokio::test]
async fn jobs_are_submitted_shown_and_removed() {
    let house = House::new().await;
    assert_eq!(house.ask(&["status"]).await.ok(), "No funcs.\n");
    let submit = house.ask(&["submit", "echo", "first", "hello"]).await.ok();
    assert_eq!(submit, "Submitted first of echo, to be run now.\n");
    let later = house.ask(&["submit", "later\u{1b}", "a", "--at", "2100-01-01T00:00:00Z", "--timeout", "5"]).await.ok();
    assert_eq!(later, "Submitted a of later\\u{1b}, to be run at 2100-01-01T00:00:00Z.\n");
    let table = house.ask(&["status"]).await.ok();
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["FUNC", "WORKERS", "JOBS", "RUNNING", "LOCKED", "NEXT"]);
    assert_eq!(rows[1][..5], ["echo", "0", "1", "0", "0"]);
    assert_eq!(rows[2], ["later\\u{1b}", "0", "1", "0", "0", "2100-01-01T00:00:00Z"]);
    let objects = lines(&house.ask(&["status", "--json"]).await.ok());
    let expected = json!({
        "func": "later\u{1b}", "workers": 0, "jobs": 1, "running": 0, "locked": 0, "schedAt": 4_102_444_800_i64,
    });
    assert_eq!(objects[1], expected);
    assert_eq!(house.ask(&["remove", "echo", "first", "none"]).await.ok(), "Removed of echo: first, none.\n");
    assert_eq!(house.ask(&["drop", "echo", "--json"]).await.ok(), "{\"result\":\"OK\"}\n");
    assert_eq!(lines(&house.ask(&["status", "--json"]).await.ok()).len(), 1);
    let too_long = "x".repeat(256);
    let refused = house.ask(&["submit", "echo", &too_long]).await.fails(1);
    assert!(refused.contains("over 255 bytes"), "{refused}");
}

#[tokio::test]
async fn a_job_is_run_and_its_result_printed_byte_for_byte() {
    let house = House::new().await;
    let nobody = house.ask(&["run", "echo", "a", "hello"]).await.fails(1);
    assert!(nobody.contains("no worker") && nobody.contains("can do echo"), "{nobody}");
    worker(&house).await;
    assert_eq!(house.ask(&["run", "echo", "a", "hello"]).await.ok(), "hello");
    assert_eq!(house.ask(&["run", "echo", "a", "hello", "--json"]).await.ok(), "{\"result\":\"hello\"}\n");
    let bytes = ask_with(&house.server.periodic, &["run", "echo", "b", "-", "--json"], b"\xff\x00").await.ok();
    assert_eq!(bytes, "{\"resultBase64\":\"/wA=\"}\n");
    std::fs::write(house.path("workload"), "from a file\n").unwrap();
    let file = house.ask(&["run", "echo", "c", "--file", &house.path("workload")]).await.ok();
    assert_eq!(file, "from a file\n");
    assert_eq!(house.ask(&["run", "echo", "d", "stream", "--stream"]).await.ok(), "one\ntwo\nthree\n");
    let streamed = house.ask(&["run", "echo", "e", "stream", "--stream", "--json"]).await.ok();
    assert_eq!(streamed, "{\"data\":\"one\\n\"}\n{\"data\":\"two\\n\"}\n{\"result\":\"three\\n\"}\n");
    for more in [&[][..], &["--stream"]] {
        let failed = house.ask(&[&["run", "echo", "f", "fail"], more].concat()).await.fails(1);
        assert!(failed.starts_with("pusher: the job failed"), "{failed}");
    }
    let late = house.ask(&["run", "echo", "g", "wait", "--timeout", "1"]).await.fails(1);
    assert!(late.contains("not done in time") && late.contains("--timeout"), "{late}");
}

#[tokio::test]
async fn what_is_dumped_is_loaded_elsewhere_and_is_the_same() {
    let (house, other) = (House::new().await, House::new().await);
    for name in ["a", "b"] {
        house.ask(&["submit", "echo", name, "work", "--at", "2100-01-01T00:00:00Z"]).await.ok();
    }
    let file = house.path("jobs");
    let said = house.ask(&["dump", &file]).await.ok();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(said, format!("Dumped 2 jobs, {} bytes, to {file}.\n", bytes.len()));
    assert_eq!(bytes[..8], 2_u64.to_be_bytes(), "the number comes first, as in every dump");
    assert_eq!(wire::decode_jobs(bytes.clone().into()).unwrap().len(), 2);
    assert_eq!(other.ask(&["load", &file, "--json"]).await.ok(), "{\"result\":\"OK\",\"jobs\":2}\n");
    other.ask(&["dump", &other.path("again")]).await.ok();
    assert_eq!(std::fs::read(other.path("again")).unwrap(), bytes);
    // Through a pipe.
    other.ask(&["drop", "echo"]).await.ok();
    assert_eq!(ask_with(&other.server.periodic, &["load", "-"], &bytes).await.ok(), "Loaded 2 jobs.\n");
    assert_eq!(crate::queue::jobs(&other.server, "echo").await, 2);

    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let cut = house.ask(&["load", &file]).await.fails(1);
    assert!(cut.contains(&file) && cut.contains("is no dump of jobs: the payload ends too early"), "{cut}");
    let absent = house.ask(&["load", "/no/such/file"]).await.fails(1);
    assert!(absent.starts_with("pusher: cannot read /no/such/file"), "{absent}");
    std::fs::write(house.path("long"), vec![0; 2 << 20]).unwrap();
    house.ask(&["submit", "echo", "long", "--file", &house.path("long"), "--at", "+1d"]).await.ok();
    let long = house.ask(&["dump", &file, "--max-payload", "1"]).await.fails(1);
    assert!(long.contains("raise it with --max-payload"), "{long}");
}

#[tokio::test]
async fn settings_are_shown_and_changed() {
    let house = House::new().await;
    let all = house.ask(&["config"]).await.ok();
    assert!(all.starts_with("timeout             600\n") && all.lines().count() == 7, "{all}");
    assert_eq!(house.ask(&["config", "timeout", "17"]).await.ok(), "Set timeout to 17.\n");
    assert_eq!(house.ask(&["config", "timeout"]).await.ok(), "17\n");
    let json = house.ask(&["config", "timeout", "--json"]).await.ok();
    assert_eq!(json, "{\"key\":\"timeout\",\"value\":17}\n");
    house.ask(&["config", "timeout", "many"]).await.fails(2);
    assert_eq!(house.ask(&["config", "run-job-aggressive", "0"]).await.ok(), "Set run-job-aggressive to 0.\n");
    for value in ["5", "0"] {
        let unknown = house.ask(&["config", "nosuch", value]).await.fails(1);
        let said = format!("has not set nosuch to {value}: it does not know it");
        assert!(unknown.contains(&said) && unknown.contains("timeout, lock-timeout"), "{unknown}");
    }
}

#[tokio::test]
async fn a_server_is_asked_whether_it_is_there_and_what_is_wrong_is_said_at_once() {
    let house = House::new().await;
    let pong = house.ask(&["ping"]).await.ok();
    assert!(pong.starts_with(&format!("{} answers in ", house.server.periodic)), "{pong}");
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let since = std::time::Instant::now();
    let gone = ask_with(&format!("tcp://{nobody}"), &["ping"], b"").await.fails(1);
    assert!(gone.contains(&nobody.to_string()) && gone.contains("start it with"), "{gone}");
    assert!(since.elapsed().as_secs() < 8, "it is not tried again and again");
    let wrong = ask_with("ftp://x", &["ping"], b"").await.fails(2);
    assert!(wrong.contains("--periodic") && wrong.contains("tls://host:port"), "{wrong}");
    let refused = house.ask(&["shutdown"]).await.fails(1);
    assert!(refused.contains("SIGTERM"), "{refused}");
}

#[tokio::test]
async fn an_identity_is_shown_to_a_server_that_wants_one_and_an_admin_can_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("auth");
    std::fs::write(&file, "client shop secret echo\nadmin boss hush any\n").unwrap();
    let auth = Some(AuthFile::read(&file).unwrap());
    let options = ServerOptions { auth, remote_shutdown: true, ..ServerOptions::default() };
    let server = Server::start(Arc::new(MemoryStore::new()), Arc::new(SystemClock), options).await.unwrap();
    let listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap()).await.unwrap();
    let endpoint = listener.endpoint().to_string();
    tokio::spawn(server.serve(listener, CancellationToken::new()));

    let submit = ["submit", "echo", "a"];
    let nobody = ask_with(&endpoint, &submit, b"").await.fails(1);
    assert!(nobody.contains("role or identity") && nobody.contains("--identity-name"), "{nobody}");
    let shop = ["--identity-name", "shop", "--identity-token", "secret"];
    ask_with(&endpoint, &[&submit[..], &shop].concat(), b"").await.ok();
    let foreign = ask_with(&endpoint, &[&["submit", "other", "a"], &shop[..]].concat(), b"").await.fails(1);
    assert!(foreign.contains("allow it to this --identity-name"), "{foreign}");
    let half = ask_with(&endpoint, &["ping", "--identity-name", "shop"], b"").await.fails(2);
    assert!(half.contains("--identity-token is missing"), "{half}");

    let mut shutdown = pusher_tests::command::command(&["periodic", "shutdown", "--periodic", &endpoint]);
    shutdown.env("PUSHER_IDENTITY_NAME", "boss").env("PUSHER_IDENTITY_TOKEN", "hush");
    let (ended, ()) = tokio::join!(pusher_tests::command::finish(shutdown, b""), async {
        server.shutdown_requested().await;
        server.stop().await;
    });
    assert_eq!(ended.ok(), format!("{endpoint} ends.\n"));
}
