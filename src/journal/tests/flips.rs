//! Damage of every kind at every place: healed at the tail, refused with its place elsewhere, never wrong data, never a panic.

use std::fs::{self, File};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::support::*;
use crate::journal::record::{Parsed, parse};
use crate::journal::segment::SegmentHeader;
use crate::journal::{Class, Item, OpenError, Position};

/// Some small segments, closed, and what is in them.
fn prepared(sizes: &[usize]) -> (Scratch, Vec<Item>) {
    let scratch = Scratch::new(400, 0);
    let journal = scratch.open();
    fill(&journal, sizes);
    let items = drain(&mut journal.reader(Position(0)));
    (scratch, items)
}

fn base_of(path: &std::path::Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// What opening said, with the records that are then there.
fn reopen(scratch: &Scratch) -> Result<(Vec<Item>, u64), OpenError> {
    let (journal, recovery) = scratch.try_open()?;
    let items = drain(&mut journal.reader(Position(0)));
    assert_eq!(journal.end(), items.last().map_or(journal.start(), |item| item.end));
    Ok((items, recovery.torn_bytes))
}

/// A bit of the last record that rotted was once taken for a torn write: the record was cut off, and the log said that it had never been
/// acknowledged.
#[test]
fn a_flipped_bit_anywhere_in_what_was_acknowledged_is_refused_with_its_place() {
    let (scratch, items) = prepared(&[30, 0, 200, 100, 7, 1, 90, 20, 0, 40]);
    let segments = scratch.segments();
    assert!(segments.len() > 2);
    let note = fs::read(scratch.note()).unwrap();
    for path in &segments {
        let sound = fs::read(path).unwrap();
        for bit in 0..8 * sound.len() {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(path, &bytes).unwrap();
            check_flip(&scratch, &items, path, bit / 8);
            // Also where nothing notes what was acknowledged: after a power cut, or from a version that made no such note.
            fs::remove_file(scratch.note()).unwrap();
            check_flip(&scratch, &items, path, bit / 8);
            assert_eq!(fs::read(path).unwrap(), bytes, "a refusal changes nothing");
            fs::write(scratch.note(), &note).unwrap();
        }
        fs::write(path, &sound).unwrap();
    }
    assert_eq!(reopen(&scratch).unwrap(), (items, 0));
}

#[test]
fn a_damaged_byte_anywhere_in_what_was_noted_is_refused_with_its_place() {
    let (scratch, items) = prepared(&[300, 300, 10, 0, 25, 130, 0]);
    let path = scratch.last_segment();
    let sound = fs::read(&path).unwrap();
    for offset in 0..sound.len() {
        for length in [1, 20, 600] {
            let mut bytes = sound.clone();
            let end = bytes.len().min(offset + length);
            bytes[offset..end].fill(0);
            if bytes == sound {
                continue;
            }
            fs::write(&path, &bytes).unwrap();
            let first = (offset..end).find(|&at| bytes[at] != sound[at]).unwrap();
            check_flip(&scratch, &items, &path, first);
        }
    }
}

fn check_flip(scratch: &Scratch, items: &[Item], path: &std::path::Path, offset: usize) {
    let flipped = base_of(path) + (offset as u64).saturating_sub(32);
    let hit = items.iter().find(|item| offset >= 32 && (item.position.0..item.end.0).contains(&flipped));
    let at = hit.map_or(0, |hit| 32 + hit.position.0 - base_of(path));
    match reopen(scratch) {
        Err(OpenError::Corrupt { file, offset, .. }) => assert_eq!((file.as_path(), offset), (path, at)),
        other => panic!("offset {offset}: {other:?}"),
    }
}

/// Records of whole pages, with runs of zeros in them that look like pages that were never written.
#[test]
fn a_flipped_bit_in_a_record_that_holds_zeros_is_not_taken_for_a_torn_write() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    let mut last = record(1, 9_000);
    last.body = [vec![0; 4_000], vec![7; 3_000], vec![0; 2_000]].concat().into();
    append(&journal, record(0, 100)).unwrap();
    let at = append(&journal, last).unwrap();
    drop(journal);
    fs::remove_file(scratch.note()).unwrap();
    let path = scratch.last_segment();
    let sound = fs::read(&path).unwrap();
    for bit in (0..8 * (sound.len() - 32 - at.0 as usize)).step_by(101) {
        let mut bytes = sound.clone();
        bytes[32 + at.0 as usize + bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let error = reopen(&scratch).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { offset, .. } if offset == 32 + at.0), "bit {bit}: {error:?}");
    }
}

#[test]
fn a_missing_end_is_refused_with_what_is_missing_and_what_to_do() {
    let (scratch, items) = prepared(&[300; 5]);
    let segments = scratch.segments();
    let last = segments.last().unwrap();
    let sound = fs::read(last).unwrap();
    let (last_base, end) = (base_of(last), items.last().unwrap().end);
    let expect = |file: &std::path::Path, is_there: bool, ends_at: u64| {
        let error = reopen(&scratch).unwrap_err();
        assert!(error.to_string().contains("journal.end"), "{error}");
        let OpenError::Missing { file: named, is_there: there, end: found, acknowledged, .. } = error else { panic!("{error:?}") };
        assert_eq!((named.as_path(), there, found.0, acknowledged), (file, is_there, ends_at, end));
    };
    for cut in 0..sound.len() - 32 {
        fs::write(last, &sound[..32 + cut]).unwrap();
        let sound_end = items.iter().map(|item| item.end.0).filter(|end| *end <= last_base + cut as u64).max().unwrap();
        expect(last, true, sound_end);
    }
    fs::remove_file(last).unwrap();
    expect(last, false, last_base);
    for path in &segments[..4] {
        fs::remove_file(path).unwrap();
    }
    expect(last, false, 0);
    // Whoever wants to go on without it says so.
    fs::remove_file(scratch.note()).unwrap();
    assert_eq!(reopen(&scratch).unwrap(), (vec![], 0));
}

#[test]
fn a_note_that_cannot_be_read_is_ignored_and_an_old_one_holds_as_far_as_it_goes() {
    let (scratch, items) = prepared(&[30, 200, 100, 90, 300, 300]);
    let note = fs::read(scratch.note()).unwrap();
    assert_eq!(note.len(), 32);
    for damaged in [vec![], note[..31].to_vec(), [note[..8].to_vec(), vec![9], note[9..].to_vec()].concat()] {
        fs::write(scratch.note(), damaged).unwrap();
        assert_eq!(reopen(&scratch).unwrap(), (items.clone(), 0));
        assert_eq!(fs::read(scratch.note()).unwrap(), note, "written anew");
    }
    // An older version, which knows nothing of the note, went on meanwhile.
    let other = Scratch::new(400, 0);
    let journal = other.open();
    fill(&journal, &[30]);
    let old = fs::read(other.note()).unwrap();
    drop(journal);
    fs::write(scratch.note(), old).unwrap();
    assert_eq!(reopen(&scratch).unwrap(), (items, 0));
}

#[test]
fn a_flipped_byte_in_a_group_of_many_is_not_taken_for_a_torn_write() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    block_on(join_all((0..12).map(|i| journal.append(record(i, 50), Class::Spans))));
    let items = drain(&mut journal.reader(Position(0)));
    assert_eq!(items.len(), 12);
    drop(journal);
    let path = scratch.last_segment();
    let sound = fs::read(&path).unwrap();
    let note = fs::read(scratch.note()).unwrap();
    for offset in (0..sound.len()).step_by(3) {
        let mut bytes = sound.clone();
        bytes[offset] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        check_flip(&scratch, &items, &path, offset);
        fs::remove_file(scratch.note()).unwrap();
        check_flip(&scratch, &items, &path, offset);
        fs::write(scratch.note(), &note).unwrap();
    }
}

#[test]
fn a_log_cut_at_every_byte_is_healed_to_the_last_whole_record() {
    let (scratch, items) = prepared(&[300, 300, 10, 0, 25, 130, 0]);
    let path = scratch.last_segment();
    let base = base_of(&path);
    let sound = fs::read(&path).unwrap();
    assert!(items.iter().filter(|item| item.position.0 >= base).count() >= 3);
    for length in 32..=sound.len() {
        fs::write(&path, &sound[..length]).unwrap();
        // As after a power cut, when it may be a torn write.
        fs::remove_file(scratch.note()).unwrap();
        let end = base + length as u64 - 32;
        let whole: Vec<_> = items.iter().filter(|item| item.end.0 <= end).cloned().collect();
        let torn_bytes = end - whole.last().unwrap().end.0;
        assert_eq!(reopen(&scratch).unwrap(), (whole.clone(), torn_bytes));
        assert_eq!(reopen(&scratch).unwrap(), (whole, 0), "healed for good");
        fs::write(&path, &sound).unwrap();
    }
    for length in 0..32 {
        fs::write(&path, &sound[..length]).unwrap();
        let _ = fs::remove_file(scratch.note());
        let error = reopen(&scratch).unwrap_err();
        assert!(matches!(&error, OpenError::Corrupt { file, offset: 0, .. } if *file == path), "{error:?}");
    }
}

#[test]
fn a_cut_in_an_earlier_segment_is_refused_at_every_byte() {
    let (scratch, items) = prepared(&[150, 20, 0, 300, 300]);
    let path = scratch.segments().remove(0);
    let sound = fs::read(&path).unwrap();
    for length in 0..sound.len() {
        fs::write(&path, &sound[..length]).unwrap();
        let error = reopen(&scratch).unwrap_err();
        let at_a_boundary = length >= 32 && (length == 32 || items.iter().any(|item| item.end.0 == length as u64 - 32));
        match &error {
            OpenError::Corrupt { file, .. } => assert!(*file == path && !at_a_boundary, "{error}"),
            OpenError::Gap { .. } => {}
            _ => panic!("{error}"),
        }
    }
    fs::write(&path, [sound.as_slice(), b"more"].concat()).unwrap();
    let error = reopen(&scratch).unwrap_err();
    assert!(matches!(&error, OpenError::Corrupt { file, offset, .. } if *file == path && *offset == sound.len() as u64), "{error}");
}

#[test]
fn a_missing_segment_is_refused() {
    let (scratch, _) = prepared(&[300; 5]);
    let segments = scratch.segments();
    fs::remove_file(&segments[2]).unwrap();
    let error = reopen(&scratch).unwrap_err();
    assert!(matches!(&error, OpenError::Gap { file, .. } if *file == segments[3]), "{error}");
}

#[test]
fn a_segment_under_another_name_is_refused() {
    let (scratch, _) = prepared(&[300; 5]);
    let segments = scratch.segments();
    fs::rename(&segments[4], segments[4].with_file_name("00000000000000009999.journal")).unwrap();
    assert!(matches!(reopen(&scratch).unwrap_err(), OpenError::Corrupt { offset: 0, .. }));
}

#[test]
fn a_future_version_is_refused_by_its_number() {
    let scratch = Scratch::new(400, 0);
    let path = scratch.path().join("00000000000000000000.journal");
    fs::write(&path, SegmentHeader { base: Position(0), salt: 9 }.encode_as(2)).unwrap();
    let error = reopen(&scratch).unwrap_err();
    assert!(matches!(error, OpenError::UnsupportedVersion { found: 2, supported: 1, .. }));
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn a_record_inside_a_payload_is_not_taken_for_a_record() {
    // Somebody sends us the bytes of a journal, even of this very one, and then the write is torn.
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    fill(&journal, &[10; 8]);
    let file = scratch.last_segment();
    let own_bytes = fs::read(&file).unwrap();
    let end = journal.end();
    append(&journal, crate::journal::Record { head: Default::default(), body: own_bytes.repeat(3).into() }).unwrap();
    drop(journal);
    File::options().write(true).open(&file).unwrap().set_len(32 + end.0 + 700).unwrap();
    fs::remove_file(scratch.note()).unwrap();
    let (items, torn_bytes) = reopen(&scratch).unwrap();
    assert_eq!((items.len(), torn_bytes), (8, 700));
}

#[test]
fn a_tail_of_zeros_or_garbage_is_cut() {
    for filler in [vec![0; 3_000_000], (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()] {
        let (scratch, items) = prepared(&[10, 20]);
        let path = scratch.last_segment();
        let sound = fs::read(&path).unwrap();
        fs::write(&path, [sound, filler].concat()).unwrap();
        assert_eq!(reopen(&scratch).unwrap(), (items, 3_000_000));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_as_a_segment_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), with_header in any::<bool>(), base in 0..3_u64) {
        let scratch = Scratch::new(400, 0);
        let base = Position(base * (u64::MAX / 2));
        let header = SegmentHeader { base, salt: 7 }.encode();
        let bytes = if with_header { [header.as_slice(), &bytes].concat() } else { bytes };
        fs::write(scratch.path().join(format!("{:020}.journal", base.0)), bytes).unwrap();
        let opened = reopen(&scratch);
        prop_assert_eq!(opened.is_ok(), with_header && base == Position(0), "{:?}", opened);
    }

    #[test]
    fn random_bytes_never_parse_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100), salt in any::<u32>(), position in any::<u64>()) {
        let parsed = parse(&bytes, salt, Position(position));
        let is_whole = matches!(parsed, Parsed::Whole { .. });
        prop_assert!(!is_whole);
    }

    #[test]
    fn any_damage_gives_a_prefix_or_a_refusal(
        sizes in prop::collection::vec(0..200_usize, 1..20),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..40_usize, any::<u8>()), 1..4),
        is_noted in any::<bool>(),
    ) {
        let (scratch, items) = prepared(&sizes);
        if !is_noted {
            fs::remove_file(scratch.note()).unwrap();
        }
        let segments = scratch.segments();
        for (segment, at, length, with) in damage {
            let path = segment.get(&segments);
            let mut bytes = fs::read(path).unwrap();
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + length);
            bytes[at..end].fill(with);
            fs::write(path, bytes).unwrap();
        }
        if let Ok((left, _)) = reopen(&scratch) {
            prop_assert_eq!(&left[..], &items[..left.len()]);
            prop_assert!(!is_noted || left.len() == items.len(), "nothing that was noted is lost without a word");
            let last_base = base_of(&scratch.last_segment());
            prop_assert!(left.last().map_or(0, |item| item.end.0) >= last_base, "nothing is lost outside the last segment");
        }
    }
}
