//! The runs of a session as a tree: each below the run it was started in, with what it comes to together with all below it.
//!
//! - Of each run no more is held than its place and its sums need ([`NODE_BYTES`]), so that a session may be long.
//! - A parent is a run that came before; one that did not, or is not there, is none.

use rustc_hash::FxHashMap;

use super::address::{Sort, SortField};
use super::digest::IDLE_MIN;
use crate::model::ids::RunId;
use crate::model::run::Run;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;
use crate::ui::folds::Folds;

/// About what a run takes: a node, its place in the maps, and its lines while they are put in order.
pub(super) const NODE_BYTES: usize = 256;
/// Sessions of up to so many runs show all of them by themselves; of larger ones those that no other run started.
const OPEN_MAX: usize = 60;

#[derive(Default)]
pub(super) struct Forest {
    /// By their start.
    nodes: Vec<Node>,
    by_id: FxHashMap<RunId, usize>,
    latest: UnixNanos,
}

pub(super) struct Node {
    pub(super) id: RunId,
    pub(super) above: Option<usize>,
    /// Runs above it.
    pub(super) depth: usize,
    /// Runs below it, at any depth.
    pub(super) n_below: usize,
    pub(super) start: UnixNanos,
    /// Its end, else its latest sign of life.
    pub(super) end: UnixNanos,
    /// The latest end of it and all below it.
    pub(super) end_below: UnixNanos,
    pub(super) own: Sum,
    /// With all below it.
    pub(super) total: Sum,
    /// How long nothing happened in the session before it, where that is worth a mark.
    pub(super) idle: Option<Nanos>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    pub(super) cost: NanoUsd,
    pub(super) tokens: u64,
    pub(super) unpriced_calls: u64,
}

// === impl Forest ===

impl Forest {
    /// Takes the runs by their start; says whether no other started it.
    pub(super) fn add(&mut self, run: &Run) -> bool {
        let above = run.parent.and_then(|parent| self.by_id.get(&parent)).copied();
        let end = run.completed_at.unwrap_or(run.last_activity).max(run.started_at);
        let own = Sum { cost: run.usage.cost, tokens: run.usage.tokens, unpriced_calls: run.usage.unpriced_calls };
        let silence = run.started_at.since(self.latest);
        self.by_id.insert(run.id, self.nodes.len());
        self.nodes.push(Node {
            id: run.id,
            above,
            depth: above.map_or(0, |above| self.nodes[above].depth + 1),
            n_below: 0,
            start: run.started_at,
            end,
            end_below: end,
            own,
            total: own,
            idle: (!self.nodes.is_empty() && silence >= IDLE_MIN).then_some(silence),
        });
        self.latest = self.latest.max(run.last_activity).max(end);
        above.is_none()
    }

    /// Once all runs are there: what each comes to with those below it. Those above come before them.
    pub(super) fn sum_up(&mut self) {
        for at in (0..self.nodes.len()).rev() {
            let Node { total, n_below, end_below, above, .. } = self.nodes[at];
            if let Some(above) = above {
                let above = &mut self.nodes[above];
                above.n_below += n_below + 1;
                above.end_below = above.end_below.max(end_below);
                above.total.add(total);
            }
        }
    }

    pub(super) fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn has_branches(&self) -> bool {
        self.nodes.iter().any(|node| node.above.is_some())
    }

    /// From when to when something ran, by the start.
    pub(super) fn times(&self) -> impl Iterator<Item = (UnixNanos, UnixNanos)> + '_ {
        self.nodes.iter().map(|node| (node.start, node.end))
    }

    /// Whether branches are open that the address does not name.
    pub(super) fn is_open(&self, asked: Option<bool>) -> bool {
        asked.unwrap_or(self.nodes.len() <= OPEN_MAX)
    }

    /// The runs that have a line, in order: each with those below it behind it, siblings as asked, at equal rank by their start.
    pub(super) fn lines(&self, sort: Sort, folds: &Folds<RunId>, is_open: bool) -> Vec<usize> {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut roots = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            match node.above {
                Some(above) => children[above].push(at),
                None => roots.push(at),
            }
        }
        for siblings in children.iter_mut().chain([&mut roots]) {
            self.order(siblings, sort);
        }
        let mut lines = Vec::new();
        let mut waiting: Vec<usize> = roots.into_iter().rev().collect();
        while let Some(at) = waiting.pop() {
            lines.push(at);
            if folds.says(self.nodes[at].id).unwrap_or(is_open) {
                waiting.extend(children[at].iter().rev());
            }
        }
        lines
    }

    fn order(&self, siblings: &mut [usize], sort: Sort) {
        let key = |&at: &usize| {
            let node = &self.nodes[at];
            match sort.field {
                SortField::Start => 0,
                SortField::Cost => node.total.cost.0,
                SortField::Tokens => node.total.tokens,
                SortField::Duration => node.end_below.since(node.start).0,
            }
        };
        match (sort.field, sort.is_descending) {
            (SortField::Start, false) => {}
            (SortField::Start, true) => siblings.reverse(),
            (_, false) => siblings.sort_by_key(key),
            (_, true) => siblings.sort_by_key(|at| std::cmp::Reverse(key(at))),
        }
    }
}

// === impl Sum ===

impl Sum {
    fn add(&mut self, other: Self) {
        self.cost.0 = self.cost.0.wrapping_add(other.cost.0);
        self.tokens = self.tokens.wrapping_add(other.tokens);
        self.unpriced_calls = self.unpriced_calls.wrapping_add(other.unpriced_calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{RunKey, SpanId, TraceId};
    use crate::model::run::RunStatus;
    use crate::model::usage::UsageTotal;

    const S: u64 = 1_000_000_000;

    fn id(number: u64) -> RunId {
        RunId::new(number).unwrap()
    }

    /// A run of number, parent, start and end in seconds, and cost.
    fn run((number, parent, start, end, cost): (u64, u64, u64, u64, u64)) -> Run {
        Run {
            key: RunKey { trace: TraceId::from_bytes(&[1; 16]).unwrap(), span: SpanId::from_u64(number).unwrap() },
            id: id(number),
            session: None,
            agent: "a".into(),
            workflow: "".into(),
            user: None,
            user_group: None,
            parent: RunId::new(parent),
            started_at: UnixNanos(start * S),
            completed_at: Some(UnixNanos(end * S)),
            last_activity: UnixNanos(end * S),
            status: RunStatus::Success,
            error: None,
            tool_errors: 0,
            usage: UsageTotal { cost: NanoUsd(cost), tokens: cost, ..UsageTotal::default() },
            suppressed: UsageTotal::default(),
            models: Vec::new(),
            tools: Vec::new(),
            question: None,
            n_spans: 1,
            is_provisional: false,
            is_future: false,
            is_truncated: false,
            is_reported: false,
            is_untraced: false,
            is_agentless: false,
            is_turn: false,
            is_retelling: false,
            scores: Vec::new(),
        }
    }

    fn forest(runs: &[(u64, u64, u64, u64, u64)]) -> Forest {
        let mut forest = Forest::default();
        for of in runs {
            forest.add(&run(*of));
        }
        forest.sum_up();
        forest
    }

    const STORY: [(u64, u64, u64, u64, u64); 6] =
        [(1, 0, 0, 10, 1), (2, 1, 1, 20, 5), (3, 0, 2, 4, 7), (4, 2, 3, 6, 10), (5, 1, 5, 6, 2), (6, 9, 1000, 1001, 3)];

    #[test]
    fn what_is_within_counts_for_all_above_it() {
        let forest = forest(&STORY);
        let of: Vec<_> = forest.nodes.iter().map(|node| (node.depth, node.n_below, node.total.cost.0, node.end_below.0 / S)).collect();
        assert_eq!(of, [(0, 3, 18, 20), (1, 1, 15, 20), (0, 0, 7, 4), (2, 0, 10, 6), (1, 0, 2, 6), (0, 0, 3, 1001)]);
        let idle: Vec<_> = forest.nodes.iter().map(|node| node.idle.map(|idle| idle.0 / S)).collect();
        assert_eq!(idle, [None, None, None, None, None, Some(980)], "since the latest end of all");
    }

    #[test]
    fn those_within_stand_below_and_siblings_as_asked() {
        let forest = forest(&STORY);
        let lines = |sort, folds: &Folds<RunId>, is_open| -> Vec<u64> {
            forest.lines(sort, folds, is_open).into_iter().map(|at| forest.node(at).id.get()).collect()
        };
        let none = Folds::default();
        assert_eq!(lines(Sort::START, &none, true), [1, 2, 4, 5, 3, 6]);
        assert_eq!(lines(Sort::START, &none, false), [1, 3, 6]);
        assert_eq!(lines(Sort::START, &none.with(id(2), false), true), [1, 2, 5, 3, 6]);
        assert_eq!(lines(Sort::START, &none.with(id(1), true), false), [1, 2, 5, 3, 6]);
        assert_eq!(lines(Sort::DEAREST, &none, true), [1, 2, 4, 5, 3, 6]);
        assert_eq!(lines(Sort { is_descending: false, ..Sort::DEAREST }, &none, true), [6, 3, 1, 5, 2, 4]);
        assert_eq!(lines(Sort::LONGEST, &none, false), [1, 3, 6], "20 s with all below, 2 s, 1 s");
        assert_eq!(lines(Sort { is_descending: true, ..Sort::START }, &none, false), [6, 3, 1]);
    }
}
