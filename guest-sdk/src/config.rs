//! The manifest's `[config]` and `[secrets]`.

use crate::Failure;
use crate::bindings::pusher::sender::config as host;

/// The value under this key, if the manifest has one.
#[must_use]
pub fn get(key: &str) -> Option<String> {
    host::get(key)
}

/// The value under this key, or `default` if the manifest has none.
#[must_use]
pub fn get_or(key: &str, default: &str) -> String {
    get(key).unwrap_or_else(|| default.to_owned())
}

/// The value under this key.
///
/// # Errors
/// A temporary failure that names the key, if the manifest has none or it is empty: the message waits for whoever
/// mends the manifest.
pub fn require(key: &str) -> Result<String, Failure> {
    get(key)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Failure::Temporary(format!("the manifest has no {key:?} in [config] or [secrets]")))
}
