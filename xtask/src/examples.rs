//! The examples of senders in other languages (`examples/senders`): built into `components/LANGUAGE` below `target`,
//! each beside its manifest, with tools that are installed into `examples/LANGUAGE` there. What has not changed since is
//! not done again.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::step::{self, Failure, command};
use crate::{python, root, senders, target};

/// The oldest Node.js that the tools run on.
const NODE: u32 = 18;
/// The world that senders are built for, and where it is described.
const WORLD: &str = "sender-component";
const WIT: &str = "wit";

/// Builds both. Was there anything to build?
pub(crate) fn build() -> Result<bool, Failure> {
    Ok(build_python()? | build_javascript()?)
}

/// Where the examples' sources are, in the workspace.
fn source(language: &str) -> PathBuf {
    Path::new("examples/senders").join(language)
}

/// Where the tools of a language are installed.
fn tools(language: &str) -> PathBuf {
    target().join("examples").join(language)
}

fn build_python() -> Result<bool, Failure> {
    let source = source("python");
    build_from("python", &[source.join("greet.py"), source.join("requirements.txt")], |component| {
        let tools = tools("python");
        python::environment(&tools, &source.join("requirements.txt").to_string_lossy())?;
        let mut componentize = command(tools.join("bin/componentize-py"));
        // Where it looks for modules besides those of the example: not among what else this machine has.
        componentize.env("VIRTUAL_ENV", &tools);
        componentize.args(["--quiet", "--wit-path", WIT, "--world", WORLD, "componentize", "greet", "--python-path"]);
        step::run("building the example in Python", componentize.arg(&source).arg("--output").arg(component))
    })
}

fn build_javascript() -> Result<bool, Failure> {
    let source = source("javascript");
    let pins = ["package.json", "package-lock.json"].map(|file| source.join(file));
    let [package, lock] = pins.clone();
    build_from("javascript", &[source.join("greet.js"), package, lock], |component| {
        let tools = tools("javascript");
        install_node_tools(&tools, &pins)?;
        let mut componentize = command(tools.join("node_modules/.bin/componentize-js"));
        componentize.arg(source.join("greet.js")).args(["--wit", WIT, "--world-name", WORLD]);
        // This host has nobody to answer.
        componentize.args(["--disable", "fetch-event", "--out"]).arg(component);
        step::run("building the example in JavaScript", &mut componentize)
    })
}

/// Has `make` write the component and lays it out, if it was not made from just these files, its manifest and the WIT.
/// Was it not?
fn build_from(
    language: &str,
    sources: &[PathBuf],
    make: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let folder = senders::components().join(language);
    let manifest = source(language).join("greet.toml");
    let mut files = files_in(Path::new(WIT))?;
    files.extend_from_slice(sources);
    files.push(manifest.clone());
    let stamp = Stamp::of(&folder.join("greet.stamp"), &files)?;
    if stamp.holds() && folder.join("greet.wasm").exists() {
        return Ok(false);
    }
    eprintln!("xtask: building the example of a sender in {language} (half a minute)");
    let made = target().join("examples").join(format!("{language}.wasm"));
    fs::create_dir_all(target().join("examples"))
        .map_err(|error| Failure::new("making a folder for the examples", error.to_string()))?;
    make(&made)?;
    senders::install(&made, &folder.join("greet.wasm"))?;
    senders::install(&root().join(manifest), &folder.join("greet.toml"))?;
    stamp.set()?;
    Ok(true)
}

/// Installs what the two files pin into `tools`.
fn install_node_tools(tools: &Path, pins: &[PathBuf; 2]) -> Result<(), Failure> {
    let stamp = Stamp::of(&tools.join("installed.stamp"), pins)?;
    if stamp.holds() {
        return Ok(());
    }
    look_for_node()?;
    eprintln!("xtask: installing the examples' JavaScript tools (once, half a minute)");
    let failed = |error: std::io::Error| Failure::new("laying out the JavaScript tools", error.to_string());
    // A folder that was left half made would be taken for a whole one if the pins went back to what its stamp says.
    if tools.exists() {
        fs::remove_dir_all(tools).map_err(failed)?;
    }
    fs::create_dir_all(tools).map_err(failed)?;
    for pin in pins {
        fs::copy(root().join(pin), tools.join(pin.file_name().unwrap_or_default())).map_err(failed)?;
    }
    let npm = ["ci", "--no-audit", "--no-fund", "--loglevel", "error"];
    step::run("installing the JavaScript tools", command("npm").current_dir(tools).args(npm))?;
    stamp.set()
}

fn look_for_node() -> Result<(), Failure> {
    let version = step::output("looking for Node.js", command("node").arg("--version")).unwrap_or_default();
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= NODE) && step::works(command("npm").arg("--version")) {
        return Ok(());
    }
    let reason = format!(
        "node or npm is missing, or older than Node.js {NODE}; the example of a sender in JavaScript needs them: \
         install them (on Debian: apt-get install nodejs npm)"
    );
    Err(Failure::new("looking for Node.js", reason))
}

/// The WIT files, in order.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::new("looking for the WIT files", error.to_string());
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if Path::new(&name).extension() == Some(OsStr::new("wit")) {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

/// A file that holds what something was made from, written when it is made.
struct Stamp {
    path: PathBuf,
    wanted: String,
}

impl Stamp {
    fn of(path: &Path, files: &[PathBuf]) -> Result<Self, Failure> {
        let mut wanted = String::new();
        for file in files {
            let text = fs::read_to_string(root().join(file))
                .map_err(|error| Failure::new("reading the examples", format!("{}: {error}", file.display())))?;
            wanted.push_str(&format!("== {}\n{text}", file.display()));
        }
        Ok(Self { path: path.to_owned(), wanted })
    }

    fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|found| found == self.wanted)
    }

    fn set(self) -> Result<(), Failure> {
        fs::write(&self.path, self.wanted).map_err(|error| Failure::new("marking the examples", error.to_string()))
    }
}
