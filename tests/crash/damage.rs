//! Damaged and lost files: healed where nothing acknowledged is lost, refused with the file and what to do where it is.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::shown::{compare, everything, expected};
use super::traffic::{Traffic, storm, take_all};
use crate::store::truth::Truth;
use crate::support::server::{Place, until};

/// A place whose server was killed after some requests.
async fn killed(place: Place, seed: u64) -> (Place, Truth) {
    let traffic = Arc::new(Mutex::new(Traffic::new(seed)));
    let server = place.start().await;
    let outcome = storm(&server.client(), &traffic, 4, tokio::time::sleep(Duration::from_millis(300))).await;
    assert!(!outcome.acked.is_empty() && outcome.in_flight.is_empty());
    server.kill().await;
    let mut truth = Truth::default();
    take_all(&mut truth, &outcome.acked);
    (place, truth)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_last_write_is_cut_off_and_everything_acknowledged_is_there() {
    let (place, truth) = killed(Place::new().set("fold.checkpoint_interval", "1h"), 1).await;
    let last = place.segments().pop().unwrap();
    let bytes = std::fs::read(&last).unwrap();
    // The first bytes of a record as a crash may leave them: right as far as they go.
    let torn = &bytes[bytes.len().min(24)..bytes.len().min(24) + 40];
    std::fs::File::options().append(true).open(&last).unwrap().write_all(torn).unwrap();
    for round in 0..2 {
        let server = place.start().await;
        compare(&everything(&server.client()).await, &expected(&truth), &format!("start {round}"));
        server.kill().await;
    }
    assert!(place.log().contains("torn by a crash"), "{}", place.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_middle_is_refused_with_the_file_and_the_offset() {
    let (place, truth) = killed(Place::new().set("fold.checkpoint_interval", "1h"), 2).await;
    let first = place.segments().remove(0);
    let good = std::fs::read(&first).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 0x10;
    std::fs::write(&first, &bad).unwrap();
    let ended = place.fail().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let name = first.file_name().unwrap().to_str().unwrap();
    for words in ["cannot open the journal", name, "is damaged at offset"] {
        assert!(ended.stderr.contains(words), "{words:?} is not in:\n{}", ended.stderr);
    }
    // Nothing was touched: with the byte mended all is there.
    assert_eq!(std::fs::read(&first).unwrap(), bad);
    std::fs::write(&first, &good).unwrap();
    let server = place.start().await;
    compare(&everything(&server.client()).await, &expected(&truth), "mended");
}

/// It was once cut off as "never acknowledged", and its run was gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_rots_in_the_last_acknowledged_record_is_refused_and_not_called_torn() {
    let (place, truth) = killed(Place::new().set("fold.checkpoint_interval", "1h"), 4).await;
    let last = place.segments().pop().unwrap();
    let good = std::fs::read(&last).unwrap();
    for from_the_end in [1, 30] {
        let mut bad = good.clone();
        let at = bad.len() - from_the_end;
        bad[at] ^= 0x04;
        std::fs::write(&last, &bad).unwrap();
        let ended = place.fail().await;
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let name = last.file_name().unwrap().to_str().unwrap();
        assert!(ended.stderr.contains(name) && ended.stderr.contains("is damaged at offset"), "{}", ended.stderr);
        assert_eq!(std::fs::read(&last).unwrap(), bad, "nothing was touched");
    }
    std::fs::write(&last, &good).unwrap();
    let server = place.start().await;
    compare(&everything(&server.client()).await, &expected(&truth), "mended");
    assert!(!place.log().contains("torn"), "{}", place.log());
}

/// It once started without a word, and with what the missing segment had held gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_last_segment_is_noticed_and_named() {
    let settings =
        Place::new().set("fold.checkpoint_interval", "1h").set("journal.segment_bytes", "64KiB").set("journal.max_bytes", "16MiB");
    let (place, truth) = killed(settings, 5).await;
    let last = place.segments().pop().unwrap();
    let kept = last.with_extension("kept");
    std::fs::rename(&last, &kept).unwrap();
    let ended = place.fail().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for words in [last.to_str().unwrap(), "is missing", "was acknowledged", "backup", "journal.end"] {
        assert!(ended.stderr.contains(words), "{words:?} is not in:\n{}", ended.stderr);
    }
    std::fs::rename(&kept, &last).unwrap();
    let server = place.start().await;
    compare(&everything(&server.client()).await, &expected(&truth), "put back");
    server.kill().await;
    // To go on without it is a decision that somebody has to take.
    std::fs::remove_file(&last).unwrap();
    std::fs::remove_file(place.data().join("journal/journal.end")).unwrap();
    let server = place.start().await;
    assert!(!everything(&server.client()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_index_whose_journal_has_moved_on_is_refused_with_what_to_do() {
    let place =
        Place::new().set("fold.checkpoint_interval", "10ms").set("journal.segment_bytes", "64KiB").set("retention.raw_max_bytes", "1B");
    let (place, truth) = killed(place, 3).await;
    let server = place.start().await;
    let begins_at_zero = || place.segments()[0].to_str().unwrap().contains("00000000000000.journal");
    until("old segments are given back", async || !begins_at_zero()).await;
    compare(&everything(&server.client()).await, &expected(&truth), "with the index");
    server.kill().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(place.data().join(format!("index.sqlite{suffix}")));
    }
    let ended = place.fail().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for words in ["cannot open the index", "journal begins at", "backup"] {
        assert!(ended.stderr.contains(words), "{words:?} is not in:\n{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_index_of_ours_is_refused_and_left_alone() {
    let place = Place::new();
    std::fs::create_dir_all(place.data()).unwrap();
    let path = place.data().join("index.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE diary (day TEXT)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let ended = place.fail().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("not an index database of sessionfold"), "{}", ended.stderr);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
