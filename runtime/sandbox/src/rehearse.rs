//! One sender, loaded alone, for a tool that sends a message through it and tells what that took.

use pusher_core::{Message, Outcome, SendError, Sender, SenderName};

use crate::catalog::{self, Made, Refused};
use crate::file::SenderFile;
use crate::sandbox::Sandbox;
use crate::sender::{Measured, SandboxedSender, Usage};

/// A sender that was loaded as a worker loads it.
pub struct Rehearsal {
    sender: SandboxedSender,
    warnings: Vec<String>,
}

impl Sandbox {
    /// Loads one sender, as a worker would.
    ///
    /// # Errors
    /// [`Refused`], with the reason that a worker would log.
    pub async fn rehearse(&self, file: SenderFile) -> Result<Rehearsal, Refused> {
        let path = file.path().to_owned();
        let made = catalog::make(&self.shared, file.candidate).await;
        let Made { sender, warnings, .. } = made.map_err(|reason| Refused::new(path, reason))?;
        Ok(Rehearsal { sender, warnings })
    }
}

impl Rehearsal {
    /// The channel.
    #[must_use]
    pub fn name(&self) -> &SenderName {
        self.sender.name()
    }

    /// What an operator should know about it, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sends one message, and says what it took.
    pub async fn send(&self, message: &Message) -> (Result<Outcome, SendError>, Usage) {
        let Measured { result, usage, .. } = self.sender.deliver(message).await;
        (result, usage)
    }
}

impl std::fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rehearsal").field("name", self.name()).finish_non_exhaustive()
    }
}
