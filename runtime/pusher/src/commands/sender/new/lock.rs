//! The new crate's `Cargo.lock`: the SDK's own, with the crate in it. So it builds with the versions that the SDK is tested
//! with, and without asking a registry for newer ones.

use super::VENDOR;
use super::name::CrateName;

/// What stands before each package.
const PACKAGE: &str = "[[package]]\n";

/// The lock file for the crate `name`, exactly as cargo would write it.
pub(super) fn with(name: &CrateName) -> String {
    let own = format!(
        "{PACKAGE}name = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"pusher-sender-sdk\",\n \"serde_json\",\n]\n"
    );
    // Cargo sorts packages by name, and puts an empty line between two.
    match entries().find(|(_, package)| *package > name.as_str()) {
        Some((at, _)) => format!("{}{own}\n{}", &sdk()[..at], &sdk()[at..]),
        None => format!("{}\n{own}", sdk()),
    }
}

/// The packages in it.
pub(super) fn packages() -> impl Iterator<Item = &'static str> {
    entries().map(|(_, package)| package)
}

/// Where each package's entry begins, and its name.
fn entries() -> impl Iterator<Item = (usize, &'static str)> {
    sdk().match_indices(PACKAGE).filter_map(|(at, _)| {
        let line = sdk()[at + PACKAGE.len()..].lines().next()?;
        Some((at, line.strip_prefix("name = \"")?.strip_suffix('"')?))
    })
}

/// The SDK's lock file.
fn sdk() -> &'static str {
    VENDOR.iter().find(|(path, _)| *path == "guest-sdk/Cargo.lock").map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crate_stands_where_cargo_would_put_it() {
        for (name, before, after) in
            [("aaa", None, Some("anyhow")), ("hello", Some("heck"), Some("id-arena")), ("zzz", Some("zmij"), None)]
        {
            let text = with(&CrateName::parse(name).unwrap());
            let names: Vec<_> =
                text.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
            let at = names.iter().position(|found| *found == name).unwrap();
            assert_eq!(at.checked_sub(1).map(|at| names[at]), before);
            assert_eq!(names.get(at + 1).copied(), after);
            assert_eq!(names.len(), packages().count() + 1);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n") && !text.contains("\n\n\n"), "{text}");
        }
    }
}
