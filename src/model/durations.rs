//! How long runs took, as counts in bins that grow by a tenth: percentiles of any number of runs, right to 5 %.
//!
//! What was added can be taken away again, and two of them added up, so that they are kept as sums are.

use crate::model::time::Nanos;

/// The end of the first bin: nobody tells lengths below a millisecond apart.
const FIRST: u64 = 1_000_000;
/// So many bounds reach from a millisecond to 99 days.
const N_BOUNDS: usize = 241;
/// The first length, in nanoseconds, that is not in the bin of the same number any more.
const BOUNDS: [u64; N_BOUNDS] = bounds();

/// Counts of lengths.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Durations {
    /// The number of a bin and how many lengths are in it, never 0; by bin.
    bins: Vec<(u8, u32)>,
}

const fn bounds() -> [u64; N_BOUNDS] {
    let mut bounds = [FIRST; N_BOUNDS];
    let mut at = 1;
    while at < N_BOUNDS {
        bounds[at] = bounds[at - 1] + bounds[at - 1] / 10;
        at += 1;
    }
    bounds
}

/// The bin of the least length with each number of bits, from where there are at most eight bounds to the next such length.
const BINS_BY_BITS: [u8; 65] = bins_by_bits();

const fn bins_by_bits() -> [u8; 65] {
    let mut bins = [0; 65];
    let (mut bits, mut bin) = (1, 0);
    while bits <= 64 {
        while bin < N_BOUNDS && BOUNDS[bin] <= 1 << (bits - 1) {
            bin += 1;
        }
        bins[bits] = bin as u8;
        bits += 1;
    }
    bins
}

/// Asked for several times of each run that changes: looking through the few bounds of equal magnitude is faster than halving all of them.
fn bin_of(length: Nanos) -> u8 {
    let bits = u64::BITS - length.0.leading_zeros();
    let mut bin = BINS_BY_BITS[bits as usize];
    while usize::from(bin) < N_BOUNDS && BOUNDS[usize::from(bin)] <= length.0 {
        bin += 1;
    }
    bin
}

// === impl Durations ===

impl Durations {
    /// From bins by their numbers, as [`Self::bins`] gives them; `None` if they are not in order.
    pub fn from_bins(bins: Vec<(u8, u32)>) -> Option<Self> {
        let is_ordered = bins.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let is_possible = bins.iter().all(|(bin, count)| usize::from(*bin) <= N_BOUNDS && *count > 0);
        (is_ordered && is_possible).then_some(Self { bins })
    }

    /// From how many lengths are in each bin, by its number.
    pub fn from_counts(counts: &[u32]) -> Self {
        let bins = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(bin, count)| (bin as u8, *count));
        Self { bins: bins.collect() }
    }

    pub fn bins(&self) -> &[(u8, u32)] {
        &self.bins
    }

    pub fn add(&mut self, length: Nanos) {
        self.add_to(bin_of(length), 1);
    }

    /// Takes away what was added; `false` if it was not.
    #[must_use]
    pub fn subtract(&mut self, length: Nanos) -> bool {
        let Ok(at) = self.bins.binary_search_by_key(&bin_of(length), |(bin, _)| *bin) else { return false };
        self.bins[at].1 -= 1;
        if self.bins[at].1 == 0 {
            self.bins.remove(at);
        }
        true
    }

    pub fn join(&mut self, other: &Self) {
        other.bins.iter().for_each(|(bin, count)| self.add_to(*bin, *count));
    }

    /// Takes away what was joined; `false` if it was not.
    #[must_use]
    pub fn take_away(&mut self, other: &Self) -> bool {
        for (bin, count) in &other.bins {
            let Ok(at) = self.bins.binary_search_by_key(bin, |(bin, _)| *bin) else { return false };
            let Some(fewer) = self.bins[at].1.checked_sub(*count) else { return false };
            self.bins[at].1 = fewer;
        }
        self.bins.retain(|(_, count)| *count > 0);
        true
    }

    pub fn count(&self) -> u64 {
        self.bins.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The length that so many of a thousand do not exceed (500 is the median), at most 5 % off; `None` of nothing. Lengths below a
    /// millisecond count as half of one, those above 99 days as 99 days.
    pub fn quantile(&self, of_thousand: u64) -> Option<Nanos> {
        let rank = (self.count() * of_thousand).div_ceil(1_000).max(1);
        let mut passed = 0;
        for (bin, count) in &self.bins {
            passed += u64::from(*count);
            if passed >= rank {
                return Some(middle(*bin));
            }
        }
        None
    }

    /// No length is greater.
    pub fn bound(&self) -> Option<Nanos> {
        let (bin, _) = self.bins.last()?;
        Some(Nanos(BOUNDS.get(usize::from(*bin)).map_or(u64::MAX, |bound| bound - 1)))
    }

    fn add_to(&mut self, bin: u8, count: u32) {
        match self.bins.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(at) => self.bins[at].1 = self.bins[at].1.saturating_add(count),
            Err(at) => self.bins.insert(at, (bin, count)),
        }
    }
}

fn middle(bin: u8) -> Nanos {
    let bin = usize::from(bin);
    let begin = bin.checked_sub(1).map_or(0, |before| BOUNDS[before.min(N_BOUNDS - 1)]);
    let end = BOUNDS.get(bin).copied().unwrap_or(begin);
    Nanos(begin + (end - begin) / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lengths: &[u64]) -> Durations {
        let mut durations = Durations::default();
        lengths.iter().for_each(|length| durations.add(Nanos(*length)));
        durations
    }

    #[test]
    fn each_length_is_in_the_bin_between_its_bounds() {
        let near_bounds = BOUNDS.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]);
        let near_powers = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for length in near_bounds.chain(near_powers).chain([u64::MAX]) {
            assert_eq!(usize::from(bin_of(Nanos(length))), BOUNDS.partition_point(|bound| *bound <= length), "{length}");
        }
    }

    #[test]
    fn bins_reach_from_a_millisecond_to_months() {
        assert_eq!(BOUNDS[0], 1_000_000);
        assert!(BOUNDS[N_BOUNDS - 1] > 90 * 86_400 * 1_000_000_000, "{}", BOUNDS[N_BOUNDS - 1]);
        assert!(N_BOUNDS <= usize::from(u8::MAX), "the number of a bin is a byte");
        assert_eq!(of(&[]).quantile(500), None);
        assert_eq!(of(&[0, 999_999]).quantile(990), Some(Nanos(500_000)));
        assert_eq!(of(&[u64::MAX]).quantile(500), Some(Nanos(BOUNDS[N_BOUNDS - 1])));
    }

    fn lengths() -> impl Strategy<Value = Vec<u64>> {
        // Over all magnitudes alike.
        prop::collection::vec((20u32..53, 0u64..1_000).prop_map(|(bits, part)| (1 << bits) + (1 << bits) / 1_000 * part), 1..60)
    }

    proptest! {
        #[test]
        fn percentiles_are_right_to_a_twentieth(mut lengths in lengths(), of_thousand in 1u64..=1_000) {
            let told = of(&lengths).quantile(of_thousand).unwrap().0;
            lengths.sort_unstable();
            let exact = lengths[(lengths.len() as u64 * of_thousand).div_ceil(1_000) as usize - 1];
            prop_assert!(told.abs_diff(exact) <= exact / 20 + 1, "{told} for {exact}");
            prop_assert!(of(&lengths).bound().unwrap().0 >= *lengths.last().unwrap());
        }

        #[test]
        fn what_was_added_can_be_taken_away(first in lengths(), second in lengths()) {
            let mut both = of(&first);
            both.join(&of(&second));
            prop_assert_eq!(both.count(), (first.len() + second.len()) as u64);
            prop_assert_eq!(Durations::from_bins(both.bins().to_vec()), Some(both.clone()));
            let mut rest = both.clone();
            prop_assert!(rest.take_away(&of(&second)));
            prop_assert_eq!(&rest, &of(&first));
            prop_assert!(!rest.take_away(&both));
            for length in second {
                prop_assert!(both.subtract(Nanos(length)));
            }
            prop_assert_eq!(&both, &of(&first));
            prop_assert!(!of(&[]).subtract(Nanos(first[0])));
        }
    }
}
