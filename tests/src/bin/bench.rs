//! `cargo xtask bench NAME [--json]`: runs a benchmark and prints its figures.

use std::process::ExitCode;

use pusher_tests::bench::load::BareRoute;
use pusher_tests::bench::{
    Figure, accept, bulk, deliver, hostile, http, inflight, periodic, pushers, sandbox, search, startup,
};

/// As the server has it, so that the load and the baseline are not the slower for another one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NAMES: [&str; 11] =
    ["accept", "pushers", "bulk", "search", "sandbox", "http", "inflight", "hostile", "startup", "deliver", "periodic"];

/// Before the name of one case of a benchmark that takes minutes as a whole.
const ONE_CASE: [&str; 2] = ["periodic/", "deliver/"];

fn is_one(name: &str) -> bool {
    NAMES.contains(&name) || ONE_CASE.iter().any(|bench| name.starts_with(bench))
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let json = args.iter().any(|arg| arg == "--json");
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|arg| !arg.starts_with("--")).collect();
    let names = match names.as_slice() {
        // Processes that benchmarks start.
        ["bare-route"] => return ended("bare-route", BareRoute::serve().await),
        ["inflight-process", provider, cache] => {
            return ended("inflight-process", inflight::process(provider, cache).await);
        }
        ["deliver-process", data, senders, log] => {
            return ended("deliver-process", deliver::parts::process(data, senders, log).await);
        }
        ["all"] => &NAMES,
        names if !names.is_empty() && names.iter().all(|name| is_one(name)) => names,
        _ => {
            eprintln!("bench: name one of {} or all", NAMES.join(", "));
            return ExitCode::FAILURE;
        }
    };
    for name in names {
        let figures = match *name {
            "accept" => accept::run().await,
            "search" => search::run().await,
            "pushers" => pushers::run().await,
            "bulk" => bulk::run().await,
            "sandbox" => sandbox::run().await,
            "http" => http::run().await,
            "inflight" => inflight::run().await,
            "hostile" => hostile::run().await,
            "startup" => startup::run().await,
            "periodic" => periodic::run(None).await,
            name => match name.strip_prefix("periodic/") {
                Some(case) => periodic::run(Some(case)).await,
                None => deliver::run(name.strip_prefix("deliver/")).await,
            },
        };
        match figures {
            Ok(figures) => print(&figures, json),
            Err(error) => {
                eprintln!("bench {name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn print(figures: &[Figure], json: bool) {
    for figure in figures {
        println!("{}", if json { figure.json() } else { figure.text() });
    }
}

fn ended(name: &str, result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
