//! The tests' tools from Python, in an environment of their own below `target`: made once, and again when
//! `tests/requirements.txt` changes. Where pip finds packages is the machine's own configuration.

use std::fs;
use std::path::PathBuf;

use crate::step::{self, Failure, command};
use crate::{root, target};

/// The environment; the tests find it here too (`tests/src/build.rs`).
fn dir() -> PathBuf {
    target().join("python")
}

pub(crate) fn install() -> Result<(), Failure> {
    let requirements = root().join("tests/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| Failure::new("reading tests/requirements.txt", error.to_string()))?;
    // A copy of the requirements, written last: an environment that was left half made has none.
    let installed = dir().join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if !step::works(
        command("python3").args(["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"]),
    ) {
        let reason = "python3 is missing, older than 3.10, or lacks its module venv; the contract test needs it: \
                      install it (on Debian: apt-get install python3 python3-venv)";
        return Err(Failure::new("looking for Python", reason));
    }
    eprintln!("xtask: installing the tests' Python tools (once, half a minute)");
    step::run("making the Python environment", command("python3").args(["-m", "venv", "--clear"]).arg(dir()))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    step::run("installing tests/requirements.txt", command(dir().join("bin/python")).args(pip).arg(&requirements))?;
    fs::write(installed, wanted).map_err(|error| Failure::new("marking the Python environment", error.to_string()))
}
