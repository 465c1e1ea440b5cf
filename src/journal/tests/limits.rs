//! The cap, the reserve, release, segments, the lock, closing.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::support::*;
use crate::journal::{AppendError, Class, Journal, MAX_RECORD_BYTES, OpenError, Position, Record, record::Payload};

fn small(max_bytes: u64) -> Scratch {
    let mut scratch = Scratch::new(1 << 20, 1 << 20);
    scratch.options.max_bytes = max_bytes;
    scratch
}

fn append_until_full(journal: &Journal, class: Class, body_bytes: usize) -> AppendError {
    block_on(async {
        loop {
            if let Err(error) = journal.append(record(1, body_bytes), class).await {
                return error;
            }
        }
    })
}

#[test]
fn spans_stop_at_the_reserve_and_events_at_the_cap() {
    let scratch = small(100_000);
    let journal = scratch.open();
    let error = append_until_full(&journal, Class::Spans, 300);
    let (after_spans, max_bytes) = journal.usage();
    assert_eq!(error, AppendError::Full { used_bytes: after_spans, max_bytes: 100_000 });
    assert!(after_spans <= 95_000 && after_spans > 94_000, "{after_spans}");
    let error = append_until_full(&journal, Class::Events, 300);
    let (after_events, _) = journal.usage();
    assert!(matches!(error, AppendError::Full { .. }));
    assert!(after_events <= max_bytes && after_events > 99_000, "{after_events}");
    assert_eq!(after_events, scratch.disk_bytes());
}

#[test]
fn appends_that_wait_count_towards_the_cap() {
    let scratch = small(100_000);
    let journal = scratch.open();
    let held = scratch.hold_sync();
    let mut waiting: Vec<_> = (0..9).map(|i| Box::pin(journal.append(record(i, 10_000), Class::Spans))).collect();
    for append in &mut waiting {
        assert!(poll_once(append.as_mut()).is_none());
    }
    let refused = poll_once(journal.append(record(9, 10_000), Class::Spans));
    assert!(matches!(refused, Some(Err(AppendError::Full { .. }))), "{refused:?}");
    drop(held);
    for append in waiting {
        block_on(append).unwrap();
    }
    assert_eq!(journal.usage().0, scratch.disk_bytes());
}

#[test]
fn a_dropped_append_leaves_the_line_and_gives_its_room_back() {
    let scratch = small(100_000);
    let journal = scratch.open();
    scratch.set(|faults| faults.hold_sync = true);
    block_on(async {
        let mut first = Box::pin(journal.append(record(0, 10), Class::Spans));
        assert!(poll_once(first.as_mut()).is_none());
        scratch.wait_for_held_sync();
        for i in 1..1000 {
            assert!(poll_once(journal.append(record(i, 50_000), Class::Spans)).is_none());
        }
        scratch.set(|faults| faults.hold_sync = false);
        first.await.unwrap();
    });
    append(&journal, record(1000, 50_000)).unwrap();
    assert_eq!(records(&journal), [record(0, 10), record(1000, 50_000)]);
}

#[test]
fn release_frees_whole_passed_segments_and_never_the_active_one() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    fill(&journal, &[300; 20]);
    let items = drain(&mut journal.reader(Position(0)));
    let n_segments = scratch.segments().len();
    assert_eq!(n_segments, 10);
    let before_active = items[17].end;
    for item in &items {
        journal.release(item.end);
        assert!(journal.start() <= item.end);
        assert_eq!(journal.usage().0, scratch.disk_bytes());
        let left = drain(&mut journal.reader(Position(0)));
        assert_eq!(left, items[items.len() - left.len()..]);
        assert_eq!(left.len() % 2, 0, "two records a segment");
    }
    assert_eq!(journal.start(), before_active);
    journal.release(Position(0));
    assert_eq!(scratch.segments().len(), 1);
    // Positions go on after a restart with nothing but the active segment.
    let end = journal.end();
    drop(journal);
    let journal = scratch.open();
    assert_eq!((journal.start(), journal.end()), (before_active, end));
    assert_eq!(append(&journal, record(0, 1)), Ok(end));
}

#[test]
fn space_comes_back_when_readers_pass() {
    let scratch = small(100_000);
    let journal = scratch.open();
    for _ in 0..5 {
        append_until_full(&journal, Class::Spans, 700);
        append_until_full(&journal, Class::Events, 700);
        journal.release(journal.end());
        assert!(journal.usage().0 <= 100_000 / 8, "{:?}", journal.usage());
    }
}

#[test]
fn an_active_segment_that_fills_the_cap_is_given_up_once_passed() {
    let scratch = small(100_000);
    let journal = scratch.open();
    append(&journal, record(0, 10)).unwrap();
    append(&journal, record(1, 90_000)).unwrap();
    assert_eq!(scratch.segments().len(), 2);
    assert!(matches!(append(&journal, record(2, 20_000)), Err(AppendError::Full { .. })));
    journal.release(Position(1));
    assert_eq!(scratch.segments().len(), 2, "not passed yet");
    journal.release(journal.end());
    eventually(|| journal.usage().0 == 32);
    let end = journal.end();
    assert_eq!(append(&journal, record(2, 20_000)), Ok(end));
    assert_eq!(records(&journal), [record(2, 20_000)]);
    drop(journal);
    assert_eq!(records(&scratch.open()), [record(2, 20_000)]);
}

#[test]
fn an_old_active_segment_is_given_up_once_passed() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    fill(&journal, &[10; 3]);
    journal.release(journal.end());
    fill(&journal, &[10; 3]);
    assert_eq!((journal.start(), scratch.segments().len()), (Position(0), 1), "young");
    let hours = Duration::from_secs(2 * 3600);
    journal.inner.shared.lock().active_since = Instant::now().checked_sub(hours).unwrap();
    journal.release(Position(1));
    journal.release(journal.end());
    eventually(|| journal.start() == journal.end());
    eventually(|| journal.usage().0 == 32);
    assert_eq!(scratch.segments().len(), 1);
}

#[test]
fn a_record_larger_than_a_segment_has_one_of_its_own() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    let written = fill(&journal, &[10, 2_000_000, 10, 5000, 5000, 1]);
    assert_eq!(records(&journal), written);
    assert_eq!(scratch.segments().len(), 6);
    drop(journal);
    assert_eq!(records(&scratch.open()), written);
}

#[test]
fn segments_keep_their_size() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    fill(&journal, &[100; 50]);
    for path in scratch.segments() {
        assert!(fs::metadata(path).unwrap().len() <= 1000);
    }
}

#[test]
fn a_record_beyond_the_limit_of_records_is_refused_for_good() {
    let half = Bytes::from(vec![0; (MAX_RECORD_BYTES / 2) as usize]);
    assert!(Payload::new(Record { head: half.clone(), body: half.slice(1..) }).is_ok());
    let over = Bytes::from_owner(vec![0; MAX_RECORD_BYTES as usize / 2 + 1]);
    let error = Payload::new(Record { head: half, body: over }).unwrap_err();
    assert_eq!(error, AppendError::TooLarge { bytes: MAX_RECORD_BYTES + 1, max_bytes: MAX_RECORD_BYTES });
}

#[test]
fn a_second_opener_is_refused_until_the_first_has_closed() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    let error = scratch.try_open().unwrap_err();
    assert!(matches!(&error, OpenError::Locked { .. }));
    assert!(error.to_string().contains("in use"), "{error}");
    let mut reader = journal.reader(Position(0));
    journal.close();
    let second = scratch.open();
    // What is left of the first does no harm.
    journal.release(Position(u64::MAX));
    assert_eq!(reader.try_next().unwrap(), None);
    drop(second);
    let third = scratch.open();
    drop(third);
}

#[test]
fn dropping_the_last_handle_closes() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    let clone = journal.clone();
    let mut reader = journal.reader(Position(0));
    drop(journal);
    append(&clone, record(1, 1)).unwrap();
    drop(clone);
    assert!(block_on(reader.next()).unwrap().is_some());
    assert_eq!(block_on(reader.next()).unwrap(), None);
    scratch.open();
}

#[test]
fn close_finishes_what_stands_in_line_and_refuses_what_comes() {
    let scratch = Scratch::new(2000, 0);
    let journal = scratch.open();
    scratch.set(|faults| faults.hold_sync = true);
    let closer = journal.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut waiting: Vec<_> = (0..30).map(|i| Box::pin(journal.append(record(i, 100), Class::Spans))).collect();
        for append in &mut waiting {
            assert!(poll_once(append.as_mut()).is_none());
        }
        let closing = thread::spawn(move || closer.close());
        while !matches!(poll_once(journal.append(record(99, 0), Class::Spans)), Some(Err(AppendError::Closed))) {
            thread::yield_now();
        }
        scratch.set(|faults| faults.hold_sync = false);
        for append in waiting {
            append.await.unwrap();
        }
        closing.join().unwrap();
        assert_eq!(journal.append(record(99, 0), Class::Events).await, Err(AppendError::Closed));
    });
    journal.close();
    drop(journal);
    assert_eq!(records(&scratch.open()), (0..30).map(|i| record(i, 100)).collect::<Vec<_>>());
}

#[test]
fn a_missing_directory_is_made_and_foreign_files_are_left_alone() {
    let mut scratch = Scratch::new(1000, 0);
    scratch.options.max_bytes = 1 << 20;
    let dir = scratch.path().join("a/b");
    let (journal, _) = Journal::open(&dir, scratch.options.clone()).unwrap();
    append(&journal, record(1, 1)).unwrap();
    drop(journal);
    let foreign = [
        "README",
        ".hidden",
        "1.journal",
        "0000000000000000000x.journal",
        "99999999999999999999.journal",
        "fold.position",
        "a.journal.new",
    ];
    for name in foreign {
        fs::write(dir.join(name), name).unwrap();
    }
    fs::create_dir(dir.join("lost+found")).unwrap();
    // Ours: a segment whose making was interrupted.
    fs::write(dir.join("00000000000000000029.journal.new"), "half").unwrap();
    let (journal, recovery) = Journal::open(&dir, scratch.options.clone()).unwrap();
    assert_eq!((records(&journal), recovery.torn_bytes), (vec![record(1, 1)], 0));
    for name in foreign {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), name);
    }
    assert!(!dir.join("00000000000000000029.journal.new").exists());
}
