//! The commands for authors of senders: the real binary, real components.

use pusher_tests::command::run;
use pusher_tests::senders;

use crate::commands::lines;

#[tokio::test]
async fn check_says_what_a_sender_is_and_whether_it_would_load() {
    let dir = tempfile::tempdir().unwrap();
    senders::sample(dir.path()).unwrap();
    let manifest = dir.path().join("sample.toml");
    let report = run(&["sender".as_ref(), "check".as_ref(), manifest.as_os_str()], b"").await.ok();
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
    let ended = run(&["sender".as_ref(), "check".as_ref(), "--json".as_ref(), dir.path().as_os_str()], b"").await;
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
    let said = run(&["sender".as_ref(), "check".as_ref(), nothing.path().as_os_str()], b"").await.fails(1);
    assert!(said.ends_with("holds no manifest (NAME.toml) and no component (NAME.wasm)\n"), "{said}");
}
