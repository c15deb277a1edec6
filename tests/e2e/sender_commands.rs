//! The commands for authors of senders: the real binary, real components.

use std::path::Path;

use pusher_tests::authored::{Authored, place};
use pusher_tests::command::{Ended, run};
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
    // What the other build made is a sender, too.
    let other = text.replace("wasm32-wasip2", "wasm32-wasip1").replace("name = \"made\"", "name = \"other\"");
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
