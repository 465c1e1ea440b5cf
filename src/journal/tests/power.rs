//! Power cuts: at any moment, with any part of what was not yet durable lost, everything acknowledged is there.

use std::fs;

use proptest::prelude::*;

use super::support::*;
use crate::journal::{Class, Journal, OpenError, Position};

const PAGE_BYTES: usize = 4096;

/// Some durable records, then a group of these sizes that is written and held before its fsync returns.
fn with_group_in_flight<T>(before: &[usize], group: &[usize], look: impl FnOnce(&Scratch, &Journal) -> T) -> T {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    fill(&journal, before);
    // The first holds the writer while the others gather behind it.
    let _released = scratch.hold_sync();
    let mut first = Box::pin(journal.append(record(before.len(), 0), Class::Spans));
    assert!(poll_once(first.as_mut()).is_none());
    scratch.wait_for_held_sync();
    let numbered = group.iter().enumerate().map(|(i, &bytes)| record(before.len() + 1 + i, bytes));
    let mut waiting: Vec<_> = numbered.map(|record| Box::pin(journal.append(record, Class::Spans))).collect();
    for append in &mut waiting {
        assert!(poll_once(append.as_mut()).is_none());
    }
    scratch.hold_next_sync();
    block_on(first).unwrap();
    scratch.wait_for_held_sync();
    look(&scratch, &journal)
}

#[test]
fn a_group_of_which_later_pages_alone_were_written_is_torn_and_healed() {
    with_group_in_flight(&[300, 300], &[6000, 3000, 9000, 20, 20, 9000], |scratch, journal| {
        let acked_end = journal.end();
        let after = scratch.power_cut(|offset, mut bytes| {
            let first_page_end = PAGE_BYTES - offset as usize % PAGE_BYTES;
            bytes[..first_page_end].fill(0);
            bytes
        });
        let (journal, recovery) = after.try_open().unwrap();
        assert_eq!((records(&journal).len(), journal.end()), (3, acked_end));
        assert!(recovery.torn_bytes > 25_000);
        append(&journal, record(1, 1)).unwrap();
        drop(journal);
        assert_eq!(records(&after.open()).len(), 4);
    });
}

#[test]
fn zeros_where_a_later_group_follows_are_damage() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    fill(&journal, &[100, 9000, 100]);
    let second = drain(&mut journal.reader(Position(0)))[1].clone();
    drop(journal);
    let file = scratch.last_segment();
    let mut bytes = fs::read(&file).unwrap();
    let offset = 32 + second.position.0;
    bytes[offset as usize..][..8000].fill(0);
    fs::write(&file, &bytes).unwrap();
    let error = scratch.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { offset: o, .. } if o == offset), "{error:?}");
    assert_eq!(fs::read(&file).unwrap(), bytes, "a refusal changes nothing");
}

#[test]
fn a_segment_whose_name_was_not_durable_is_not_missed() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    fill(&journal, &[900, 900]);
    scratch.set(|faults| faults.fail_sync_directory = true);
    append(&journal, record(2, 900)).unwrap_err();
    let after = scratch.power_cut(|_, rest| rest);
    assert_eq!(records(&after.open()), [record(0, 900), record(1, 900)]);
}

#[test]
fn what_was_in_the_page_cache_only_is_made_durable_by_opening() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    fill(&journal, &[100; 3]);
    drop(journal);
    let before = scratch.files.n_syncs();
    drop(scratch.open());
    assert!(scratch.files.n_syncs() > before);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn acked_records_survive_whatever_becomes_of_the_rest(
        before in prop::collection::vec(0..3000_usize, 0..6),
        group in prop::collection::vec(0..12_000_usize, 1..8),
        cut in 0.0..=1.0_f64,
        lost_pages in any::<u32>(),
        note in 0..3_u8,
    ) {
        with_group_in_flight(&before, &group, |scratch, journal| {
            let acked = before.len() + 1;
            // A prefix of the file was written, and of that some pages are missing.
            let after = scratch.power_cut_without_note(|durable_bytes, mut bytes| {
                bytes.truncate((bytes.len() as f64 * cut) as usize);
                for (i, byte) in bytes.iter_mut().enumerate() {
                    let page = (durable_bytes as usize + i) / PAGE_BYTES;
                    if lost_pages >> (page % 32) & 1 == 1 {
                        *byte = 0;
                    }
                }
                bytes
            });
            // Of the note too: an old one, the newest, which was only written, or none.
            match note {
                0 => {}
                1 => _ = fs::copy(scratch.note(), after.note()).unwrap(),
                _ => fs::write(after.note(), scratch.durable_note()).unwrap(),
            }
            let (reopened, _) = after.try_open().unwrap();
            let found = records(&reopened);
            prop_assert!(found.len() >= acked);
            prop_assert!(reopened.end() >= journal.end());
            let sizes: Vec<_> = before.iter().copied().chain([0]).chain(group.iter().copied()).collect();
            for (number, found) in found.iter().enumerate() {
                prop_assert!(*found == record(number, sizes[number]));
            }
            append(&reopened, record(99, 9)).unwrap();
            prop_assert_eq!(records(&reopened).len(), found.len() + 1);
            drop(reopened);
            prop_assert_eq!(records(&after.open()).len(), found.len() + 1);
            Ok(())
        })?;
    }
}

/// After a power cut the note may be old, and then the last acknowledged group looks like one that was in flight. What rots in it is all there.
#[test]
fn a_bit_of_the_last_group_that_rots_after_a_power_cut_is_refused() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    fill(&journal, &[600, 20, 6_000]);
    let stale = scratch.durable_note();
    assert_ne!(stale, fs::read(scratch.note()).unwrap(), "not durable yet");
    let after = scratch.power_cut(|_, rest| rest);
    let path = after.last_segment();
    let sound = fs::read(&path).unwrap();
    let at = drain(&mut journal.reader(Position(0)))[2].position;
    for bit in (8 * (32 + at.0 as usize)..8 * sound.len()).step_by(97) {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let error = after.try_open().unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { offset, .. } if offset == 32 + at.0), "bit {bit}: {error:?}");
    }
}

#[test]
fn the_note_is_durable_soon_after_the_last_append_and_with_every_segment() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    fill(&journal, &[900, 900]);
    let after = scratch.power_cut(|_, rest| rest);
    fs::remove_file(after.last_segment()).unwrap();
    assert!(matches!(after.try_open().unwrap_err(), OpenError::Missing { is_there: false, .. }), "the second segment is missed");
    eventually(|| scratch.durable_note() == fs::read(scratch.note()).unwrap());
}
