//! Finding the addresses of a name, for connecting to them: each is judged, and nobody can keep the others from asking.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::{task, task_local};

use super::{Private, is_public};
use crate::limits::MAX_LOOKUPS;

/// Finds the addresses of a name. Blocks, as the system's own does, and cannot be stopped.
pub(crate) type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The system's own.
pub(crate) fn system_lookup() -> Arc<Lookup> {
    Arc::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
}

task_local! {
    /// The places of the sender whose request is under way in this task.
    static CURRENT: Lookups;
}

/// One sender's places for lookups. A lookup that was given up goes on, on a thread that all of the host shares, for as
/// long as the name server makes it: so it keeps its place until it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

impl Lookups {
    /// Runs a request, the lookups of which take these places.
    pub(crate) async fn scope<T>(&self, request: impl Future<Output = T>) -> T {
        CURRENT.scope(self.clone(), request).await
    }
}

/// Resolves names, to their public addresses only unless it is made otherwise.
#[derive(Clone)]
pub(crate) struct Resolver {
    lookup: Arc<Lookup>,
    private: bool,
    /// For a connection that is made for nobody's request any more.
    nobodys: Lookups,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("private", &self.private).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Public addresses only.
    pub(crate) fn public(lookup: Arc<Lookup>) -> Self {
        Self { lookup, private: false, nobodys: Lookups::default() }
    }

    /// All addresses.
    pub(crate) fn private(lookup: Arc<Lookup>) -> Self {
        Self { private: true, ..Self::public(lookup) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Lookups(places) = CURRENT.try_with(Clone::clone).unwrap_or_else(|_| self.nobodys.clone());
        let (lookup, private) = (Arc::clone(&self.lookup), self.private);
        Box::pin(async move {
            let place = places.acquire_owned().await?;
            let asked = name.as_str().to_owned();
            let found = task::spawn_blocking(move || {
                let found = lookup(&asked);
                drop(place);
                found
            })
            .await??;
            let allowed: Vec<_> = found.iter().copied().filter(|ip| private || is_public(*ip)).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(Private(name.as_str().to_owned()).into());
            }
            // Port 0 stands for the one in the URL.
            Ok(Box::new(allowed.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}
