//! A directory of senders, kept up with: what was put there, exchanged or taken away since the last look.
//!
//! The directory is looked at, not listened to: a look sees what notifications miss, such as the target of a symbolic
//! link that changed, a network file system, or a configuration that a container platform exchanges as a whole. It costs a
//! call to the system for each file.
//!
//! What is found is taken up when two looks in a row find the same, so that neither a half-written file nor an editor
//! that moves files about becomes a sender; a file that changes while it is read is read again. A file that cannot be a
//! sender leaves the version that was loaded from it before in place. A file of hooks ([`crate::hooks`]) is looked at with
//! them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pusher_core::SenderName;

use crate::catalog::{self, Candidate, LoadError, LoadedSender, Refused, blocking};
use crate::hooks::{self, HooksFile};
use crate::sandbox::Shared;
use crate::stamp::{self, Stamps};

/// What became of a directory.
#[derive(Debug, Default)]
pub struct LoadReport {
    /// What loaded, by file name; after the first time what is new or takes the place of the sender of the same name.
    pub senders: Vec<LoadedSender>,
    /// What did not, by file name.
    pub refused: Vec<Refused>,
    /// Senders that are no longer there.
    pub removed: Vec<SenderName>,
}

/// A directory of senders and what has been loaded from it. Made by [`Sandbox::directory`](crate::Sandbox::directory).
pub struct SenderDirectory {
    shared: Arc<Shared>,
    dir: PathBuf,
    /// The file of hooks, if there is to be one.
    hooks: Option<HooksFile>,
    /// What was made of each manifest, of each component without one, and of each hook.
    known: BTreeMap<PathBuf, Known>,
    /// Components that a manifest has named. None of them becomes a sender of its own while the manifest is away: it would
    /// be one that is allowed nothing, and take the messages of the one that was.
    claimed: HashSet<PathBuf>,
    /// What the last look found.
    seen: Option<Stamps>,
    /// What the last look found that was taken up.
    taken_up: Option<Stamps>,
}

/// What was made of a file.
struct Known {
    /// The files it was made of, when it was.
    stamps: Stamps,
    /// The entry it was made of, if it is a hook.
    hook: Option<hooks::Entry>,
    /// The sender, if there is one.
    name: Option<SenderName>,
    /// It could not be made one as it is now; then the sender, if there is one, is from before.
    is_refused: bool,
}

impl SenderDirectory {
    pub(crate) fn new(shared: Arc<Shared>, dir: &Path) -> Self {
        let dir = dir.to_owned();
        let (known, claimed) = (BTreeMap::new(), HashSet::new());
        Self { shared, dir, hooks: None, known, claimed, seen: None, taken_up: None }
    }

    /// Makes a sender of each entry in the Go program's `hooks.json` as well, which is `file`:
    /// `[{"name": "…", "url": "…", "secret": "…"}]`. All are served by the component `hook.wasm` in the directory, which is
    /// then no sender by itself.
    ///
    /// The file is kept up with like the directory. An entry that cannot be a sender is refused, and the others load. If
    /// the file as a whole cannot be read or understood, it is refused under its own path, and the hooks from before go on.
    #[must_use]
    pub fn hooks(self, file: &Path) -> Self {
        Self { hooks: Some(HooksFile::new(file)), ..self }
    }

    /// Looks at the directory, and takes up what changed if the look before found the same. To be called again and again,
    /// with a pause in which a file that is being written shows that it is: half a second is a good one. What is refused is
    /// reported once. Compiles on threads for blocking work.
    ///
    /// # Errors
    /// [`LoadError`] if the directory cannot be read. All senders stay as they are.
    pub async fn look(&mut self) -> Result<LoadReport, LoadError> {
        let stamps = self.stamps().await?;
        let at_rest = self.seen.as_ref() == Some(&stamps);
        let changed = self.taken_up.as_ref() != Some(&stamps);
        self.seen = Some(stamps.clone());
        if !at_rest || !changed {
            return Ok(LoadReport::default());
        }
        self.take_up(stamps).await
    }

    /// Takes up what is there now, whether or not it is at rest: for the first time.
    ///
    /// # Errors
    /// [`LoadError`] if the directory cannot be read.
    pub async fn load(&mut self) -> Result<LoadReport, LoadError> {
        let stamps = self.stamps().await?;
        self.take_up(stamps).await
    }

    /// How many senders there are.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.known.values().filter(|known| known.name.is_some()).count()
    }

    /// How many files are refused as they are now, whether or not a sender goes on that was made of them before.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.known.values().filter(|known| known.is_refused).count()
    }

    /// Stamps of all that is in the directory, and of what is elsewhere and was made part of a sender.
    async fn stamps(&self) -> Result<Stamps, LoadError> {
        let dir = self.dir.clone();
        let hooks = self.hooks.iter().map(|hooks| hooks.path().to_owned());
        let elsewhere: Vec<_> =
            self.known.values().flat_map(|known| known.stamps.keys().cloned()).chain(hooks).collect();
        self.blocking(move || Ok(stamp::look(catalog::sender_files(&dir)?.into_iter().chain(elsewhere)))).await
    }

    async fn take_up(&mut self, stamps: Stamps) -> Result<LoadReport, LoadError> {
        let (candidates, refused) = self.survey().await?;
        self.claimed.extend(candidates.iter().filter_map(Candidate::claimed));
        let mut before = mem::take(&mut self.known);
        let mut report = LoadReport { refused, ..LoadReport::default() };
        let (mut loaded, mut settled) = (Vec::new(), true);
        for candidate in candidates {
            let path = candidate.path.clone();
            let known = before.remove(&path);
            let (files, name) = (candidate.files(), known.as_ref().and_then(|known| known.name.clone()));
            let was_refused = known.as_ref().is_some_and(|known| known.is_refused);
            let read = self.blocking(move || Ok(stamp::look(files))).await?;
            let hook = candidate.hook.clone();
            if let Some(known) = known.filter(|known| known.stamps == read && known.hook == hook) {
                self.known.insert(path, known);
                continue;
            }
            // On the heap: it is a large future, and seldom needed.
            let result = Box::pin(catalog::load(&self.shared, candidate)).await;
            let again = read.keys().cloned().collect::<Vec<_>>();
            if self.blocking(move || Ok(stamp::look(again))).await? == read {
                let is_refused = result.is_err();
                self.known.insert(path.clone(), Known { stamps: read, hook, name: name.clone(), is_refused });
                match result {
                    Ok(sender) => loaded.push(sender),
                    Err(reason) => report.refused.push(Refused { path, reason, stays: name }),
                }
            } else {
                // It is being written: whatever this was, it is not what will be there.
                self.known.insert(path, Known { stamps: Stamps::new(), hook, name, is_refused: was_refused });
                settled = false;
            }
        }
        self.give_names(loaded, before, &mut report);
        self.taken_up = settled.then_some(stamps);
        report.senders.sort_by(|a, b| order(&a.path).cmp(&order(&b.path)));
        report.refused.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }

    /// Everything that is to be a sender, hooks last, and what is wrong with the file of hooks if that was read anew.
    async fn survey(&mut self) -> Result<(Vec<Candidate>, Vec<Refused>), LoadError> {
        let (dir, mut claimed, mut hooks) = (self.dir.clone(), self.claimed.clone(), self.hooks.clone());
        let (candidates, refused, hooks) = self
            .blocking(move || {
                if hooks.is_some() {
                    claimed.insert(catalog::identity(&hooks::component(&dir)));
                }
                let mut candidates = catalog::survey(&dir, &claimed)?;
                let mut refused = Vec::new();
                if let Some(hooks) = &mut hooks {
                    refused = hooks.update();
                    candidates.extend(hooks.candidates(&dir));
                }
                Ok((candidates, refused, hooks))
            })
            .await?;
        self.hooks = hooks;
        Ok((candidates, refused))
    }

    /// Gives each name to one of those who want it: whoever had it keeps it, then in the order of the files. `gone`: what
    /// is no longer in the directory.
    fn give_names(&mut self, loaded: Vec<LoadedSender>, gone: BTreeMap<PathBuf, Known>, report: &mut LoadReport) {
        let mut freed: HashSet<_> = gone.into_values().filter_map(|known| known.name).collect();
        let reloaded: HashSet<_> = loaded.iter().map(|sender| sender.path.clone()).collect();
        let mut owners: HashMap<SenderName, PathBuf> = HashMap::new();
        for (path, known) in &self.known {
            if let Some(name) = known.name.as_ref().filter(|_| !reloaded.contains(path)) {
                owners.insert(name.clone(), path.clone());
            }
        }
        let had = |sender: &LoadedSender, known: &BTreeMap<PathBuf, Known>| {
            known.get(&sender.path).and_then(|known| known.name.clone())
        };
        let (same, other): (Vec<_>, Vec<_>) =
            loaded.into_iter().partition(|sender| had(sender, &self.known).as_ref() == Some(sender.sender.name()));
        for sender in same.into_iter().chain(other) {
            let (name, path) = (sender.sender.name().clone(), sender.path.clone());
            let before = had(&sender, &self.known);
            if let Some(owner) = owners.get(&name) {
                let owner = owner.display();
                let reason = format!("the name {name:?} is taken by {owner}; give one of them another name");
                let stays = before.filter(|before| !owners.contains_key(before));
                if let Some(stays) = &stays {
                    owners.insert(stays.clone(), path.clone());
                }
                if let Some(known) = self.known.get_mut(&path) {
                    known.name.clone_from(&stays);
                    known.is_refused = true;
                }
                report.refused.push(Refused { path, reason, stays });
                continue;
            }
            freed.extend(before);
            owners.insert(name.clone(), path.clone());
            if let Some(known) = self.known.get_mut(&path) {
                known.name = Some(name);
            }
            report.senders.push(sender);
        }
        report.removed = freed.into_iter().filter(|name| !owners.contains_key(name)).collect();
        report.removed.sort();
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, LoadError> {
        let failed = |source| LoadError { path: self.dir.clone(), source };
        blocking(work).await.and_then(|done| done).map_err(failed)
    }
}

/// Manifests before components without one, each by file name.
fn order(path: &Path) -> (bool, &Path) {
    (path.extension().is_some_and(|extension| extension == "wasm"), path)
}
