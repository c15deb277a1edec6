//! Embeds what a new sender needs and no registry has: the guest SDK, the contract that it is generated from, and their
//! licences. They are taken from where they are written, so that `pusher sender new` can hand out nothing else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is taken, below the root of the sources. The new crate gets it under `vendor/`, in the same places, because the
/// SDK names the contract by its place.
const TAKEN: [&str; 6] =
    ["LICENSE-APACHE", "LICENSE-MIT", "guest-sdk/Cargo.lock", "guest-sdk/Cargo.toml", "guest-sdk/src", "wit"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut files = Vec::new();
    for taken in TAKEN {
        // Cargo looks at everything below a directory.
        println!("cargo::rerun-if-changed={}", root.join(taken).display());
        collect(&root, taken, &mut files)?;
    }
    files.sort();
    let mut list = String::from("[\n");
    for file in files {
        writeln!(list, "    ({file:?}, include_str!({:?})),", root.join(&file))?;
    }
    list.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not say where to write")?);
    Ok(fs::write(out.join("vendor.rs"), list)?)
}

/// The file `path`, or every file below it, with `/` between names whatever the system.
fn collect(root: &Path, path: &str, files: &mut Vec<String>) -> io::Result<()> {
    if !root.join(path).is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(root.join(path))? {
        collect(root, &format!("{path}/{}", entry?.file_name().to_string_lossy()), files)?;
    }
    Ok(())
}
