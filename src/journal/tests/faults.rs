//! Every file operation of the write path fails once: what is refused, what is poisoned, what a restart finds.

use std::io::ErrorKind;

use rustix::io::Errno;

use super::support::*;
use crate::journal::{AppendError, Class, Journal, OpenError, Position, Record};

/// Two durable records, then a fault, then what `broken` is answered.
fn after(break_it: impl Fn(&mut Faults)) -> (Scratch, Journal, Result<Position, AppendError>) {
    let scratch = Scratch::new(1 << 20, 1 << 20);
    let journal = scratch.open();
    fill(&journal, &[100; 2]);
    scratch.set(break_it);
    let answer = append(&journal, record(2, 10_000));
    (scratch, journal, answer)
}

fn durable() -> Vec<Record> {
    vec![record(0, 100), record(1, 100)]
}

/// Refuses for good, shows readers the durable records only, and a restart finds at least these, then goes on.
fn assert_poisoned(scratch: Scratch, journal: Journal, answer: Result<Position, AppendError>) {
    assert_eq!(answer, Err(AppendError::Poisoned));
    assert!(journal.is_poisoned());
    scratch.set(|faults| *faults = Faults::default());
    assert_eq!(append(&journal, record(3, 0)), Err(AppendError::Poisoned), "although the disk works again");
    assert_eq!(records(&journal), durable());
    let mut reader = journal.reader(journal.end());
    assert!(poll_once(reader.next()).is_none(), "it may still be waited for");
    journal.close();
    assert_eq!(block_on(reader.next()).unwrap(), None);
    assert_eq!(append(&journal, record(3, 0)), Err(AppendError::Poisoned));
    drop(journal);
    let journal = scratch.open();
    assert!(records(&journal).starts_with(&durable()));
    append(&journal, record(4, 5)).unwrap();
    assert_eq!(records(&journal).last(), Some(&record(4, 5)));
}

#[test]
fn a_failed_fsync_poisons() {
    let (scratch, journal, answer) = after(|faults| faults.fail_sync = true);
    assert_eq!(scratch.disk_bytes(), journal.usage().0, "what was never acknowledged is not left in the file");
    assert_poisoned(scratch, journal, answer);
    let (scratch, journal, answer) = after(|faults| (faults.fail_sync, faults.fail_truncate) = (true, true));
    assert_poisoned(scratch, journal, answer);
}

#[test]
fn a_failed_fsync_refuses_the_whole_group_and_the_whole_line() {
    let scratch = Scratch::new(1 << 20, 1 << 20);
    let journal = scratch.open();
    scratch.set(|faults| faults.hold_sync = true);
    block_on(async {
        let mut waiting: Vec<_> = (0..50).map(|i| Box::pin(journal.append(record(i, 100), Class::Spans))).collect();
        for append in &mut waiting {
            assert!(poll_once(append.as_mut()).is_none());
        }
        scratch.wait_for_held_sync();
        scratch.set(|faults| (faults.hold_sync, faults.fail_sync) = (false, true));
        for append in waiting {
            assert_eq!(append.await, Err(AppendError::Poisoned));
            assert!(journal.is_poisoned());
        }
    });
    assert_eq!((records(&journal), journal.end()), (vec![], Position(0)));
}

#[test]
fn a_failed_write_poisons_wherever_it_fails() {
    for budget in [0, 1, 19, 20, 500, 10_027] {
        let (scratch, journal, answer) = after(|faults| faults.write_budget = Some((budget, ErrorKind::Other)));
        assert_poisoned(scratch, journal, answer);
        let (scratch, journal, answer) =
            after(|faults| (faults.write_budget, faults.fail_truncate) = (Some((budget, ErrorKind::BrokenPipe)), true));
        assert_poisoned(scratch, journal, answer);
    }
}

#[test]
fn a_panic_of_the_writer_poisons_instead_of_hanging() {
    let (scratch, journal, answer) = after(|faults| faults.panic_on_write = true);
    assert_eq!(answer, Err(AppendError::Poisoned));
    // The panic has poisoned the test's own lock, so only the journal is looked at.
    journal.close();
    assert!(journal.is_poisoned());
    assert_eq!(append(&journal, record(3, 0)), Err(AppendError::Poisoned));
    drop(journal);
    drop(scratch);
}

#[test]
fn a_short_write_is_continued() {
    let (_scratch, journal, answer) = after(|faults| faults.write_budget = Some((1 << 30, ErrorKind::Other)));
    answer.unwrap();
    assert_eq!(records(&journal).len(), 3);
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room_again() {
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        for budget in [0, 1, 19, 20, 21, 500, 10_027] {
            let (scratch, journal, answer) = after(|faults| faults.write_budget = Some((budget, kind)));
            assert_eq!(answer, Err(AppendError::NoSpace));
            assert!(!journal.is_poisoned());
            assert_eq!((scratch.disk_bytes(), journal.stats().no_space()), (journal.usage().0, 1));
            scratch.set(|faults| faults.write_budget = None);
            append(&journal, record(7, 70)).unwrap();
            let expected = [durable(), vec![record(7, 70)]].concat();
            assert_eq!(records(&journal), expected);
            drop(journal);
            let (journal, recovery) = scratch.try_open().unwrap();
            assert_eq!((records(&journal), recovery.torn_bytes), (expected, 0));
        }
    }
}

#[test]
fn a_full_disk_that_cannot_be_taken_back_poisons() {
    let (scratch, journal, answer) =
        after(|faults| (faults.write_budget, faults.fail_truncate) = (Some((500, ErrorKind::StorageFull)), true));
    assert_poisoned(scratch, journal, answer);
}

#[test]
fn a_refused_group_gives_its_room_back() {
    let mut scratch = Scratch::new(1 << 20, 0);
    scratch.options.max_bytes = 100_000;
    let journal = scratch.open();
    scratch.set(|faults| faults.write_budget = Some((10, ErrorKind::StorageFull)));
    for _ in 0..20 {
        assert_eq!(append(&journal, record(0, 50_000)), Err(AppendError::NoSpace));
    }
    scratch.set(|faults| faults.write_budget = None);
    append(&journal, record(0, 50_000)).unwrap();
}

/// Fills the first segment, so that the next append of 900 bytes needs another.
fn at_a_segments_end(break_it: impl Fn(&mut Faults)) -> (Scratch, Journal, Result<Position, AppendError>) {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    fill(&journal, &[100; 2]);
    scratch.set(break_it);
    let answer = append(&journal, record(2, 900));
    (scratch, journal, answer)
}

#[test]
fn a_full_disk_at_the_start_of_a_segment_refuses_those_who_need_one() {
    let no_file = |faults: &mut Faults| faults.fail_create = Some(ErrorKind::StorageFull);
    let no_header = |faults: &mut Faults| faults.write_budget = Some((7, ErrorKind::StorageFull));
    for break_it in [&no_file as &dyn Fn(&mut Faults), &no_header] {
        let (scratch, journal, answer) = at_a_segments_end(break_it);
        assert_eq!(answer, Err(AppendError::NoSpace));
        scratch.set(|faults| *faults = Faults::default());
        append(&journal, record(3, 100)).unwrap();
        append(&journal, record(2, 900)).unwrap();
        let expected = [durable(), vec![record(3, 100), record(2, 900)]].concat();
        assert_eq!(records(&journal), expected);
        drop(journal);
        assert_eq!(records(&scratch.open()), expected);
    }
}

#[test]
fn a_segment_that_cannot_be_made_durable_poisons() {
    let faults: [fn(&mut Faults); 8] = [
        |faults| (faults.fail_rename, faults.errno) = (true, Some(Errno::IO.raw_os_error())),
        // Whether the name was given cannot be known.
        |faults| (faults.lose_rename, faults.errno) = (true, Some(Errno::NOMEM.raw_os_error())),
        |faults| faults.fail_sync = true,
        |faults| faults.fail_rename = true,
        |faults| faults.fail_sync_directory = true,
        |faults| faults.fail_create = Some(ErrorKind::PermissionDenied),
        |faults| faults.write_budget = Some((7, ErrorKind::Other)),
        |faults| (faults.fail_sync, faults.fail_remove) = (true, true),
    ];
    for break_it in faults {
        let (scratch, journal, answer) = at_a_segments_end(break_it);
        assert_poisoned(scratch, journal, answer);
    }
}

#[test]
fn a_segment_that_cannot_be_deleted_stays_and_is_tried_again() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    fill(&journal, &[900; 4]);
    scratch.set(|faults| faults.fail_remove = true);
    journal.release(journal.end());
    assert_eq!((scratch.segments().len(), journal.start(), records(&journal).len()), (4, Position(0), 4));
    assert_eq!(journal.usage().0, scratch.disk_bytes());
    scratch.set(|faults| faults.fail_remove = false);
    journal.release(Position(0));
    assert_eq!((scratch.segments().len(), records(&journal).len()), (1, 1));
    assert_eq!(journal.usage().0, scratch.disk_bytes());
}

#[test]
fn deletions_are_durable_one_by_one() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    fill(&journal, &[900; 4]);
    scratch.set(|faults| faults.fail_sync_directory = true);
    journal.release(journal.end());
    assert_eq!(scratch.segments().len(), 3, "stops where the directory cannot be synced");
    assert_eq!(journal.usage().0, scratch.disk_bytes());
    assert!(!journal.is_poisoned());
    drop(journal);
    scratch.set(|faults| faults.fail_sync_directory = false);
    assert_eq!(records(&scratch.open()).len(), 3);
}

#[test]
fn opening_fails_where_the_healed_tail_cannot_be_made_durable() {
    let scratch = Scratch::new(1000, 0);
    drop(fill(&scratch.open(), &[100; 2]));
    scratch.set(|faults| faults.fail_sync = true);
    assert!(matches!(scratch.try_open(), Err(OpenError::Io { action: "syncing", .. })));
    scratch.set(|faults| (faults.fail_sync, faults.fail_sync_directory) = (false, true));
    assert!(matches!(scratch.try_open(), Err(OpenError::Io { action: "syncing", .. })));
    scratch.set(|faults| faults.fail_sync_directory = false);
    assert_eq!(records(&scratch.open()), durable());
}

/// What must never be a reason to stop, and what it is called.
const SHORTAGES: [(Errno, &str); 7] = [
    (Errno::MFILE, "file descriptors"),
    (Errno::NFILE, "file descriptors"),
    (Errno::NOMEM, "memory"),
    (Errno::NOBUFS, "memory"),
    (Errno::AGAIN, "a resource that is in use"),
    (Errno::NOSPC, ""),
    (Errno::DQUOT, ""),
];

fn refusal(errno: Errno, words: &'static str) -> AppendError {
    if matches!(errno, Errno::NOSPC | Errno::DQUOT) { AppendError::NoSpace } else { AppendError::Shortage(words) }
}

/// A lack of file descriptors at the moment when a segment is full once stopped the journal until a restart.
#[test]
fn a_shortage_at_the_start_of_a_segment_refuses_those_who_need_one_and_ends_by_itself() {
    let places: [fn(&mut Faults); 4] = [
        |faults| faults.fail_create = Some(ErrorKind::Other),
        |faults| faults.write_budget = Some((7, ErrorKind::Other)),
        |faults| faults.fail_sync = true,
        |faults| faults.fail_rename = true,
    ];
    // Beside one another: each waits for the writer to try again.
    std::thread::scope(|scope| {
        for (errno, words) in SHORTAGES {
            for break_it in places {
                scope.spawn(move || check_shortage_at_a_segments_end(errno, words, break_it));
            }
        }
    });
}

fn check_shortage_at_a_segments_end(errno: Errno, words: &'static str, break_it: fn(&mut Faults)) {
    let (scratch, journal, answer) = at_a_segments_end(|faults| {
        break_it(faults);
        faults.errno = Some(errno.raw_os_error());
    });
    assert_eq!(answer, Err(refusal(errno, words)), "{errno}");
    assert!(!journal.is_poisoned());
    let trouble = journal.trouble().unwrap();
    assert!(trouble.contains("new segment") && trouble.contains(&format!("os error {}", errno.raw_os_error())), "{trouble}");
    let stats = journal.stats();
    assert_eq!((stats.no_space() + stats.shortages(), records(&journal)), (1, durable()));
    // Nobody has to ask, and nothing has to be restarted.
    scratch.set(|faults| *faults = Faults::default());
    eventually(|| journal.trouble().is_none());
    assert_eq!(scratch.segments().len(), 2);
    append(&journal, record(2, 900)).unwrap();
    let expected = [durable(), vec![record(2, 900)]].concat();
    assert_eq!((records(&journal), journal.usage().0), (expected.clone(), scratch.disk_bytes()));
    drop(journal);
    let (journal, recovery) = scratch.try_open().unwrap();
    assert_eq!((records(&journal), recovery.torn_bytes), (expected, 0));
}

#[test]
fn what_fits_into_the_old_segment_is_taken_while_no_new_one_can_be_started() {
    let (scratch, journal, answer) = at_a_segments_end(|faults| {
        (faults.fail_create, faults.errno) = (Some(ErrorKind::Other), Some(Errno::MFILE.raw_os_error()));
    });
    assert_eq!(answer, Err(AppendError::Shortage("file descriptors")));
    append(&journal, record(3, 50)).unwrap();
    assert!(journal.trouble().is_some());
    scratch.set(|faults| *faults = Faults::default());
    append(&journal, record(2, 900)).unwrap();
    assert_eq!(journal.trouble(), None);
    assert_eq!(records(&journal), [durable(), vec![record(3, 50), record(2, 900)]].concat());
}

#[test]
fn a_shortage_while_writing_refuses_and_the_next_append_is_taken() {
    for (errno, words) in SHORTAGES {
        let (scratch, journal, answer) = after(|faults| {
            (faults.write_budget, faults.errno) = (Some((500, ErrorKind::Other)), Some(errno.raw_os_error()));
        });
        assert_eq!(answer, Err(refusal(errno, words)), "{errno}");
        scratch.set(|faults| *faults = Faults::default());
        append(&journal, record(7, 70)).unwrap();
        assert_eq!(records(&journal), [durable(), vec![record(7, 70)]].concat());
    }
}

#[test]
fn a_failed_fsync_poisons_whatever_the_error_and_so_does_a_failed_device() {
    for (errno, _) in SHORTAGES.into_iter().chain([(Errno::INTR, ""), (Errno::IO, "")]) {
        let (scratch, journal, answer) = after(|faults| (faults.fail_sync, faults.errno) = (true, Some(errno.raw_os_error())));
        assert_poisoned(scratch, journal, answer);
        let (scratch, journal, answer) =
            at_a_segments_end(|faults| (faults.fail_sync_directory, faults.errno) = (true, Some(errno.raw_os_error())));
        assert_poisoned(scratch, journal, answer);
    }
    for errno in [Errno::IO, Errno::ROFS] {
        let (scratch, journal, answer) = after(|faults| {
            (faults.write_budget, faults.errno) = (Some((500, ErrorKind::Other)), Some(errno.raw_os_error()));
        });
        assert_poisoned(scratch, journal, answer);
    }
}

#[test]
fn a_reader_that_cannot_open_a_segment_goes_on_where_it_stood() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    let written = fill(&journal, &[900; 3]);
    let mut reader = journal.reader(Position(0));
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::IO] {
        scratch.set(|faults| (faults.fail_open_to_read, faults.errno) = (true, Some(errno.raw_os_error())));
        let errors = [reader.try_next().unwrap_err(), block_on(reader.next()).unwrap_err()];
        assert!(errors.iter().all(crate::journal::ReadError::may_pass), "{errors:?}");
    }
    scratch.set(|faults| *faults = Faults::default());
    assert_eq!(drain(&mut reader).into_iter().map(|item| item.record).collect::<Vec<_>>(), written);
}

#[test]
fn a_note_that_cannot_be_written_stops_nothing() {
    for errno in [Errno::NOSPC, Errno::IO] {
        let (scratch, journal, answer) = at_a_segments_end(|faults| (faults.fail_note, faults.errno) = (true, Some(errno.raw_os_error())));
        answer.unwrap();
        drop(journal);
        let journal = scratch.open();
        scratch.set(|faults| *faults = Faults::default());
        append(&journal, record(3, 5)).unwrap();
        drop(journal);
        assert_eq!(records(&scratch.open()).len(), 4);
    }
}
