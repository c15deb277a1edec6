//! The signature that the Go program's hooks and Alidayu's platform know: HMAC-MD5 over names and values. No sender of its own,
//! but what two of them share.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

/// Upper-case hex of the HMAC-MD5, keyed with `secret`, over each name and value in turn with nothing between. Both sides sort
/// them by name first.
#[must_use]
pub fn sign<'a>(secret: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(secret.as_bytes()) else {
        unreachable!("HMAC takes a key of any length (RFC 2104)");
    };
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::sign;

    /// The second test of RFC 2202, and one worked out with Python's `hmac`.
    #[test]
    fn it_is_the_standards_over_everything_joined() {
        assert_eq!(sign("Jefe", [("what do ya want ", "for nothing?")]), "750C783E6AB0B503EAA86E310A5DB738");
        let pairs = [("bar", "2"), ("foo", "1"), ("foo_bar", "3"), ("foobar", "4")];
        assert_eq!(sign("secret1", pairs), sign("secret1", [("bar2foo1foo_bar3foobar4", "")]));
    }
}
