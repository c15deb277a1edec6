//! A file of hooks beside a directory of senders: each entry is a sender, and what changes in the file changes them.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Asked, Directory, Loaded, Server, component, send};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use pusher_core::{Failure, Outcome, SendError};
use pusher_sandbox::{LoadReport, SenderDirectory};

/// A directory with `hook.wasm`, and a file of hooks elsewhere.
struct Watched {
    _loaded: Loaded,
    dir: PathBuf,
    file: PathBuf,
    senders: SenderDirectory,
    first: LoadReport,
}

impl Watched {
    /// With these files in the directory besides, and this file of hooks.
    async fn new(files: &[(&str, &[u8])], hooks: &str) -> Self {
        let loaded = Directory::new().load().await;
        let dir = loaded.dir.path().join("senders");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("hook.wasm"), component("hook")).unwrap();
        for (name, content) in files {
            fs::write(dir.join(name), content).unwrap();
        }
        let file = loaded.dir.path().join("hooks.json");
        fs::write(&file, hooks).unwrap();
        let mut senders = loaded.sandbox.directory(&dir).hooks(&file);
        let first = senders.load().await.unwrap();
        Self { _loaded: loaded, dir, file, senders, first }
    }

    /// What becomes of another file of hooks: two looks, the first of which takes up nothing.
    async fn put(&mut self, hooks: &str) -> LoadReport {
        fs::write(&self.file, hooks).unwrap();
        self.settle().await
    }

    async fn settle(&mut self) -> LoadReport {
        let report = self.senders.look().await.unwrap();
        assert_eq!(told(&report), (vec![], vec![], vec![]));
        self.senders.look().await.unwrap()
    }
}

/// What loaded, what was removed, and the file names of what was refused.
fn told(report: &LoadReport) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    (
        report.senders.iter().map(|loaded| loaded.sender.name().as_str()).collect(),
        report.removed.iter().map(|name| name.as_str()).collect(),
        report.refused.iter().filter_map(|refused| refused.path.file_name()?.to_str()).collect(),
    )
}

fn entry(name: &str, url: &str) -> String {
    format!(r#"{{"name": "{name}", "url": "{url}", "secret": "secret1"}}"#)
}

fn header<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap().trim()
}

/// What a signature over this is.
fn signature(key: &[u8], text: &str) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_calls_its_url_as_the_go_program_did() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let hooks = format!(
        r#"[{}, {{"name": "open", "url": "{}/open"}}]"#,
        entry("orders", &format!("{}/orders", server.origin)),
        server.origin
    );
    let watched = Watched::new(&[], &hooks).await;
    assert_eq!(told(&watched.first), (vec!["open", "orders"], vec![], vec![]), "{:?}", watched.first);
    for (loaded, secret) in watched.first.senders.iter().zip([&b""[..], b"secret1"]) {
        let name = loaded.sender.name().as_str();
        assert_eq!(send(&*loaded.sender, "some & data").await, Ok(Outcome::Done), "to a private address");
        let asked = server.asked.lock().unwrap().pop().unwrap();
        assert!(asked.head.starts_with(&format!("post /{name} http/1.1\r\n")), "{}", asked.head);
        assert_eq!(asked.body, format!("data=some+%26+data&pusher=ada&sender={name}"));
        let signed = format!("datasome & datapusheradasender{name}timestamp{}", header(&asked, "x-request-time"));
        assert_eq!(header(&asked, "x-request-signature"), signature(secret, &signed), "{name}");
        assert_eq!(loaded.warnings.len(), usize::from(secret.is_empty()), "{:?}", loaded.warnings);
    }
    server.answer("500 No\r\n\r\n");
    let failed = send(&*watched.first.senders[1].sender, "x").await;
    assert!(matches!(failed, Err(SendError::Failure(Failure::Temporary(_)))), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_component_of_hooks_is_no_sender_by_itself_and_the_others_load() {
    let watched = Watched::new(&[("sample.wasm", &component("sample"))], "[]").await;
    assert_eq!(told(&watched.first), (vec!["sample"], vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_changes_what_it_says_and_no_more() {
    let server = Server::start("200 OK\r\n\r\n").await;
    let (a, b) = (entry("a", "http://localhost:1/"), entry("b", "http://localhost:1/"));
    let mut watched = Watched::new(&[], &format!("[{a}, {b}]")).await;
    assert_eq!(told(&watched.first).0, ["a", "b"]);
    let report = watched.put(&format!("[{b},\n {a}]")).await;
    assert_eq!(told(&report), (vec![], vec![], vec![]), "in another order they are the same");
    let report = watched.put(&format!("[{b}, {}]", entry("a", &server.origin))).await;
    assert_eq!(told(&report), (vec!["a"], vec![], vec![]));
    assert_eq!(send(&*report.senders[0].sender, "x").await, Ok(Outcome::Done), "at its new place");
    let report = watched.put(&format!("[{}]", entry("c", "http://localhost:1/"))).await;
    assert_eq!(told(&report), (vec!["c"], vec!["a", "b"], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_is_refused_once_and_the_hooks_from_before_go_on() {
    let a = entry("a", "http://localhost:1/");
    let mut watched = Watched::new(&[], &format!("[{a}]")).await;
    for bad in ["[{", "{}", ""] {
        let report = watched.put(bad).await;
        assert_eq!(told(&report), (vec![], vec![], vec!["hooks.json"]), "{bad}");
        assert!(report.refused[0].reason.ends_with("; the hooks from before go on"), "{report:?}");
        assert_eq!(told(&watched.settle().await), (vec![], vec![], vec![]), "said once");
    }
    fs::remove_file(&watched.file).unwrap();
    assert_eq!(told(&watched.settle().await), (vec![], vec![], vec!["hooks.json"]));
    assert_eq!(told(&watched.put(&format!("[{a}]")).await), (vec![], vec![], vec![]), "it is as it was");
    assert_eq!(told(&watched.put("[]").await), (vec![], vec!["a"], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_one_is_refused_and_its_sender_from_before_stays() {
    let a = entry("a", "http://localhost:1/");
    let mut watched = Watched::new(&[], &format!("[{a}]")).await;
    let report = watched.put(&format!("[{}, {{}}, {}]", entry("a", "url1"), entry("b", "http://localhost:1/"))).await;
    assert_eq!(told(&report), (vec!["b"], vec![], vec!["hooks.json#2", "hooks.json#a"]));
    assert!(report.refused[1].reason.starts_with("entry 1: its url cannot be called: "), "{report:?}");
    assert_eq!(report.refused[1].stays.as_ref().map(|name| name.as_str()), Some("a"));
    assert_eq!(told(&watched.settle().await), (vec![], vec![], vec![]), "said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_stays_with_whoever_has_it() {
    let (sample, manifest) = (component("sample"), &b"component = \"sample.wasm\""[..]);
    let hooks = |name: &str| format!("[{}]", entry(name, "http://localhost:1/"));
    let files: [(&str, &[u8]); 2] = [("sample.wasm", &sample), ("a.toml", manifest)];
    let mut watched = Watched::new(&files, &hooks("a")).await;
    assert_eq!(told(&watched.first), (vec!["a"], vec![], vec!["hooks.json#a"]), "the manifest has it");
    let reason = &watched.first.refused[0].reason;
    assert!(reason.starts_with("the name \"a\" is taken by ") && reason.contains("a.toml"), "{reason}");
    assert_eq!(told(&watched.put(&hooks("b")).await), (vec!["b"], vec![], vec![]));
    fs::write(watched.dir.join("b.toml"), manifest).unwrap();
    let report = watched.settle().await;
    assert_eq!(told(&report), (vec![], vec![], vec!["b.toml"]), "the hook has it");
    assert!(report.refused[0].reason.contains("hooks.json#b"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_their_component_hooks_are_refused_and_load_when_it_comes() {
    let mut watched = Watched::new(&[], &format!("[{}]", entry("a", "http://localhost:1/"))).await;
    fs::remove_file(watched.dir.join("hook.wasm")).unwrap();
    let report = watched.settle().await;
    assert_eq!(report.refused[0].stays.as_ref().map(|name| name.as_str()), Some("a"), "what is loaded goes on");
    let report = watched.put(&format!("[{}]", entry("b", "http://localhost:1/"))).await;
    assert_eq!(told(&report), (vec![], vec!["a"], vec!["hooks.json#b"]));
    let reason = &report.refused[0].reason;
    assert!(reason.starts_with("the component hook.wasm cannot be read: "), "{reason}");
    assert!(reason.ends_with("every hook is served by it: put hook.wasm into the directory of senders"), "{reason}");
    fs::write(watched.dir.join("hook.wasm"), component("hook")).unwrap();
    assert_eq!(told(&watched.settle().await), (vec!["b"], vec![], vec![]));
}
