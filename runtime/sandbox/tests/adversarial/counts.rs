//! What the sandbox can be asked about itself: how often a sender was denied something, and how its places are used.

use pusher_core::{Outcome, SenderName};
use pusher_sandbox::{Denials, PoolUse, SandboxConfig};

use crate::common::{Directory, Loaded, send};
use crate::scene::{PATIENT, Scene, until};

fn denials(loaded: &Loaded, name: &str) -> Option<Denials> {
    loaded.sandbox.denials().get(&SenderName::parse(name).unwrap()).copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_counted_by_sender_and_capability() {
    let scene = Scene::faulty(&format!("{PATIENT}[http]\nallow = [\"http://10.0.0.1\"]\n")).await;
    assert_eq!(denials(&scene.loaded, "faulty"), Some(Denials::default()));
    for data in
        ["fetch:https://example.com/", "fetch:http://10.0.0.1/", "get:ada", "search:a", "push:a ada x", "fan-out"]
    {
        assert!(scene.ask(data).await.starts_with("Error::Denied("), "{data}");
    }
    // What is wrong without being denied does not count.
    assert!(scene.ask("fetch:/").await.starts_with("Error::Invalid("));
    assert_eq!(denials(&scene.loaded, "faulty"), Some(Denials { http: 2, pushers: 4 }));
    assert_eq!(denials(&scene.loaded, "sample"), Some(Denials::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_counted_under_its_own_name_and_as_long_as_it_is_loaded() {
    let mut loaded =
        Directory::new().component("faulty").file("other.toml", "component = \"faulty.wasm\"").load().await;
    assert!(send(&*loaded.sender("other"), "get:ada").await.is_err());
    // The same sandbox loads it again, while the version from before is still there.
    loaded.sandbox.load_dir(loaded.dir.path()).await.unwrap();
    assert_eq!(denials(&loaded, "other"), Some(Denials { http: 0, pushers: 1 }));
    loaded.report.senders.clear();
    assert_eq!(denials(&loaded, "other"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_places_are_counted_as_they_are_used() {
    let config = SandboxConfig { max_sends: 2, ..SandboxConfig::default() };
    let loaded = Directory::faulty("[limits]\nconcurrency = 1").component("sample").config(config).load().await;
    let used = |running, waiting| PoolUse { size: 2, running, waiting, idle: 0 };
    assert_eq!(loaded.sandbox.pool_use(), used(0, 0));
    let sends: Vec<_> = (0..3)
        .map(|_| {
            let faulty = loaded.sender("faulty");
            tokio::spawn(async move { send(&*faulty, "sleep:300").await })
        })
        .collect();
    // One place of its own, so two wait for that.
    until(|| loaded.sandbox.pool_use() == used(1, 2)).await;
    sends[2].abort();
    until(|| loaded.sandbox.pool_use() == used(1, 1)).await;
    for task in sends.into_iter().take(2) {
        assert_eq!(task.await.unwrap(), Ok(Outcome::Done));
    }
    assert_eq!(loaded.sandbox.pool_use(), used(0, 0));
}
