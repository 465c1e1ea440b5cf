//! The time of a session as a line: what happened stands where it happened, and long silences are shortened.
//!
//! - A silence is shortened if it is longer than a tenth of all the time in which something ran, and a second; of many the longest are.
//! - All shortened silences together take at most three tenths of the line; within what is left, and within each of them, time is even.

use crate::model::time::{Nanos, UnixNanos};

/// The line in its own units.
pub(super) const WIDTH: u64 = 1000;
/// Shortened silences, the width of one, and of all.
const SILENCES_MAX: usize = 40;
const SILENCE_WIDTH: u64 = 25;
const SILENCES_WIDTH: u64 = 300;
const SILENCE_MIN: Nanos = Nanos::from_secs(1);

pub(super) struct Axis {
    /// From left to right, without a hole.
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    from: UnixNanos,
    to: UnixNanos,
    x: u64,
    width: u64,
    is_silence: bool,
}

// === impl Axis ===

impl Axis {
    /// From the times in which something ran, by their starts.
    pub(super) fn new(times: impl Iterator<Item = (UnixNanos, UnixNanos)>) -> Self {
        let (mut spells, mut silences) = (Vec::new(), Vec::new());
        let mut active = Nanos::ZERO;
        for (from, to) in times {
            let to = to.max(from);
            match spells.last_mut() {
                Some((_, until)) if from <= *until => {
                    active = sum(active, to.since(*until));
                    *until = to.max(*until);
                }
                last => {
                    if let Some((_, until)) = last {
                        silences.push((*until, from));
                    }
                    active = sum(active, to.since(from));
                    spells.push((from, to));
                }
            }
        }
        let (Some(&(first, _)), Some(&(_, last))) = (spells.first(), spells.last()) else { return Self { pieces: Vec::new() } };
        silences.retain(|(from, to)| to.since(*from) > SILENCE_MIN.max(Nanos(active.0 / 10)));
        silences.sort_by_key(|(from, to)| std::cmp::Reverse(to.since(*from)));
        silences.truncate(SILENCES_MAX);
        silences.sort_unstable();
        Self { pieces: pieces(first, last, &silences) }
    }

    /// Where a moment is; what lies outside is at an end.
    pub(super) fn x(&self, at: UnixNanos) -> u64 {
        let n = self.pieces.partition_point(|piece| piece.to < at);
        let Some(piece) = self.pieces.get(n) else { return if self.pieces.is_empty() { 0 } else { WIDTH } };
        piece.x + part(piece.width, at.since(piece.from), piece.to.since(piece.from))
    }

    /// Which moment is there.
    pub(super) fn moment(&self, x: u64) -> UnixNanos {
        let n = self.pieces.partition_point(|piece| piece.x + piece.width < x);
        let Some(piece) = self.pieces.get(n).or(self.pieces.last()) else { return UnixNanos::ZERO };
        let length = u128::from(piece.to.since(piece.from).0);
        let within = length * u128::from(x.saturating_sub(piece.x).min(piece.width)) / u128::from(piece.width.max(1));
        piece.from.plus(Nanos(u64::try_from(within).unwrap_or(u64::MAX)))
    }

    /// Place and width of each silence that is shortened.
    pub(super) fn silences(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.pieces.iter().filter(|piece| piece.is_silence).map(|piece| (piece.x, piece.width))
    }

    pub(super) fn length(&self) -> Nanos {
        self.pieces.first().zip(self.pieces.last()).map_or(Nanos::ZERO, |(first, last)| last.to.since(first.from))
    }
}

fn pieces(first: UnixNanos, last: UnixNanos, silences: &[(UnixNanos, UnixNanos)]) -> Vec<Piece> {
    let silence_width = SILENCE_WIDTH.min(SILENCES_WIDTH / silences.len().max(1) as u64);
    let even_width = WIDTH - silence_width * silences.len() as u64;
    let silent = silences.iter().fold(Nanos::ZERO, |silent, (from, to)| sum(silent, to.since(*from)));
    let end = (last, last);
    let even = Nanos(last.since(first).0 - silent.0);
    let (mut pieces, mut at, mut passed) = (Vec::new(), first, Nanos::ZERO);
    let mut x = 0;
    // The end is a silence without length.
    for &(from, to) in silences.iter().chain([&end]) {
        passed = sum(passed, from.since(at));
        // Each end is computed from the whole, so that no error adds up.
        let n_silences = pieces.len() as u64 / 2;
        let right = part(even_width, passed, even) + n_silences * silence_width;
        pieces.push(Piece { from: at, to: from, x, width: right - x, is_silence: false });
        if to > from {
            pieces.push(Piece { from, to, x: right, width: silence_width, is_silence: true });
        }
        x = right + silence_width;
        at = to;
    }
    pieces
}

fn sum(one: Nanos, other: Nanos) -> Nanos {
    Nanos(one.0.saturating_add(other.0))
}

/// As much of the width as `part` is of `whole`.
fn part(width: u64, part: Nanos, whole: Nanos) -> u64 {
    let share = u128::from(width) * u128::from(part.0.min(whole.0)) / u128::from(whole.0.max(1));
    u64::try_from(share).unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000_000;

    fn axis(times: &[(u64, u64)]) -> Axis {
        Axis::new(times.iter().map(|&(from, to)| (UnixNanos(from * S), UnixNanos(to * S))))
    }

    fn x(axis: &Axis, seconds: u64) -> u64 {
        axis.x(UnixNanos(seconds * S))
    }

    #[test]
    fn time_is_even_where_no_silence_is_long() {
        let axis = axis(&[(100, 150), (110, 120), (155, 200)]);
        assert_eq!([100, 110, 150, 200].map(|at| x(&axis, at)), [0, 100, 500, 1000]);
        assert_eq!(axis.silences().count(), 0);
        assert_eq!(axis.moment(250), UnixNanos(125 * S));
        assert_eq!(axis.length(), Nanos(100 * S));
    }

    #[test]
    fn a_long_silence_is_shortened_and_marked() {
        let axis = axis(&[(0, 10), (3600, 3610)]);
        assert_eq!(axis.silences().collect::<Vec<_>>(), [(487, 25)]);
        assert_eq!([0, 10, 3600, 3610].map(|at| x(&axis, at)), [0, 487, 512, 1000]);
        assert_eq!([0, 487, 512, 1000].map(|x| axis.moment(x).0 / S), [0, 10, 3600, 3610]);
    }

    #[test]
    fn many_silences_leave_most_of_the_line_to_what_happened() {
        let times: Vec<_> = (0..300).map(|n| (n * 1000, n * 1000 + 5)).collect();
        let axis = axis(&times);
        let silences: Vec<_> = axis.silences().collect();
        assert_eq!(silences.len(), SILENCES_MAX);
        assert!(silences.iter().map(|(_, width)| width).sum::<u64>() <= SILENCES_WIDTH);
    }

    #[test]
    fn nothing_and_a_moment_have_a_place() {
        assert_eq!((x(&axis(&[]), 5), axis(&[]).moment(500)), (0, UnixNanos::ZERO));
        assert_eq!((x(&axis(&[(5, 5)]), 5), x(&axis(&[(5, 5)]), 9)), (0, WIDTH));
        assert_eq!(x(&axis(&[(9, 3)]), 9), 0, "an end before its start");
    }

    proptest! {
        #[test]
        fn what_is_later_is_never_further_left(times in prop::collection::vec((0..u64::MAX / 2, 0..u64::MAX / 2), 0..60)) {
            let mut times: Vec<_> = times.into_iter().map(|(from, length)| (UnixNanos(from), UnixNanos(from.saturating_add(length)))).collect();
            times.sort_unstable();
            let axis = Axis::new(times.iter().copied());
            let mut moments: Vec<_> = times.iter().flat_map(|&(from, to)| [from, to]).collect();
            moments.sort_unstable();
            let places: Vec<_> = moments.iter().map(|&at| axis.x(at)).collect();
            prop_assert!(places.is_sorted() && places.iter().all(|&x| x <= WIDTH), "{:?}", places);
            let back: Vec<_> = (0..=WIDTH).step_by(50).map(|x| axis.moment(x)).collect();
            prop_assert!(back.is_sorted(), "{:?}", back);
        }
    }
}
