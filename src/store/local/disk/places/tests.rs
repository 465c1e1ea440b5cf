//! Places against a set of them, through checkpoints of every size.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rusqlite::{Connection, params};

use super::super::super::SqliteLimits;
use super::super::schema;
use super::super::statements::{self, Ready};
use super::segments::{PAGE_ENTRIES, Segment};
use super::*;
use crate::model::ids::{RunId, RunKey, TraceId};

fn database() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let db = schema::open_writer(&dir.path().join("index.sqlite"), &SqliteLimits::default()).unwrap();
    // Nothing here is about power that fails.
    db.pragma_update(None, "synchronous", "OFF").unwrap();
    (dir, db)
}

fn order(started_at: u64, number: u64) -> RunOrder {
    let key = RunKey { trace: TraceId::from_bytes(&[7; 16]).unwrap(), span: RunKey::PROVISIONAL };
    RunOrder { started_at: UnixNanos(started_at), id: RunId::new(number).unwrap(), key }
}

fn within(db: &Connection, kind: Kind, tenant: u32, keys: RangeInclusive<u64>) -> Vec<Entry> {
    let state = db.unchecked_transaction().unwrap();
    let mut places = Places::within(&state, kind, &Entry::range(TenantNo(tenant), &keys)).unwrap();
    std::iter::from_fn(|| places.next().unwrap()).collect()
}

/// One run as a checkpoint has it.
#[derive(Clone, Debug)]
struct Row {
    tenant: u32,
    session: u32,
    started_at: u64,
    number: u64,
    activity: u64,
    user: Option<u8>,
}

fn row() -> impl Strategy<Value = Row> {
    (0_u32..3, 0_u32..20, 0_u64..50, 1_u64..40, 0_u64..1_000, proptest::option::of(0_u8..4))
        .prop_map(|(tenant, session, started_at, number, activity, user)| Row { tenant, session, started_at, number, activity, user })
}

fn add_rows(db: &mut Connection, rows: &[Row], n_gone: u64) {
    let checkpoint = db.transaction().unwrap();
    let mut new = NewPlaces::default();
    for row in rows {
        let user = row.user.map(|user| user.to_string());
        new.add(TenantNo(row.tenant), SessionNo(row.session), &order(row.started_at, row.number), UnixNanos(row.activity), user.as_deref());
    }
    add(&checkpoint, new, Gone { n_runs: n_gone, n_traces: 0 }, UnixNanos::ZERO).unwrap();
    checkpoint.commit().unwrap();
}

fn add_session(db: &Connection, tenant: u32, session: u32) {
    let row = params![tenant, session, format!("s{session}"), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b"", 0];
    db.ready(&statements::PUT_SESSION).unwrap().execute(row).unwrap();
}

/// Larger than the one behind it or as large, and fewer than four of a size.
fn assert_shape(db: &Connection) {
    for kind in Kind::ALL {
        let sizes: Vec<u32> = Segment::all(db, kind).unwrap().iter().map(|segment| merge::size(segment.n_entries)).collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        assert!(sizes.chunk_by(|a, b| a == b).all(|alike| alike.len() < 4), "{sizes:?}");
    }
    let last: i64 = db.ready(&statements::LAST_PLACE_PAGE).unwrap().query_row([], |row| row.get(0)).unwrap();
    let is_there = |no: &i64| db.ready(&statements::PLACE_PAGE).unwrap().exists([no]).unwrap();
    let pages = (1..=last).filter(is_there).count() as i64;
    let held: i64 =
        Kind::ALL.iter().flat_map(|kind| Segment::all(db, *kind).unwrap()).map(|one| one.last_page() - one.first_page + 1).sum();
    assert_eq!(pages, held, "pages of no segment are left");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_run_is_found_by_what_it_last_was(
        checkpoints in proptest::collection::vec((proptest::collection::vec(row(), 1..300), prop_oneof![Just(0), 1_u64..4_000]), 1..30),
    ) {
        let (_dir, mut db) = database();
        (0..3).flat_map(|tenant| (1..20).map(move |session| (tenant, session))).for_each(|(tenant, session)| add_session(&db, tenant, session));
        // By run what it was last, and all that it ever was.
        let mut last = BTreeMap::new();
        let mut ever: [BTreeSet<(u32, u64)>; 3] = Default::default();
        for (rows, n_gone) in &checkpoints {
            // A checkpoint has each run once.
            let rows: BTreeMap<_, _> = rows.iter().map(|row| ((row.tenant, row.session, row.started_at, row.number), row.clone())).collect();
            add_rows(&mut db, &rows.values().cloned().collect::<Vec<_>>(), *n_gone);
            for (run, row) in rows {
                ever[0].insert((row.tenant, row.number));
                ever[1].insert((row.tenant, row.activity));
                ever[2].extend(row.user.map(|user| (row.tenant, user_key(&user.to_string()))));
                last.insert(run, row);
            }
            assert_shape(&db);
        }
        for ((kind, tenant), ever) in Kind::OF_RUNS.into_iter().flat_map(|kind| (0..3).map(move |tenant| (kind, tenant))).map(|of| (of, &ever[of.0 as usize])) {
            let found = within(&db, kind, tenant, 0..=u64::MAX);
            assert!(found.is_sorted_by(|a, b| a < b), "in order, and each once");
            assert!(found.iter().all(|entry| ever.contains(&(tenant, entry.key())) && entry.tenant() == TenantNo(tenant)));
            for ((_, session, started_at, number), row) in last.iter().filter(|((of, ..), _)| *of == tenant) {
                let key = match kind {
                    Kind::Number => Some(row.number),
                    Kind::Activity => Some(row.activity),
                    Kind::User => row.user.map(|user| user_key(&user.to_string())),
                    Kind::Trace => unreachable!("of no run"),
                };
                let is_it = |entry: &&Entry| (entry.session().0, entry.started_at().0, entry.number()) == (*session, *started_at, *number);
                if let Some(key) = key {
                    assert!(within(&db, kind, tenant, key..=key).iter().any(|entry| is_it(&entry)), "{kind:?} of {row:?}");
                }
            }
            // Any range is the same as that part of all.
            let bounds = found.get(found.len() / 3).zip(found.get(found.len() / 2)).map(|(a, b)| (a.key(), b.key()));
            if let Some((from, to)) = bounds {
                let part: Vec<Entry> = found.iter().copied().filter(|entry| (from..=to).contains(&entry.key())).collect();
                assert_eq!(within(&db, kind, tenant, from..=to), part);
            }
        }
    }
}

#[test]
fn a_run_that_goes_on_leaves_few_entries_behind() {
    let (_dir, mut db) = database();
    for activity in 0..5_000 {
        add_rows(&mut db, &[Row { tenant: 1, session: 1, started_at: 5, number: 9, activity, user: Some(1) }], 0);
    }
    assert_shape(&db);
    let found = within(&db, Kind::Activity, 1, 0..=u64::MAX);
    assert!(found.len() < 10, "{} entries", found.len());
    assert_eq!(found.last().map(Entry::key), Some(4_999));
    assert_eq!(within(&db, Kind::Number, 1, 9..=9).len(), 1);
}

#[test]
fn segments_of_many_pages_are_searched_from_any_entry() {
    let (_dir, mut db) = database();
    let n = PAGE_ENTRIES * 37 + 5;
    let rows: Vec<Row> =
        (0..n).map(|i| Row { tenant: 1, session: 1, started_at: i, number: i + 1, activity: i * 10, user: None }).collect();
    add_rows(&mut db, &rows, 0);
    for i in (0..n).step_by(7).chain([PAGE_ENTRIES - 1, PAGE_ENTRIES, PAGE_ENTRIES + 1, n - 1]) {
        assert_eq!(within(&db, Kind::Activity, 1, i * 10..=i * 10).len(), 1, "{i}");
        assert_eq!(within(&db, Kind::Activity, 1, (i * 10).saturating_sub(9)..=i * 10 + 9).len(), 1, "{i}");
    }
    assert_eq!(within(&db, Kind::Activity, 1, 0..=u64::MAX).len() as u64, n);
    assert!(within(&db, Kind::Activity, 0, 0..=u64::MAX).is_empty() && within(&db, Kind::Activity, 2, 0..=u64::MAX).is_empty());
}

#[test]
fn what_points_nowhere_is_left_out_once_there_is_much_of_it() {
    let (_dir, mut db) = database();
    add_session(&db, 1, 2);
    let row = |session, started_at, number| Row { tenant: 1, session, started_at, number, activity: number, user: Some(1) };
    let mut rows: Vec<Row> = (1..=5_000).map(|number| row(1, number, number)).collect();
    rows.extend([row(2, 5, 6_000), row(0, 99, 6_001), row(0, 100, 6_002)]);
    add_rows(&mut db, &rows, 0);
    // Of the runs of session 1 and one without a session nothing is there any more.
    let gone = |db: &mut Connection, n| {
        let checkpoint = db.transaction().unwrap();
        add(&checkpoint, NewPlaces::default(), Gone { n_runs: n, n_traces: 0 }, UnixNanos(100)).unwrap();
        checkpoint.commit().unwrap();
    };
    gone(&mut db, 2_500);
    assert_eq!(within(&db, Kind::Number, 1, 0..=u64::MAX).len(), 5_003, "not yet");
    gone(&mut db, 2_500);
    for kind in Kind::OF_RUNS {
        let numbers: BTreeSet<u64> = within(&db, kind, 1, 0..=u64::MAX).iter().map(Entry::number).collect();
        assert_eq!(numbers, [6_000, 6_002].into(), "{kind:?}");
    }
    assert_shape(&db);
}

/// A run that goes on may be newer than the span that ends it.
#[test]
fn an_activity_that_falls_is_found_after_a_merge_of_everything() {
    let (_dir, mut db) = database();
    add_session(&db, 1, 1);
    let row = |number, activity| Row { tenant: 1, session: 1, started_at: number, number, activity, user: None };
    add_rows(&mut db, &[row(5, 1_000_000)], 0);
    add_rows(&mut db, &[row(5, 990_000)], 0);
    add_rows(&mut db, &[], 10_000);
    for activity in 0..40 {
        add_rows(&mut db, &[row(7, activity)], 0);
    }
    assert_eq!(within(&db, Kind::Activity, 1, 990_000..=990_000).len(), 1);
}

/// It is on disk.
#[test]
fn a_users_key_stays_the_same() {
    assert_eq!(user_key("user-17"), 6_735_206_746_499_410_829);
    assert_eq!(user_key(""), 15_130_871_412_783_076_140);
}
