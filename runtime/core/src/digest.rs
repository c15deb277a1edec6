//! What job names and signatures share: a keyed digest, and its digits.

use hmac::{KeyInit, Mac};

pub(crate) const LOWER: &[u8; 16] = b"0123456789abcdef";
pub(crate) const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// A keyed digest with nothing in it yet.
pub(crate) fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    let Ok(mac) = <M as KeyInit>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length (RFC 2104)");
    };
    mac
}

/// The bytes in hexadecimal `digits`.
pub(crate) fn hex(bytes: &[u8], digits: &[u8; 16]) -> String {
    hex_digits(bytes, digits).collect()
}

/// These digits, one by one.
pub(crate) fn hex_digits(bytes: &[u8], digits: &[u8; 16]) -> impl Iterator<Item = char> {
    let digit = |nibble: u8| char::from(digits[usize::from(nibble)]);
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(byte & 15)])
}
