//! The binary: parse the arguments, find out what they mean, do it, and say in one sentence what went wrong.

mod cli;
mod commands;

use std::io::{ErrorKind, Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use cli::api::ApiArgs;
use cli::{Cli, Command};
use commands::sender::lines::Lines;
use commands::{CommandError, Context, cancel, deliveries, periodic, push, pushall, pushalls, pushers, sender};
use pusher::config::{self, ApiConfig, ConfigError, PeriodicConfig, PeriodicdConfig, ServeConfig, WorkConfig};
use pusher::{periodicd, serve, shutdown, work};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The server allocates small things on one thread and frees them on another all day long, which is what glibc's
/// allocator is slowest at; a fifth of the time to accept a push went there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The exit code for what was said and makes no sense; 1 is for what was refused or failed.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let lines = Lines::default();
    let Err(failure) = log(&cli, &lines).and_then(|()| run(cli, lines)) else { return ExitCode::SUCCESS };
    let usage = match failure.downcast_ref() {
        // Whoever read the output has read enough.
        Some(CommandError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Some(CommandError::Usage(_)) => true,
        _ => failure.is::<ConfigError>(),
    };
    // A closed standard error changes nothing about how it ended.
    drop(writeln!(stderr(), "pusher: {failure}"));
    if usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

fn run(cli: Cli, lines: Lines) -> Result<(), Failure> {
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
        Command::Periodicd(args) => {
            let config = PeriodicdConfig::resolve(args.into(), file)?;
            until_told(|stop| periodicd::run(config, stop, print))
        }
        Command::Push(args) => ask(&args.api.clone(), file, async |context| push::run(context, args).await),
        Command::Pushall(args) => ask(&args.api.clone(), file, async |context| pushall::run(context, args).await),
        Command::Cancel(args) => ask(&args.api.clone(), file, async |context| cancel::run(context, args).await),
        Command::Deliveries(args) => ask(&args.api.clone(), file, async |context| deliveries::run(context, args).await),
        Command::Pushalls(args) => ask(&args.api.clone(), file, async |context| pushalls::run(context, args).await),
        Command::Periodic(args) => {
            let config = PeriodicConfig::resolve(args.settings(), file)?;
            Ok(runtime()?.block_on(periodic::run(args, config))?)
        }
        Command::Sender(command) => Ok(runtime()?.block_on(sender::run(command, file, lines))?),
        Command::Pushers(args) => ask(&args.api.clone(), file, async |context| pushers::run(context, args).await),
    }
}

/// Runs a client of the API server.
fn ask(
    args: &ApiArgs,
    file: config::File,
    command: impl AsyncFnOnce(&mut Context) -> Result<(), CommandError>,
) -> Result<(), Failure> {
    let config = ApiConfig::resolve(args.settings(), file)?;
    let mut context = Context::new(config, args.json)?;
    runtime()?.block_on(command(&mut context))?;
    Ok(context.finish()?)
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Runs `main` with a token that SIGTERM or Ctrl-C cancels.
fn until_told<F, E>(main: impl FnOnce(CancellationToken) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Failure>,
{
    runtime()?.block_on(async {
        let stop = shutdown::on_signal()?;
        main(stop).await.map_err(Into::into)
    })
}

/// What a person or a script wants to know at start: where to reach it. On standard output, one line each.
fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to stop serving.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// Sets the log up. What senders write goes to `lines` as well, for the one command that reports it.
fn log(cli: &Cli, lines: &Lines) -> Result<(), Failure> {
    let serves = matches!(cli.command, Command::Serve(_) | Command::Worker(_) | Command::Periodicd(_));
    let filter = cli.log.as_deref().unwrap_or(if serves { "info" } else { "warn" });
    let filter = EnvFilter::try_new(filter)
        .map_err(|e| CommandError::Usage(format!("--log {filter:?} is not a filter: {e}")))?;
    let terminal = std::io::IsTerminal::is_terminal(&stderr());
    let log = tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(terminal).with_filter(filter);
    let reported = matches!(cli.command, Command::Sender(_)).then(|| lines.clone().with_filter(LevelFilter::INFO));
    tracing_subscriber::registry().with(log).with(reported).init();
    Ok(())
}
