//! `manifests` and `codec`: tests that try many random inputs, run again and again with many more, each round from a seed
//! of its own. They print the shortest input that breaks a promise.

use std::process::Stdio;

use tokio::process::Command;

use super::{Form, Random};
use crate::build;

/// Inputs of each kind that a round tries, and the least that the tests try.
const CASES: u64 = 50_000;
const LEAST: u64 = 5_000;

/// Texts that are almost manifests, each of which is one or is refused with its line.
pub struct Manifests(u64);

/// Bytes that are almost what Periodic programs say to each other, each of which is read or refused within bounds.
pub struct Codec(u64);

impl Manifests {
    /// With so many texts of each kind in a round; 5,000 at least.
    #[must_use]
    pub fn with(cases: u64) -> Self {
        Self(cases)
    }
}

impl Codec {
    /// With so many inputs of each kind in a round; 5,000 at least.
    #[must_use]
    pub fn with(cases: u64) -> Self {
        Self(cases)
    }
}

impl Default for Manifests {
    fn default() -> Self {
        Self(CASES)
    }
}

impl Default for Codec {
    fn default() -> Self {
        // One takes a few microseconds.
        Self(20 * CASES)
    }
}

impl Form for Manifests {
    const NAME: &'static str = "manifests";

    async fn round(&mut self, random: &mut Random) -> String {
        fuzz("manifest_fuzz", self.0, random).await;
        format!("{} texts of each kind", self.0.max(LEAST))
    }
}

impl Form for Codec {
    const NAME: &'static str = "codec";

    async fn round(&mut self, random: &mut Random) -> String {
        fuzz("codec_fuzz", self.0, random).await;
        format!("{} inputs of each kind", self.0.max(LEAST))
    }
}

async fn fuzz(test: &str, cases: u64, random: &mut Random) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--quiet", "--workspace", "--test", test])
        .current_dir(build::root())
        // Proptest reads both.
        .env("PROPTEST_CASES", cases.to_string())
        .env("PROPTEST_RNG_SEED", random.number().to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|e| panic!("cargo test: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
