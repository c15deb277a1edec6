//! Manifests come from outside: whatever their text is, parsing it ends in a manifest or in a line of the file, never in
//! a panic, and what is accepted is within what the documentation promises.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use pusher_sandbox::manifest::{Bytes, ConfigValue, Digest, Origin, Secret, Time};
use pusher_sandbox::{Manifest, ManifestError};

/// Every section and key, one line each; mutations take it from here.
const WHOLE: &str = r#"name = "sendmail"
component = "sendmail.wasm"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
strict = true
[http]
allow = ["https://api.sendgrid.com", "https://*.example.com", "http://127.0.0.1:8080", "http://[::1]"]
private = true
[http.headers."https://api.sendgrid.com"]
authorization = { secret = "third_key", prefix = "Bearer " }
x-login = { basic = "me", secret = "third_key" }
x-version = "2"
[pushers]
read = true
push = false
fan-out = true
[config]
from = "noreply@example.com"
from_name = { env = "SENDGRID_FROM_NAME", default = "" }
[secrets]
api_key = { env = "SENDGRID_KEY" }
other_key = { file = "sendgrid.key" }
third_key = { env = "THIRD_KEY" }
[limits]
memory = "64MiB"
cpu = "200ms"
time = "30s"
concurrency = 32
log = "16KiB"
reuse = 100
[retry]
schedule = ["5s", "30s", "5m", "30m", "2h", "5h", "10h", "10h"]
jitter = 0.2
attempts = 9
[rate]
per-second = 14.0
burst = 14
"#;

/// Values to exchange for those that are there: each is right somewhere and wrong elsewhere.
const VALUES: [&str; 30] = [
    "true",
    "0",
    "1",
    "-1",
    "4294967296",
    "9223372036854775807",
    "0.5",
    "1.0000001",
    "nan",
    "-inf",
    "1e400",
    "1979-05-27",
    "\"\"",
    "\"0s\"",
    "\"1ms\"",
    "\"365d\"",
    "\"366d\"",
    "\"18446744073709551615ms\"",
    "\"0B\"",
    "\"17179869183GiB\"",
    "\"17179869184GiB\"",
    "\"https://*.com\"",
    "\"https://u:p@a.example\"",
    "\"\\u0000\\n\\u001b[2J\"",
    "\"é\u{202e}\u{feff}\"",
    "[]",
    "[\"https://a.example\", 1]",
    "{}",
    "{ env = \"A\", file = \"b\" }",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// Keys to exchange for those that are there.
const KEYS: [&str; 8] = ["name", "cpu", "a.b.c", "''", "\"\\u001b[2J\"", "\"\\n\"", "\"\\u0000\"", "\"é\""];

/// One change to a text.
#[derive(Debug, Clone)]
enum Mutation {
    /// Sets the byte there to this; the result is read as a text again, with what is none replaced.
    Byte(Index, u8),
    /// Takes the line there out.
    Without(Index),
    /// Puts the first line behind the second, once more.
    Again(Index, Index),
    /// Exchanges the value on the line there for this.
    Value(Index, &'static str),
    /// Exchanges the key on the line there for this.
    Key(Index, &'static str),
    /// Exchanges the values of two lines.
    Exchange(Index, Index),
    /// Ends the text there.
    Cut(Index),
    /// Puts any text there.
    Insert(Index, String),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        at().prop_map(Mutation::Without),
        (at(), at()).prop_map(|(from, to)| Mutation::Again(from, to)),
        (at(), prop::sample::select(&VALUES[..])).prop_map(|(at, value)| Mutation::Value(at, value)),
        (at(), prop::sample::select(&KEYS[..])).prop_map(|(at, key)| Mutation::Key(at, key)),
        (at(), at()).prop_map(|(a, b)| Mutation::Exchange(a, b)),
        at().prop_map(Mutation::Cut),
        (at(), "\\PC{0,12}|[\\[\\]{}=\"'#\\n.]{1,6}").prop_map(|(at, text)| Mutation::Insert(at, text)),
    ]
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push(String::new());
    }
    let value = |line: &str| line.split_once('=').map(|(_, value)| value.to_owned());
    let with = |line: &str, value: &str| match line.split_once('=') {
        Some((key, _)) => format!("{key}={}\n", value.trim_end()),
        None => line.to_owned(),
    };
    let within = |at: &Index| text.floor_char_boundary(at.index(text.len() + 1));
    match mutation {
        Mutation::Byte(at, byte) => {
            let mut bytes = text.as_bytes().to_vec();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        Mutation::Cut(at) => return text[..within(at)].to_owned(),
        Mutation::Insert(at, new) => {
            let (before, after) = text.split_at(within(at));
            return format!("{before}{new}{after}");
        }
        Mutation::Without(at) => drop(lines.remove(at.index(lines.len()))),
        Mutation::Again(from, to) => {
            let line = lines[from.index(lines.len())].clone();
            lines.insert(to.index(lines.len() + 1), line);
        }
        Mutation::Value(at, value) => {
            let at = at.index(lines.len());
            lines[at] = with(&lines[at], value);
        }
        Mutation::Key(at, key) => {
            let at = at.index(lines.len());
            if let Some(value) = value(&lines[at]) {
                lines[at] = format!("{key} ={value}");
            }
        }
        Mutation::Exchange(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            if let (Some(first), Some(second)) = (value(&lines[a]), value(&lines[b])) {
                (lines[a], lines[b]) = (with(&lines[a], &second), with(&lines[b], &first));
            }
        }
    }
    lines.concat()
}

/// What every text must keep to. Was it accepted?
fn check(text: &str) -> Result<bool, TestCaseError> {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(ManifestError::Wrong { line, problem }) => {
            // An error at the very end of a text that ends in a line end is on the line after it.
            let lines = text.matches('\n').count() + 1;
            prop_assert!((1..=lines).contains(&line), "line {line} of {lines}: {problem}");
            prop_assert!(!problem.is_empty() && !problem.contains(char::is_control), "{problem:?}");
            prop_assert!(problem.len() < 1000 + text.len(), "{problem:?}");
            return Ok(false);
        }
        Err(other) => return Err(TestCaseError::fail(other.to_string())),
    };
    within_limits(&manifest)?;
    written_again_it_is_the_same(&manifest)?;
    Ok(true)
}

fn within_limits(manifest: &Manifest) -> Result<(), TestCaseError> {
    let year = Duration::from_secs(365 * 24 * 3600);
    let limits = &manifest.limits;
    for time in [limits.cpu, limits.time].into_iter().chain(manifest.retry.schedule.iter().flatten().copied()) {
        prop_assert!(time.duration() > Duration::ZERO && time.duration() <= year, "{time:?}");
        prop_assert!(time.whole_seconds() >= 1);
    }
    prop_assert!(limits.reuse.get() <= 10_000);
    if let Some(jitter) = manifest.retry.jitter {
        prop_assert!((0.0..=1.0).contains(&jitter), "{jitter}");
    }
    let policy = manifest.retry.policy();
    if let Some(attempts) = manifest.retry.attempts {
        prop_assert_eq!(policy.schedule.len(), attempts.get().min(100) - 1);
    }
    prop_assert!(policy.schedule.iter().all(|wait| *wait >= 1));
    if let Some(name) = &manifest.name {
        prop_assert!((1..=180).contains(&name.as_str().len()) && !name.as_str().starts_with("dead:"));
    }
    // A secret never stands in the manifest: what is printed of it is where it comes from.
    for secret in manifest.secrets.values() {
        prop_assert!(matches!(secret, Secret::Env(_) | Secret::File(_)));
    }
    for value in manifest.config.values() {
        prop_assert!(matches!(value, ConfigValue::Text(_) | ConfigValue::Env(_)));
    }
    Ok(())
}

/// What has a written form reads back as itself.
fn written_again_it_is_the_same(manifest: &Manifest) -> Result<(), TestCaseError> {
    for origin in &manifest.http.allow {
        prop_assert_eq!(Origin::try_from(origin.to_string()), Ok(origin.clone()));
    }
    for bytes in [manifest.limits.memory, manifest.limits.log] {
        prop_assert_eq!(Bytes::try_from(bytes.to_string()), Ok(bytes));
    }
    if let Some(digest) = manifest.sha256 {
        prop_assert_eq!(Digest::try_from(digest.to_string()), Ok(digest));
    }
    Ok(())
}

#[test]
fn the_whole_manifest_is_accepted() {
    assert!(check(WHOLE).unwrap());
    assert_eq!(Time::try_from("30s".to_owned()), Ok(Manifest::parse(WHOLE).unwrap().limits.time));
}

#[test]
fn a_manifest_of_nothing_but_depth_or_length_is_an_error() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let deep = format!("name = {}1{}", open.repeat(200_000), close.repeat(200_000));
        assert!(!check(&deep).unwrap());
    }
    assert!(!check(&format!("[{}]", "a.".repeat(200_000) + "a")).unwrap());
    assert!(!check(&format!("a{} = 1", ".a".repeat(200_000))).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large.toml");
    std::fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(Manifest::read(&file).unwrap_err().to_string(), "the manifest cannot be read: it is larger than 1MiB");
}

/// Many, or as many as `PROPTEST_CASES` says: `cargo xtask soak manifests`.
fn config() -> ProptestConfig {
    let said = ProptestConfig::default();
    ProptestConfig { cases: said.cases.max(5000), failure_persistence: None, ..said }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_changed_manifest_is_one_or_says_on_which_line_it_is_not(changes in prop::collection::vec(mutation(), 1..6)) {
        let text = changes.iter().fold(WHOLE.to_owned(), |text, change| mutate(&text, change));
        check(&text)?;
    }

    #[test]
    fn any_text_is_a_manifest_or_says_on_which_line_it_is_not(text in "\\PC{0,200}|[a-z\\[\\]{}=\"'#\\n. 0-9]{0,100}") {
        check(&text)?;
    }
}
