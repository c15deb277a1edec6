//! The long forms of the tests start, do a round and end as they should, so that they are there when somebody wants them.
//! Those that kill and exchange are in `kill`, `periodicd` and `reload`.

use std::process::Output;

use pusher_tests::build;
use pusher_tests::soak::deliver::Deliver;
use pusher_tests::soak::fuzz::{Codec, Manifests};
use pusher_tests::soak::{Form, Random};
use tokio::process::Command;

async fn soak(args: &[&str]) -> Output {
    Command::new(build::pusher().with_file_name("soak")).args(args).output().await.unwrap()
}

#[tokio::test]
async fn a_round_of_hostile_senders_leaves_nothing_behind() {
    let ended = soak(&["hostile", "--minutes", "0", "--seed", "1"]).await;
    let (said, errors) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success() && said.starts_with("hostile 1 (seed 1, "), "{said}{errors}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[tokio::test]
async fn a_round_of_manifests_is_the_fuzz_test_with_its_own_seed() {
    let line = Manifests::with(1).round(&mut Random::new(1)).await;
    assert_eq!(line, "5000 texts of each kind");
}

#[tokio::test]
async fn a_round_of_the_codec_is_the_fuzz_test_with_its_own_seed() {
    let line = Codec::with(1).round(&mut Random::new(1)).await;
    assert_eq!(line, "5000 inputs of each kind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_of_chaos_loses_no_message() {
    let line = Deliver::with(400, 100, 1).round(&mut Random::new(1)).await;
    assert!(line.starts_with("within: ") && line.contains("; beside: ") && line.contains("; clock: "), "{line}");
}

#[tokio::test]
async fn what_is_no_form_is_said() {
    for args in [&["hostle"][..], &["kill", "--minutes"], &["--minutes", "-1"], &["--seed", "x"]] {
        let ended = soak(args).await;
        assert_eq!(ended.status.code(), Some(2), "{args:?}");
        assert!(
            String::from_utf8_lossy(&ended.stderr)
                .contains("name any of hostile, reload, manifests, codec, kill, periodic-kill, deliver or all")
        );
    }
}
