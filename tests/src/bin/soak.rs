//! `cargo xtask soak [NAME…] [--minutes N] [--seed N]`: runs the long forms of the tests, and prints a line for each round.

use std::process::ExitCode;
use std::time::Duration;

use pusher_tests::soak::deliver::Deliver;
use pusher_tests::soak::fuzz::{Codec, Manifests};
use pusher_tests::soak::hostile::Hostile;
use pusher_tests::soak::kill::Kill;
use pusher_tests::soak::periodic_kill::PeriodicKill;
use pusher_tests::soak::reload::Reload;
use pusher_tests::soak::{Random, Violation, run};

/// As the server has it, so that memory comes back as it does there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAMES: [&str; 7] = ["hostile", "reload", "manifests", "codec", "kill", "periodic-kill", "deliver"];
/// How long each goes on unless it is said, in minutes.
const MINUTES: f64 = 3.0;

/// What was said on the command line.
struct Said {
    names: Vec<String>,
    time: Duration,
    seed: Option<u64>,
}

fn parse(args: impl Iterator<Item = String>) -> Option<Said> {
    let mut said = Said { names: Vec::new(), time: Duration::from_secs_f64(60.0 * MINUTES), seed: None };
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--minutes" => said.time = Duration::try_from_secs_f64(60.0 * args.next()?.parse::<f64>().ok()?).ok()?,
            "--seed" => said.seed = Some(args.next()?.parse().ok()?),
            "all" => said.names.extend(NAMES.map(str::to_owned)),
            name if NAMES.contains(&name) => said.names.push(arg),
            _ => return None,
        }
    }
    if said.names.is_empty() {
        said.names = NAMES.map(str::to_owned).into();
    }
    Some(said)
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(said) = parse(std::env::args().skip(1)) else {
        eprintln!("soak: name any of {} or all; --minutes N for each, --seed N to repeat a round", NAMES.join(", "));
        return ExitCode::from(2);
    };
    for name in &said.names {
        let seed = said.seed.unwrap_or_else(Random::seed);
        if let Err(violation) = one(name, said.time, seed).await {
            eprintln!("soak: {violation}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn one(name: &str, time: Duration, seed: u64) -> Result<(), Violation> {
    let say = |line: &str| println!("{line}");
    match name {
        "hostile" => run(Hostile::start().await, time, seed, say).await,
        "reload" => run(Reload::start().await, time, seed, say).await,
        "manifests" => run(Manifests::default(), time, seed, say).await,
        "codec" => run(Codec::default(), time, seed, say).await,
        "deliver" => run(Deliver::default(), time, seed, say).await,
        "periodic-kill" => run(PeriodicKill::default(), time, seed, say).await,
        _ => run(Kill::start().await, time, seed, say).await,
    }
}
