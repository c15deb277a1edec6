//! `pusher sender new`: a crate to begin with, which builds where it stands.

mod lock;
mod name;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::super::output::Output;
use super::super::table::shown;
use crate::cli::sender::NewArgs;
use crate::commands::CommandError;
use name::CrateName;

/// The guest SDK, its contract and their licences: places below `vendor/`, and what is there (see `build.rs`).
const VENDOR: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/vendor.rs"));

/// What is written once for each crate, `@…@` standing for its name: where, and from what.
const TEMPLATES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../../templates/sender/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../../templates/sender/lib.rs.in")),
    ("@NAME@.toml", include_str!("../../../templates/sender/manifest.toml.in")),
    ("README.md", include_str!("../../../templates/sender/README.md.in")),
    (".gitignore", include_str!("../../../templates/sender/gitignore.in")),
];

/// Makes the crate, and says what to do with it.
///
/// # Errors
/// [`CommandError::Usage`] for a name that a crate cannot have, [`CommandError::Failed`] if it cannot be written; nothing is
/// left of it then.
pub(crate) fn run(args: NewArgs) -> Result<(), CommandError> {
    let name = CrateName::parse(&args.name).map_err(CommandError::Usage)?;
    let dir = args.dir.as_deref().unwrap_or(Path::new("")).join(name.as_str());
    let parent = args.dir.unwrap_or_else(|| PathBuf::from("."));
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists => CommandError::Failed(format!(
            "{} is there already; give the sender another name, or name another place with --dir",
            dir.display()
        )),
        ErrorKind::NotFound => CommandError::Failed(format!(
            "{} is not there; make it, or name another place with --dir",
            parent.display()
        )),
        _ => CommandError::Failed(format!("cannot make {}: {error}", dir.display())),
    };
    write(&files(&name), &parent, &dir).map_err(failed)?;
    let mut out = Output::new(false);
    out.line(&format!("Made {}. Next:", shown(&dir.display().to_string())))?;
    out.line(&format!("  cd {}", shown(&dir.display().to_string())))?;
    out.line("  cargo build --release --target wasm32-wasip2")?;
    out.line(&format!("  pusher sender check {name}.toml"))?;
    out.flush()
}

/// Every file of the crate: where, and what is in it.
fn files(name: &CrateName) -> Vec<(String, String)> {
    let templates = TEMPLATES.iter().map(|(path, text)| (name.put_into(path), name.put_into(text)));
    let lock = ("Cargo.lock".to_owned(), lock::with(name));
    let vendor = VENDOR.iter().map(|(path, text)| (format!("vendor/{path}"), (*text).to_owned()));
    templates.chain([lock]).chain(vendor).collect()
}

/// Writes the crate somewhere else in `parent` and moves it to its place, so that it is there whole or not at all.
fn write(files: &[(String, String)], parent: &Path, dir: &Path) -> io::Result<()> {
    if dir.symlink_metadata().is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let part = Part(parent.join(format!(".pusher-sender-new-{}", std::process::id())));
    fs::create_dir(&part.0)?;
    for (path, text) in files {
        let path = part.0.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    fs::rename(&part.0, dir)
}

/// A crate that is being written; what is left of it goes when this does.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After the move it is not there, which is well.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_has_everything_it_needs_and_no_placeholder_is_left() {
        let files = files(&CrateName::parse("my-sender").unwrap());
        let file = |path: &str| &files.iter().find(|(p, _)| p == path).unwrap_or_else(|| panic!("no {path}")).1;
        for path in
            [".gitignore", "README.md", "vendor/LICENSE-MIT", "vendor/guest-sdk/Cargo.toml", "vendor/wit/world.wit"]
        {
            assert!(!file(path).is_empty(), "{path}");
        }
        assert!(file("Cargo.toml").contains("name = \"my-sender\""));
        assert!(file("src/lib.rs").contains("export!(MySender as \"my-sender\")"));
        assert!(file("my-sender.toml").contains("release/my_sender.wasm"));
        assert!(file("my-sender.toml").contains("MY_SENDER_TOKEN"));
        assert!(file("vendor/guest-sdk/src/lib.rs").contains("path: \"../wit\""));
        for (path, text) in files.iter().filter(|(path, _)| !path.starts_with("vendor/")) {
            for placeholder in ["@NAME@", "@TYPE@", "@LIB@", "@ENV@"] {
                assert!(!text.contains(placeholder) && !path.contains(placeholder), "{placeholder} in {path}");
            }
        }
    }

    #[test]
    fn the_manifest_is_one() {
        let files = files(&CrateName::parse("hello").unwrap());
        let (_, text) = files.iter().find(|(path, _)| path == "hello.toml").unwrap();
        pusher::sandbox::Manifest::parse(text).unwrap();
    }

    #[test]
    fn what_cannot_be_written_whole_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // A file where a directory must be.
        let broken = [("a".to_owned(), String::new()), ("a/b".to_owned(), String::new())];
        assert!(write(&broken, dir.path(), &dir.path().join("hello")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
