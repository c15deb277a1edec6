//! What can be known about a sender before it is given a message.

mod common;
#[allow(dead_code, clippy::unwrap_used, reason = "as in the adversarial tests, which use the rest")]
#[path = "adversarial/guest.rs"]
mod guest;

use common::{Directory, component};
use guest::Guest;
use pusher_sandbox::{Inspection, Kind, Served, manifest::Digest};

/// A component that imports the function `f` of the instance `foo:bar/baz`, and exports nothing.
const IMPORTS_SOMETHING: &[u8] =
    b"\0asm\x0d\0\x01\0\x07\x0e\x01\x42\x02\x01\x40\0\x01\0\x04\0\x01f\x01\0\x0a\x10\x01\0\x0bfoo:bar/baz\x05\0";

const GRANTS: &str = "name = \"zwei\"\n[http]\nallow = [\"https://a.example\"]\n[pushers]\nread = true\n";

fn served(inspection: &Inspection, interface: &str) -> Served {
    let Some(binary) = &inspection.binary else { panic!("{inspection:?}") };
    let imports = &binary.imports;
    let found = imports.iter().find(|import| import.name.starts_with(interface));
    found.unwrap_or_else(|| panic!("{interface} is not among {imports:?}")).served
}

async fn only(directory: Directory, file: &str) -> Inspection {
    let mut found = directory.inspect(file).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_told_by_what_it_is_asks_for_and_is_granted() {
    let found = only(Directory::faulty(GRANTS), "faulty.toml").await;
    assert!(found.would_load(), "{found:?}");
    assert_eq!(found.name.as_ref().unwrap().as_str(), "zwei");
    assert_eq!(found.own_name.as_deref(), Some("faulty"));
    assert_eq!(found.grants, ["[http] allow = \"https://a.example\"", "[pushers] read = true"]);
    let binary = found.binary.as_ref().unwrap();
    let bytes = component("faulty");
    assert_eq!((binary.kind, binary.sha256, binary.size), (Kind::Component, Digest::of(&bytes), bytes.len()));
    assert_eq!(binary.exports, ["pusher:sender/sender@0.1.0"]);
    assert!(!binary.compile.unwrap().is_zero());
    assert_eq!(served(&found, "pusher:sender/http@"), Served::Granted { key: "[http] allow", granted: true });
    assert!(matches!(served(&found, "pusher:sender/config@"), Served::Granted { granted: false, .. }));
    assert_eq!(served(&found, "wasi:cli/stderr@"), Served::Always);
    assert_eq!(served(&found, "wasi:filesystem/types@"), Served::Empty);
    let start = found.start.unwrap();
    assert!(start.memory >= 64 << 10 && start.memory < 64 << 20 && !start.time.is_zero(), "{start:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_looked_at_under_the_manifest_that_names_it_and_without_one_it_is_granted_nothing() {
    let found = only(Directory::new().component("faulty"), "faulty.wasm").await;
    assert!(found.would_load() && !found.has_manifest && found.grants.is_empty(), "{found:?}");
    assert_eq!(found.name.unwrap().as_str(), "faulty");
    let named =
        Directory::new().component("faulty").file("other.toml", format!("component = \"faulty.wasm\"\n{GRANTS}"));
    let found = only(named, "faulty.wasm").await;
    assert_eq!((found.path.file_name().unwrap().to_str(), found.name.unwrap().as_str()), (Some("other.toml"), "zwei"));
    let found = only(Directory::faulty("nonsense"), "faulty.wasm").await;
    assert!(found.has_manifest && found.reasons[0].starts_with("line 1: "), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_missing_is_told_at_once_and_the_rest_is_found_out_all_the_same() {
    let manifest = "[http]\nallow = [\"https://a.example\"]\n[config]\nfrom = { env = \"FROM\" }\nset = { env = \"SET\" }\n\
                    [secrets]\nkey = { env = \"KEY\" }\npin = { file = \"pin.txt\" }\n";
    let found = only(Directory::faulty(manifest).env("SET", "x"), "faulty.toml").await;
    let [from, key, pin] = &found.reasons[..] else { panic!("{:?}", found.reasons) };
    assert!(from.starts_with("[config] from: the environment variable FROM is not set"), "{from}");
    assert!(key.starts_with("[secrets] key: the environment variable KEY is not set"), "{key}");
    assert!(pin.starts_with("[secrets] pin: ") && pin.contains("pin.txt cannot be read"), "{pin}");
    assert!(found.start.is_some() && found.own_name.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_would_refuse_is_refused_for_the_same_reasons() {
    let directory = || {
        Directory::new()
            .component("sample")
            .component("faulty")
            .file("a.toml", "component = \"faulty.wasm\"\nname = \"same\"")
            .file("b.toml", "component = \"faulty.wasm\"\nname = \"same\"")
            .file("core.wasm", b"\0asm\x01\0\0\0")
            .file("digest.toml", format!("component = \"faulty.wasm\"\nsha256 = \"{}\"", "0".repeat(64)))
            .file("gone.toml", "")
            .file("imports.wasm", IMPORTS_SOMETHING)
            .file("strict.toml", "component = \"faulty.wasm\"\nstrict = true")
            .file("text.wasm", "(component)")
            .file("tight.toml", "component = \"faulty.wasm\"\n[limits]\nmemory = \"64KiB\"")
            .file("typo.toml", "colour = 1")
    };
    let found = directory().inspect("").await;
    let loaded = directory().load().await;
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let loads: Vec<_> = found.iter().filter(|found| found.would_load()).map(|found| name(&found.path)).collect();
    let mut expected: Vec<_> = loaded.report.senders.iter().map(|loaded| name(&loaded.path)).collect();
    expected.sort();
    assert_eq!(loads, expected);
    assert_eq!(found.len(), loads.len() + loaded.report.refused.len());
    for found in found.iter().filter(|found| !found.would_load()) {
        // The name of who was first has the directory in it, which is another one.
        let same = |reason: &str| reason.split(" taken by ").next().unwrap().to_owned();
        let reasons: Vec<_> = found.reasons.iter().map(|reason| same(reason)).collect();
        assert_eq!(reasons, [same(loaded.refusal(&name(&found.path)))], "{:?}", found.path);
    }
    let find = |file: &str| found.iter().find(|found| name(&found.path) == file).unwrap();
    assert_eq!(find("core.wasm").binary.as_ref().unwrap().kind, Kind::Module);
    assert_eq!(find("text.wasm").binary.as_ref().unwrap().kind, Kind::Other);
    assert_eq!(served(find("imports.wasm"), "foo:bar/baz"), Served::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_sender_and_one_that_is_not_there_are_told_apart() {
    let neither = only(Directory::new().file("notes.txt", "x"), "notes.txt").await;
    assert!(neither.reasons[0].starts_with("it is neither a manifest"), "{neither:?}");
    let gone = only(Directory::new(), "gone.wasm").await;
    assert!(gone.reasons[0].starts_with("there is no such file"), "{gone:?}");
    // A crate's own Cargo.toml is no manifest of ours.
    assert!(Directory::new().file("Cargo.toml", "[package]").inspect("").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_manifest_refuses_what_has_nothing_behind_it_and_lists_it() {
    let found = only(Directory::faulty("strict = true"), "faulty.toml").await;
    let [reason] = &found.reasons[..] else { panic!("{:?}", found.reasons) };
    let imports = &found.binary.as_ref().unwrap().imports;
    let mut empty =
        imports.iter().filter(|import| import.served == Served::Empty).map(|import| &import.name).peekable();
    assert!(empty.peek().is_some());
    for import in empty {
        assert!(reason.contains(import.as_str()), "{import}: {reason}");
    }
    assert!(!reason.contains("wasi:cli") && reason.ends_with("take that out, or build the sender without them"));
    // A component without such imports is none the worse for it.
    let bare = Directory::new().file("bare.wasm", Guest::new().build()).file("bare.toml", "strict = true");
    assert!(only(bare, "bare.toml").await.would_load());
}
