//! The files behind one sender, as a tool for its author finds and changes them before it is loaded.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::catalog::{self, Candidate, LoadError, Refused};
use crate::manifest::{ConfigValue, HeaderSource, HeldSecret, Manifest, Secret, basic_credentials};

/// What one sender is made of: a component, and a manifest if there is one.
#[derive(Debug, Clone)]
pub struct SenderFile {
    pub(crate) candidate: Candidate,
}

impl SenderFile {
    /// What a worker would make of `path`: of a directory everything in it, of a manifest that one sender, of a component
    /// every manifest beside it that names it, or the bare component if none does. The second list says what cannot be
    /// understood.
    ///
    /// # Errors
    /// [`LoadError`] if the directory cannot be read.
    pub fn find(path: &Path) -> Result<(Vec<Self>, Vec<Refused>), LoadError> {
        let is_dir = path.is_dir();
        let dir = match path.parent() {
            _ if is_dir => path,
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let candidates =
            catalog::survey(dir, &HashSet::new()).map_err(|source| LoadError { path: dir.to_owned(), source })?;
        let (mut files, mut refused) = (Vec::new(), Vec::new());
        for candidate in candidates {
            match &candidate.manifest {
                Some(Err(error)) => refused.push(Refused::new(candidate.path.clone(), error.to_string())),
                _ => files.push(Self { candidate }),
            }
        }
        if is_dir {
            return Ok((files, refused));
        }
        let wanted = catalog::identity(path);
        let is_wanted = |found: &Path| catalog::identity(found) == wanted;
        files.retain(|file| is_wanted(file.path()) || is_wanted(file.component()));
        refused.retain(|refused| is_wanted(&refused.path) || is_wanted(&refused.path.with_extension("wasm")));
        if files.is_empty() && refused.is_empty() {
            let reason = match path.try_exists() {
                Ok(true) => "it is neither a manifest (NAME.toml) nor a component (NAME.wasm)".to_owned(),
                Ok(false) => "there is no such file; build the component first, or name another".to_owned(),
                Err(error) => format!("it cannot be read: {error}"),
            };
            refused.push(Refused::new(path.to_owned(), reason));
        }
        Ok((files, refused))
    }

    /// The manifest's path, or the component's if there is none.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.candidate.path
    }

    /// The component's path.
    #[must_use]
    pub fn component(&self) -> &Path {
        &self.candidate.component
    }

    /// The manifest; `None`: there is none, and nothing is granted.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.candidate.manifest.as_ref()?.as_ref().ok()
    }

    /// The values of `[secrets]` that can be had now, by their keys, so that a tool can keep them out of what it writes.
    /// A secret that a header carries in Base64 (`basic`) is there in that form as well.
    #[must_use]
    pub fn secrets(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
        let Some(manifest) = self.manifest() else { return Vec::new() };
        let dir = self.dir();
        let resolve = |key: &str| manifest.secrets.get(key)?.resolve(key, &dir, env).ok();
        let plain = manifest.secrets.keys().filter_map(|key| Some((key.clone(), resolve(key)?)));
        let basic = manifest.http.headers.iter().filter_map(|(_, header)| match &header.source {
            HeaderSource::Basic { user, secret } => Some((secret.clone(), basic_credentials(user, &resolve(secret)?))),
            HeaderSource::Text(_) | HeaderSource::Secret { .. } => None,
        });
        plain.chain(basic).collect()
    }

    /// Puts `stand_in` in the place of every value of `[config]` and `[secrets]` that cannot be had now. What was missing,
    /// a sentence each.
    pub fn fill(&mut self, env: &dyn Fn(&str) -> Option<String>, stand_in: impl Fn(&str) -> String) -> Vec<String> {
        let dir = self.dir();
        let Some(Ok(manifest)) = &mut self.candidate.manifest else { return Vec::new() };
        let mut missing = Vec::new();
        for (key, value) in &mut manifest.config {
            if let Err(reason) = value.resolve(key, env) {
                missing.push(reason);
                *value = ConfigValue::Text(stand_in(key));
            }
        }
        for (key, secret) in &mut manifest.secrets {
            if let Err(reason) = secret.resolve(key, &dir, env) {
                missing.push(reason);
                *secret = Secret::Held(HeldSecret::new(&stand_in(key)));
            }
        }
        missing
    }

    /// Where the manifest's paths begin.
    fn dir(&self) -> PathBuf {
        self.path().parent().unwrap_or(Path::new("")).to_owned()
    }
}
