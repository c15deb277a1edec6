//! `manifests`: texts that are almost manifests, each of which is one or is refused with its line. The test
//! `manifest_fuzz` with many cases; it prints the shortest text that breaks a promise.

use std::process::Stdio;

use tokio::process::Command;

use super::{Form, Random};
use crate::build;

/// Texts of each kind in a round.
const CASES: u64 = 50_000;

/// Runs the test again and again.
pub struct Manifests {
    cases: u64,
}

impl Manifests {
    /// With so many texts of each kind in a round; the test has 5,000 at least.
    #[must_use]
    pub fn with(cases: u64) -> Self {
        Self { cases }
    }
}

impl Default for Manifests {
    fn default() -> Self {
        Self::with(CASES)
    }
}

impl Form for Manifests {
    const NAME: &'static str = "manifests";

    async fn round(&mut self, random: &mut Random) -> String {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["test", "--quiet", "--workspace", "--test", "manifest_fuzz"])
            .current_dir(build::root())
            // Proptest reads both.
            .env("PROPTEST_CASES", self.cases.to_string())
            .env("PROPTEST_RNG_SEED", random.number().to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|e| panic!("cargo test: {e}"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        format!("{} texts of each kind", self.cases.max(5000))
    }
}
