//! Compiled components are kept between starts, but only where nobody else can put native code.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Directory, Loaded, send};
use pusher_core::Outcome;
use pusher_sandbox::{CacheUse, SandboxConfig};

/// Loads a component with this cache, and sees that it works.
async fn load(cache: &Path) -> Loaded {
    let config = SandboxConfig { cache: Some(cache.to_owned()), ..SandboxConfig::default() };
    let loaded = Directory::new().component("sample").config(config).load().await;
    assert_eq!(loaded.report.refused, []);
    assert_eq!(send(&*loaded.sender("sample"), "2").await.unwrap(), Outcome::Done);
    loaded
}

/// All files of the cache that hold code.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(entries(&path)),
            // Beside each lies what the cache notes about its use.
            false if path.extension().is_some_and(|extension| extension == "stats") => {}
            false => found.push(path),
        }
    }
    found
}

#[tokio::test]
async fn what_was_compiled_once_is_not_compiled_again() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("made/for/it");
    let first = load(&cache).await.sandbox.cache_use().unwrap();
    assert!(first.compiled > 0 && first.found == 0, "{first}");
    let second = load(&cache).await.sandbox.cache_use().unwrap();
    assert_eq!(second, CacheUse { found: first.compiled, compiled: 0 });
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_damaged_cache_costs_time_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    drop(load(&cache).await);
    let damaged = entries(&cache);
    assert!(!damaged.is_empty());
    for entry in damaged {
        fs::write(entry, "not what it was").unwrap();
    }
    let used = load(&cache).await.sandbox.cache_use().unwrap();
    assert!(used.compiled > 0 && used.found == 0, "{used}");
}

#[tokio::test]
async fn a_directory_that_others_may_get_at_is_not_used() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o750)).unwrap();
    assert_eq!(load(root.path()).await.sandbox.cache_use(), None);
    assert!(entries(root.path()).is_empty());
}

#[tokio::test]
async fn without_a_directory_it_works_all_the_same() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(load(&file).await.sandbox.cache_use(), None);
}
