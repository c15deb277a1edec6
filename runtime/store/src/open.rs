//! From a directory to an open environment: one process only, mapped, of a schema that we know.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use heed::byteorder::{BE, ByteOrder};
use heed::{Env, EnvOpenOptions, WithoutTls};
use pusher_core::Prefix;

use crate::changes::{self, Progress};
use crate::counts::CommitCounts;
use crate::deliveries::{DeliveryCounts, RECENT_NAMES, RecentNames, take_names_over};
use crate::error::OpenError;
use crate::keys::{KeyedHash, LAST_SEQ};
use crate::pushalls::take_fan_outs_over;
use crate::recent::{Frontier, RECENT_JOBS, RecentJobs};
use crate::tables::{MAX_DATABASES, Meta, Tables};

/// The default size of the map: far more than is used, because it costs address space only. The file grows as it fills.
pub const DEFAULT_MAP_SIZE: u64 = 256 << 30;

/// What can be set when a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// How large the store may grow, in bytes; default [`DEFAULT_MAP_SIZE`]. Rounded up to whole pages. At nine tenths
    /// of it what grows the store is refused as full, and what shrinks it still works. It may be changed at every start;
    /// a map smaller than what is stored already is as large as that.
    pub map_size: u64,
    /// How many reads may go on at once; default 2048. One more is refused. Every read is short, so in effect this
    /// bounds the threads of the process.
    pub max_readers: u32,
    /// What stands before a sender's name in a func, by which the delivery log knows pushes among the jobs; default
    /// `pusher:`.
    pub prefix: Prefix,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { map_size: DEFAULT_MAP_SIZE, max_readers: 2048, prefix: Prefix::default() }
    }
}

/// How jobs and deliveries are found by their names. Tests have it otherwise, so that a few jobs collide, and a few of both
/// are moved.
#[derive(Clone, Copy)]
pub(crate) struct Indexing {
    pub(crate) hash: fn([u8; 16]) -> KeyedHash,
    /// With so many entries of an index of jobs in memory they begin to be moved to the disk.
    pub(crate) jobs_in_memory: usize,
    /// The same for the index of deliveries.
    pub(crate) deliveries_in_memory: usize,
}

impl Default for Indexing {
    fn default() -> Self {
        Self { hash: KeyedHash::new, jobs_in_memory: RECENT_JOBS, deliveries_in_memory: RECENT_NAMES }
    }
}

/// An open environment. Whoever reads or writes holds it; when the last one lets go, it is closed and then unlocked, in
/// the order of the fields.
pub(crate) struct Opened {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) tables: Tables,
    pub(crate) hash: KeyedHash,
    pub(crate) prefix: Prefix,
    /// Random for every store, so that an index is not taken for that of another one.
    pub(crate) identity: [u8; 16],
    pub(crate) progress: Progress,
    pub(crate) commits: CommitCounts,
    pub(crate) recorded: DeliveryCounts,
    /// The newest part of the index of deliveries by name.
    pub(crate) names: RecentNames,
    _lock: File,
}

/// The version of what [`crate::tables`] describes. Version 1 had no `created_counts`, `changes` and `identity`, and
/// recipients in JSON; version 2 had the last job number in `meta`, and all jobs in both indexes; version 3 had no delivery
/// log, and of pushalls only `fan_outs`; version 4 had the deliveries' index by name in `delivery_names`, with names in it.
pub(crate) const SCHEMA: u32 = 5;
const LOCK_FILE: &str = "store.lock";

/// A multiple of every page size there is.
const MAP_SIZE_UNIT: u64 = 64 << 10;

/// Keys of `meta`.
const SCHEMA_KEY: &str = "schema";
const HASH_KEY: &str = "hash_key";
const IDENTITY_KEY: &str = "identity";
/// Until version 2.
const NEXT_SEQ_KEY: &str = "next_seq";
pub(crate) const INDEXED_JOBS_KEY: &str = "indexed_jobs";

impl Opened {
    /// Opens `dir`. The part of the index of jobs that is in memory is for the writer.
    pub(crate) fn open(dir: &Path, options: StoreOptions, indexing: Indexing) -> Result<(Self, RecentJobs), OpenError> {
        create_private(dir).map_err(|source| OpenError::Directory { dir: dir.into(), source })?;
        let lock = lock(dir)?;
        let env = open_env(dir, &options)?;
        let lmdb = |source| OpenError::Lmdb { dir: dir.into(), source };
        let stale = env.clear_stale_readers().map_err(lmdb)?;
        if stale > 0 {
            tracing::info!(stale, "cleared readers that a dead process left behind");
        }
        let is_new = check_schema(&env, dir)?;
        let Made { tables, hash_key, identity, frontier } = create_tables(&env, dir, is_new, indexing.hash)?;
        let hash = (indexing.hash)(hash_key);
        let txn = env.read_txn().map_err(lmdb)?;
        let progress = Progress::starting_at(changes::last_entry(&tables, &txn).map_err(lmdb)?);
        let recent = RecentJobs::load(&tables, &txn, hash, frontier, indexing.jobs_in_memory).map_err(lmdb)?;
        let names = RecentNames::load(&tables, &txn, hash, indexing.deliveries_in_memory).map_err(lmdb)?;
        drop(txn);
        if is_new {
            // A commit makes the file durable, not its name.
            #[cfg(unix)]
            File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(|source| OpenError::Directory { dir: dir.into(), source })?;
        }
        let (prefix, (commits, recorded)) = (options.prefix, Default::default());
        Ok((Self { env, tables, hash, prefix, identity, progress, commits, recorded, names, _lock: lock }, recent))
    }
}

/// Makes a directory that only this user may read.
pub(crate) fn create_private(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Takes the lock that says that the directory is open. LMDB itself would let a second process write, and two writers
/// would each trust a memory of their own.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let refused = |source| OpenError::Directory { dir: dir.into(), source };
    let file = options.open(dir.join(LOCK_FILE)).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.into() }),
        Err(TryLockError::Error(source)) => Err(refused(source)),
    }
}

fn open_env(dir: &Path, options: &StoreOptions) -> Result<Env<WithoutTls>, OpenError> {
    let map_size = options
        .map_size
        .max(1)
        .checked_next_multiple_of(MAP_SIZE_UNIT)
        .unwrap_or(u64::MAX / MAP_SIZE_UNIT * MAP_SIZE_UNIT);
    let no_room = |source| OpenError::AddressSpace { dir: dir.into(), map_size, source };
    let mapped = usize::try_from(map_size).map_err(|_| no_room(io::ErrorKind::OutOfMemory.into()))?;
    let mut env_options = EnvOpenOptions::new().read_txn_without_tls();
    env_options.map_size(mapped).max_readers(options.max_readers).max_dbs(MAX_DATABASES);
    // SAFETY: the map stays valid as long as nobody but LMDB changes the file. The lock taken before keeps other
    // processes of ours out, the directory is private to the user, and no flag that weakens LMDB's locking is set.
    #[expect(unsafe_code, reason = "opening a memory map cannot be made safe by LMDB alone; see SAFETY")]
    let opened = unsafe { env_options.open(dir) };
    opened.map_err(|error| match error {
        heed::Error::Io(e) if e.kind() == io::ErrorKind::OutOfMemory => no_room(e),
        heed::Error::EnvAlreadyOpened => OpenError::InUse { dir: dir.into() },
        source => OpenError::Lmdb { dir: dir.into(), source },
    })
}

/// Looks at what is there before anything is written to it: is it a new store?
fn check_schema(env: &Env<WithoutTls>, dir: &Path) -> Result<bool, OpenError> {
    let lmdb = |source| OpenError::Lmdb { dir: dir.into(), source };
    let txn = env.read_txn().map_err(lmdb)?;
    let meta: Option<Meta> = env.open_database(&txn, Some(Tables::META)).map_err(lmdb)?;
    let Some(meta) = meta else {
        let root: Option<Meta> = env.open_database(&txn, None).map_err(lmdb)?;
        let empty = match root {
            Some(root) => root.is_empty(&txn).map_err(lmdb)?,
            None => true,
        };
        return if empty { Ok(true) } else { Err(OpenError::Foreign { dir: dir.into() }) };
    };
    match meta.get(&txn, SCHEMA_KEY).map_err(lmdb)? {
        Some(version) if version.len() == 4 => match BE::read_u32(version) {
            1..=SCHEMA => Ok(false),
            found if found > SCHEMA => Err(OpenError::TooNew { dir: dir.into(), found, known: SCHEMA }),
            found => Err(OpenError::Damaged { dir: dir.into(), reason: format!("there never was a schema {found}") }),
        },
        Some(_) => Err(OpenError::Damaged { dir: dir.into(), reason: "its schema version is not a number".into() }),
        None => Err(OpenError::Foreign { dir: dir.into() }),
    }
}

/// What a store is found to be.
struct Made {
    tables: Tables,
    hash_key: [u8; 16],
    identity: [u8; 16],
    frontier: Frontier,
}

/// Opens the databases, gives a new store its keys, and brings one of an earlier version to this one: one transaction,
/// so that a store is either as it was or whole.
fn create_tables(
    env: &Env<WithoutTls>,
    dir: &Path,
    is_new: bool,
    hash: fn([u8; 16]) -> KeyedHash,
) -> Result<Made, OpenError> {
    let lmdb = |source| OpenError::Lmdb { dir: dir.into(), source };
    let damaged = |key: &str, bytes: usize| OpenError::Damaged {
        dir: dir.into(),
        reason: format!("its {key} is not {bytes} bytes long"),
    };
    let mut txn = env.write_txn().map_err(lmdb)?;
    let tables = Tables::create(env, &mut txn).map_err(lmdb)?;
    let has_identity = tables.meta.get(&txn, IDENTITY_KEY).map_err(lmdb)?.is_some();
    for (key, is_missing) in [(HASH_KEY, is_new), (IDENTITY_KEY, !has_identity)] {
        if is_missing {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes)
                .map_err(|e| OpenError::System { dir: dir.into(), source: io::Error::other(e.to_string()) })?;
            tables.meta.put(&mut txn, key, &bytes).map_err(lmdb)?;
        }
    }
    tables.recount(&mut txn).map_err(lmdb)?;
    if tables.meta.get(&txn, INDEXED_JOBS_KEY).map_err(lmdb)?.is_none() {
        let last = match tables.meta.get(&txn, NEXT_SEQ_KEY).map_err(lmdb)? {
            Some(bytes) => u64::from_be_bytes(bytes.try_into().map_err(|_| damaged(NEXT_SEQ_KEY, 8))?),
            None => 0,
        };
        tables.meta.delete(&mut txn, NEXT_SEQ_KEY).map_err(lmdb)?;
        tables.counters.put(&mut txn, LAST_SEQ, &last).map_err(lmdb)?;
        tables.meta.put(&mut txn, INDEXED_JOBS_KEY, &Frontier::at(last).encode()).map_err(lmdb)?;
    }
    take_fan_outs_over(env, &tables, &mut txn).map_err(lmdb)?;
    tables.meta.put(&mut txn, SCHEMA_KEY, &SCHEMA.to_be_bytes()).map_err(lmdb)?;
    let read = |key| -> Result<[u8; 16], OpenError> {
        let bytes = tables.meta.get(&txn, key).map_err(lmdb)?.and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| damaged(key, 16))
    };
    let (hash_key, identity) = (read(HASH_KEY)?, read(IDENTITY_KEY)?);
    take_names_over(env, &tables, &mut txn, hash(hash_key)).map_err(lmdb)?;
    let frontier = tables.meta.get(&txn, INDEXED_JOBS_KEY).map_err(lmdb)?.and_then(Frontier::decode);
    let frontier = frontier.ok_or_else(|| damaged(INDEXED_JOBS_KEY, 40))?;
    txn.commit().map_err(lmdb)?;
    Ok(Made { tables, hash_key, identity, frontier })
}

#[cfg(test)]
pub(crate) fn pretend_schema(opened: &Opened, version: u32) {
    let mut txn = opened.env.write_txn().unwrap();
    opened.tables.meta.put(&mut txn, SCHEMA_KEY, &version.to_be_bytes()).unwrap();
    txn.commit().unwrap();
}
