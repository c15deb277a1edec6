//! A directory of senders that changes: what takes over, what stays, and what is gone.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use common::{Directory, Loaded, component, send};
use pusher_core::{Failure, Outcome, SendError, Sender};
use pusher_sandbox::{LoadReport, SenderDirectory};

/// A sender that says which version it is.
fn version(number: u32) -> String {
    format!("component = \"faulty.wasm\"\n[config]\nversion = \"{number}\"")
}

async fn says(sender: &dyn Sender) -> String {
    match send(sender, "config:version").await {
        Err(SendError::Failure(Failure::Permanent(said))) => said.trim_matches('"').to_owned(),
        other => panic!("{other:?}"),
    }
}

/// A directory that is being watched.
struct Watched {
    _loaded: Loaded,
    dir: PathBuf,
    senders: SenderDirectory,
    first: LoadReport,
}

impl Watched {
    /// With the component `faulty` and this file.
    async fn new(file: &str, content: &str) -> Self {
        let loaded = Directory::new().load().await;
        let dir = loaded.dir.path().to_owned();
        fs::write(dir.join("faulty.wasm"), component("faulty")).unwrap();
        fs::write(dir.join(file), content).unwrap();
        let mut senders = loaded.sandbox.directory(&dir);
        let first = senders.load().await.unwrap();
        Self { _loaded: loaded, dir, senders, first }
    }

    fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.dir.join(file), content).unwrap();
    }

    async fn look(&mut self) -> LoadReport {
        self.senders.look().await.unwrap()
    }

    /// Two looks in a row, the first of which takes up nothing.
    async fn settle(&mut self) -> LoadReport {
        let report = self.look().await;
        assert!(is_nothing(&report), "{report:?}");
        self.look().await
    }
}

fn is_nothing(report: &LoadReport) -> bool {
    report.senders.is_empty() && report.refused.is_empty() && report.removed.is_empty()
}

fn names(report: &LoadReport) -> Vec<&str> {
    report.senders.iter().map(|loaded| loaded.sender.name().as_str()).collect()
}

fn removed(report: &LoadReport) -> Vec<&str> {
    report.removed.iter().map(|name| name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_and_sends_under_way_end_on_theirs() {
    let mut watched = Watched::new("a.toml", &version(1)).await;
    let first = Arc::clone(&watched.first.senders[0].sender);
    assert_eq!(says(&*first).await, "1");
    let under_way = {
        let first = Arc::clone(&first);
        tokio::spawn(async move { send(&*first, "sleep:300").await.is_ok() })
    };
    assert!(is_nothing(&watched.settle().await), "nothing changed");
    watched.write("a.toml", version(2));
    let report = watched.settle().await;
    assert_eq!(names(&report), ["a"]);
    assert_eq!(says(&*report.senders[0].sender).await, "2");
    assert!(report.removed.is_empty() && report.refused.is_empty(), "{report:?}");
    drop(watched.first);
    assert!(under_way.await.unwrap());
    assert_eq!(says(&*first).await, "1", "whoever still holds it has the version it was");
    assert!(is_nothing(&watched.senders.look().await.unwrap()), "taken up once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_being_written_is_not_taken_up() {
    let mut watched = Watched::new("a.toml", &version(1)).await;
    for half in ["component = \"faulty.wasm\"", "component = \"faulty.wasm\"\n[config]", &version(2)] {
        watched.write("a.toml", half);
        assert!(is_nothing(&watched.look().await), "{half}");
    }
    let report = watched.look().await;
    assert_eq!(says(&*report.senders[0].sender).await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_version_is_refused_once_and_the_one_before_stays() {
    let mut watched = Watched::new("a.toml", &version(1)).await;
    let whole = component("faulty");
    let bad: [(&str, &[u8], &str); 4] = [
        ("a.toml", b"component = \"faulty.wasm\"\n[htpp]", "line 2: unknown field `htpp`"),
        ("faulty.wasm", &whole[..whole.len() / 2], "faulty.wasm is not a component that this host can run: "),
        ("faulty.wasm", b"", "faulty.wasm is not a WebAssembly component"),
        ("a.toml", b"component = \"gone.wasm\"", "the component gone.wasm cannot be read: "),
    ];
    for (file, content, reason) in bad {
        let good = fs::read(watched.dir.join(file)).unwrap();
        watched.write(file, content);
        let report = watched.settle().await;
        let [refused] = &report.refused[..] else { panic!("{report:?}") };
        assert!(refused.reason.starts_with(reason), "{refused}");
        assert_eq!(refused.stays.as_ref().map(|name| name.as_str()), Some("a"));
        assert!(report.senders.is_empty() && report.removed.is_empty(), "{report:?}");
        assert!(is_nothing(&watched.settle().await), "said once");
        assert_eq!((watched.senders.loaded(), watched.senders.refused()), (1, 1), "{reason}");
        watched.write(file, good);
        assert_eq!(names(&watched.settle().await), ["a"], "mended");
        assert_eq!((watched.senders.loaded(), watched.senders.refused()), (1, 0), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_and_go_are_senders_that_come_and_go() {
    let mut watched = Watched::new("a.toml", &version(1)).await;
    watched.write("b.toml", version(7));
    let report = watched.settle().await;
    assert_eq!((names(&report), removed(&report)), (vec!["b"], vec![]));
    fs::remove_file(watched.dir.join("a.toml")).unwrap();
    let report = watched.settle().await;
    assert_eq!((names(&report), removed(&report)), (vec![], vec!["a"]));
    // A file under another name is the same sender if it says so.
    watched.write("b.toml", version(7) + "\n");
    fs::rename(watched.dir.join("b.toml"), watched.dir.join("c.toml")).unwrap();
    watched.write("c.toml", format!("name = \"b\"\n{}", version(8)));
    let report = watched.settle().await;
    assert_eq!((names(&report), removed(&report)), (vec!["b"], vec![]));
    assert_eq!(says(&*report.senders[0].sender).await, "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_whose_manifest_went_away_does_not_become_a_sender_without_rights() {
    let mut watched = Watched::new("faulty.toml", &version(1)).await;
    assert_eq!(names(&watched.first), ["faulty"]);
    fs::remove_file(watched.dir.join("faulty.toml")).unwrap();
    let report = watched.settle().await;
    assert_eq!((names(&report), removed(&report)), (vec![], vec!["faulty"]));
    // A manifest that no longer says which component it means leaves it alone, too.
    watched.write("x.toml", version(2));
    assert_eq!(names(&watched.settle().await), ["x"]);
    watched.write("x.toml", "nonsense");
    let report = watched.settle().await;
    assert_eq!((names(&report), removed(&report), report.refused.len()), (vec![], vec![], 1));
    // One that never had a manifest is a sender under its own name.
    watched.write("bare.wasm", component("sample"));
    assert_eq!(names(&watched.settle().await), ["sample"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_senders_that_exchange_their_names_both_go_on() {
    let named = |name: &str, number| format!("name = \"{name}\"\n{}", version(number));
    let mut watched = Watched::new("a.toml", &named("x", 1)).await;
    watched.write("b.toml", named("y", 2));
    assert_eq!(names(&watched.settle().await), ["y"]);
    watched.write("a.toml", named("y", 1));
    watched.write("b.toml", named("x", 2));
    let report = watched.settle().await;
    assert_eq!((names(&report), removed(&report), report.refused.len()), (vec!["y", "x"], vec![], 0));
    // One that takes a name which another keeps is refused, and stays what it was.
    watched.write("a.toml", named("x", 3));
    let report = watched.settle().await;
    assert!(report.refused[0].reason.starts_with("the name \"x\" is taken by "), "{report:?}");
    assert_eq!(report.refused[0].stays.as_ref().map(|name| name.as_str()), Some("y"));
    assert!(report.senders.is_empty() && report.removed.is_empty(), "{report:?}");
    assert_eq!((watched.senders.loaded(), watched.senders.refused()), (2, 1));
    fs::remove_file(watched.dir.join("a.toml")).unwrap();
    watched.settle().await;
    assert_eq!((watched.senders.loaded(), watched.senders.refused()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_secrets_and_components_elsewhere_are_part_of_a_sender() {
    let elsewhere = tempfile::tempdir().unwrap();
    let place = |version: &str| elsewhere.path().join(version);
    for version in ["one", "two"] {
        fs::create_dir(place(version)).unwrap();
        fs::write(place(version).join("key"), version).unwrap();
        fs::write(place(version).join("c.wasm"), component("faulty")).unwrap();
    }
    symlink(place("one"), place("now")).unwrap();
    let now = place("now");
    let now = now.display();
    let manifest = format!("component = \"{now}/c.wasm\"\n[secrets]\nversion = {{ file = \"{now}/key\" }}");
    let mut watched = Watched::new("a.toml", &manifest).await;
    assert_eq!(says(&*watched.first.senders[0].sender).await, "one");
    // As container platforms exchange a configuration: a link that points elsewhere from one moment to the next.
    symlink(place("two"), place("next")).unwrap();
    fs::rename(place("next"), place("now")).unwrap();
    let report = watched.settle().await;
    assert_eq!(names(&report), ["a"]);
    assert_eq!(says(&*report.senders[0].sender).await, "two");
    // A secret that is renewed in its place.
    fs::write(place("two").join("key"), "2nd").unwrap();
    let report = watched.settle().await;
    assert_eq!(says(&*report.senders[0].sender).await, "2nd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_read_changes_nothing() {
    let mut watched = Watched::new("a.toml", &version(1)).await;
    assert!(is_nothing(&watched.settle().await));
    let away = watched.dir.with_extension("away");
    fs::rename(&watched.dir, &away).unwrap();
    let error = watched.senders.look().await.unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
    fs::rename(&away, &watched.dir).unwrap();
    assert!(is_nothing(&watched.settle().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_begins_with_no_instance_of_the_one_before() {
    let mut watched = Watched::new("a.toml", "component = \"faulty.wasm\"\n[limits]\nreuse = 10").await;
    let tally = async |report: &LoadReport| send(&*report.senders[0].sender, "tally").await;
    for expected in [1, 2] {
        assert_eq!(tally(&watched.first).await, Ok(Outcome::Later(expected)));
    }
    watched.write("a.toml", "component = \"faulty.wasm\"\n[limits]\nreuse = 20");
    let report = watched.settle().await;
    assert_eq!(tally(&report).await, Ok(Outcome::Later(1)));
    assert_eq!(tally(&watched.first).await, Ok(Outcome::Later(3)), "the version before has its own");
}
