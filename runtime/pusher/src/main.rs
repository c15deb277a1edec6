//! The binary: parse the arguments, find out what they mean, do it, and say in one sentence what went wrong.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use pusher::config::{self, ServeConfig, WorkConfig};
use pusher::{serve, shutdown, work};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// The server allocates small things on one thread and frees them on another all day long, which is what glibc's
/// allocator is slowest at; a fifth of the time to accept a push went there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(failure) = log(&cli.log).and_then(|()| run(cli)) {
        eprintln!("pusher: {failure}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(cli: Cli) -> Result<(), Failure> {
    let file = config::File::read(cli.config.as_deref())?;
    match cli.command {
        Command::Serve(args) => {
            let config = ServeConfig::resolve(args.into(), file)?;
            until_told(|stop| serve::run(config, stop, print))
        }
        Command::Worker(args) => {
            let config = WorkConfig::resolve(args.into(), file)?;
            until_told(|stop| work::run(config, stop, print))
        }
    }
}

/// Runs `main` with a token that SIGTERM or Ctrl-C cancels.
fn until_told<F, E>(main: impl FnOnce(CancellationToken) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Failure>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = shutdown::on_signal()?;
        main(stop).await.map_err(Into::into)
    })
}

/// What a person or a script wants to know at start: where to reach it. On standard output, one line each.
fn print(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to stop serving.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

fn log(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|e| format!("--log {filter:?} is not a filter: {e}"))?;
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal).init();
    Ok(())
}
