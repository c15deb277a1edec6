//! What the harness runs is built by the harness, so that a test never runs yesterday's binary: the `pusher` binary of
//! the profile that the caller was built in, the shipped and test components, and the tests' Python tools.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The workspace's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The folder that cargo put this program in: `target/debug` or `target/release`.
fn profile_dir() -> PathBuf {
    let mut dir = std::env::current_exe().unwrap_or_default();
    while dir.pop() {
        if dir.file_name().is_some_and(|name| name == "debug" || name == "release") {
            return dir;
        }
    }
    panic!("this program does not lie in a target directory of cargo");
}

/// The path of the `pusher` binary, built if it is not up to date.
///
/// # Panics
/// If it does not build.
pub fn pusher() -> &'static Path {
    static PUSHER: OnceLock<PathBuf> = OnceLock::new();
    PUSHER.get_or_init(|| {
        let dir = profile_dir();
        // The same words as xtask's, so that the same dependencies with the same features serve both.
        match dir.ends_with("release") {
            true => cargo(&["build", "--quiet", "--workspace", "--bins", "--release"]),
            false => cargo(&["build", "--quiet", "--workspace", "--all-targets"]),
        }
        dir.join("pusher")
    })
}

/// The path of an example of the `pusher` crate, built if it is not up to date.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    pusher().with_file_name("examples").join(name)
}

/// The folder with every component, shipped ones and the tests' own.
///
/// # Panics
/// If they do not build.
pub fn components() -> &'static Path {
    static COMPONENTS: OnceLock<PathBuf> = OnceLock::new();
    COMPONENTS.get_or_init(|| {
        cargo(&["run", "--quiet", "--package", "xtask", "--", "senders"]);
        profile_dir().parent().map(|target| target.join("components")).unwrap_or_default()
    })
}

/// The folder with the examples of senders in other languages, each in a folder of its own beside its manifest.
///
/// # Panics
/// If they do not build; standard error says why, which may be that there is no Python or no Node.js.
pub fn languages() -> &'static Path {
    static LANGUAGES: OnceLock<PathBuf> = OnceLock::new();
    LANGUAGES.get_or_init(|| {
        cargo(&["run", "--quiet", "--package", "xtask", "--", "examples"]);
        profile_dir().parent().map(|target| target.join("components")).unwrap_or_default()
    })
}

/// The folder with the programs of the tests' Python environment.
///
/// # Panics
/// If it cannot be made; standard error says why, which may be that there is no Python.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        cargo(&["run", "--quiet", "--package", "xtask", "--", "python"]);
        profile_dir().parent().map(|target| target.join("python/bin")).unwrap_or_default()
    })
}

fn cargo(args: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(args).current_dir(root()).status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "cargo {} ended with {status:?}",
        args.join(" ")
    );
}
