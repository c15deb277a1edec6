//! Signals: SIGTERM and Ctrl-C become one token that everything which runs is given.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. A second one ends the process at once, for a person who
/// does not want to wait for what is in flight; nothing accepted is lost by that either.
///
/// # Errors
/// If the signals cannot be listened to.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let mut told = false;
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if told {
                tracing::warn!("told to stop a second time: not waiting for what is in flight");
                std::process::exit(1);
            }
            told = true;
            tracing::info!("stopping: finishing what is in flight");
            token.cancel();
        }
    });
    Ok(stop)
}
