//! Position files.

use std::fs;

use tempfile::TempDir;

use crate::journal::{Position, PositionError, PositionFile};

#[test]
fn a_position_is_kept_and_may_go_backwards() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("fold.position");
    assert_eq!(PositionFile::open(&path).unwrap().get(), Position(0));
    for position in [5, 900, 0, u64::MAX, 17] {
        let mut file = PositionFile::open(&path).unwrap();
        file.set(Position(position)).unwrap();
        assert_eq!(file.get(), Position(position));
        assert_eq!(PositionFile::open(&path).unwrap().get(), Position(position));
    }
}

#[test]
fn the_newer_of_set_and_note_holds() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p");
    let mut file = PositionFile::open(&path).unwrap();
    for (is_note, position) in [(true, 3), (true, 4), (false, 2), (true, 9), (true, 1), (false, 50), (false, 40), (true, 41)] {
        if is_note {
            file.note(Position(position)).unwrap();
        } else {
            file.set(Position(position)).unwrap();
        }
        assert_eq!((file.get(), PositionFile::open(&path).unwrap().get()), (Position(position), Position(position)));
    }
}

#[test]
fn a_damaged_note_is_ignored_and_a_damaged_file_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p");
    let note_path = dir.path().join("p.note");
    let mut file = PositionFile::open(&path).unwrap();
    file.set(Position(100)).unwrap();
    file.note(Position(200)).unwrap();
    for damaged_path in [&note_path, &path] {
        let sound = fs::read(damaged_path).unwrap();
        assert_eq!(sound.len(), 32);
        let flipped = (0..32).map(|i| {
            let mut bytes = sound.clone();
            bytes[i] ^= 4;
            bytes
        });
        for bytes in flipped.chain((0..32).map(|length| sound[..length].to_vec())).chain([[sound.clone(), vec![0]].concat()]) {
            fs::write(damaged_path, bytes).unwrap();
            let opened = PositionFile::open(&path);
            if *damaged_path == note_path {
                assert_eq!(opened.unwrap().get(), Position(100));
            } else {
                assert!(matches!(opened, Err(PositionError::Corrupt { file }) if file == path));
            }
        }
        fs::write(damaged_path, sound).unwrap();
    }
    assert_eq!(PositionFile::open(&path).unwrap().get(), Position(200));
}

#[test]
fn a_position_file_is_drawn_as_documented() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p");
    PositionFile::open(&path).unwrap().set(Position(0x0102)).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[..28], *b"sfposn\r\n\x01\0\0\0\x01\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0");
    assert_eq!(bytes[28..], crc32fast::hash(&bytes[..28]).to_le_bytes());
}

#[test]
fn a_future_version_is_refused_by_its_number() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p");
    let mut bytes = *b"sfposn\r\n\x07\0\0\0\x01\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\0\0\0\0";
    let checksum = crc32fast::hash(&bytes[..28]);
    bytes[28..].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    assert!(matches!(PositionFile::open(&path), Err(PositionError::UnsupportedVersion { found: 7, .. })));
}

/// What is written after a failed `set` must hold, although the file may have been replaced by it.
#[test]
fn a_set_that_fails_leaves_what_was_and_is_overtaken_by_the_next_note() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p");
    let mut file = PositionFile::open(&path).unwrap();
    file.set(Position(5)).unwrap();
    // Nothing can be written there.
    fs::create_dir(dir.path().join("p.new")).unwrap();
    assert!(file.set(Position(9)).is_err());
    assert_eq!((file.get(), PositionFile::open(&path).unwrap().get()), (Position(5), Position(5)));
    fs::remove_dir(dir.path().join("p.new")).unwrap();
    file.note(Position(7)).unwrap();
    assert_eq!(PositionFile::open(&path).unwrap().get(), Position(7));
    file.set(Position(9)).unwrap();
    assert_eq!(PositionFile::open(&path).unwrap().get(), Position(9));
}
