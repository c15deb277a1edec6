//! Tools from Python, in environments of their own below `target`: made once, and again when their requirements change.
//! Where pip finds packages is the machine's own configuration.

use std::fs;
use std::path::Path;

use crate::step::{self, Failure, command};
use crate::{root, target};

/// The tests' tools; the tests find them here too (`tests/src/build.rs`).
pub(crate) fn install() -> Result<(), Failure> {
    environment(&target().join("python"), "tests/requirements.txt")
}

/// Makes the environment in `dir` from the file of requirements at `path` in the workspace.
pub(crate) fn environment(dir: &Path, path: &str) -> Result<(), Failure> {
    let requirements = root().join(path);
    let wanted = fs::read_to_string(&requirements)
        .map_err(|error| Failure::new("reading a file of requirements", format!("{path}: {error}")))?;
    // A copy of the requirements, written last: an environment that was left half made has none.
    let installed = dir.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if !step::works(
        command("python3").args(["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))"]),
    ) {
        let reason = "python3 is missing, older than 3.10, or lacks its module venv; the tests need it: install it (on \
                      Debian: apt-get install python3 python3-venv)";
        return Err(Failure::new("looking for Python", reason));
    }
    eprintln!("xtask: installing the Python tools of {path} (once, half a minute)");
    step::run("making the Python environment", command("python3").args(["-m", "venv", "--clear"]).arg(dir))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    step::run("installing the Python tools", command(dir.join("bin/python")).args(pip).arg(&requirements))?;
    fs::write(installed, wanted).map_err(|error| Failure::new("marking the Python environment", error.to_string()))
}
