//! Notes: what is to be kept together with jobs that are submitted, in one commit where jobs and log are in one store.

use serde::{Deserialize, Serialize};

use crate::job_name::JobName;
use crate::words::{PusherId, SenderName};

/// Something to be kept. A note that does not hold is refused, and nothing of what came with it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// A pushall is accepted. One of its name that has not ended is the same one, and goes on from where it is.
    PushAll {
        /// Its job's name.
        name: JobName,
        /// The channel.
        sender: SenderName,
        /// The tag or expression of tags; empty: everybody.
        tag: String,
        /// When it is to begin, in Unix seconds; 0: at once.
        due_at: i64,
    },
    /// A page of a pushall is submitted.
    Page(Page),
    /// A pushall is cancelled: no further page is taken.
    CancelPushAll {
        /// Its job's name.
        name: JobName,
    },
    /// Dead letters are accepted once more. Those that are not dead any more refuse it.
    Redriven {
        /// Which.
        deliveries: Vec<(SenderName, JobName)>,
    },
    /// A request was done that is not to be done twice. Refused, if one with this key was done that was another.
    Once(Once),
}

/// A page of a pushall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The pushall's job.
    pub name: JobName,
    /// The channel.
    pub sender: SenderName,
    /// The tag or expression of tags; empty: everybody.
    pub tag: String,
    /// Where the page begins: behind this one. It is refused unless the pushall has come exactly so far.
    pub behind: Option<PusherId>,
    /// Where it ends.
    pub through: Option<PusherId>,
    /// How many recipients it has.
    pub pushed: u64,
    /// How many recipients there are in all, if that was counted.
    pub recipients: Option<u64>,
    /// Nobody is left.
    pub done: bool,
}

/// A request that is not to be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// A digest of who asks and the key that was given.
    pub key: [u8; 32],
    /// A digest of what is asked.
    pub request: [u8; 32],
}

impl Note {
    /// Notes as bytes, for whoever carries them to the store.
    #[must_use]
    pub fn to_bytes(notes: &[Self]) -> Vec<u8> {
        // Every value of these types has a JSON form.
        serde_json::to_vec(notes).unwrap_or_default()
    }

    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Vec<Self>, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}
