//! The time of a session as a line: what happened stands where it happened, and long silences are shortened.
//!
//! - The line lasts one of a few round lengths, so that a later run has room at its end and those before it keep their places: only when the
//!   session has grown by about a quarter do all of them move.
//! - A silence is shortened if it is longer than a second and a tenth of the line. All silences are equally wide then, and together they take
//!   at most three tenths of the line; the rest of time is even, and within each of them it is too.

use crate::model::time::{Nanos, UnixNanos};

/// The line in its own units.
pub(super) const WIDTH: u64 = 1000;
/// A silence is shortened if it is longer than this, and than one part in so many of the line.
const SILENCE_MIN: Nanos = Nanos::from_secs(1);
const SILENCE_PART: u128 = 10;
/// What one shortened silence takes of the line, and up to how many of them do; of twice as many each takes half of it.
const SILENCE_WIDTH: u128 = 25;
const SILENCES: u128 = 12;
/// A narrower silence is not marked: that would be a line among lines.
const MARK_MIN: u64 = 5;
/// The first digits of a length that the line may have, in tenths: a quarter of each is round as well.
const LENGTHS: [u128; 10] = [10, 12, 16, 20, 24, 32, 40, 48, 60, 80];
/// Of the shortest line.
const LENGTH_MIN_NANOS: u128 = 1_000;

pub(super) struct Axis {
    /// From left to right, without a hole; the last one is even and ends with the line.
    pieces: Vec<Piece>,
    /// What the whole line lasts where nothing is shortened.
    drawn: u128,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    from: UnixNanos,
    to: UnixNanos,
    /// Where it begins and how long it is drawn, in nanoseconds of the line.
    at: u128,
    drawn: u128,
    is_silence: bool,
}

// === impl Axis ===

impl Axis {
    /// From the times in which something ran, by their starts.
    pub(super) fn new(times: impl Iterator<Item = (UnixNanos, UnixNanos)>) -> Self {
        let mut silences: Vec<(UnixNanos, UnixNanos)> = Vec::new();
        let mut spell: Option<(UnixNanos, UnixNanos)> = None;
        for (from, to) in times {
            if let Some((_, until)) = spell
                && from.since(until) > SILENCE_MIN
            {
                silences.push((until, from));
            }
            let (first, until) = spell.unwrap_or((from, from));
            spell = Some((first, until.max(to).max(from)));
        }
        let Some((first, last)) = spell else { return Self { pieces: Vec::new(), drawn: 0 } };
        let fit = fit(last.since(first), silences.iter().map(|(from, to)| to.since(*from)).collect());
        silences.retain(|(from, to)| fit.is_shortened(to.since(*from)));
        Self { pieces: pieces(first, last, &silences, fit), drawn: fit.length }
    }

    /// Where a moment is; what lies outside is at an end.
    pub(super) fn x(&self, at: UnixNanos) -> u64 {
        let n = self.pieces.partition_point(|piece| piece.to < at);
        let Some(piece) = self.pieces.get(n) else { return if self.pieces.is_empty() { 0 } else { WIDTH } };
        self.units(piece.place(at))
    }

    /// Which moment is there.
    pub(super) fn moment(&self, x: u64) -> UnixNanos {
        let place = self.drawn * u128::from(x.min(WIDTH)) / u128::from(WIDTH);
        let n = self.pieces.partition_point(|piece| piece.end() < place);
        self.pieces.get(n).or(self.pieces.last()).map_or(UnixNanos::ZERO, |piece| piece.moment(place))
    }

    /// Place and width of each silence that is marked.
    pub(super) fn marks(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let places = self.silences().map(|piece| (self.units(piece.at), self.units(piece.end())));
        places.map(|(x, right)| (x, right - x)).filter(|(_, width)| *width >= MARK_MIN)
    }

    /// How many silences are shortened.
    pub(super) fn n_silences(&self) -> u64 {
        self.silences().count() as u64
    }

    fn silences(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| piece.is_silence)
    }

    /// From its first to its last moment.
    pub(super) fn length(&self) -> Nanos {
        self.pieces.first().zip(self.pieces.last()).map_or(Nanos::ZERO, |(first, last)| last.to.since(first.from))
    }

    fn units(&self, place: u128) -> u64 {
        u64::try_from(place * u128::from(WIDTH) / self.drawn.max(1)).unwrap_or(WIDTH).min(WIDTH)
    }
}

/// How a line shows what it must.
#[derive(Clone, Copy)]
struct Fit {
    /// What it lasts where nothing is shortened, in nanoseconds, and so of each silence that is.
    length: u128,
    silence: u128,
}

// === impl Fit ===

impl Fit {
    fn is_shortened(self, silence: Nanos) -> bool {
        silence > SILENCE_MIN && u128::from(silence.0) * SILENCE_PART > self.length
    }
}

/// The shortest of the lengths in which all of it has room.
fn fit(whole: Nanos, mut silences: Vec<Nanos>) -> Fit {
    silences.sort_unstable_by_key(|silence| std::cmp::Reverse(*silence));
    let whole = u128::from(whole.0);
    let mut n = silences.len();
    let mut silent: u128 = silences.iter().map(|silence| u128::from(silence.0)).sum();
    let powers = std::iter::successors(Some(LENGTH_MIN_NANOS / 10), |power| power.checked_mul(10));
    let lengths = powers.flat_map(|power| LENGTHS.map(|digits| digits.saturating_mul(power)));
    let fits = lengths.map(|length| {
        let mut fit = Fit { length, silence: 0 };
        // A longer line shortens fewer.
        while n > 0 && !fit.is_shortened(silences[n - 1]) {
            n -= 1;
            silent -= u128::from(silences[n].0);
        }
        let n = n as u128;
        fit.silence = length / u128::from(WIDTH) * SILENCE_WIDTH / n.div_ceil(SILENCES).max(1).next_power_of_two();
        (fit, whole - silent + n * fit.silence)
    });
    fits.filter(|(fit, drawn)| *drawn <= fit.length).map(|(fit, _)| fit).next().unwrap_or(Fit { length: whole, silence: 0 })
}

/// `silences` are those that are shortened.
fn pieces(first: UnixNanos, last: UnixNanos, silences: &[(UnixNanos, UnixNanos)], fit: Fit) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(2 * silences.len() + 1);
    let (mut from, mut at) = (first, 0);
    for &(begun, ended) in silences {
        let even = Piece { from, to: begun, at, drawn: begun.since(from).0.into(), is_silence: false };
        let silence = Piece { from: begun, to: ended, at: even.end(), drawn: fit.silence, is_silence: true };
        (from, at) = (ended, silence.end());
        pieces.extend([even, silence]);
    }
    // What is left of the line is room for what comes.
    let drawn = fit.length.saturating_sub(at);
    let to = from.plus(Nanos(u64::try_from(drawn).unwrap_or(u64::MAX))).max(last);
    pieces.push(Piece { from, to, at, drawn, is_silence: false });
    pieces
}

// === impl Piece ===

impl Piece {
    fn end(&self) -> u128 {
        self.at + self.drawn
    }

    fn place(&self, moment: UnixNanos) -> u128 {
        let within = u128::from(moment.since(self.from).0);
        self.at + if self.is_silence { within * self.drawn / self.length().max(1) } else { within }
    }

    fn moment(&self, place: u128) -> UnixNanos {
        let within = place.saturating_sub(self.at).min(self.drawn);
        let within = if self.is_silence { within * self.length() / self.drawn.max(1) } else { within };
        self.from.plus(Nanos(u64::try_from(within).unwrap_or(u64::MAX))).min(self.to)
    }

    fn length(&self) -> u128 {
        self.to.since(self.from).0.into()
    }
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
    fn time_is_even_where_no_silence_is_long_and_ends_at_a_round_length() {
        let axis = axis(&[(100, 150), (110, 120), (155, 190)]);
        assert_eq!([100, 110, 150, 190, 200, 300].map(|at| x(&axis, at)), [0, 100, 500, 900, 1000, 1000]);
        assert_eq!((axis.n_silences(), axis.marks().count()), (0, 0));
        assert_eq!(axis.moment(250), UnixNanos(125 * S));
        assert_eq!(axis.length(), Nanos(100 * S));
    }

    #[test]
    fn a_long_silence_is_shortened_and_marked() {
        let axis = axis(&[(0, 10), (3600, 3610)]);
        // Of 24 s: twenty in which something ran, and 0.6.
        assert_eq!(axis.marks().collect::<Vec<_>>(), [(416, 25)]);
        assert_eq!([0, 10, 3600, 3610].map(|at| x(&axis, at)), [0, 416, 441, 858]);
        assert_eq!([0, 417, 441, 1000].map(|x| axis.moment(x).0 / S), [0, 57, 3504, 3613]);
        assert_eq!(axis.length(), Nanos(3_613_400_000_000));
    }

    #[test]
    fn many_silences_leave_most_of_the_line_to_what_happened() {
        for n in [12, 13, 40, 300, 5_000] {
            let times: Vec<_> = (0..n).map(|n| (n * 100_000, n * 100_000 + 5)).collect();
            let axis = axis(&times);
            assert_eq!(axis.n_silences(), n - 1);
            let silent: u128 = axis.silences().map(|piece| piece.drawn).sum();
            assert!(silent * 10 <= axis.drawn * 3, "{n}: {silent} of {}", axis.drawn);
            assert_eq!(axis.marks().count() as u64, if n > 49 { 0 } else { n - 1 });
        }
    }

    #[test]
    fn nothing_and_a_moment_have_a_place() {
        assert_eq!((x(&axis(&[]), 5), axis(&[]).moment(500)), (0, UnixNanos::ZERO));
        assert_eq!((x(&axis(&[(5, 5)]), 5), x(&axis(&[(5, 5)]), 9)), (0, WIDTH));
        assert_eq!(x(&axis(&[(9, 3)]), 9), 0, "an end before its start");
    }

    #[test]
    fn bars_hold_still_while_a_session_grows_but_for_a_few_times() {
        for (run, silence) in [(2, 38), (60, 5), (5, 86_400), (3, 0)] {
            let times: Vec<_> = (0..1_000).map(|n| (n * (run + silence), n * (run + silence) + run)).collect();
            let places =
                |n: usize, axis: &Axis| -> Vec<u64> { times[..n].iter().flat_map(|&(from, to)| [x(axis, from), x(axis, to)]).collect() };
            let moved = (1..1_000).filter(|&n| places(n, &axis(&times[..n])) != places(n, &axis(&times[..n + 1])));
            let moved: Vec<_> = moved.collect();
            // A line longer by a quarter, or narrower silences: each time that it doubles some three of the one, and one of the other.
            assert!(moved.len() <= 45, "{moved:?}");
            assert!(moved.iter().filter(|n| **n >= 500).count() <= 6, "{moved:?}");
        }
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

        #[test]
        fn what_happened_takes_half_of_the_line_at_least(times in prop::collection::vec((0..1_000_000_u64, 1..1_000_u64), 1..60)) {
            let mut times: Vec<_> = times.into_iter().map(|(from, length)| (from, from + length)).collect();
            times.sort_unstable();
            let axis = axis(&times);
            let last = times.iter().map(|(_, to)| x(&axis, *to)).max().unwrap();
            prop_assert!(last >= 550, "{last}");
        }
    }
}
