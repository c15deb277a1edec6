//! The verbs that CI and people run: `cargo xtask VERB`. Each does its own set-up, so that a fresh clone needs nothing
//! else. Only the standard library is used here, so this compiles in a second.

mod examples;
mod manifest;
mod openapi;
mod python;
mod senders;
mod setup;
mod step;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use step::{Failure, cargo};

const HELP: &str = "\
cargo xtask VERB

  setup              install what is missing: wasm targets, cargo-component, the tests' Python tools
  python             the tests' Python tools alone
  senders            build the shipped senders into target/senders
  examples           build the examples of senders in Python and JavaScript into target/components
  openapi            write docs/openapi.json anew, from the code
  manifest           write docs/manifest.md and docs/manifest.schema.json anew, from the code
  demo               deliver one message from end to end to a local stand-in for the mail provider, and show it
  up [ARGS]          pusher serve with the shipped senders, in the foreground; provider keys from the environment
  provider [ARGS]    the stand-in for the mail provider alone, in the foreground
  test [ARGS]        every test; ARGS go to cargo test
  soak [NAME] [--minutes N] [--seed N]  the long forms of the tests: hostile, reload, manifests, codec, kill,
                     periodic-kill or all, each for N minutes (3); a line for each round, and an error after the first that breaks a promise
  bench NAME [--json]  figures, each beside a baseline of the same run; NAME is one of these, or all:
    accept           pushes accepted a second
    pushers          recipients created a second, one by one
    bulk             a million recipients by bulk requests and by pusher pushers import; pages of the list
    search           queries over a million recipients, and building the index
    sandbox          one message with a component: how long, and how many a second on all processors
    http             what a sender's HTTP request costs beside one of reqwest
    inflight         memory while a thousand sends wait for their provider
    hostile          what a sender delivers while another one misbehaves
    startup          two hundred senders loaded
    deliver          messages delivered a second, from end to end
    periodic         the Periodic server alone: jobs submitted and done a second, RUN_JOB, memory of ten million jobs;
                     or a case of it, as periodic/drain
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let verb = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    let done = match verb.as_str() {
        "setup" => setup::all(),
        "senders" => setup::all().and_then(|()| senders::build()),
        "examples" => examples::build().map(drop),
        "python" => python::install(),
        "openapi" => openapi::write(),
        "manifest" => manifest::write(),
        "demo" => demo(),
        "up" => up(&args),
        "provider" => provider(&args),
        "test" => test(&args),
        "soak" => soak(&args),
        "bench" => bench(&args),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new("xtask", format!("there is no verb {other:?}\n\n{HELP}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// How the binaries are built.
#[derive(Clone, Copy)]
enum Profile {
    /// As for the tests: quick to build.
    Dev,
    /// For measuring, and for running for real.
    Release,
}

fn demo() -> Result<(), Failure> {
    prepare(Profile::Dev)?;
    step::run("the demo", &mut step::command(binary(Profile::Dev, "demo")))
}

fn provider(args: &[String]) -> Result<(), Failure> {
    build(Profile::Dev)?;
    step::run("the provider's stand-in", step::command(binary(Profile::Dev, "provider")).args(args))
}

fn up(args: &[String]) -> Result<(), Failure> {
    prepare(Profile::Release)?;
    let work_dir = target().join("up");
    let mut pusher = step::command(binary(Profile::Release, "pusher"));
    pusher.arg("serve").arg("--senders").arg(senders::dir()).arg("--work-dir").arg(work_dir).args(args);
    step::run("pusher serve", &mut pusher)
}

fn test(args: &[String]) -> Result<(), Failure> {
    prepare(Profile::Dev)?;
    if examples::build()? {
        // Compiling two interpreters takes every processor for a minute. Later tests find them in the cache, so that
        // nothing that is waited for elsewhere is late.
        step::run("the examples' tests", cargo().args(["test", "--workspace", "--test", "e2e", "languages"]))?;
    }
    step::run("the tests", cargo().args(["test", "--workspace"]).args(args))?;
    senders::test()
}

fn soak(args: &[String]) -> Result<(), Failure> {
    prepare(Profile::Dev)?;
    step::run("the long tests", step::command(binary(Profile::Dev, "soak")).args(args))
}

fn bench(args: &[String]) -> Result<(), Failure> {
    prepare(Profile::Release)?;
    step::run("the benchmark", step::command(binary(Profile::Release, "bench")).args(args))
}

/// Tools, components and binaries, ready to run.
fn prepare(profile: Profile) -> Result<(), Failure> {
    setup::all()?;
    senders::build()?;
    build(profile)
}

/// Builds everything in one go, always with the same words: what cargo builds for one package alone may need the
/// dependencies with other features, and so once more.
fn build(profile: Profile) -> Result<(), Failure> {
    let what = match profile {
        Profile::Dev => ["--all-targets"].as_slice(),
        Profile::Release => &["--bins", "--release"],
    };
    step::run("building pusher", cargo().args(["build", "--workspace"]).args(what))
}

fn binary(profile: Profile, name: &str) -> PathBuf {
    let folder = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    target().join(folder).join(name)
}

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    // The one place outside the binary that reads an environment variable: cargo itself obeys this one.
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
