//! The Go program's `hooks.json`: a list of webhooks, each of which becomes a sender of its name, served by the component
//! `hook.wasm` in the directory of senders.
//!
//! ```json
//! [{"name": "orders", "url": "http://10.0.0.5/pushed", "secret": "…"}]
//! ```
//!
//! An entry is what a manifest of `hook` would be: its URL is the one origin that the sender may reach, private addresses
//! included, because it is the operator who wrote it there. As for the Go program, the case of a key does not matter, a
//! key that means nothing is passed over, and without a secret the signature is made with an empty key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Write};
use std::fs;
use std::path::{Path, PathBuf};

use pusher_core::SenderName;
use serde_json::Value;
use url::{Host, Url};

use crate::catalog::{Candidate, Refused};
use crate::manifest::{Bytes, ConfigValue, HeldSecret, Http, Manifest, ManifestError, Origin, Secret};
use crate::stamp::{self, Stamps};

/// The component that serves all of them.
const COMPONENT: &str = "hook.wasm";
/// The largest file that is read.
const MAX_FILE: Bytes = Bytes(1 << 20);
/// What HMAC makes of an empty key, which is filled up with zeros. The component wants a secret that is there.
const EMPTY_KEY: &str = "\0";

/// A file of hooks, and what was in it when it could be read last.
#[derive(Debug, Clone)]
pub(crate) struct HooksFile {
    path: PathBuf,
    /// The file as it was when it was read last, whether or not it could be understood.
    read: Option<Stamps>,
    entries: Vec<Entry>,
}

/// An entry with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    name: SenderName,
    /// Where to, or what is wrong.
    hook: Result<Hook, ManifestError>,
}

/// What an entry says.
#[derive(Clone, PartialEq, Eq)]
struct Hook {
    url: String,
    origin: Origin,
    secret: HeldSecret,
    warnings: Vec<String>,
}

impl fmt::Debug for Hook {
    // The rest of a URL may be as good as a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl HooksFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: None, entries: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file if it changed since it was read last. What is wrong with it, or with entries that have no name of
    /// their own; of a file that cannot be understood as a whole, the entries from before stay.
    pub(crate) fn update(&mut self) -> Vec<Refused> {
        let stamps = stamp::look([self.path.clone()]);
        if self.read.as_ref() == Some(&stamps) {
            return Vec::new();
        }
        let found = read(&self.path).and_then(|text| parse(&text));
        if stamp::look([self.path.clone()]) != stamps {
            // It is being written: whatever this was, it is not what will be there.
            return Vec::new();
        }
        self.read = Some(stamps);
        match found {
            Ok((entries, problems)) => {
                self.entries = entries;
                let refused = |(number, reason): (usize, _)| Refused::new(self.label(&number.to_string()), reason);
                problems.into_iter().map(refused).collect()
            }
            Err(reason) if self.entries.is_empty() => vec![Refused::new(self.path.clone(), reason)],
            Err(reason) => {
                let reason = format!("{reason}; the hooks from before go on");
                vec![Refused::new(self.path.clone(), reason)]
            }
        }
    }

    /// The senders to be, with the component from `dir`.
    pub(crate) fn candidates(&self, dir: &Path) -> impl Iterator<Item = Candidate> {
        self.entries.iter().map(move |entry| Candidate {
            path: self.label(entry.name.as_str()),
            component: component(dir),
            manifest: Some(entry.manifest()),
            hook: Some(entry.clone()),
        })
    }

    /// What an entry goes by in reports: `hooks.json#name`. Two names never have one label, though paths that differ in
    /// their slashes only are the same to the system.
    fn label(&self, name: &str) -> PathBuf {
        let mut label = OsString::from(&self.path);
        label.push(format!("#{}", name.replace('%', "%25").replace('/', "%2F")));
        label.into()
    }
}

/// Where the component of all hooks is. No sender of its own is made of it.
pub(crate) fn component(dir: &Path) -> PathBuf {
    dir.join(COMPONENT)
}

/// Says why the component is wanted, if it is not there.
pub(crate) fn explain(component: &Path, reason: String) -> String {
    if component.exists() {
        return reason;
    }
    format!("{reason}; every hook is served by it: put {COMPONENT} into the directory of senders")
}

impl Entry {
    /// What an operator should know.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.hook.iter().flat_map(|hook| hook.warnings.clone())
    }

    /// The manifest that says the same.
    fn manifest(&self) -> Result<Manifest, ManifestError> {
        let Hook { url, origin, secret, .. } = self.hook.clone()?;
        Ok(Manifest {
            name: Some(self.name.clone()),
            http: Http { allow: vec![origin], private: true, ..Http::default() },
            config: BTreeMap::from([("url".to_owned(), ConfigValue::Text(url))]),
            secrets: BTreeMap::from([("secret".to_owned(), Secret::Held(secret))]),
            ..Manifest::default()
        })
    }
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("the file of hooks cannot be read: {error}");
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE.0 {
        return Err(format!("the file of hooks cannot be read: it is larger than {MAX_FILE}"));
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// Entries with a name, and the numbers of those without one of their own, counted from 1, with the reason.
type Parsed = (Vec<Entry>, Vec<(usize, String)>);

fn parse(text: &str) -> Result<Parsed, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let Value::Array(items) = file else {
        return Err("it is not a list; write [{\"name\": \"…\", \"url\": \"…\", \"secret\": \"…\"}]".to_owned());
    };
    let (mut entries, mut problems) = (Vec::<Entry>::new(), Vec::new());
    let mut numbers = Vec::new();
    for (item, number) in items.into_iter().zip(1..) {
        match name(&item) {
            Err(problem) => problems.push((number, format!("entry {number}: {problem}"))),
            Ok(name) => match entries.iter().position(|entry| entry.name == name) {
                Some(at) => {
                    let first: usize = numbers[at];
                    let reason = format!("entry {number}: the name {name:?} is that of entry {first}, too");
                    problems.push((number, format!("{reason}; give one of them another name")));
                }
                None => {
                    let hook = hook(&item).map_err(|problem| ManifestError::Hook { number, problem });
                    entries.push(Entry { name, hook });
                    numbers.push(number);
                }
            },
        }
    }
    Ok((entries, problems))
}

fn name(item: &Value) -> Result<SenderName, String> {
    let name = text(item, "name")?.unwrap_or_default();
    if name.is_empty() {
        return Err("it has no name; give it the sender's, as in \"name\": \"orders\"".to_owned());
    }
    SenderName::parse(name).map_err(|error| format!("{name:?} is no name for a sender: {error}"))
}

fn hook(item: &Value) -> Result<Hook, String> {
    let url = text(item, "url")?.filter(|url| !url.is_empty());
    let url = url.ok_or("it has no url; write where to send, as in \"url\": \"http://localhost:8080/pushed\"")?;
    let origin = origin(url)?;
    let mut warnings = Vec::new();
    let secret = match text(item, "secret")?.unwrap_or_default() {
        "" => {
            warnings.push("it has no secret, so anybody can make its signatures; give it one".to_owned());
            EMPTY_KEY
        }
        secret => secret,
    };
    let known = |key: &str| ["name", "url", "secret"].iter().any(|known| key.eq_ignore_ascii_case(known));
    for key in item.as_object().into_iter().flat_map(|entry| entry.keys()).filter(|key| !known(key)) {
        warnings.push(format!("the key {key:?} means nothing; there are name, url and secret"));
    }
    Ok(Hook { url: url.to_owned(), origin, secret: HeldSecret::new(secret), warnings })
}

/// The text under a key, in whatever case it is written; `null` is as good as nothing.
fn text<'a>(item: &'a Value, key: &str) -> Result<Option<&'a str>, String> {
    let Value::Object(entry) = item else {
        return Err("it is not {\"name\": \"…\", \"url\": \"…\", \"secret\": \"…\"}".to_owned());
    };
    let exact = entry.get(key);
    let found = exact.or_else(|| entry.iter().find(|(found, _)| found.eq_ignore_ascii_case(key)).map(|(_, v)| v));
    match found {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        // The value may be a secret: it is not told.
        Some(_) => Err(format!("its {key} is not a text; put it into quotation marks")),
    }
}

/// The origin of a URL, which may hold secrets and is not told.
fn origin(text: &str) -> Result<Origin, String> {
    let wrong = |why: &dyn fmt::Display| {
        let mut problem = String::from("its url cannot be called: ");
        // Writing into a text does not fail.
        _ = write!(problem, "{why}; write it like \"http://localhost:8080/pushed\"");
        Err(problem)
    };
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return wrong(&error),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong(&"its scheme is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(&"a user or password is not part of one");
    }
    // In a manifest a star would stand for many hosts.
    if matches!(url.host(), Some(Host::Domain(domain)) if domain.contains('*')) {
        return wrong(&"there is a * in its host");
    }
    Origin::try_from(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests;
