//! The journal against a list: any sequence of appends, reads, releases, restarts and torn tails.

use std::collections::VecDeque;
use std::fs::{self, File};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::support::*;
use crate::journal::{Class, Journal, OpenError, Position, Reader, Record};

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    AppendTogether(Vec<usize>),
    /// A reader reads so many.
    Read(usize, usize),
    /// What every reader has passed goes.
    Release,
    Restart,
    /// The process dies and the file lacks its last bytes.
    Tear(u64),
}

struct World {
    scratch: Scratch,
    journal: Option<Journal>,
    readers: Vec<Reader>,
    /// What must be held: position, record, end.
    held: VecDeque<(Position, Record, Position)>,
    n_appended: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![0..50_usize, 0..700_usize, Just(5000)];
    let step = prop_oneof![
        6 => size.clone().prop_map(Step::Append),
        2 => prop::collection::vec(size, 2..12).prop_map(Step::AppendTogether),
        5 => (0..3_usize, 1..15_usize).prop_map(|(reader, n)| Step::Read(reader, n)),
        2 => Just(Step::Release),
        1 => Just(Step::Restart),
        1 => (0..1500_u64).prop_map(Step::Tear),
    ];
    prop::collection::vec(step, 1..60)
}

impl World {
    fn new(tail_bytes: usize) -> Self {
        let scratch = Scratch::new(1500, tail_bytes);
        let journal = scratch.open();
        let readers = (0..3).map(|_| journal.reader(Position(0))).collect();
        Self { scratch, journal: Some(journal), readers, held: VecDeque::new(), n_appended: 0 }
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn next_record(&mut self, bytes: usize) -> Record {
        self.n_appended += 1;
        record(self.n_appended, bytes)
    }

    fn append_together(&mut self, sizes: &[usize]) {
        let records: Vec<_> = sizes.iter().map(|&bytes| self.next_record(bytes)).collect();
        let appends = records.iter().map(|record| self.journal().append(record.clone(), Class::Spans));
        let positions = block_on(join_all(appends));
        for (record, position) in records.into_iter().zip(positions) {
            let position = position.unwrap();
            let end = Position(position.0 + encoded_bytes(&record));
            self.held.push_back((position, record, end));
        }
    }

    fn read(&mut self, reader: usize, n: usize) {
        let reader = &mut self.readers[reader];
        for turn in 0..n {
            let expected = self.held.iter().find(|held| held.0 == reader.position());
            let item = match (turn % 2, expected) {
                // Waiting is only for what will come.
                (0, Some(_)) => block_on(reader.next()).unwrap(),
                _ => reader.try_next().unwrap(),
            };
            assert_eq!(item.map(|item| (item.position, item.record, item.end)).as_ref(), expected);
        }
    }

    fn release(&mut self) {
        let keep = self.readers.iter().map(Reader::position).min().unwrap();
        let active_bytes = fs::metadata(self.scratch.last_segment()).unwrap().len();
        self.journal().release(keep);
        if keep == self.journal().end() && active_bytes > 32 && active_bytes >= self.scratch.options.segment_bytes {
            // The writer gives up a full active segment of its own accord.
            eventually(|| self.journal().usage().0 == 32);
        }
        let start = self.journal().start();
        assert!(start <= keep);
        self.held.retain(|held| held.0 >= start);
    }

    /// Dies, lacks so many bytes at the end, and starts again; readers go on at what they remember.
    fn restart(&mut self, missing_bytes: u64) {
        let remembered: Vec<_> = self.readers.drain(..).map(|reader| reader.position()).collect();
        drop(self.journal.take());
        let last = self.scratch.last_segment();
        let length = fs::metadata(&last).unwrap().len();
        let cut = length.saturating_sub(missing_bytes).max(32);
        File::options().write(true).open(&last).unwrap().set_len(cut).unwrap();
        if cut < length {
            // These bytes were acknowledged: that they are gone is said, until somebody who knows wants to go on without them.
            let error = self.scratch.try_open().unwrap_err();
            assert!(matches!(&error, OpenError::Missing { file, is_there: true, .. } if *file == last), "{error:?}");
            fs::remove_file(self.scratch.note()).unwrap();
        }
        let cut_end = self.held.back().map(|held| held.2.0 - (length - cut));
        let n_held = self.held.len();
        self.held.retain(|held| held.2.0 <= cut_end.unwrap_or(0));
        let (journal, recovery) = self.scratch.try_open().unwrap();
        if let (Some(last), Some(cut_end)) = (self.held.back(), cut_end) {
            assert_eq!((journal.end(), recovery.torn_bytes), (last.2, cut_end - last.2.0));
        } else {
            assert!(n_held == 0 || journal.end() == journal.start());
        }
        self.readers = remembered.into_iter().map(|position| journal.reader(position)).collect();
        self.journal = Some(journal);
    }

    fn check(&self) {
        let (journal, last) = (self.journal(), self.held.back());
        assert!(last.is_none_or(|last| journal.end() == last.2));
        assert!(self.held.front().is_none_or(|first| journal.start() == first.0));
        assert_eq!(journal.usage(), (self.scratch.disk_bytes(), self.scratch.options.max_bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_is_a_list_that_survives_restarts(steps in steps(), tail_bytes in prop_oneof![Just(0_usize), Just(1000), Just(1 << 20)]) {
        let mut world = World::new(tail_bytes);
        for step in steps {
            match step {
                Step::Append(bytes) => world.append_together(&[bytes]),
                Step::AppendTogether(sizes) => world.append_together(&sizes),
                Step::Read(reader, n) => world.read(reader, n),
                Step::Release => world.release(),
                Step::Restart => world.restart(0),
                Step::Tear(bytes) => world.restart(bytes),
            }
            world.check();
        }
        let held: Vec<_> = world.held.iter().map(|held| held.1.clone()).collect();
        prop_assert!(records(world.journal()) == held);
    }
}
