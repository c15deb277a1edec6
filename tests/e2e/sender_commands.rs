//! The commands for authors of senders: the real binary, real components.

use std::path::{Path, PathBuf};

use pusher_tests::authored::{Authored, place};
use pusher_tests::command::{Ended, run};
use pusher_tests::process::Pusher;
use pusher_tests::provider::{Mail, Provider, Trick};
use pusher_tests::rest::Rest;
use pusher_tests::senders;

use crate::commands::lines;

/// `pusher sender ARGS`, PATH being the last of them.
async fn sender(args: &[&str], path: &Path) -> Ended {
    let words = ["sender"].iter().chain(args).map(AsRef::as_ref).chain([path.as_os_str()]);
    run(&words.collect::<Vec<_>>(), b"").await
}

#[tokio::test]
async fn check_says_what_a_sender_is_and_whether_it_would_load() {
    let dir = tempfile::tempdir().unwrap();
    senders::sample(dir.path()).unwrap();
    let manifest = dir.path().join("sample.toml");
    let report = sender(&["check"], &manifest).await.ok();
    for line in [
        "  kind       component",
        "  exports    pusher:sender/sender@0.1.0",
        "  own name   sample",
        "  verdict    a worker would load it",
    ] {
        assert!(report.lines().any(|l| l == line), "{line}:\n{report}");
    }
    assert!(report.contains("there, with nothing behind it"), "{report}");

    std::fs::write(dir.path().join("typo.toml"), "[http]\nalow = []").unwrap();
    std::fs::write(dir.path().join("secret.toml"), "component = \"sample.wasm\"\n[secrets]\nk = { env = \"K\" }")
        .unwrap();
    let ended = sender(&["check", "--json"], dir.path()).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (1, "pusher: a worker would refuse 2 of 3\n"));
    let [sample, secret, typo] = &lines(&ended.stdout)[..] else { panic!("{}", ended.stdout) };
    assert_eq!((&sample["loads"], &sample["ownName"]), (&true.into(), &"sample".into()));
    assert!(sample["startMemory"].as_u64().unwrap() > 0 && sample["compileMs"].as_f64().unwrap() > 0.0, "{sample}");
    assert_eq!(secret["reasons"][0], "[secrets] k: the environment variable K is not set; set it and try again");
    assert_eq!(
        secret["warnings"][0],
        "the manifest grants [config] or [secrets], which the component does not ask for"
    );
    assert!(typo["reasons"][0].as_str().unwrap().starts_with("line 2: unknown field `alow`"), "{typo}");

    let nothing = tempfile::tempdir().unwrap();
    let said = sender(&["check"], nothing.path()).await.fails(1);
    assert!(said.ends_with("holds no manifest (NAME.toml) and no component (NAME.wasm)\n"), "{said}");
}

#[tokio::test]
async fn a_new_sender_builds_in_both_ways_passes_its_own_test_and_would_load() {
    let made = Authored::new("made").await;
    made.cargo(&["test", "--release"]).await;
    made.cargo(&["build", "--release", "--target", "wasm32-wasip2"]).await;
    made.cargo(&["component", "build", "--release"]).await;
    let manifest = made.dir.join("made.toml");
    let report = sender(&["check"], &manifest).await;
    assert!(report.stdout.contains("[secrets] token: the environment variable MADE_TOKEN is not set"), "{report:?}");
    std::fs::write(made.dir.join("token"), "t").unwrap();
    let text = std::fs::read_to_string(&manifest).unwrap();
    let text = text.replace("{ env = \"MADE_TOKEN\" }", "{ file = \"token\" }");
    // What the other build made is a sender, too, though it imports files unasked.
    let other = text.replace("wasm32-wasip2", "wasm32-wasip1").replace("name = \"made\"", "name = \"other\"");
    let other = other.replace("strict = true", "strict = false");
    std::fs::write(&manifest, &text).unwrap();
    std::fs::write(made.dir.join("other.toml"), &other).unwrap();
    assert_ne!(text, other);
    // The crate's directory is a directory of senders.
    let report = sender(&["check", "--json"], &made.dir).await.ok();
    let [made, other] = &lines(&report)[..] else { panic!("{report}") };
    for (found, channel) in [(made, "made"), (other, "other")] {
        assert_eq!((&found["channel"], &found["ownName"]), (&channel.into(), &"made".into()), "{found}");
        let imports = found["imports"].as_array().unwrap();
        let ours = imports.iter().filter(|import| import["served"] == "granted");
        assert_eq!(ours.count(), 3, "{found}");
        assert_eq!(found["warnings"].as_array().unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_or_cannot_be_is_refused_and_nothing_is_left() {
    let parent = place("refused");
    let new = async |name: &str| sender(&["new", name, "--dir"], &parent).await;
    std::fs::create_dir(parent.join("taken")).unwrap();
    let said = new("taken").await.fails(1);
    assert!(said.contains("is there already; give the sender another name"), "{said}");
    let said = new("../My_Sender").await.fails(2);
    assert!(said.ends_with("write it like \"my-sender\"\n"), "{said}");
    let said = sender(&["new", "hello", "--dir"], &parent.join("nowhere")).await.fails(1);
    assert!(said.ends_with("nowhere is not there; make it, or name another place with --dir\n"), "{said}");
    assert_eq!(std::fs::read_dir(&parent).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(parent.join("taken")).unwrap().count(), 0);
}

const KEY: &str = "s3cret/key";
const HELLO: &str = r#"{"subject": "Welcome", "text": "Hello {{.NickName}}"}"#;
const LU: [&str; 6] = ["--pusher", "lupino", "--email", "lupino@example.com", "--nickname", "Lu"];

/// A mail sender and its provider.
struct House {
    dir: tempfile::TempDir,
    provider: Provider,
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let provider = Provider::start("127.0.0.1:0", KEY).await.unwrap();
        senders::sendmail(dir.path(), &provider.url(), KEY).unwrap();
        Self { dir, provider }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `pusher sender run sendmail.toml ARGS`
    async fn run(&self, args: &[&str]) -> Ended {
        sender(&[&["run"], args].concat(), &self.path("sendmail.toml")).await
    }
}

#[tokio::test]
async fn run_delivers_a_message_and_says_what_came_of_it() {
    let house = House::new().await;
    let report = house.run(&[&["--data", HELLO], &LU[..]].concat()).await.ok();
    let mails = house.provider.mails();
    let [Mail { to, html, .. }] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!((to.as_str(), html.as_str()), ("lupino@example.com", "Hello Lu"));
    let request = format!("request  POST {}/v3/mail/send -> 202, ", house.provider.url());
    assert!(report.lines().any(|line| line.starts_with(&request)), "{report}");
    assert!(report.lines().any(|line| line == "outcome  done"), "{report}");

    house.provider.play([Trick::Limit(7)]);
    let ended = house.run(&[&["--json", "--data", HELLO], &LU[..]].concat()).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (1, "pusher: the message was not delivered\n"));
    let [report] = &lines(&ended.stdout)[..] else { panic!("{ended:?}") };
    assert_eq!((&report["outcome"], &report["seconds"]), (&"limited".into(), &7.into()));
    assert_eq!(report["requests"][0]["status"], 429);
    assert!(report["memory"].as_u64().unwrap() > 0 && report["cpuMs"].as_f64().unwrap() > 0.0, "{report}");
}

#[tokio::test]
async fn a_recording_holds_no_secret_and_is_answered_again_without_network_or_secret() {
    let house = House::new().await;
    let recording = house.path("hello.jsonl");
    let file = recording.to_str().unwrap();
    house.run(&[&["--data", HELLO, "--record", file], &LU[..]].concat()).await.ok();
    let text = std::fs::read_to_string(&recording).unwrap();
    assert!(!text.contains(KEY) && text.contains("Bearer SECRET-api_key"), "{text}");

    std::fs::remove_file(house.path("sendmail.key")).unwrap();
    let report = house.run(&[&["--data", HELLO, "--replay", file], &LU[..]].concat()).await.ok();
    assert!(report.contains("-> 202, ") && report.contains("outcome  done"), "{report}");
    assert_eq!(house.provider.requests(), 1, "nothing went out");

    let other = ["--data", HELLO, "--replay", file, "--pusher", "lupino", "--email", "other@example.com"];
    let ended = house.run(&other).await;
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (1, "pusher: the sender did not make the requests that were recorded\n")
    );
    let body =
        |word: &str| ended.stdout.lines().find(|line| line.starts_with(&format!("replay     body {word}"))).unwrap();
    assert!(
        body("recorded:").contains("lupino@example.com") && body("now:").contains("other@example.com"),
        "{ended:?}"
    );

    // Without an address it asks for nothing, which is not what was recorded either.
    let ended = house.run(&["--data", HELLO, "--replay", file]).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("replay   a recorded request was not made: POST "), "{ended:?}");

    let ended = house.run(&["--data", HELLO]).await.fails(1);
    assert!(ended.contains("[secrets] api_key: ") && ended.contains("cannot be read"), "{ended}");
    std::fs::write(house.path("sendmail.key"), "key").unwrap();
    let ended = house.run(&["--data", HELLO, "--record", file]).await.fails(1);
    assert!(ended.contains("[secrets] api_key is shorter than 4 bytes"), "{ended}");
}

#[tokio::test]
async fn a_header_that_the_host_sets_is_no_part_of_a_recording_either() {
    // A provider that says back what it was told, in the answer's body and in a header.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let echo = async |headers: axum::http::HeaderMap| {
        let told = ["authorization", "x-login"].map(|name| headers[name].to_str().unwrap().to_owned());
        ([("x-told", told[0].clone())], told.join(" and "))
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(echo)).await });
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        "component = \"faulty.wasm\"\n[http]\nallow = [\"{origin}\"]\nprivate = true\n[http.headers.\"{origin}\"]\n\
         authorization = {{ secret = \"key\", prefix = \"Bearer \" }}\nx-login = {{ basic = \"me\", secret = \"key\" }}\n\
         [secrets]\nkey = {{ file = \"key.txt\" }}\n[limits]\ncpu = \"5s\"\n"
    );
    senders::write(dir.path(), "echo", "faulty.wasm", &manifest).unwrap();
    let [manifest, secret, recording] = ["echo.toml", "key.txt", "echo.jsonl"].map(|name| dir.path().join(name));
    std::fs::write(&secret, "s3cret").unwrap();
    let (data, file) = (format!("fetch:{origin}/"), recording.to_str().unwrap());
    // What the sender heard is its failure's reason, so the run fails.
    let recorded = sender(&["run", "--data", &data, "--record", file], &manifest).await;
    let text = std::fs::read_to_string(&recording).unwrap();
    assert!(text.contains("Bearer SECRET-key and Basic SECRET-key"), "{text}");
    assert!(recorded.stdout.contains("Bearer [redacted] and Basic [redacted]"), "{}", recorded.stdout);
    for shown in [&recorded.stdout, &text] {
        // me:s3cret
        assert!(!shown.contains("s3cret") && !shown.contains("bWU6czNjcmV0"), "{shown}");
    }
    // me:SECRET-key
    assert!(text.contains("Basic bWU6U0VDUkVULWtleQ=="), "{text}");

    std::fs::remove_file(secret).unwrap();
    let replayed = sender(&["run", "--data", &data, "--replay", file], &manifest).await;
    assert!(replayed.stderr.contains("the message was not delivered"), "{replayed:?}");
    assert!(replayed.stdout.contains("permanent: (200, \"Bearer [redacted] and Basic [redacted]\")"), "{replayed:?}");
}

#[tokio::test]
async fn run_without_a_manifest_grants_nothing_and_keeps_the_limits() {
    let dir = tempfile::tempdir().unwrap();
    senders::write(dir.path(), "other", "faulty.wasm", "component = \"none.wasm\"").unwrap();
    let component = dir.path().join("faulty.wasm");
    let run = async |args: &[&str]| sender(&[&["run", "--data"], args].concat(), &component).await;
    let report = run(&["say:hi there"]).await.ok();
    let expected = "note     no manifest names this component, so nothing is granted to it\n\
                    stdout   hi there\nstderr   hi there\noutcome  done\n";
    assert!(report.starts_with(expected), "{report}");
    assert!(run(&["later:10"]).await.ok().contains("outcome  later 10 s\n"));
    for (data, outcome) in [
        ("temporary", "outcome  temporary: told to\n"),
        ("get:somebody", "Denied(\"the manifest does not grant it: [pushers] read = true"),
        ("trap", "outcome  fault: the sender trapped: "),
        ("spin", "outcome  fault: the sender used more than its 200 ms of CPU ([limits] cpu)\n"),
    ] {
        let ended = run(&[data]).await;
        assert_eq!(ended.code, 1, "{data}");
        assert!(ended.stdout.contains(outcome), "{data}: {ended:?}");
    }
}

#[tokio::test]
async fn run_asks_a_real_api_server_when_it_is_named_and_otherwise_keeps_pushes_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    senders::write(dir.path(), "faulty", "faulty.wasm", "[pushers]\nread = true\npush = true").unwrap();
    let manifest = dir.path().join("faulty.toml");
    let run = async |args: &[&str]| sender(&[&["run", "--data"], args].concat(), &manifest).await;
    assert!(run(&["get:ada", "--pusher", "ada", "--email", "a@b.c"]).await.stdout.contains("permanent: \"a@b.c\""));
    assert!(run(&["get:other", "--pusher", "ada"]).await.stdout.contains("NotFound"));
    let pushed = run(&["push:faulty ada hello", "--pusher", "ada"]).await.stdout;
    assert!(pushed.contains("push     to ada on faulty, kept here: hello\n"), "{pushed}");

    let server = Pusher::serve(&dir.path().join("data"), &[]).await;
    Rest::new(&server.api).recipient("lupino", "faulty").await;
    let found = run(&["get:lupino", "--api", &server.api]).await.stdout;
    assert!(found.contains("permanent: \"lupino@example.com\""), "{found}");
    assert_eq!(run(&["x", "--api", &server.api, "--email", "a@b.c"]).await.code, 2);
    server.stop().await;
}
