//! `pusher periodic run`: one job, and its result, byte for byte.

use std::io::{IsTerminal, Write, stdout};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use periodic::{Job, RunError};
use serde::Serialize;

use super::{Context, explain, submit};
use crate::cli::periodic::RunArgs;
use crate::commands::CommandError;
use crate::commands::output::Output;

/// What a worker says: text as it is, anything else in Base64.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Said<'a> {
    Data(&'a str),
    DataBase64(String),
    Result(&'a str),
    ResultBase64(String),
}

/// Submits the job and waits.
pub(super) async fn run(context: &mut Context, args: RunArgs) -> Result<(), CommandError> {
    let RunArgs { job, timeout, stream } = args;
    let func = job.func.clone();
    let job = Job { timeout, ..submit::read(job)? };
    let outcome = wait(context, job, stream).await?;
    let result = outcome.map_err(|error| explain::run(&error, &func, &context.config))?;
    let said = match std::str::from_utf8(&result) {
        Ok(text) => Said::Result(text),
        Err(_) => Said::ResultBase64(BASE64_STANDARD.encode(&result)),
    };
    say(&mut context.out, &result, &said)
}

async fn wait(context: &mut Context, job: Job, stream: bool) -> Result<Result<bytes::Bytes, RunError>, CommandError> {
    if !stream {
        return Ok(context.client.run_job(job).await);
    }
    // Before the job, so that nothing is missed.
    let mut chunks = match context.client.recv_data(job.key.clone(), job.timeout).await {
        Ok(chunks) => chunks,
        Err(error) => return Ok(Err(error)),
    };
    let client = context.client.clone();
    let running = client.run_job(job);
    tokio::pin!(running);
    let mut result = None;
    loop {
        tokio::select! {
            chunk = chunks.next() => match chunk {
                Some(Ok(chunk)) => {
                    let said = match std::str::from_utf8(&chunk) {
                        Ok(text) => Said::Data(text),
                        Err(_) => Said::DataBase64(BASE64_STANDARD.encode(&chunk)),
                    };
                    say(&mut context.out, &chunk, &said)?;
                    // It is to be seen as it comes.
                    context.out.flush()?;
                }
                Some(Err(error)) => return Ok(Err(error.into())),
                None => return Ok(match result {
                    Some(result) => result,
                    None => running.await,
                }),
            },
            outcome = &mut running, if result.is_none() => {
                // The chunks that came before it are told first.
                let failed = outcome.is_err();
                result = Some(outcome);
                if failed && let Some(result) = result.take() {
                    return Ok(result);
                }
            }
        }
    }
}

/// The bytes themselves; on a terminal, with a line end behind them.
fn say(out: &mut Output, bytes: &[u8], said: &Said<'_>) -> Result<(), CommandError> {
    if out.is_json() {
        return out.object(said);
    }
    out.write_all(bytes)?;
    if stdout().is_terminal() && !bytes.is_empty() && !bytes.ends_with(b"\n") {
        out.write_all(b"\n")?;
    }
    Ok(())
}
