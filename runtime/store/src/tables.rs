//! The named databases of the environment and the shape of their keys and values.
//!
//! | database | key | value |
//! | --- | --- | --- |
//! | `meta` | `schema`, `identity`, `hash_key` | u32 BE; 16 random bytes each |
//! | `meta` | `indexed_jobs` | which entries are in `job_index` and `due` ([`crate::recent`]) |
//! | `pushers` | id | a recipient ([`crate::pusher_record`]) |
//! | `by_created` | createdAt ‖ id | – |
//! | `created_counts` | first key of a stretch of `by_created` | how many keys it has, u64 BE ([`crate::ranks`]) |
//! | `by_sender`, `by_tag` | length, sender or tag ‖ id | – |
//! | `changes` | number, counted up | changed ids ([`crate::changes`]) |
//! | `jobs` | seq | [`JobRecord`](crate::record::JobRecord) |
//! | `job_index` | hash of (func, name), 64 bits | seq; one for each older job that has this hash |
//! | `due` | length, func ‖ sched_at ‖ seq of each older job | – |
//! | `deliveries`, `delivery_index` | | what became of messages ([`crate::deliveries`]) |
//! | `pushalls`, `pushall_names` | | how far pushalls have come, and what became of them ([`crate::pushalls`]) |
//! | `requests`, `request_times` | | requests that are not done twice ([`crate::requests`]) |
//! | `funcs` | `:` func | how many jobs it has, u64 BE |
//! | `funcs` | `#`, `@` | the last job number that was given, the last of the delivery log, u64 BE |
//! | `funcs` | `%` | deliveries up to this number are in `delivery_index` ([`crate::deliveries`]), u64 BE |
//!
//! Integers in keys are big-endian, signed ones with the sign bit flipped ([`crate::keys`]).

use heed::byteorder::BE;
use heed::types::{Bytes, Str, U32, U64, Unit};
use heed::{Database, DatabaseFlags, Env, RoTxn, RwTxn, WithoutTls};

/// How many named databases there can be; more than there are, for later ones.
pub(crate) const MAX_DATABASES: u32 = 32;

/// The database that says what the others are. It is opened before them.
pub(crate) type Meta = Database<Str, Bytes>;

/// An index without values.
pub(crate) type Index = Database<Bytes, Unit>;

/// Handles to the named databases.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    pub(crate) meta: Meta,
    pub(crate) pushers: Database<Str, Bytes>,
    pub(crate) by_created: Index,
    pub(crate) created_counts: Database<Bytes, U64<BE>>,
    pub(crate) by_sender: Index,
    pub(crate) by_tag: Index,
    pub(crate) changes: Database<U64<BE>, Bytes>,
    pub(crate) jobs: Database<U64<BE>, Bytes>,
    pub(crate) job_index: Database<U64<BE>, U64<BE>>,
    pub(crate) due: Index,
    pub(crate) deliveries: Database<Bytes, Bytes>,
    pub(crate) delivery_index: Index,
    pub(crate) pushalls: Database<U32<BE>, Bytes>,
    pub(crate) pushall_names: Database<Str, U32<BE>>,
    pub(crate) requests: Database<Bytes, Bytes>,
    pub(crate) request_times: Database<U64<BE>, Bytes>,
    /// Named `funcs` in the file: what every commit of jobs changes, on one page.
    pub(crate) counters: Database<Bytes, U64<BE>>,
}

impl Tables {
    pub(crate) const META: &'static str = "meta";

    /// Opens the databases, made if they are not there.
    pub(crate) fn create(env: &Env<WithoutTls>, txn: &mut RwTxn) -> heed::Result<Self> {
        Ok(Self {
            meta: env.create_database(txn, Some(Self::META))?,
            pushers: env.create_database(txn, Some("pushers"))?,
            by_created: env.create_database(txn, Some("by_created"))?,
            created_counts: env.create_database(txn, Some("created_counts"))?,
            by_sender: env.create_database(txn, Some("by_sender"))?,
            by_tag: env.create_database(txn, Some("by_tag"))?,
            changes: env.create_database(txn, Some("changes"))?,
            jobs: env.create_database(txn, Some("jobs"))?,
            job_index: env
                .database_options()
                .types()
                .name("job_index")
                .flags(DatabaseFlags::DUP_SORT | DatabaseFlags::DUP_FIXED)
                .create(txn)?,
            due: env.create_database(txn, Some("due"))?,
            deliveries: env.create_database(txn, Some("deliveries"))?,
            delivery_index: env.create_database(txn, Some("delivery_index"))?,
            pushalls: env.create_database(txn, Some("pushalls"))?,
            pushall_names: env.create_database(txn, Some("pushall_names"))?,
            requests: env.create_database(txn, Some("requests"))?,
            request_times: env.create_database(txn, Some("request_times"))?,
            counters: env.create_database(txn, Some("funcs"))?,
        })
    }

    /// How many bytes the trees occupy as `txn` sees them. The free list and free pages do not count: they are room.
    pub(crate) fn used_bytes(&self, txn: &RoTxn) -> heed::Result<u64> {
        let stats = [
            self.meta.stat(txn)?,
            self.pushers.stat(txn)?,
            self.by_created.stat(txn)?,
            self.created_counts.stat(txn)?,
            self.by_sender.stat(txn)?,
            self.by_tag.stat(txn)?,
            self.changes.stat(txn)?,
            self.jobs.stat(txn)?,
            self.job_index.stat(txn)?,
            self.due.stat(txn)?,
            self.deliveries.stat(txn)?,
            self.delivery_index.stat(txn)?,
            self.pushalls.stat(txn)?,
            self.pushall_names.stat(txn)?,
            self.requests.stat(txn)?,
            self.request_times.stat(txn)?,
            self.counters.stat(txn)?,
        ];
        Ok(stats.iter().map(bytes).sum())
    }

    /// How many of them are the log of changes.
    pub(crate) fn log_bytes(&self, txn: &RoTxn) -> heed::Result<u64> {
        Ok(bytes(&self.changes.stat(txn)?))
    }
}

fn bytes(stat: &heed::DatabaseStat) -> u64 {
    (stat.branch_pages + stat.leaf_pages + stat.overflow_pages) as u64 * u64::from(stat.page_size)
}
