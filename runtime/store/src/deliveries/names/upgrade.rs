//! An earlier schema's index by name.

use std::ops::Bound;

use heed::types::Bytes;
use heed::{Database, Env, RwTxn, WithoutTls};

use super::entry_of;
use crate::keys::{INDEXED_NUMBER, KeyedHash, LAST_NUMBER};
use crate::tables::Tables;

/// So many records are indexed at a time, in the order of their keys.
const PORTION: usize = 1 << 20;

/// Schema 4 had the index in `delivery_names`, with the names in its keys: it is made anew.
pub(crate) fn take_names_over(
    env: &Env<WithoutTls>,
    tables: &Tables,
    txn: &mut RwTxn,
    hash: KeyedHash,
) -> heed::Result<()> {
    let before: Option<Database<Bytes, Bytes>> = env.open_database(txn, Some("delivery_names"))?;
    let Some(before) = before else { return Ok(()) };
    if before.is_empty(txn)? {
        return Ok(());
    }
    let mut last: Option<Vec<u8>> = None;
    loop {
        let behind = (last.as_deref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut entries = Vec::new();
        let mut next = None;
        for record in tables.deliveries.range(txn, &behind)?.take(PORTION) {
            let (key, bytes) = record?;
            entries.extend(entry_of(hash, key, bytes));
            next = Some(key);
        }
        let Some(next) = next.map(<[u8]>::to_vec) else { break };
        last = Some(next);
        entries.sort_unstable();
        for entry in entries {
            tables.delivery_index.put(txn, &entry.bytes(), &())?;
        }
    }
    let indexed = tables.counters.get(txn, LAST_NUMBER)?.unwrap_or(0);
    tables.counters.put(txn, INDEXED_NUMBER, &indexed)?;
    before.clear(txn)
}
