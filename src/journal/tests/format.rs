//! The bytes on disk are those of `docs/format.md`, for ever.

use std::fs;

use super::support::*;
use crate::journal::segment::path_of;
use crate::journal::{Position, Record};

/// A segment of version 1 with base 100 and salt 0x04030201: a group of two records, then a group of one empty record.
const VERSION_1: &[u8] = include_bytes!("version-1.journal");

fn version_1_records() -> Vec<Record> {
    [("head", "body"), ("", "second of its group"), ("", "")]
        .map(|(head, body)| Record { head: head.as_bytes().into(), body: body.as_bytes().into() })
        .to_vec()
}

#[test]
fn a_segment_of_version_1_is_read_for_ever() {
    let scratch = Scratch::new(1000, 0);
    fs::write(path_of(scratch.path(), Position(100)), VERSION_1).unwrap();
    let (journal, recovery) = scratch.try_open().unwrap();
    assert_eq!(recovery.torn_bytes, 0);
    let items = drain(&mut journal.reader(Position(0)));
    assert_eq!(items.iter().map(|item| item.record.clone()).collect::<Vec<_>>(), version_1_records());
    assert_eq!(items.iter().map(|item| item.position.0).collect::<Vec<_>>(), [100, 128, 167]);
    assert_eq!(journal.end(), Position(187));
}

#[test]
fn the_writer_writes_the_documented_bytes() {
    let scratch = Scratch::new(1000, 0);
    let journal = scratch.open();
    append(&journal, version_1_records().remove(0)).unwrap();
    drop(journal);
    assert_eq!(scratch.last_segment().file_name().unwrap(), "00000000000000000000.journal");
    let bytes = fs::read(scratch.last_segment()).unwrap();
    assert_eq!(bytes.len(), 32 + 20 + 8);
    let salt = &bytes[12..16];
    assert_eq!(bytes[0..12], *b"sfjrnl\r\n\x01\0\0\0");
    assert_eq!(bytes[16..28], [0; 12], "base, reserved");
    assert_eq!(bytes[28..32], crc32fast::hash(&bytes[..28]).to_le_bytes());
    assert_eq!(bytes[32..44], [4, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[44..48], crc32fast::hash(b"headbody").to_le_bytes());
    let covered = [salt, &[0; 8], &bytes[32..48]].concat();
    assert_eq!(bytes[48..52], crc32fast::hash(&covered).to_le_bytes());
    assert_eq!(bytes[52..], *b"headbody");
}

#[test]
fn the_note_of_the_end_is_drawn_as_documented() {
    let scratch = Scratch::new(60, 0);
    let journal = scratch.open();
    append(&journal, version_1_records().remove(0)).unwrap();
    append(&journal, version_1_records().remove(1)).unwrap();
    drop(journal);
    assert_eq!(scratch.note().file_name().unwrap(), "journal.end");
    let bytes = fs::read(scratch.note()).unwrap();
    assert_eq!(bytes[..28], *b"sfjend\r\n\x01\0\0\0\x43\0\0\0\0\0\0\0\x1c\0\0\0\0\0\0\0");
    assert_eq!(bytes[28..], crc32fast::hash(&bytes[..28]).to_le_bytes());
}

#[test]
fn a_directory_of_a_version_without_a_note_is_opened_and_gets_one() {
    let scratch = Scratch::new(1000, 0);
    fs::write(path_of(scratch.path(), Position(100)), VERSION_1).unwrap();
    let journal = scratch.open();
    assert_eq!(journal.end(), Position(187));
    drop(journal);
    let file = scratch.last_segment();
    fs::write(&file, &VERSION_1[..VERSION_1.len() - 1]).unwrap();
    assert!(scratch.try_open().is_err(), "from now on the end is known");
}
