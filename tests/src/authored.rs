//! Crates that `pusher sender new` makes, built as their authors would build them, but without the network and with what was
//! built before for other senders.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::build;
use crate::command;

/// A crate that was made just now.
#[derive(Debug)]
pub struct Authored {
    /// Where it is.
    pub dir: PathBuf,
}

/// A place for the crate `name`, which is not there yet. Always the same one, so that cargo finds again what it built; no
/// two tests may use one name.
///
/// # Panics
/// If what an earlier run left there cannot be removed: this is for tests.
#[must_use]
pub fn place(name: &str) -> PathBuf {
    let parent = target().join("authored").join(name);
    if parent.exists() {
        std::fs::remove_dir_all(&parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
    }
    std::fs::create_dir_all(&parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
    parent
}

impl Authored {
    /// `pusher sender new NAME`
    ///
    /// # Panics
    /// If it is not made: this is for tests.
    pub async fn new(name: &str) -> Self {
        let parent = place(name);
        command::run(&["sender".as_ref(), "new".as_ref(), name.as_ref(), "--dir".as_ref(), parent.as_os_str()], b"")
            .await
            .ok();
        let made = Self { dir: parent.join(name) };
        made.share_target();
        made
    }

    /// Lets cargo build in the directory of the shipped senders, which need the same libraries.
    ///
    /// # Panics
    /// If there can be no link: this is for tests.
    pub fn share_target(&self) {
        let guests = target().join("guests");
        let linked = std::fs::create_dir_all(&guests)
            .and_then(|()| std::os::unix::fs::symlink(&guests, self.dir.join("target")));
        linked.unwrap_or_else(|e| panic!("{}: {e}", self.dir.display()));
    }

    /// `cargo ARGS --locked --offline` in the crate.
    ///
    /// # Panics
    /// If it fails: this is for tests.
    pub async fn cargo(&self, args: &[&str]) {
        let output = cargo(&self.dir).args(args).args(["--locked", "--offline", "--quiet"]).output().await;
        let output = output.unwrap_or_else(|e| panic!("cargo {args:?}: {e}"));
        assert!(output.status.success(), "cargo {args:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Cargo, in a directory.
fn cargo(dir: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What is said about the native build does not suit wasm.
    cargo.current_dir(dir).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    cargo.stdin(Stdio::null()).kill_on_drop(true);
    cargo
}

/// Where cargo puts what it builds of the workspace.
fn target() -> &'static Path {
    build::pusher().parent().and_then(Path::parent).unwrap_or_else(|| panic!("the binary lies in no target directory"))
}
