//! What each line of a trace comes to: its own time, what it used with all below it, and whether the end of the whole hung on it.

use super::tree::{Row, Tree};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Figures {
    /// The part of its time in which none of its children ran; `None` while it is not ended.
    pub(super) own_time: Option<Nanos>,
    /// What counts of it and of all below it.
    pub(super) total: Total,
    /// Errors below it.
    pub(super) n_errors_below: usize,
    /// It is on the critical path: the root that ends last, and of each span on it the child that ends last, the later started of two.
    /// To end earlier the whole needs one of these to end earlier.
    pub(super) is_critical: bool,
}

/// Tokens and cost that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Total {
    pub(super) calls: u64,
    pub(super) tokens: u64,
    pub(super) cost: NanoUsd,
    /// Calls with tokens and without a known price.
    pub(super) unpriced_calls: u64,
}

/// Computes the figures of all lines, each in the time that its children take.
pub(super) fn add(tree: &mut Tree) {
    for at in 0..tree.rows.len() {
        tree.rows[at].figures = Figures { own_time: own_time(tree, at), total: Total::of(&tree.rows[at]), ..Figures::default() };
    }
    for at in (0..tree.rows.len()).rev() {
        let row = &tree.rows[at];
        let (total, n_errors) = (row.figures.total, row.figures.n_errors_below + usize::from(row.has_failed));
        if let Some(above) = row.above {
            let above = &mut tree.rows[above].figures;
            above.total.add(total);
            above.n_errors_below += n_errors;
        }
    }
    for at in critical_path(tree) {
        tree.rows[at].figures.is_critical = true;
    }
}

/// Its length without what its children cover of it; children lie in the order of their starts.
fn own_time(tree: &Tree, at: usize) -> Option<Nanos> {
    let row = &tree.rows[at];
    let end = row.end?;
    let (mut covered, mut until) = (Nanos::ZERO, row.start);
    for child in tree.children(at).map(|child| &tree.rows[child]) {
        let (from, to) = (child.start.max(until), child.end.unwrap_or(end).min(end));
        covered = Nanos(covered.0.saturating_add(to.since(from).0));
        until = until.max(to);
    }
    Some(Nanos(end.since(row.start).0.saturating_sub(covered.0)))
}

/// From the top down; nothing where there is no choice.
fn critical_path(tree: &Tree) -> Vec<usize> {
    let last = |lines: &mut dyn Iterator<Item = usize>| -> Option<usize> {
        let ended = lines.filter_map(|at| Some((tree.rows[at].end?, tree.rows[at].start, at)));
        ended.max_by_key(|&(end, start, _): &(UnixNanos, UnixNanos, usize)| (end, start)).map(|(_, _, at)| at)
    };
    let mut path = Vec::new();
    let mut next = last(&mut tree.roots());
    while let Some(at) = next {
        path.push(at);
        next = last(&mut tree.children(at));
    }
    if path.len() < 2 { Vec::new() } else { path }
}

// === impl Total ===

impl Total {
    /// What counts of one span alone.
    pub(super) fn of(row: &Row) -> Self {
        let Some((tokens, cost)) = row.counted else { return Self::default() };
        Self { calls: 1, tokens, cost: cost.unwrap_or_default(), unpriced_calls: u64::from(cost.is_none() && tokens > 0) }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.calls == 0
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.tokens = self.tokens.wrapping_add(other.tokens);
        self.cost = NanoUsd(self.cost.0.wrapping_add(other.cost.0));
        self.unpriced_calls += other.unpriced_calls;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tree::tests::{id, span, view};
    use super::*;
    use crate::model::facts::SpanStatus;
    use crate::store::view::{SpanView, TraceView};

    /// Spans of number, parent, start and end; 0 is no end.
    fn tree(spans: &[(u64, u64, u64, u64)]) -> Tree {
        let spans: Vec<SpanView> = spans
            .iter()
            .map(|&(number, parent, start, end)| SpanView { end: (end > 0).then_some(UnixNanos(end)), ..span(&(number, parent, start)) })
            .collect();
        Tree::new(TraceView { spans, ..view(&[]) }, &BTreeMap::new(), None)
    }

    fn of<T>(tree: &Tree, figure: impl Fn(&Figures) -> T) -> Vec<T> {
        tree.rows.iter().map(|row| figure(&row.figures)).collect()
    }

    #[test]
    fn the_own_time_of_a_span_is_what_no_child_covers() {
        let own = |spans| of(&tree(spans), |figures| figures.own_time.map(|time| time.0));
        assert_eq!(own(&[(1, 0, 100, 200)]), [Some(100)]);
        // Two that overlap, one that goes on behind its parent, one that came before it.
        assert_eq!(own(&[(1, 0, 100, 200), (2, 1, 110, 130), (3, 1, 120, 140)])[0], Some(70));
        assert_eq!(own(&[(1, 0, 100, 200), (2, 1, 190, 500)])[0], Some(90));
        assert_eq!(own(&[(1, 0, 100, 200), (2, 1, 50, 110)])[0], Some(90));
        // A grandchild covers its parent's time alone; what has not ended has no time of its own, and covers all that is left.
        assert_eq!(own(&[(1, 0, 100, 200), (2, 1, 100, 150), (3, 2, 100, 140)]), [Some(50), Some(10), Some(40)]);
        assert_eq!(own(&[(1, 0, 100, 200), (2, 1, 150, 0)]), [Some(50), None]);
        assert_eq!(own(&[(1, 0, 200, 100)]), [Some(0)], "its end lies before its start");
    }

    #[test]
    fn sums_and_errors_go_up_to_the_root() {
        let mut view = view(&[(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 1, 4)]);
        view.spans[1].counted = Some((10, Some(NanoUsd(5))));
        view.spans[2].counted = Some((7, None));
        view.spans[3].status = SpanStatus::Error;
        let tree = Tree::new(view, &BTreeMap::new(), None);
        let total = |calls, tokens, cost, unpriced_calls| Total { calls, tokens, cost: NanoUsd(cost), unpriced_calls };
        assert_eq!(of(&tree, |figures| figures.total), [total(2, 17, 5, 1), total(2, 17, 5, 1), total(1, 7, 0, 1), Total::default()]);
        assert_eq!(of(&tree, |figures| figures.n_errors_below), [1, 0, 0, 0]);
        assert_eq!(tree.rows[3].span, id(4));
    }

    #[test]
    fn the_critical_path_is_the_chain_of_those_that_end_last() {
        let critical = |spans| of(&tree(spans), |figures| figures.is_critical);
        assert_eq!(
            critical(&[(1, 0, 0, 100), (2, 1, 0, 40), (3, 1, 30, 90), (4, 3, 30, 80), (5, 3, 30, 85)]),
            [true, false, true, false, true]
        );
        assert_eq!(critical(&[(1, 0, 0, 100), (2, 0, 10, 120), (3, 2, 10, 20)]), [false, true, true], "the root that ends last");
        assert_eq!(critical(&[(1, 0, 0, 100), (2, 1, 10, 90), (3, 1, 20, 90)]), [true, false, true], "of two the later started");
        assert_eq!(critical(&[(1, 0, 0, 100)]), [false], "there is no choice");
        assert_eq!(critical(&[(1, 0, 0, 0), (2, 1, 0, 5)]), [false, false], "it has not ended");
    }
}
