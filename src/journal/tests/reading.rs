//! Readers: order, once each, durable only, memory or disk, waiting, ending.

use std::fs;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;

use super::support::*;
use crate::journal::segment_reader::CHUNK_BYTES;
use crate::journal::{Class, Item, Position, ReadError, Record};

/// Far longer than any test takes.
const FOREVER: Duration = Duration::from_secs(60);

#[test]
fn a_reader_sees_what_was_appended_in_order_with_adjoining_positions() {
    let scratch = Scratch::new(1 << 20, 1 << 20);
    let journal = scratch.open();
    let written = fill(&journal, &[0, 1, 5000, 300, 0]);
    let items = drain(&mut journal.reader(Position(0)));
    assert_eq!(items.iter().map(|item| item.record.clone()).collect::<Vec<_>>(), written);
    assert_eq!(items[0].position, journal.start());
    assert!(items.windows(2).all(|pair| pair[0].end == pair[1].position));
    assert_eq!(items[4].end, journal.end());
}

#[test]
fn the_disk_gives_what_memory_gives() {
    let sizes: Vec<usize> = (0..60).map(|i| [0, 10, 4095, 4096, 4097, 70_000, CHUNK_BYTES + 5][i % 7]).collect();
    let read = |tail_bytes| {
        let scratch = Scratch::new(3 << 20, tail_bytes);
        let journal = scratch.open();
        fill(&journal, &sizes);
        assert!(scratch.segments().len() > 3);
        drain(&mut journal.reader(Position(0)))
    };
    let from_disk = read(0);
    assert_eq!(from_disk.len(), sizes.len());
    assert!(from_disk == read(1 << 30));
    assert!(from_disk == read(200_000));
}

#[test]
fn a_reader_that_keeps_up_gets_the_appended_bytes_themselves() {
    let scratch = Scratch::new(1 << 20, 1 << 20);
    let journal = scratch.open();
    let mut reader = journal.reader(Position(0));
    let written = fill(&journal, &[1000]);
    let item = reader.next_in_memory().unwrap().unwrap();
    assert_eq!(item.record.body.as_ptr(), written[0].body.as_ptr());
}

#[test]
fn next_in_memory_never_reads_the_disk_and_loses_nothing() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    let written = fill(&journal, &[10, 10, 10]);
    let mut reader = journal.reader(Position(0));
    assert_eq!(reader.next_in_memory().unwrap(), None);
    let mut got = vec![block_on(reader.next()).unwrap().unwrap()];
    // The chunk that `next` read holds the others.
    got.extend(std::iter::from_fn(|| reader.next_in_memory().unwrap()));
    assert_eq!(got.into_iter().map(|item| item.record).collect::<Vec<_>>(), written);
}

#[test]
fn a_reader_falls_back_to_the_disk_and_returns_to_memory_without_a_seam() {
    let scratch = Scratch::new(20_000, 3000);
    let journal = scratch.open();
    let mut reader = journal.reader(Position(0));
    let mut written = Vec::new();
    let mut read = Vec::new();
    for (number, batch) in [1, 40, 1, 1, 80, 2, 100, 1].into_iter().enumerate() {
        for i in 0..batch {
            written.push(record(number * 1000 + i, 500));
            append(&journal, written.last().unwrap().clone()).unwrap();
        }
        // Not always to the end.
        let mut some = drain(&mut journal.reader(reader.position()));
        some.truncate(batch * 2 / 3 + 1);
        for expected in some {
            assert_eq!(reader.position(), expected.position);
            assert_eq!(reader.try_next().unwrap().as_ref(), Some(&expected));
            read.push(expected.record);
        }
    }
    read.extend(drain(&mut reader).into_iter().map(|item| item.record));
    assert!(read == written);
}

#[test]
fn nothing_is_read_or_acknowledged_before_it_is_durable() {
    for tail_bytes in [0, 1 << 20] {
        let scratch = Scratch::new(1 << 20, tail_bytes);
        let journal = scratch.open();
        let mut reader = journal.reader(Position(0));
        scratch.set(|faults| faults.hold_sync = true);
        block_on(async {
            let mut append = std::pin::pin!(journal.append(record(1, 100), Class::Spans));
            assert!(poll_once(append.as_mut()).is_none());
            scratch.wait_for_held_sync();
            assert!(poll_once(append.as_mut()).is_none());
            assert_eq!((reader.try_next().unwrap(), journal.end()), (None, Position(0)));
            assert!(fs::metadata(scratch.last_segment()).unwrap().len() > 32, "it is written");
            scratch.set(|faults| faults.hold_sync = false);
            assert_eq!(append.await, Ok(Position(0)));
        });
        assert_eq!(reader.try_next().unwrap().unwrap().record, record(1, 100));
    }
}

#[test]
fn a_read_of_the_disk_stops_before_what_is_written_but_not_durable() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    let written = fill(&journal, &[100; 2]);
    let mut reader = journal.reader(Position(0));
    let held = scratch.hold_sync();
    let mut append = Box::pin(journal.append(record(2, 100), Class::Spans));
    assert!(poll_once(append.as_mut()).is_none());
    scratch.wait_for_held_sync();
    assert_eq!(drain(&mut reader).into_iter().map(|item| item.record).collect::<Vec<_>>(), written);
    drop(held);
    block_on(append).unwrap();
    assert_eq!(drain(&mut reader).len(), 1);
}

#[test]
fn tasks_and_threads_read_everything_once_while_many_append() {
    let scratch = Scratch::new(50_000, 20_000);
    let journal = scratch.open();
    let (n_tasks, n_each) = (16, 60);
    let read_in_thread = {
        let mut reader = journal.reader(Position(0));
        thread::spawn(move || {
            std::iter::from_fn(move || reader.next_timeout(FOREVER).unwrap()).take(n_tasks * n_each).collect::<Vec<Item>>()
        })
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let (read_in_task, acks) = runtime.block_on(async {
        let mut reader = journal.reader(Position(0));
        let reading = tokio::spawn(async move {
            let mut items = Vec::new();
            while items.len() < n_tasks * n_each {
                items.push(reader.next().await.unwrap().unwrap());
            }
            items
        });
        let appending = (0..n_tasks).map(|task| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut acks = Vec::new();
                for i in 0..n_each {
                    let record = record(task * 1000 + i, (task * i * 13) % 2000);
                    acks.push((journal.append(record.clone(), Class::Spans).await.unwrap(), record));
                }
                assert!(acks.is_sorted_by_key(|ack| ack.0), "one caller's order");
                acks
            })
        });
        let acks = join_all(appending).await.into_iter().flat_map(Result::unwrap);
        let mut acks: Vec<(Position, Record)> = acks.collect();
        acks.sort_by_key(|ack| ack.0);
        (reading.await.unwrap(), acks)
    });
    let as_acks = |items: Vec<Item>| items.into_iter().map(|item| (item.position, item.record)).collect::<Vec<_>>();
    assert!(as_acks(read_in_task) == acks);
    assert!(as_acks(read_in_thread.join().unwrap()) == acks);
    assert!(as_acks(drain(&mut journal.reader(Position(0)))) == acks);
    let stats = journal.stats();
    assert_eq!((stats.appended_records(), stats.appended_bytes()), ((n_tasks * n_each) as u64, journal.end().0));
    assert!(stats.syncs() <= stats.appended_records() && stats.sync_total() >= stats.sync_last());
}

#[test]
fn appends_that_one_task_has_in_flight_together_keep_their_order() {
    let scratch = Scratch::new(1 << 20, 1 << 20);
    let journal = scratch.open();
    let numbered: Vec<_> = (0..200).map(|number| record(number, number * 37 % 500)).collect();
    let positions = block_on(join_all(numbered.iter().map(|record| journal.append(record.clone(), Class::Spans))));
    assert!(positions.iter().map(|position| position.as_ref().unwrap()).is_sorted());
    assert!(records(&journal) == numbered);
    assert!(journal.stats().syncs() < 20, "grouped");
}

#[test]
fn a_dropped_next_loses_nothing() {
    let scratch = Scratch::new(100_000, 0);
    let journal = scratch.open();
    let written = fill(&journal, &[50_000; 60]);
    let mut reader = journal.reader(Position(0));
    let read = block_on(async {
        let mut read = Vec::new();
        while read.len() < written.len() {
            // Given up after one poll each time, while the disk is being read.
            match poll_once(reader.next()) {
                Some(item) => read.push(item.unwrap().unwrap().record),
                None => tokio::task::yield_now().await,
            }
        }
        read
    });
    assert!(read == written);
}

#[test]
fn asking_in_turn_as_task_and_as_thread_loses_nothing() {
    let scratch = Scratch::new(100_000, 0);
    let journal = scratch.open();
    let written = fill(&journal, &[50_000; 20]);
    let mut reader = journal.reader(Position(0));
    let mut read = Vec::new();
    block_on(async {
        for turn in 0.. {
            if turn % 3 == 0 {
                read.extend(poll_once(reader.next()).map(|item| item.unwrap().unwrap().record));
                continue;
            }
            let Some(item) = reader.try_next().unwrap() else { break };
            read.push(item.record);
        }
    });
    assert!(read == written);
}

#[test]
fn next_timeout_without_a_record_is_none() {
    let scratch = Scratch::new(1 << 20, 1 << 20);
    let journal = scratch.open();
    let mut reader = journal.reader(Position(0));
    assert_eq!(reader.next_timeout(Duration::from_millis(2)).unwrap(), None);
    assert_eq!(reader.next_timeout(Duration::ZERO).unwrap(), None);
    fill(&journal, &[1]);
    assert!(reader.next_timeout(Duration::ZERO).unwrap().is_some());
}

#[test]
fn close_ends_readers_after_they_have_read_everything() {
    for tail_bytes in [0, 1 << 20] {
        let scratch = Scratch::new(300, tail_bytes);
        let journal = scratch.open();
        let written = fill(&journal, &[100; 9]);
        let mut lagging = journal.reader(Position(0));
        let mut waiting = journal.reader(journal.end());
        let waiting_thread = thread::spawn(move || waiting.next_timeout(FOREVER).unwrap());
        let mut waiting = journal.reader(journal.end());
        let waiting_task = thread::spawn(move || block_on(waiting.next()).unwrap());
        journal.close();
        assert_eq!((waiting_thread.join().unwrap(), waiting_task.join().unwrap()), (None, None));
        for expected in written {
            assert_eq!(block_on(lagging.next()).unwrap().unwrap().record, expected);
        }
        assert_eq!(block_on(lagging.next()).unwrap(), None);
        assert_eq!(lagging.next_timeout(FOREVER).unwrap(), None);
    }
}

#[test]
fn a_reader_is_clamped_to_what_is_held() {
    let scratch = Scratch::new(300, 0);
    let journal = scratch.open();
    fill(&journal, &[200; 6]);
    let third = drain(&mut journal.reader(Position(0)))[2].clone();
    journal.release(third.position);
    assert_eq!(journal.start(), third.position);
    assert_eq!(journal.reader(Position(0)).position(), third.position);
    assert_eq!(journal.reader(Position(0)).try_next().unwrap(), Some(third));
    assert_eq!(journal.reader(Position(u64::MAX)).position(), journal.end());
}

#[test]
fn a_reader_that_was_overtaken_by_release_is_told() {
    let scratch = Scratch::new(300, 0);
    let journal = scratch.open();
    fill(&journal, &[200; 6]);
    let mut reader = journal.reader(Position(0));
    journal.release(journal.end());
    let start = journal.start();
    assert!(start > Position(0));
    for _ in 0..2 {
        let error = reader.try_next().unwrap_err();
        assert!(matches!(error, ReadError::Released { position: Position(0), start: s } if s == start), "{error:?}");
    }
}

#[test]
fn a_position_inside_a_record_is_an_error_not_a_record() {
    for tail_bytes in [0, 1 << 20] {
        let scratch = Scratch::new(1 << 20, tail_bytes);
        let journal = scratch.open();
        fill(&journal, &[200; 2]);
        for inside in 1..encoded_bytes(&record(0, 200)) {
            let mut reader = journal.reader(Position(inside));
            let error = reader.try_next().unwrap_err();
            assert!(matches!(error, ReadError::Corrupt { offset, .. } if offset == 32 + inside), "{error:?}");
        }
    }
}

#[test]
fn damage_under_a_running_reader_is_reported_with_its_place_and_never_passed() {
    let scratch = Scratch::new(1 << 20, 0);
    let journal = scratch.open();
    let written = fill(&journal, &[100; 5]);
    let file = scratch.last_segment();
    let sound = fs::read(&file).unwrap();
    let damaged_offset = 32 + 2 * encoded_bytes(&written[0]);
    for damage in [damaged_offset as usize, damaged_offset as usize + 19, damaged_offset as usize + 60] {
        let mut bytes = sound.clone();
        bytes[damage] ^= 0x40;
        fs::write(&file, &bytes).unwrap();
        let mut reader = journal.reader(Position(0));
        assert_eq!(reader.try_next().unwrap().unwrap().record, written[0]);
        assert_eq!(reader.try_next().unwrap().unwrap().record, written[1]);
        let stays_at = reader.position();
        for ask in 0..4 {
            let error = if ask % 2 == 0 { reader.try_next().unwrap_err() } else { block_on(reader.next()).unwrap_err() };
            let ReadError::Corrupt { file: at, offset, .. } = &error else { panic!("{error:?}") };
            assert_eq!((at, *offset, reader.position()), (&file, damaged_offset, stays_at));
        }
        // Somebody restores the file: the reader goes on where it stood.
        fs::write(&file, &sound).unwrap();
        assert_eq!(drain(&mut reader).len(), 3);
    }
}
