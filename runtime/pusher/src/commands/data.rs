//! What a message says: as it stands in the arguments, or from standard input.

use std::io::{Read, stdin};

use super::CommandError;

/// The longest message that is read, far more than a server takes. 16 MiB.
const MAX_DATA: u64 = 16 * 1024 * 1024;

/// `text` itself; for `-`, all of standard input.
pub(crate) fn read(text: String) -> Result<String, CommandError> {
    if text != "-" {
        return Ok(text);
    }
    let mut data = Vec::new();
    let read = stdin().lock().take(MAX_DATA + 1).read_to_end(&mut data);
    read.map_err(|error| CommandError::Failed(format!("cannot read the message from standard input: {error}")))?;
    if data.len() as u64 > MAX_DATA {
        return Err(CommandError::Failed(format!("the message on standard input is longer than {MAX_DATA} bytes")));
    }
    String::from_utf8(data)
        .map_err(|_| CommandError::Failed("the message on standard input is not UTF-8 text".to_owned()))
}
