//! Traces against a map of them, through checkpoints of every size.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::super::SqliteLimits;
use super::super::read::Readers;
use super::super::schema;
use super::super::write::write;
use super::*;
use crate::store::local::disk::places::n_traces;
use crate::store::local::write::checkpoint::{Checkpoint, TraceRow};

/// What a checkpoint does with a trace.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Change {
    Put,
    Forget,
    /// Forgotten, and come again before the checkpoint.
    Renew,
}

/// Ids that share their first bytes, and some that do not.
fn trace(n: u8) -> TraceId {
    let mut id = [n.wrapping_mul(0x9d); 16];
    if n.is_multiple_of(3) {
        id[..12].fill(7);
    }
    id[15] = n + 1;
    TraceId::from_bytes(&id).unwrap()
}

fn row(no: TraceNo, is_new: bool, version: u64) -> TraceRow {
    let facts = stored::encode_trace(std::iter::empty(), version, &[], None, &[], &Stretches::default());
    TraceRow { no, is_new, last: UnixNanos(version), facts }
}

/// What a checkpoint does with some traces, each by its tenant and its number for [`trace`].
fn changes() -> impl Strategy<Value = BTreeMap<(u32, u8), Change>> {
    let change = prop_oneof![4 => Just(Change::Put), 2 => Just(Change::Forget), 1 => Just(Change::Renew)];
    proptest::collection::btree_map((0_u32..3, 0_u8..60), change, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_trace_is_found_as_it_was_last_written(
        checkpoints in proptest::collection::vec(changes(), 1..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.sqlite");
        let mut db = schema::open_writer(&path, &SqliteLimits::default()).unwrap();
        // Nothing here is about power that fails.
        db.pragma_update(None, "synchronous", "OFF").unwrap();
        let reader = Readers::new(&path, SqliteLimits::default()).take_own().unwrap();
        let mut model: BTreeMap<(u32, u8), (TraceNo, u64)> = BTreeMap::new();
        let (mut next, mut version) = (1, 0);
        for changes in checkpoints {
            let mut checkpoint = Checkpoint::default();
            for ((tenant, n), change) in changes {
                let key = (TenantNo(tenant), trace(n));
                if change != Change::Put {
                    checkpoint.forgotten_traces.push(key);
                    model.remove(&(tenant, n));
                }
                if change != Change::Forget {
                    version += 1;
                    let known = model.get(&(tenant, n)).map(|(no, _)| *no);
                    let no = known.unwrap_or(TraceNo(next));
                    next += u64::from(known.is_none());
                    checkpoint.traces.push((key, row(no, known.is_none(), version)));
                    model.insert((tenant, n), (no, version));
                }
            }
            write(&mut db, &checkpoint).unwrap();
            for (tenant, n) in (0..3).flat_map(|tenant| (0..60).map(move |n| (tenant, n))) {
                let found = reader.stored_trace(TenantNo(tenant), trace(n)).unwrap().map(|(no, stored)| (no, stored.n_refused));
                assert_eq!(found, model.get(&(tenant, n)).copied(), "trace {n} of tenant {tenant}");
                assert_eq!(reader.has_trace(TenantNo(tenant), trace(n)).unwrap(), found.is_some());
            }
            assert_eq!(n_traces(&db).unwrap(), model.len() as u64);
        }
        for tenant in 0..3 {
            let mut ids: Vec<TraceId> = model.keys().filter(|(of, _)| *of == tenant).map(|(_, n)| trace(*n)).collect();
            ids.sort_unstable();
            let (least, greatest) = (TraceId::from_hex(&format!("{:0>32}", "1")).unwrap(), TraceId::from_hex(&"f".repeat(32)).unwrap());
            assert_eq!(reader.trace_between(TenantNo(tenant), least, greatest).unwrap(), ids.first().copied());
        }
        let (mut after_page, mut keys) = (0, Vec::new());
        while let Some((found, page)) = reader.trace_keys(after_page).unwrap() {
            assert!(page > after_page);
            keys.extend(found);
            after_page = page;
        }
        assert!(model.keys().all(|(tenant, n)| keys.contains(&(TenantNo(*tenant), trace(*n)))));
        assert!(keys.len() <= 2 * model.len() + 65 + 80, "{} of {} point nowhere", keys.len() - model.len(), keys.len());
    }
}

/// Ids as they are made: a page is guessed, and every one is found.
#[test]
fn random_ids_are_found_in_segments_of_many_pages() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    let mut db = schema::open_writer(&path, &SqliteLimits::default()).unwrap();
    let random = |n: u64| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        bytes[8..].copy_from_slice(&n.to_be_bytes());
        TraceId::from_bytes(&bytes).unwrap()
    };
    let n = 20_000;
    let traces = (0..n).map(|i| ((TenantNo(3), random(i)), row(TraceNo(i + 1), true, i))).collect();
    write(&mut db, &Checkpoint { traces, ..Checkpoint::default() }).unwrap();
    let reader = Readers::new(&path, SqliteLimits::default()).take_own().unwrap();
    for i in (0..n).step_by(7).chain([n - 1]) {
        let (no, stored) = reader.stored_trace(TenantNo(3), random(i)).unwrap().unwrap();
        assert_eq!((no, stored.n_refused), (TraceNo(i + 1), i));
    }
    assert!((n..n + 500).all(|i| !reader.has_trace(TenantNo(3), random(i)).unwrap()));
    assert!(!reader.has_trace(TenantNo(2), random(5)).unwrap());
}

/// As in a database of an earlier format, which noted no next number.
#[test]
fn a_number_that_is_given_again_is_the_new_traces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    let mut db = schema::open_writer(&path, &SqliteLimits::default()).unwrap();
    let (old, new) = ((TenantNo(1), trace(1)), (TenantNo(1), trace(2)));
    let put = |key, version| Checkpoint { traces: vec![(key, row(TraceNo(5), true, version))], ..Checkpoint::default() };
    write(&mut db, &put(old, 1)).unwrap();
    write(&mut db, &Checkpoint { forgotten_traces: vec![old], ..Checkpoint::default() }).unwrap();
    assert_eq!(next_trace(&db).unwrap(), TraceNo::FIRST);
    write(&mut db, &put(new, 2)).unwrap();
    let reader = Readers::new(&path, SqliteLimits::default()).take_own().unwrap();
    assert!(reader.stored_trace(old.0, old.1).unwrap().is_none());
    assert_eq!(reader.stored_trace(new.0, new.1).unwrap().map(|(no, stored)| (no, stored.n_refused)), Some((TraceNo(5), 2)));
    // What is forgotten twice takes nobody else's row.
    write(&mut db, &Checkpoint { forgotten_traces: vec![old], kept: vec![(old.0, old.1, UnixNanos(9))], ..Checkpoint::default() }).unwrap();
    assert!(reader.has_trace(new.0, new.1).unwrap());
    assert_eq!(reader.old_traces(UnixNanos(9), 10).unwrap().len(), 1);
}

/// Preparing a statement takes several times what a look takes, and SQLite does it again unasked where it thinks that it must.
#[test]
fn a_look_prepares_no_statement_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    let mut db = schema::open_writer(&path, &SqliteLimits::default()).unwrap();
    let reader = Readers::new(&path, SqliteLimits::default()).take_own().unwrap();
    for n in 0..20 {
        if n % 5 == 0 {
            let traces = vec![((TenantNo(1), trace(n)), row(TraceNo(n.into()), true, 1))];
            write(&mut db, &Checkpoint { traces, ..Checkpoint::default() }).unwrap();
        }
        assert_eq!(reader.has_trace(TenantNo(1), trace(n)).unwrap(), n % 5 == 0);
    }
    for (name, statement) in statements::ALL {
        let n_prepared = reader.ready(statement).unwrap().get_status(rusqlite::StatementStatus::RePrepare);
        assert!(n_prepared <= 1, "{name} was prepared {n_prepared} times more than once");
    }
}

#[test]
fn no_number_is_given_twice_even_if_the_newest_trace_went() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    let mut db = schema::open_writer(&path, &SqliteLimits::default()).unwrap();
    assert_eq!(next_trace(&db).unwrap(), TraceNo::FIRST);
    let key = (TenantNo(1), trace(1));
    let next = TraceNo(9);
    write(&mut db, &Checkpoint { traces: vec![(key, row(TraceNo(8), true, 1))], next_trace: next, ..Checkpoint::default() }).unwrap();
    write(&mut db, &Checkpoint { forgotten_traces: vec![key], next_trace: next, ..Checkpoint::default() }).unwrap();
    assert_eq!((next_trace(&db).unwrap(), n_traces(&db).unwrap()), (next, 0));
}

/// The fold keeps its connection: what it read last would be what it reads for ever.
#[test]
fn a_read_that_fails_leaves_no_transaction_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    drop(schema::open_writer(&path, &SqliteLimits::default()).unwrap());
    let reader = Readers::new(&path, SqliteLimits::default()).take_own().unwrap();
    assert!(reader.within_snapshot(|| Err::<(), _>(rusqlite::Error::QueryReturnedNoRows)).is_err());
    assert!(reader.is_autocommit());
    assert!(reader.within_snapshot(|| reader.within_snapshot(|| Ok(()))).is_ok() && reader.is_autocommit());
}
