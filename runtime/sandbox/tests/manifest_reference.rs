//! What `docs/` says about manifests is what the code does: the reference and the schema are made of it, and the manifest
//! that people copy from is one.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use pusher_core::RetryPolicy;
use pusher_sandbox::Manifest;
use pusher_sandbox::manifest::{self, Limits};

/// Fails with the first line that differs.
fn same(file: &str, checked_in: &str, made: &str) {
    for (at, (made, checked_in)) in made.lines().zip(checked_in.lines()).enumerate() {
        let line = at + 1;
        assert_eq!(
            checked_in, made,
            "docs/{file} is not what the code says from line {line} on; `cargo xtask manifest`"
        );
    }
    assert_eq!(checked_in.lines().count(), made.lines().count(), "docs/{file}: `cargo xtask manifest` renews it");
}

#[test]
fn the_reference_that_is_checked_in_is_the_one_that_the_code_makes() {
    same("manifest.md", include_str!("../../../docs/manifest.md"), &manifest::reference());
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_that_the_code_makes() {
    let made = serde_json::to_string_pretty(&manifest::schema()).unwrap();
    same("manifest.schema.json", include_str!("../../../docs/manifest.schema.json"), &made);
}

#[test]
fn the_manifest_in_the_guide_is_one_and_shows_the_defaults() {
    let guide = include_str!("../../../docs/senders.md");
    let (_, rest) = guide.split_once("```toml\nname = ").expect("there is a manifest in the guide");
    let (text, _) = rest.split_once("```").unwrap();
    let text = format!("name = {text}").replace("sha256 = \"…\"", &format!("sha256 = \"{}\"", "0".repeat(64)));
    let shown = Manifest::parse(&text).unwrap();
    assert_eq!(shown.limits, Limits::default());
    assert_eq!(shown.retry.policy(), RetryPolicy::default());
    let silent = Manifest::default();
    assert_eq!((shown.http.private, shown.strict), (silent.http.private, silent.strict));
    assert_eq!((shown.pushers.push, shown.pushers.fan_out), (silent.pushers.push, silent.pushers.fan_out));
    // Every section of the schema, and every key of those with keys of their own.
    let schema = manifest::schema();
    for (key, value) in schema["properties"].as_object().unwrap() {
        let is_section = value["type"] == "object";
        assert!(
            text.contains(&if is_section { format!("\n[{key}]") } else { format!("{key} = ") }),
            "{key} is missing"
        );
        for (member, _) in value["properties"].as_object().into_iter().flatten() {
            let is_there =
                [format!("\n{member} = "), format!("\n[{key}.{member}.")].iter().any(|way| text.contains(way));
            assert!(is_there, "{member} is missing");
        }
    }
}
