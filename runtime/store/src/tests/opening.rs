//! Opening, closing, and what is there the next time.

use std::fs::{self, File};

use periodic::{JobOp, JobStore};
use pusher_core::{Applied, Change, PusherChange, StoreError, Storer, Tag};

use super::{change, due, funcs, id, job, op, open, put_job, put_pusher};
use crate::keys::Key;
use crate::open::{SCHEMA, pretend_schema};
use crate::{OpenError, Store, StoreOptions};

fn refusal(dir: &std::path::Path, options: StoreOptions) -> OpenError {
    match Store::open(dir, options) {
        Ok(_) => panic!("{} was opened", dir.display()),
        Err(error) => {
            assert!(error.to_string().contains(dir.to_str().unwrap()), "names the directory: {error}");
            error
        }
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    change(&store, put_pusher("a", 7)).await.unwrap();
    let (seq, _) = put_job(&store, job("f", "n", 5)).await;
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.list(0, 9).await.unwrap().pushers[0].id, id("a"));
    assert_eq!(store.load(&[seq]).await.unwrap(), [Some(job("f", "n", 5))]);
    assert_eq!(due(&store, "f", None, 9).await, [(5, seq)]);
    assert_eq!(funcs(&store).await, [("f".into(), 1)]);
    assert_eq!(put_job(&store, job("f", "n", 5)).await, (seq + 1, Some(seq)), "the hash key is the same");
}

/// Makes what schema 1 was: recipients in JSON, and neither counts of the list, a log of changes nor an identity.
fn store_of_schema_1(dir: &std::path::Path, ids: &[String]) {
    use heed::types::{Bytes, Str, Unit};
    let mut options = heed::EnvOpenOptions::new();
    options.max_dbs(16).map_size(1 << 26);
    #[expect(unsafe_code, reason = "a test's own directory, which nobody else opens")]
    let env = unsafe { options.open(dir) }.unwrap();
    let mut txn = env.write_txn().unwrap();
    let meta: heed::Database<Str, Bytes> = env.create_database(&mut txn, Some("meta")).unwrap();
    meta.put(&mut txn, "schema", &1_u32.to_be_bytes()).unwrap();
    meta.put(&mut txn, "hash_key", &[7; 16]).unwrap();
    let pushers: heed::Database<Str, Bytes> = env.create_database(&mut txn, Some("pushers")).unwrap();
    let by_created: heed::Database<Bytes, Unit> = env.create_database(&mut txn, Some("by_created")).unwrap();
    for (created_at, id) in (0..).zip(ids) {
        let json = format!(
            r#"{{"id":"{id}","email":"","nickname":"old","phoneNumber":"","senders":["mail"],"tags":null,"createdAt":{created_at}}}"#,
        );
        pushers.put(&mut txn, id, &[b"\x01", json.as_bytes()].concat()).unwrap();
        by_created.put(&mut txn, Key::created(created_at, id).as_bytes(), &()).unwrap();
    }
    txn.commit().unwrap();
    env.prepare_for_closing().wait();
}

#[tokio::test]
async fn a_store_of_schema_1_is_brought_up_to_date_and_keeps_its_recipients() {
    let dir = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (0..50).map(|n| format!("p{n:02}")).collect();
    store_of_schema_1(dir.path(), &ids);
    let store = open(dir.path());
    let identity = store.opened().identity;
    assert_ne!(identity, [0; 16]);
    for from in 0..50 {
        let part = store.list(from as u64, 1).await.unwrap();
        let newest = &part.pushers[0];
        assert_eq!((part.total, newest.id.as_str(), newest.nickname.as_str()), (50, &*ids[49 - from], "old"));
        assert_eq!(newest.senders.len(), 1);
    }
    let tag = PusherChange { id: id("p07"), change: Change::AddTag(Tag::parse("t").unwrap()) };
    assert_eq!(change(&store, tag).await.unwrap(), Applied::Changed);
    assert_eq!(change(&store, put_pusher("new", 7)).await.unwrap(), Applied::Created);
    drop(store);
    let store = open(dir.path());
    assert_eq!((store.opened().identity, store.opened().progress.committed()), (identity, 2));
    let p07 = store.get(&[id("p07")]).await.unwrap().remove(0).unwrap();
    assert_eq!((p07.nickname.as_str(), p07.tags.len(), p07.senders.len()), ("old", 1, 1));
    assert_eq!(store.list(42, 1).await.unwrap().pushers[0].id, id("p07"));
}

#[tokio::test]
async fn a_store_of_schema_3_keeps_its_jobs_and_how_far_its_pushalls_had_come() {
    use heed::types::{Bytes, Str};
    use pusher_core::{DeliveryLog, JobName, PushAllState};
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (seq, _) = put_job(&store, job("pusher:sample", "x", 5)).await;
    {
        let opened = store.opened();
        let mut txn = opened.env.write_txn().unwrap();
        // Version 1 of a job had neither number nor pushall.
        let mut bytes = opened.tables.jobs.get(&txn, &seq).unwrap().unwrap().to_vec();
        bytes[0] = 1;
        bytes.drain(19..31);
        opened.tables.jobs.put(&mut txn, &seq, &bytes).unwrap();
        let fan_outs: heed::Database<Str, Bytes> = opened.env.create_database(&mut txn, Some("fan_outs")).unwrap();
        let half = [&[0][..], &20_u64.to_be_bytes(), &9_u64.to_be_bytes(), b"p20"].concat();
        fan_outs.put(&mut txn, "sample_half", &half).unwrap();
        fan_outs.put(&mut txn, "sample_done", &[&[1][..], &[0; 16]].concat()).unwrap();
        txn.commit().unwrap();
        pretend_schema(opened, 3);
    }
    drop(store);
    for _ in 0..2 {
        let store = open(dir.path());
        assert_eq!(store.load(&[seq]).await.unwrap(), [Some(job("pusher:sample", "x", 5))]);
        let pushall = async |name| DeliveryLog::pushall(&store, &JobName::parse(name).unwrap()).await.unwrap().unwrap();
        let half = pushall("sample_half").await;
        assert_eq!((half.state, half.counts.submitted, half.after), (PushAllState::Running, 20, Some(id("p20"))));
        assert_eq!(pushall("sample_done").await.state, PushAllState::Done);
    }
}

#[test]
fn every_store_has_an_identity_of_its_own() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [a, b] = dirs.each_ref().map(|dir| open(dir.path()).opened().identity);
    assert_ne!(a, b);
    assert_eq!(open(dirs[0].path()).opened().identity, a);
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_takes_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let writes = async { tokio::join!(change(&store, put_pusher("a", 1)), op(&store, JobOp::Put(job("f", "n", 1)))) };
    let ((pusher, job_put), ()) = tokio::join!(biased; writes, store.close());
    assert!(pusher.is_ok() && job_put.is_ok());
    let refused = change(&store, put_pusher("b", 1)).await.unwrap_err();
    assert_eq!(refused.to_string(), "the store failed: it is closed");
    store.close().await;
    assert_eq!(store.list(0, 9).await.unwrap().total, 1, "reading still works");
    drop(store);
    assert_eq!(open(dir.path()).list(0, 9).await.unwrap().total, 1);
}

#[tokio::test]
async fn what_was_queued_is_written_although_nobody_waits_and_the_store_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..50 {
        let write = change(&store, put_pusher(&n.to_string(), n));
        // Polled once, which queues it, and dropped.
        tokio::select! { biased; _ = write => {} () = async {} => {} }
    }
    drop(store);
    assert_eq!(open(dir.path()).list(0, 0).await.unwrap().total, 50);
}

#[test]
fn a_second_opener_is_refused_here_and_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = refusal(dir.path(), StoreOptions::default());
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(store);
    drop(open(dir.path()));
    // Another process's lock: the system ties it to the open file, not to the process.
    let elsewhere = File::open(dir.path().join("store.lock")).unwrap();
    elsewhere.try_lock().unwrap();
    assert!(matches!(refusal(dir.path(), StoreOptions::default()), OpenError::InUse { .. }));
    drop(elsewhere);
    drop(open(dir.path()));
}

#[cfg(unix)]
#[test]
fn the_directory_is_made_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    drop(open(&dir));
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.clone()), 0o700);
    for file in fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(file.unwrap().path()), 0o600);
    }
}

#[test]
fn a_store_of_a_later_version_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    pretend_schema(store.opened(), SCHEMA + 1);
    drop(store);
    let before = fs::read(dir.path().join("data.mdb")).unwrap();
    let error = refusal(dir.path(), StoreOptions::default());
    assert!(matches!(error, OpenError::TooNew { found, known: SCHEMA, .. } if found == SCHEMA + 1), "{error}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
    assert!(fs::read(dir.path().join("data.mdb")).unwrap() == before);
}

#[test]
fn the_data_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = heed::EnvOpenOptions::new();
    options.max_dbs(2);
    #[expect(unsafe_code, reason = "a test's own directory, which nobody else opens")]
    let env = unsafe { options.open(dir.path()) }.unwrap();
    let mut txn = env.write_txn().unwrap();
    env.create_database::<heed::types::Str, heed::types::Str>(&mut txn, Some("theirs")).unwrap();
    txn.commit().unwrap();
    env.prepare_for_closing().wait();
    assert!(matches!(refusal(dir.path(), StoreOptions::default()), OpenError::Foreign { .. }));
}

#[test]
fn what_cannot_be_a_store_is_refused_in_a_sentence() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(refusal(&file, StoreOptions::default()), OpenError::Directory { .. }));
    let too_large = StoreOptions { map_size: 1 << 60, ..StoreOptions::default() };
    let error = refusal(&root.path().join("dir"), too_large);
    assert!(matches!(error, OpenError::AddressSpace { .. }), "{error}");
    assert!(error.to_string().contains("set a smaller map size"), "{error}");
    drop(open(&root.path().join("dir")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_do_not_leak_slots() {
    let dir = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(open(dir.path()));
    change(&store, put_pusher("a", 1)).await.unwrap();
    let (seq, _) = put_job(&store, job("f", "n", 1)).await;
    let reads: Vec<_> = (0..5_000)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                match n % 4 {
                    0 => store.get(&[id("a")]).await.map(|_| ()),
                    1 => store.list(0, 1).await.map(|_| ()),
                    2 => store.load(&[seq]).await.map(|_| ()).map_err(|e| StoreError::Failed(e.to_string())),
                    _ => store.funcs().await.map(|_| ()).map_err(|e| StoreError::Failed(e.to_string())),
                }
            })
        })
        .collect();
    for read in reads {
        read.await.unwrap().unwrap();
    }
    // Slots are used again, so there are as many as there were reads at once: at most one for each thread.
    let slots = store.opened().env.info().number_of_readers;
    assert!(slots <= 600, "{slots} slots");
}
