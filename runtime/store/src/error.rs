//! What can go wrong, in sentences that say what to do about it.

use std::any::Any;
use std::io;
use std::path::PathBuf;

use heed::MdbError;
use periodic::JobStoreError;
use pusher_core::StoreError;

/// Why a directory could not be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or written.
    #[error("cannot use {} as the store's directory: {source}; give a directory that this user may write", dir.display())]
    Directory {
        /// Which directory.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody has it open.
    #[error(
        "the store in {} is already open, here or in another process; stop that process or use another directory",
        dir.display()
    )]
    InUse {
        /// Which directory.
        dir: PathBuf,
    },
    /// The map does not fit the address space.
    #[error(
        "cannot reserve {map_size} bytes of address space for the store in {}: {source}; \
         set a smaller map size, or raise the limit (ulimit -v)",
        dir.display()
    )]
    AddressSpace {
        /// Which directory.
        dir: PathBuf,
        /// How much was asked for.
        map_size: u64,
        /// What the system says.
        source: io::Error,
    },
    /// There is an LMDB environment, but not one of ours.
    #[error("{} holds the data of another program; use another directory", dir.display())]
    Foreign {
        /// Which directory.
        dir: PathBuf,
    },
    /// A later version of pusher has written it.
    #[error(
        "the store in {} has schema {found} and this program knows {known}; run the version of pusher that wrote it or \
         a later one, or restore a backup from before the upgrade",
        dir.display()
    )]
    TooNew {
        /// Which directory.
        dir: PathBuf,
        /// The version found.
        found: u32,
        /// The latest version that this program reads.
        known: u32,
    },
    /// What should say what the store is cannot be read.
    #[error("the store in {} is damaged: {reason}; restore a backup", dir.display())]
    Damaged {
        /// Which directory.
        dir: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Anything else that LMDB or the system says.
    #[error("cannot open the store in {}: {source}", dir.display())]
    Lmdb {
        /// Which directory.
        dir: PathBuf,
        /// What LMDB says.
        source: heed::Error,
    },
    /// The system gave no thread or no random numbers.
    #[error("cannot open the store in {}: {source}", dir.display())]
    System {
        /// Which directory.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why an operation failed within a transaction, and what that means for the transaction.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The operation was refused before it wrote anything. The transaction stands.
    Refused(StoreError),
    /// LMDB failed part-way: the transaction must be aborted, and all that is in it is undone.
    Lost(StoreError),
}

impl Failure {
    pub(crate) fn into_reason(self) -> StoreError {
        match self {
            Self::Refused(reason) | Self::Lost(reason) => reason,
        }
    }
}

impl From<heed::Error> for Failure {
    fn from(error: heed::Error) -> Self {
        Self::Lost(store_error(&error))
    }
}

/// A record or key that cannot be read: refuses the operation that met it.
pub(crate) fn corrupt(key: impl Into<String>, reason: impl Into<String>) -> StoreError {
    StoreError::Corrupt { key: key.into(), reason: reason.into() }
}

/// What LMDB says, as the ports say it.
pub(crate) fn store_error(error: &heed::Error) -> StoreError {
    match error {
        heed::Error::Mdb(MdbError::MapFull) => {
            StoreError::Full("its map has no page left; delete something, or restart with a larger map size".into())
        }
        heed::Error::Io(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            StoreError::Full(format!("{e}; make room on the disk that holds the store"))
        }
        heed::Error::Mdb(MdbError::ReadersFull) => {
            StoreError::Failed("too many reads at once; restart with more readers".into())
        }
        heed::Error::Mdb(MdbError::Panic) => {
            StoreError::Failed("an earlier write to the disk failed half-way; restart, and check the disk".into())
        }
        heed::Error::Mdb(e @ (MdbError::Corrupted | MdbError::PageNotFound)) => {
            StoreError::Failed(format!("the data file is damaged ({e}); restore a backup"))
        }
        other => StoreError::Failed(other.to_string()),
    }
}

/// The same failure as the other port names it.
pub(crate) fn job_store_error(error: StoreError) -> JobStoreError {
    match error {
        StoreError::Full(reason) => JobStoreError::Full(reason),
        StoreError::Refused(reason) => JobStoreError::Refused(reason),
        StoreError::Failed(reason) => JobStoreError::Failed(reason),
        corrupt @ StoreError::Corrupt { .. } => JobStoreError::Failed(corrupt.to_string()),
    }
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_full_like_a_full_map() {
        let disk = heed::Error::Io(io::Error::from_raw_os_error(28));
        assert!(matches!(store_error(&disk), StoreError::Full(reason) if reason.contains("make room")));
        let map = heed::Error::Mdb(MdbError::MapFull);
        assert!(matches!(store_error(&map), StoreError::Full(reason) if reason.contains("map size")));
    }
}
