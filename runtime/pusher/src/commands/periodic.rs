//! `pusher periodic …`: a small client of a Periodic server.

mod config;
mod dump;
mod explain;
mod run;
mod status;
mod submit;

use std::time::Instant;

use bytes::Bytes;
use periodic::{Client, ClientError, ClientOptions, JobKey};
use pusher::config::PeriodicConfig;
use serde::Serialize;

use super::CommandError;
use super::output::Output;
use super::table::shown;
use crate::cli::periodic::{PeriodicArgs, PeriodicCommand};

/// The largest frame, in MiB: as a server has it; and for a dump, which is one answer.
const MAX_PAYLOAD: u16 = 16;
const MAX_DUMP: u16 = 256;

/// What every command has at hand.
struct Context {
    client: Client,
    config: PeriodicConfig,
    out: Output,
}

impl Context {
    /// What a person is told when the client failed.
    #[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
    fn failed(&self, error: ClientError) -> CommandError {
        explain::client(&error, &self.config)
    }
}

/// Does what the arguments say.
pub(crate) async fn run(args: PeriodicArgs, config: PeriodicConfig) -> Result<(), CommandError> {
    let connect =
        config.link.tls.connector(&config.endpoint).map_err(|error| CommandError::Failed(error.to_string()))?;
    let default = if matches!(args.command, PeriodicCommand::Dump { .. }) { MAX_DUMP } else { MAX_PAYLOAD };
    let options = ClientOptions {
        identity: config.link.identity.clone(),
        max_payload: usize::from(args.max_payload.unwrap_or(default)) << 20,
        retry_connect: false,
        ..ClientOptions::default()
    };
    let mut context = Context { client: Client::new(connect, options), config, out: Output::new(args.json) };
    let done = command(&mut context, args.command).await;
    // What was said before it failed goes out, too.
    let said = context.out.flush();
    done.and(said)
}

async fn command(context: &mut Context, command: PeriodicCommand) -> Result<(), CommandError> {
    match command {
        PeriodicCommand::Status => status::run(context).await,
        PeriodicCommand::Submit(args) => submit::run(context, args).await,
        PeriodicCommand::Run(args) => run::run(context, args).await,
        PeriodicCommand::Remove { func, names } => remove(context, func, &names).await,
        PeriodicCommand::Drop { funcs } => drop_funcs(context, &funcs).await,
        PeriodicCommand::Dump { file } => dump::dump(context, &file).await,
        PeriodicCommand::Load { file } => dump::load(context, &file).await,
        PeriodicCommand::Config { key, value } => config::run(context, key, value).await,
        PeriodicCommand::Ping => ping(context).await,
        PeriodicCommand::Shutdown => shutdown(context).await,
    }
}

async fn remove(context: &mut Context, func: String, names: &[String]) -> Result<(), CommandError> {
    let func = Bytes::from(func);
    for name in names {
        let key = JobKey { func: func.clone(), name: Bytes::copy_from_slice(name.as_bytes()) };
        context.client.remove(key).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Removed of {}: {}.", text(&func), all(names)))
}

async fn drop_funcs(context: &mut Context, funcs: &[String]) -> Result<(), CommandError> {
    for func in funcs {
        let func = Bytes::copy_from_slice(func.as_bytes());
        context.client.drop_func(func).await.map_err(|error| context.failed(error))?;
    }
    context.out.done(&format!("Dropped, unless a worker can do it: {}.", all(funcs)))
}

async fn ping(context: &mut Context) -> Result<(), CommandError> {
    #[derive(Serialize)]
    struct Pong {
        result: &'static str,
        ms: f64,
    }
    context.client.ping().await.map_err(|error| context.failed(error))?;
    // The second one finds the connection open.
    let asked = Instant::now();
    context.client.ping().await.map_err(|error| context.failed(error))?;
    let ms = (asked.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let sentence = format!("{} answers in {ms} ms.", context.config.endpoint);
    context.out.answer(&Pong { result: "OK", ms }, &sentence)
}

async fn shutdown(context: &mut Context) -> Result<(), CommandError> {
    context.client.shutdown().await.map_err(|error| explain::shutdown(&error, &context.config))?;
    context.out.done(&format!("{} ends.", context.config.endpoint))
}

/// Names come from anywhere and need not be text.
fn text(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes))
}

/// Words one after another, as a person is told them.
fn all(words: &[String]) -> String {
    words.iter().map(|word| shown(word)).collect::<Vec<_>>().join(", ")
}
