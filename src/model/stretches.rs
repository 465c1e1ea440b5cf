//! Where in the journal the requests are that a trace's spans came in.
//!
//! A stretch goes from one request to another, and may hold requests of other traces in between. A trace has few, however long it grows:
//! what lies near together is one, and when there are too many the nearest two become one.

/// Requests that lie closer together than this, in bytes, are read at once: so much is read of the disk at a time (`journal/segment_reader.rs`).
const NEAR: u64 = 1 << 20;
/// So many stretches a trace has at most: 1 KiB in memory.
const STRETCHES_MAX: usize = 64;

/// From the position of one request's entry to that of another, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    pub first: u64,
    pub last: u64,
}

/// Ascending, none touching the next.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stretches(Vec<Stretch>);

// === impl Stretch ===

impl Stretch {
    /// Anywhere: what is true of a trace that was kept before positions were.
    pub const ANYWHERE: Self = Self { first: 0, last: u64::MAX };
}

// === impl Stretches ===

impl Stretches {
    pub fn anywhere() -> Self {
        Self(vec![Stretch::ANYWHERE])
    }

    /// A request with spans of the trace is at this position. The journal is read forwards: none comes before another.
    pub fn add(&mut self, position: u64) {
        match self.0.last_mut() {
            Some(last) if position <= last.last.saturating_add(NEAR) => last.last = last.last.max(position),
            _ => self.0.push(Stretch { first: position, last: position }),
        }
        if self.0.len() > STRETCHES_MAX {
            self.join_nearest();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Stretch> {
        self.0.iter().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes on the heap.
    pub fn weight(&self) -> usize {
        self.0.capacity() * size_of::<Stretch>()
    }

    /// For storing: how far each first position is from the last one before it, and how long each stretch is.
    pub fn distances(&self) -> impl Iterator<Item = u64> {
        let mut before = 0;
        self.0.iter().flat_map(move |stretch| {
            let gap = stretch.first - std::mem::replace(&mut before, stretch.last);
            [gap, stretch.last - stretch.first]
        })
    }

    /// The inverse of [`Self::distances`]; `None` if no stretches are like that.
    pub fn from_distances(distances: &[u64]) -> Option<Self> {
        let (pairs, []) = distances.as_chunks::<2>() else { return None };
        let mut before = 0_u64;
        let stretch = |&[gap, length]: &[u64; 2]| {
            let first = before.checked_add(gap)?;
            before = first.checked_add(length)?;
            Some(Stretch { first, last: before })
        };
        pairs.iter().map(stretch).collect::<Option<_>>().map(Self)
    }

    fn join_nearest(&mut self) {
        let gap = |at: &usize| self.0[at + 1].first - self.0[*at].last;
        let Some(at) = (0..self.0.len() - 1).min_by_key(gap) else { return };
        self.0[at].last = self.0[at + 1].last;
        self.0.remove(at + 1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_request_lies_in_a_stretch_and_stored_stretches_are_read_back(
            steps in prop::collection::vec(prop_oneof![0..10_u64, 0..3 * NEAR, 0..u64::MAX >> 10], 0..300),
        ) {
            let mut stretches = Stretches::default();
            let mut positions = Vec::new();
            for step in steps {
                positions.push(positions.last().unwrap_or(&0) + step);
                stretches.add(positions[positions.len() - 1]);
            }
            prop_assert!(stretches.0.len() <= STRETCHES_MAX);
            prop_assert!(stretches.0.is_sorted_by(|one, next| one.last < next.first));
            let holds = |position: &u64| stretches.iter().any(|stretch| (stretch.first..=stretch.last).contains(position));
            prop_assert!(positions.iter().all(holds));
            prop_assert!(stretches.iter().all(|stretch| positions.contains(&stretch.first) && positions.contains(&stretch.last)));
            let distances: Vec<_> = stretches.distances().collect();
            prop_assert_eq!(Stretches::from_distances(&distances), Some(stretches));
        }
    }

    #[test]
    fn a_trace_that_comes_at_once_has_one_short_stretch_and_a_long_one_keeps_its_widest_gaps() {
        let mut stretches = Stretches::default();
        [5, 5, 900, 1_000 + NEAR].into_iter().for_each(|position| stretches.add(position));
        assert_eq!(stretches.0, [Stretch { first: 5, last: 900 }, Stretch { first: 1_000 + NEAR, last: 1_000 + NEAR }]);
        let mut hourly = Stretches::default();
        // Two requests every hour, a second apart.
        (0..120_u64).for_each(|n| hourly.add(n / 2 * 1_000 * NEAR + n % 2 * 2 * NEAR));
        assert!(hourly.iter().map(|stretch| stretch.last - stretch.first).sum::<u64>() <= 60 * 2 * NEAR);
    }

    #[test]
    fn what_may_be_anywhere_stays_so() {
        let mut stretches = Stretches::anywhere();
        stretches.add(7);
        assert_eq!(stretches, Stretches::anywhere());
        assert_eq!(Stretches::from_distances(&[0, u64::MAX]), Some(stretches));
        assert_eq!(Stretches::from_distances(&[1, u64::MAX]), None);
        assert_eq!(Stretches::from_distances(&[1]), None);
    }
}
