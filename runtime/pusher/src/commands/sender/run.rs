//! `pusher sender run`: one message through one sender, as a worker would send it.

mod recording;
mod report;
mod scrub;
mod tape;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pusher::client::{Client, Options};
use pusher::config::{self, ApiConfig, ApiSettings};
use pusher::core::{JobName, Message, Pusher, PusherId, Pushers};
use pusher::environment;
use pusher::sandbox::transport::Network;
use pusher::sandbox::{Deps, Sandbox, SenderFile};

use super::super::data;
use super::config as sandbox_config;
use super::lines::Lines;
use super::recipient::Recipient;
use crate::cli::sender::RunArgs;
use crate::commands::CommandError;
use report::Report;
use scrub::{MIN_BYTES, Scrub, placeholder};
use tape::{Source, Tape};

/// Sends the message and prints what came of it.
///
/// # Errors
/// If the sender cannot be loaded, did not deliver, or did not do what was recorded.
pub(crate) async fn run(args: RunArgs, file: config::File, lines: Lines) -> Result<(), CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::Failed(error.to_string());
    let mut sender = find(&args.file)?;
    let env = environment();
    // Before any is replaced: what is there is hidden, and what is missing cannot be told.
    let secrets = sender.secrets(&*env);
    if args.record.is_some() || args.replay.is_some() {
        can_be_hidden(&secrets)?;
    }
    let replayed = args.replay.as_deref().map(read).transpose()?;
    let missing = sender.fill(&*env, placeholder);
    if replayed.is_none() && !missing.is_empty() {
        return Err(CommandError::Failed(format!("{} cannot be run: {}", args.file.display(), missing.join("; "))));
    }
    let source = match replayed {
        Some(exchanges) => Source::Recording(std::sync::Mutex::new(exchanges.into())),
        None => Source::Network(Network::new(sandbox_config().connect_timeout).map_err(CommandError::Failed)?),
    };
    let tape = Arc::new(Tape::new(source, Scrub::new(&secrets)));
    let recipient = Arc::new(Recipient::only(recipient(&args)));
    let pushers: Arc<dyn Pushers> = match args.api.clone() {
        None => Arc::clone(&recipient) as _,
        Some(api) => {
            let settings = ApiSettings { api: Some(api), signing: args.signing.clone().into() };
            let ApiConfig { api, credentials } =
                ApiConfig::resolve(settings, file).map_err(|error| CommandError::Usage(error.to_string()))?;
            let options = Options { credentials, ..Options::default() };
            Arc::new(Client::new(api, options).map_err(|error| failed(&error))?)
        }
    };
    let sandbox = Sandbox::with_transport(sandbox_config(), Deps { pushers, env }, Arc::clone(&tape) as _)
        .map_err(|error| failed(&error))?;
    let has_manifest = sender.manifest().is_some();
    let rehearsal = sandbox.rehearse(sender).await.map_err(|error| failed(&error))?;
    // What it wrote while it was tried is no part of the message.
    lines.take();
    let data = data::read(args.data)?;
    let message = Message {
        id: JobName::for_push(&args.pusher, &data),
        sender: rehearsal.name().clone(),
        pusher: args.pusher,
        data,
        attempt: args.attempt,
    };
    let (result, usage) = rehearsal.send(&message).await;
    if let Some(file) = &args.record {
        write(file, &tape)?;
    }
    let report = Report {
        result: &result,
        usage,
        lines: lines.take(),
        tape: &tape,
        pushed: recipient.pushed(),
        warnings: rehearsal.warnings(),
        has_manifest,
    };
    report.print(args.json)?;
    match (tape.differences().is_empty(), result) {
        (false, _) => Err(CommandError::Failed("the sender did not make the requests that were recorded".to_owned())),
        (true, Err(_)) => Err(CommandError::Failed("the message was not delivered".to_owned())),
        (true, Ok(_)) => Ok(()),
    }
}

/// The one sender that the argument means.
fn find(path: &Path) -> Result<SenderFile, CommandError> {
    let (mut files, mut refused) = SenderFile::find(path).map_err(|error| CommandError::Failed(error.to_string()))?;
    match (files.pop(), refused.pop()) {
        (Some(file), None) if files.is_empty() => Ok(file),
        (None, Some(refused)) => Err(CommandError::Failed(refused.to_string())),
        (None, None) => Err(CommandError::Failed(format!("there is no sender in {}", path.display()))),
        _ => Err(CommandError::Failed(format!("{} is more than one sender; name a manifest", path.display()))),
    }
}

/// Can all of them be told from other text?
fn can_be_hidden(secrets: &[(String, String)]) -> Result<(), CommandError> {
    let Some((key, _)) = secrets.iter().find(|(_, value)| value.len() < MIN_BYTES) else { return Ok(()) };
    Err(CommandError::Failed(format!(
        "[secrets] {key} is shorter than {MIN_BYTES} bytes, so it cannot be told from other text and kept out of a recording; \
         take a longer one"
    )))
}

/// The recipient that the arguments describe.
fn recipient(args: &RunArgs) -> Pusher {
    let RunArgs { email, nickname, phone, tags, .. } = args;
    let text = |said: &Option<String>| said.clone().unwrap_or_default();
    let id: PusherId = args.pusher.clone();
    Pusher {
        email: text(email),
        nickname: text(nickname),
        phone_number: text(phone),
        tags: tags.clone(),
        ..Pusher::new(id)
    }
}

/// Reads a recording.
fn read(path: &Path) -> Result<Vec<recording::Exchange>, CommandError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CommandError::Failed(format!("the recording {} cannot be read: {error}", path.display())))?;
    recording::read(&text)
        .map_err(|reason| CommandError::Failed(format!("{} is no recording: {reason}", path.display())))
}

/// Writes what was said.
fn write(path: &Path, tape: &Tape) -> Result<(), CommandError> {
    let exchanges: Vec<_> = tape.said().iter().map(|said| said.exchange.clone()).collect();
    let failed = |error: &dyn std::fmt::Display| {
        CommandError::Failed(format!("the recording {} cannot be written: {error}", path.display()))
    };
    fs::write(path, recording::write(&exchanges).map_err(|error| failed(&error))?).map_err(|error| failed(&error))
}
