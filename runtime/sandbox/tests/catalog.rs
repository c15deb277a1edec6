//! A directory of senders: what loads, what is refused, and why.

mod common;

use common::{Directory, component, send};
use pusher_core::{Outcome, RetryPolicy};

/// A component that imports the function `f` of the instance `foo:bar/baz`, and exports nothing.
const IMPORTS_SOMETHING: &[u8] =
    b"\0asm\x0d\0\x01\0\x07\x0e\x01\x42\x02\x01\x40\0\x01\0\x04\0\x01f\x01\0\x0a\x10\x01\0\x0bfoo:bar/baz\x05\0";

#[tokio::test(flavor = "multi_thread")]
async fn each_manifest_is_a_sender_and_so_is_a_component_without_one() {
    let loaded = Directory::new()
        .component("sample")
        .component("faulty")
        .file("one.toml", "component = \"faulty.wasm\"")
        .file("two.toml", "component = \"faulty.wasm\"\nname = \"zwei\"\n[limits]\nconcurrency = 4\n[retry]\nattempts = 2\njitter = 0.0")
        .file("README.md", "not a sender")
        .file(".hidden.toml", "nonsense")
        .load()
        .await;
    assert_eq!(loaded.names(), ["one", "zwei", "sample"]);
    assert!(loaded.report.refused.is_empty(), "{:?}", loaded.report.refused);
    assert_eq!(loaded.report.senders[0].concurrency, 32);
    assert_eq!(loaded.report.senders[0].retry, RetryPolicy::default());
    assert_eq!(loaded.report.senders[1].concurrency, 4);
    assert_eq!(
        loaded.report.senders[1].retry,
        RetryPolicy { schedule: vec![5], jitter: 0.0, ..RetryPolicy::default() }
    );
    for loaded in &loaded.report.senders {
        assert_eq!(send(&*loaded.sender, "x").await, Ok(Outcome::Done));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_sender_is_refused_with_a_sentence_and_the_rest_loads() {
    let loaded = Directory::new()
        .component("sample")
        .component("faulty")
        .file("core.wasm", b"\0asm\x01\0\0\0")
        .file("text.wasm", "(component)")
        .file("empty.wasm", b"\0asm\x0d\0\x01\0")
        .file("imports.wasm", IMPORTS_SOMETHING)
        .file("cut.wasm", &component("sample")[..1000])
        .file("gone.toml", "")
        .file("typo.toml", "component = \"faulty.wasm\"\n\n[http]\nalow = []")
        .file("secret.toml", "component = \"faulty.wasm\"\n[secrets]\nkey = { env = \"UNSET\" }")
        .file("both.toml", "component = \"faulty.wasm\"\n[config]\na = \"x\"\n[secrets]\na = { env = \"SET\" }")
        .file("big.toml", "component = \"faulty.wasm\"\n[limits]\nmemory = \"2GiB\"")
        .file("tight.toml", "component = \"faulty.wasm\"\n[limits]\nmemory = \"64KiB\"")
        .file("a.toml", "component = \"faulty.wasm\"\nname = \"same\"")
        .file("b.toml", "component = \"faulty.wasm\"\nname = \"same\"")
        .file("strict.toml", "component = \"faulty.wasm\"\nstrict = true")
        .file("digest.toml", format!("component = \"faulty.wasm\"\nsha256 = \"{}\"", "0".repeat(64)))
        .env("SET", "x")
        .load()
        .await;
    assert_eq!(loaded.names(), ["same", "sample"]);
    for (file, reason) in [
        ("core.wasm", "core.wasm is not a WebAssembly component; build it for wasm32-wasip2"),
        ("text.wasm", "text.wasm is not a WebAssembly component"),
        ("empty.wasm", "empty.wasm is not a sender, since it does not export pusher:sender/sender@0.1.0"),
        ("imports.wasm", "imports.wasm imports something that this host does not have: "),
        ("cut.wasm", "cut.wasm is not a component that this host can run: "),
        ("gone.toml", "the component gone.wasm cannot be read: "),
        ("typo.toml", "line 4: unknown field `alow`, expected one of `allow`, `private`, `headers`"),
        ("secret.toml", "[secrets] key: the environment variable UNSET is not set"),
        ("both.toml", "\"a\" stands in both [config] and [secrets]"),
        ("big.toml", "[limits] memory = \"2GiB\" is more than this host has for one send; write at most \"1GiB\""),
        (
            "tight.toml",
            "it was tried, and failed: the sender asked for more than its 65536 bytes of memory ([limits] memory)",
        ),
        ("b.toml", "the name \"same\" is taken by "),
        ("digest.toml", "faulty.wasm has the SHA-256 "),
        ("strict.toml", "faulty.wasm imports wasi:"),
    ] {
        assert!(loaded.refusal(file).starts_with(reason), "{file}: {}", loaded.refusal(file));
    }
    assert!(loaded.refusal("imports.wasm").contains("foo:bar/baz"));
    assert_eq!(loaded.report.refused.len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_not_loaded_without_the_manifest_that_was_meant_for_it() {
    let loaded = Directory::faulty("nonsense").load().await;
    assert!(loaded.names().is_empty());
    assert_eq!(loaded.report.refused.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_right_lets_the_component_in() {
    let digest = pusher_sandbox::manifest::Digest::of(&component("faulty"));
    let loaded = Directory::faulty(&format!("sha256 = \"{digest}\"")).load().await;
    assert_eq!(loaded.names(), ["faulty"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_not_asked_for_is_worth_a_warning() {
    let grants = "[http]\nallow = [\"https://api.example.com\"]\n[pushers]\nfan-out = true";
    let loaded = Directory::faulty(grants).component("sample").file("sample.toml", grants).load().await;
    let warnings = |name| {
        let found = loaded.report.senders.iter().find(|loaded| loaded.sender.name().as_str() == name).unwrap();
        found.warnings.join("\n")
    };
    assert!(warnings("sample").contains("the manifest grants [http], which the component does not ask for"));
    assert!(!warnings("faulty").contains("[http]"));
    assert_eq!(warnings("faulty"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_that_are_shipped_load() {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../senders-wasm");
    let read = |path: &str| std::fs::read(shipped.join(path)).unwrap();
    let loaded = Directory::new()
        .component("sample")
        .component("sendmail")
        .file("sample.toml", read("sample/sample.toml"))
        .file("sendmail.toml", read("sendmail/sendmail.toml"))
        .env("SENDGRID_FROM", "us@example.com")
        .env("SENDGRID_KEY", "k")
        .load()
        .await;
    assert_eq!(loaded.names(), ["sample", "sendmail"]);
    assert!(loaded.report.senders.iter().all(|loaded| loaded.warnings.is_empty()), "{:?}", loaded.report);
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_an_error() {
    let loaded = Directory::new().load().await;
    let error = loaded.sandbox.load_dir("no-such-directory".as_ref()).await.unwrap_err();
    assert!(error.to_string().contains("no-such-directory"));
}
