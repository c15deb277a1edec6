//! Identities and what each may do: the file of `--auth-file` (PROTOCOL §11).
//!
//! One identity a line, four words: `client|worker|admin NAME TOKEN FUNC,FUNC…`. `#` begins a comment.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::scheduler::Message;
use crate::stamp::{Stamp, stamp};
use crate::wire::MAX_NAME;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What an identity may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// Register as a client; a client's commands on its funcs.
    Client,
    /// Register as a worker; a client's and a worker's commands on its funcs.
    Worker,
    /// Register as either; every command on every func.
    Admin,
}

/// One line.
pub(super) struct Identity {
    pub(super) grade: Grade,
    token: Bytes,
    funcs: HashSet<Bytes>,
}

impl Identity {
    pub(super) fn may_use(&self, func: &[u8]) -> bool {
        self.grade == Grade::Admin || self.funcs.contains(func)
    }
}

/// The token is a secret and is not shown.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("grade", &self.grade).field("funcs", &self.funcs).finish_non_exhaustive()
    }
}

/// All lines, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Identities(HashMap<Bytes, Arc<Identity>>);

impl Identities {
    /// Whoever has this name and token. Takes as long for a wrong token as for the right one of its length.
    pub(super) fn find(&self, name: &[u8], token: &[u8]) -> Option<&Arc<Identity>> {
        self.0.get(name).filter(|identity| identity.token.ct_eq(token).into())
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut identities = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let words = line.split('#').next().unwrap_or_default();
            if words.trim().is_empty() {
                continue;
            }
            let (name, identity) = parse_line(words).map_err(|reason| (number + 1, reason))?;
            // A name's last line counts, as with the reference server.
            identities.insert(name, Arc::new(identity));
        }
        Ok(Self(identities))
    }
}

fn parse_line(line: &str) -> Result<(Bytes, Identity), String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [grade, name, token, funcs] = words[..] else {
        return Err(format!("has {} words; write `client|worker|admin NAME TOKEN FUNC,FUNC`", words.len()));
    };
    let grade = match grade {
        "client" => Grade::Client,
        "worker" => Grade::Worker,
        "admin" => Grade::Admin,
        other => return Err(format!("begins with `{other}`; the roles are client, worker and admin")),
    };
    let funcs: HashSet<_> =
        funcs.split(',').filter(|func| !func.is_empty()).map(|func| Bytes::copy_from_slice(func.as_bytes())).collect();
    if funcs.is_empty() {
        return Err("names no func".to_owned());
    }
    if let Some(long) = funcs.iter().find(|func| func.len() > MAX_NAME) {
        return Err(format!("names a func of {} bytes; a func has at most {MAX_NAME}", long.len()));
    }
    let bytes = |word: &str| Bytes::copy_from_slice(word.as_bytes());
    Ok((bytes(name), Identity { grade, token: bytes(token), funcs }))
}

/// Why a file of identities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthFileError {
    /// It cannot be read.
    #[error("the auth file {path} cannot be read: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not as it should be.
    #[error("the auth file {path}, line {line}: it {reason}")]
    Line {
        /// Which file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It has no identity: nobody could do anything. So is a file that is just being written.
    #[error("the auth file {path} names nobody; write `client|worker|admin NAME TOKEN FUNC,FUNC`, a line for each")]
    Nobody {
        /// Which file.
        path: PathBuf,
    },
}

/// A file of identities, as it was when it was read. The server looks at it every second and follows its changes, for
/// connections that are open, too; a version with a mistake in it is ignored, with a warning.
#[derive(Debug, Clone)]
pub struct AuthFile {
    path: PathBuf,
    stamp: Option<Stamp>,
    pub(super) identities: Identities,
}

impl AuthFile {
    /// Reads the file. Blocks for as long as that takes.
    ///
    /// # Errors
    /// It cannot be read, names nobody, or a line is not as it should be.
    pub fn read(path: &Path) -> Result<Self, AuthFileError> {
        let stamp = stamp(path);
        let text = std::fs::read_to_string(path)
            .map_err(|source| AuthFileError::Unreadable { path: path.to_owned(), source })?;
        let identities = Identities::parse(&text).map_err(|(line, reason)| AuthFileError::Line {
            path: path.to_owned(),
            line,
            reason,
        })?;
        if identities.0.is_empty() {
            return Err(AuthFileError::Nobody { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), stamp, identities })
    }

    /// Tells the scheduler of changes until the server closes.
    pub(super) async fn watch(mut self, scheduler: mpsc::Sender<Message>, closing: CancellationToken) {
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                () = scheduler.closed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let (path, known) = (self.path.clone(), self.stamp);
            let look = move || {
                let stamp = stamp(&path);
                (stamp, (stamp != known).then(|| Self::read(&path)))
            };
            let Ok((stamp, changed)) = tokio::task::spawn_blocking(look).await else { return };
            match changed {
                None => {}
                Some(Ok(read)) => {
                    self = read;
                    info!(path = %self.path.display(), identities = self.identities.0.len(), "the auth file has changed");
                    if scheduler.send(Message::Identities(self.identities.clone())).await.is_err() {
                        return;
                    }
                }
                Some(Err(error)) => {
                    self.stamp = stamp;
                    warn!(%error, "the auth file is not used as it is now; what it said before still counts");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_identities() {
        let text = "# who\n\nclient a ta f,g # comment\nworker\tw  tw\tf\nadmin root tr x\nclient a tb g\n";
        let identities = Identities::parse(text).unwrap();
        let find = |name: &str, token: &str| identities.find(name.as_bytes(), token.as_bytes());
        assert!(find("a", "ta").is_none(), "the last line of a name counts");
        let client = find("a", "tb").unwrap();
        assert!(client.grade == Grade::Client && client.may_use(b"g") && !client.may_use(b"f"));
        assert!(find("root", "tr").unwrap().may_use(b"anything"));
        for (name, token) in [("w", ""), ("w", "t"), ("w", "tx"), ("w", "tww"), ("", ""), ("nobody", "tw")] {
            assert!(find(name, token).is_none(), "{name} {token}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line, said) in [
            ("client a t", 1, "3 words"),
            ("client a t f\nclient b t f g", 2, "5 words"),
            ("\nboss a t f", 2, "`boss`"),
            ("client a t ,", 1, "names no func"),
        ] {
            let (at, reason) = Identities::parse(text).unwrap_err();
            assert!(at == line && reason.contains(said), "{text:?}: {at} {reason}");
        }
        let long = format!("client a t {}", "f".repeat(256));
        assert!(Identities::parse(&long).unwrap_err().1.contains("256 bytes"));
    }
}
