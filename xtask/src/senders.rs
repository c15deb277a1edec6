//! Builds the components: every guest with one `cargo component build`, then laid out in two folders below `target`:
//! `components/` holds all of them, the tests' own included, the shipped ones beside their manifests, to be copied from
//! there; `senders/` holds those that need nothing but what the tour gives them, ready for `pusher worker --senders`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::step::{self, Failure, cargo};
use crate::{root, target};

/// The shipped senders: the folders below `senders-wasm` with a manifest in them.
const SHIPPED: [&str; 10] =
    ["chat", "fcm", "hook", "httpsend", "pushall", "sample", "sendmail", "sendsms", "telegram", "twilio"];
/// Those of them that the tour runs.
const TOUR: [&str; 2] = ["sample", "sendmail"];
/// Components that only tests run.
const TEST: [&str; 2] = ["faulty", "outgoing"];
/// Where `cargo component build` leaves its results, below its target directory.
const OUTPUT: &str = "wasm32-wasip1/release";

pub(crate) fn dir() -> PathBuf {
    target().join("senders")
}

/// Where components lie to be copied from.
pub(crate) fn components() -> PathBuf {
    target().join("components")
}

pub(crate) fn build() -> Result<(), Failure> {
    let guests = target().join("guests");
    step::run(
        "building the senders",
        cargo()
            .current_dir(root().join("senders-wasm"))
            .args(["component", "build", "--release", "--locked", "--quiet", "--target-dir"])
            .arg(&guests),
    )?;
    let components = components();
    for name in SHIPPED.into_iter().chain(TEST) {
        let component = guests.join(OUTPUT).join(format!("{name}.wasm"));
        install(&component, &components.join(format!("{name}.wasm")))?;
    }
    for name in SHIPPED {
        let manifest = format!("{name}.toml");
        install(&root().join("senders-wasm").join(name).join(&manifest), &components.join(&manifest))?;
    }
    for file in TOUR.into_iter().flat_map(|name| ["wasm", "toml"].map(|ending| format!("{name}.{ending}"))) {
        install(&components.join(&file), &dir().join(&file))?;
    }
    Ok(())
}

/// The guests' native unit tests.
pub(crate) fn test() -> Result<(), Failure> {
    let guests = target().join("guests");
    let run = |step, folder: &str, args: &[&str]| {
        step::run(step, cargo().current_dir(root().join(folder)).args(args).arg("--target-dir").arg(&guests))
    };
    run("the guest SDK's tests", "guest-sdk", &["test", "--locked"])?;
    // What misbehaves on purpose has nothing to test, and does what only wasm can.
    run(
        "the senders' tests",
        "senders-wasm",
        &["test", "--locked", "--lib", "--workspace", "--exclude", "faulty", "--exclude", "outgoing"],
    )
}

/// Copies by way of a rename, so that a worker that watches or reads the folder never sees half a file.
pub(crate) fn install(from: &Path, to: &Path) -> Result<(), Failure> {
    let copy = || {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        if fs::read(from)? == fs::read(to).unwrap_or_default() {
            return Ok(());
        }
        let part = to.with_extension("part");
        fs::copy(from, &part)?;
        fs::rename(&part, to)
    };
    copy().map_err(|error: std::io::Error| {
        Failure::new("laying out the senders", format!("{} to {}: {error}", from.display(), to.display()))
    })
}
