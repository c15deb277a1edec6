//! What a machine needs besides Rust itself: the wasm targets, cargo-component, and the tests' Python tools. Installed
//! once, only if absent.

use crate::python;
use crate::step::{self, Failure, cargo, command};

/// `cargo component build` compiles for the first and adapts the result to the second.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-wasip2"];

pub(crate) fn all() -> Result<(), Failure> {
    targets()?;
    cargo_component()?;
    python::install()
}

fn targets() -> Result<(), Failure> {
    let installed =
        step::output("asking rustup for its targets", command("rustup").args(["target", "list", "--installed"]))?;
    let missing: Vec<_> = TARGETS.into_iter().filter(|target| !installed.lines().any(|line| line == *target)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    step::run("installing the wasm targets", command("rustup").args(["target", "add"]).args(missing))
}

fn cargo_component() -> Result<(), Failure> {
    if step::works(cargo().args(["component", "--version"])) {
        return Ok(());
    }
    eprintln!("xtask: installing cargo-component (once, some minutes)");
    step::run("installing cargo-component", cargo().args(["install", "cargo-component", "--locked", "--quiet"]))
}
