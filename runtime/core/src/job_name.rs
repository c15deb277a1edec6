//! Job names: made and checked exactly as the Go program does, so that old and new programs share one queue.

use std::fmt;

use hmac::{Hmac, Mac};
use md5::Md5;

use crate::digest::{LOWER, hex_digits, keyed};
use crate::words::{PusherId, SenderName};

/// The name of a push job: `<pusher>_<hex hmac-md5(key = pusher, data)>`; for a pushall
/// `<sender>_<hex hmac-md5(key = sender, workload)>`.
///
/// The name is the job's identity in Periodic and the sign that its workload is what was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobName(String);

/// Why a text cannot be a job name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("name is required.")]
    Empty,
    /// Over Periodic's limit.
    #[error("name is {0} bytes long; the limit is 255")]
    TooLong(usize),
}

impl JobName {
    /// The name of the job that pushes `data` to `pusher`.
    #[must_use]
    pub fn for_push(pusher: &PusherId, data: &str) -> Self {
        Self::sign(pusher.as_str(), data.as_bytes())
    }

    /// The name of the job that fans `workload` out over `sender`.
    #[must_use]
    pub fn for_pushall(sender: &SenderName, workload: &str) -> Self {
        Self::sign(sender.as_str(), workload.as_bytes())
    }

    /// Takes a name that somebody else made, as in a request to cancel.
    ///
    /// # Errors
    /// [`NameError`] if it is empty or longer than 255 bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.len() {
            0 => Err(NameError::Empty),
            1..=255 => Ok(Self(text.to_owned())),
            len => Err(NameError::TooLong(len)),
        }
    }

    /// Whom the job is for, if the name was made from this workload; `None` if it was not, and the job is to be
    /// dropped: it did not come from a pusher.
    #[must_use]
    pub fn verify(&self, workload: &[u8]) -> Option<PusherId> {
        let (owner, digest) = self.0.rsplit_once('_')?;
        // Nothing secret is compared: the key is the owner, which stands in the name.
        let is_its_own = hex_digits(&self::digest(owner, workload), LOWER).eq(digest.chars());
        is_its_own.then(|| PusherId::parse(owner).ok())?
    }

    /// Whom the job is for, by the form of its name; `None` if it has another. Whether it was made from its workload,
    /// only [`verify`](Self::verify) says.
    #[must_use]
    pub fn pusher(&self) -> Option<PusherId> {
        let (owner, _digest) = self.0.rsplit_once('_')?;
        PusherId::parse(owner).ok()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn sign(owner: &str, workload: &[u8]) -> Self {
        // Written into a text that has room for it: this is done for every push.
        let mut name = String::with_capacity(owner.len() + 1 + 2 * 16);
        name.push_str(owner);
        name.push('_');
        name.extend(hex_digits(&digest(owner, workload), LOWER));
        Self(name)
    }
}

impl TryFrom<String> for JobName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<JobName> for String {
    fn from(name: JobName) -> Self {
        name.0
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn digest(key: &str, message: &[u8]) -> [u8; 16] {
    let mut mac = keyed::<Hmac<Md5>>(key.as_bytes());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_go_program() {
        let id = PusherId::parse("lupino").unwrap();
        let data = "{\"subject\": \"subject\", \"text\": \"text\"}";
        assert_eq!(JobName::for_push(&id, data).as_str(), "lupino_88bf72bd461965be993c0e6cee9cd061");
        let id = PusherId::parse("日本").unwrap();
        assert_eq!(JobName::for_push(&id, "ünïcode ✓").as_str(), "日本_42ff45e0905be635f00da6ff1b99ae01");
    }

    #[test]
    fn a_name_verifies_only_with_its_own_workload() {
        let id = PusherId::parse("under_score_id").unwrap();
        let name = JobName::for_push(&id, "x");
        assert_eq!(name.verify(b"x"), Some(id));
        assert_eq!(name.verify(b"y"), None);
        assert_eq!(JobName::parse("nounderscore").unwrap().verify(b"x"), None);
        assert_eq!(JobName::parse("_5cd5b1dfdfcd979f1ca89ae7d5f702a9").unwrap().verify(b"x"), None);
    }
}
