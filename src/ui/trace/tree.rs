//! The spans of a trace as lines: each below its parent, siblings by their start.
//!
//! What the index keeps says which spans there are, what they are and what counts: a span that it does not have may be of a deleted run.
//! A log event that repeats a call of which the agent has a span of its own has no line.
//! Only where it says that it kept a part of the trace do raw spans add lines.
//! A span whose parent is missing stands at the top. Cycles, which only broken senders make, end at the top, too.
//! What lies below a span follows it at once, so a subtree is a range of lines.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::figures::{self, Figures};
use crate::model::Str;
use crate::model::facts::{Delivery, SpanKind, SpanStatus};
use crate::model::ids::{RunId, RunKey, SpanId};
use crate::model::reason::Reason;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, NanoUsd};
use crate::store::view::{SpanView, TraceView};
use crate::ui::spans::Outline;

pub(super) struct Tree {
    pub(super) runs: Vec<Run>,
    pub(super) rows: Vec<Row>,
    /// Spans that only the index has.
    pub(super) n_missing: usize,
    /// Log events that are left out.
    pub(super) n_retold: usize,
    /// Not all of it comes from log events.
    pub(super) has_spans: bool,
    pub(super) start: UnixNanos,
    pub(super) end: UnixNanos,
}

pub(super) struct Row {
    pub(super) span: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: String,
    /// The tool, where its span has another name.
    pub(super) tool: Option<String>,
    /// The tool that its call is counted by.
    pub(super) called: Option<Str>,
    pub(super) kind: SpanKind,
    pub(super) status: SpanStatus,
    /// Its status says so, or it says why it failed.
    pub(super) has_failed: bool,
    /// Why it failed.
    pub(super) failure: Option<Reason>,
    pub(super) start: UnixNanos,
    pub(super) end: Option<UnixNanos>,
    pub(super) is_of_log: bool,
    pub(super) run: Option<RunId>,
    pub(super) call: Option<Call>,
    pub(super) counted: Option<(u64, Option<NanoUsd>)>,
    pub(super) depth: usize,
    /// The line of its parent.
    pub(super) above: Option<usize>,
    /// Lines below it, at any depth.
    pub(super) n_below: usize,
    pub(super) figures: Figures,
}

// === impl Tree ===

impl Tree {
    /// All of a trace, or of it what lies in and below one run.
    pub(super) fn new(view: TraceView, raw: &BTreeMap<SpanId, Outline>, only: Option<RunId>) -> Self {
        let TraceView { runs, spans: mut kept, .. } = view;
        let n_kept = kept.len();
        kept.retain(|span| !is_retold(span));
        let n_retold = n_kept - kept.len();
        let n_missing = kept.iter().filter(|span| span.delivery != Delivery::Never && !raw.contains_key(&span.span)).count();
        let known: BTreeSet<SpanId> = kept.iter().map(|span| span.span).collect();
        let mut rows: BTreeMap<SpanId, Row> = kept.into_iter().map(|span| (span.span, Row::kept(span))).collect();
        for row in rows.values_mut().filter(|row| row.kind == SpanKind::Tool) {
            row.tool = raw.get(&row.span).and_then(|raw| raw.tool.clone()).filter(|tool| !row.name.contains(&**tool));
        }
        if runs.iter().any(|run| run.is_truncated) {
            rows.extend(raw.values().filter(|outline| !known.contains(&outline.span)).map(|outline| (outline.span, Row::raw(outline))));
        }
        let has_spans = rows.values().any(|row| !row.is_of_log);
        let mut rows = ordered(rows);
        link(&mut rows);
        if let Some(run) = only {
            rows = narrowed(rows, run);
            link(&mut rows);
        }
        let start = rows.iter().map(|row| row.start).filter(|start| *start > UnixNanos::ZERO).min().unwrap_or_default();
        let end = rows.iter().map(|row| row.end.unwrap_or(row.start)).max().unwrap_or_default();
        let mut tree = Self { runs, rows, n_missing, n_retold, has_spans, start, end };
        figures::add(&mut tree);
        tree
    }

    /// The line of the span that is asked for; else of the run that is, by its own span or its first; else the first of all.
    pub(super) fn chosen(&self, span: Option<SpanId>, run: Option<&Run>) -> Option<usize> {
        let find = |wanted: &dyn Fn(&Row) -> bool| self.rows.iter().position(wanted);
        let asked = span.and_then(|span| find(&|row| row.span == span));
        let own = || run.filter(|run| run.key.span != RunKey::PROVISIONAL).and_then(|run| find(&|row| row.span == run.key.span));
        let first = || run.and_then(|run| find(&|row| row.run == Some(run.id)));
        asked.or_else(own).or_else(first).or_else(|| (!self.rows.is_empty()).then_some(0))
    }

    /// The lines below one.
    pub(super) fn below(&self, at: usize) -> Range<usize> {
        at + 1..at + 1 + self.rows.get(at).map_or(0, |row| row.n_below)
    }

    /// The lines right below one.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let below = self.below(at);
        std::iter::successors(Some(below.start), |&child| Some(self.below(child).end)).take_while(move |&child| child < below.end)
    }

    /// The lines above one, the nearest first.
    pub(super) fn ancestors(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.rows.get(at).and_then(|row| row.above), |&above| self.rows.get(above).and_then(|row| row.above))
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rows.len()).filter(|&at| self.rows[at].above.is_none())
    }
}

/// Each line learns of the one above and of how many are below.
fn link(rows: &mut [Row]) {
    let mut path: Vec<usize> = Vec::new();
    for (at, row) in rows.iter_mut().enumerate() {
        path.truncate(row.depth);
        row.above = path.last().copied();
        row.n_below = 0;
        path.push(at);
    }
    for at in (0..rows.len()).rev() {
        if let Some(above) = rows[at].above {
            rows[above].n_below += rows[at].n_below + 1;
        }
    }
}

/// The spans of a run and all below them.
fn narrowed(rows: Vec<Row>, run: RunId) -> Vec<Row> {
    let mut left = Vec::new();
    let (mut end, mut base) = (0, 0);
    for (at, mut row) in rows.into_iter().enumerate() {
        if at >= end {
            if row.run != Some(run) {
                continue;
            }
            (end, base) = (at + 1 + row.n_below, row.depth);
        }
        row.depth -= base;
        left.push(row);
    }
    left
}

fn is_retold(span: &SpanView) -> bool {
    span.delivery == Delivery::Never && span.run.is_some() && span.call.is_some() && span.counted.is_none()
}

fn ordered(mut rows: BTreeMap<SpanId, Row>) -> Vec<Row> {
    let mut children: BTreeMap<Option<SpanId>, Vec<SpanId>> = BTreeMap::new();
    for row in rows.values() {
        let parent = row.parent.filter(|parent| rows.contains_key(parent) && *parent != row.span);
        children.entry(parent).or_default().push(row.span);
    }
    for siblings in children.values_mut() {
        // Taken from the end below.
        siblings.sort_by_key(|span| std::cmp::Reverse(rows.get(span).map(|row| (row.start, row.span))));
    }
    let mut lines = Vec::with_capacity(rows.len());
    let mut open: Vec<(SpanId, usize)> = children.remove(&None).unwrap_or_default().into_iter().map(|span| (span, 0)).collect();
    loop {
        while let Some((span, depth)) = open.pop() {
            let Some(mut row) = rows.remove(&span) else { continue };
            row.depth = depth;
            lines.push(row);
            open.extend(children.remove(&Some(span)).unwrap_or_default().into_iter().map(|child| (child, depth + 1)));
        }
        // What is left hangs in a circle.
        match rows.keys().next() {
            Some(span) => open.push((*span, 0)),
            None => return lines,
        }
    }
}

// === impl Row ===

impl Row {
    fn kept(span: SpanView) -> Self {
        Self {
            span: span.span,
            parent: span.parent,
            name: span.name.to_string(),
            tool: None,
            called: span.tool.clone(),
            kind: span.kind,
            status: span.status,
            has_failed: span.has_failed(),
            failure: span.failure,
            start: span.start,
            end: span.end,
            is_of_log: span.is_of_log,
            run: span.run,
            call: span.call,
            counted: span.counted,
            depth: 0,
            above: None,
            n_below: 0,
            figures: Figures::default(),
        }
    }

    fn raw(outline: &Outline) -> Self {
        Self {
            span: outline.span,
            parent: outline.parent,
            name: outline.name.clone(),
            tool: None,
            called: None,
            kind: SpanKind::Other,
            status: SpanStatus::from_code(outline.status_code.into()),
            has_failed: SpanStatus::from_code(outline.status_code.into()) == SpanStatus::Error,
            failure: None,
            start: outline.start,
            end: (outline.end > UnixNanos::ZERO).then_some(outline.end),
            is_of_log: false,
            run: None,
            call: None,
            counted: None,
            depth: 0,
            above: None,
            n_below: 0,
            figures: Figures::default(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::ids::TraceId;
    use crate::model::usage::Usage;

    pub(in crate::ui::trace) fn id(number: u64) -> SpanId {
        SpanId::from_u64(number).unwrap()
    }

    pub(in crate::ui::trace) fn span((span, parent, start): &(u64, u64, u64)) -> SpanView {
        SpanView {
            span: id(*span),
            parent: SpanId::from_u64(*parent),
            name: "work".into(),
            tool: None,
            kind: SpanKind::Other,
            status: SpanStatus::Unset,
            start: UnixNanos(*start),
            end: Some(UnixNanos(*start + 1)),
            is_of_log: false,
            failure: None,
            delivery: Delivery::Forwarded,
            run: None,
            call: None,
            counted: None,
        }
    }

    pub(in crate::ui::trace) fn view(spans: &[(u64, u64, u64)]) -> TraceView {
        TraceView { trace: TraceId::from_bytes(&[1; 16]).unwrap(), runs: Vec::new(), spans: spans.iter().map(span).collect() }
    }

    fn order(spans: &[(u64, u64, u64)]) -> Vec<(u64, usize)> {
        let tree = Tree::new(view(spans), &BTreeMap::new(), None);
        assert_eq!(tree.n_missing, spans.len());
        tree.rows.iter().map(|row| (row.span.to_u64(), row.depth)).collect()
    }

    #[test]
    fn a_span_that_the_index_does_not_have_is_not_shown() {
        let raw = |number| Outline {
            span: id(number),
            parent: None,
            name: String::new(),
            tool: None,
            start: UnixNanos(1),
            end: UnixNanos(2),
            status_code: 0,
        };
        let tree = Tree::new(view(&[(1, 0, 1)]), &BTreeMap::from([(id(1), raw(1)), (id(2), raw(2))]), None);
        assert_eq!((tree.rows.len(), tree.n_missing), (1, 0));
    }

    #[test]
    fn a_log_event_beside_the_span_of_its_call_has_no_line_and_is_never_missing_in_tempo() {
        let beside = |call: Option<Call>, counted| SpanView {
            is_of_log: true,
            delivery: Delivery::Never,
            run: RunId::new(7),
            call,
            counted,
            ..span(&(2, 1, 2))
        };
        let call = || Call { usage: Usage::default(), model: "m".into(), provider: "".into(), response: 0, tier: None };
        let tree = |log: SpanView| {
            let view = TraceView { spans: vec![span(&(1, 0, 1)), log], ..view(&[]) };
            let tree = Tree::new(view, &BTreeMap::new(), None);
            (tree.rows.len(), tree.n_retold, tree.n_missing)
        };
        assert_eq!(tree(beside(Some(call()), None)), (1, 1, 1));
        assert_eq!(tree(beside(Some(call()), Some((5, None)))), (2, 0, 1), "it counts: no span tells of it");
        assert_eq!(tree(beside(None, None)), (2, 0, 1));
    }

    #[test]
    fn children_stand_below_their_parent_by_their_start() {
        assert_eq!(order(&[(4, 1, 9), (3, 1, 5), (2, 3, 6), (1, 0, 1)]), [(1, 0), (3, 1), (2, 2), (4, 1)]);
    }

    #[test]
    fn a_missing_parent_and_a_circle_lose_nothing() {
        assert_eq!(order(&[(1, 0, 1), (2, 99, 3)]), [(1, 0), (2, 0)]);
        assert_eq!(order(&[(1, 1, 1)]), [(1, 0)]);
        assert_eq!(order(&[(1, 2, 1), (2, 1, 2)]), [(1, 0), (2, 1)]);
    }

    #[test]
    fn a_run_alone_is_its_spans_and_all_below_them() {
        let run = RunId::new(7).unwrap();
        let mut view = view(&[(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 3, 4), (5, 1, 5)]);
        view.spans[1].run = Some(run);
        view.spans[2].run = RunId::new(8);
        let tree = Tree::new(view, &BTreeMap::new(), Some(run));
        let lines: Vec<_> = tree.rows.iter().map(|row| (row.span.to_u64(), row.depth, row.above, row.n_below)).collect();
        assert_eq!(lines, [(2, 0, None, 2), (3, 1, Some(0), 1), (4, 2, Some(1), 0)]);
        assert_eq!((tree.start, tree.end), (UnixNanos(2), UnixNanos(5)));
    }

    #[test]
    fn without_a_wish_the_first_root_is_chosen_and_never_a_child() {
        let mut view = view(&[(1, 0, 1), (2, 1, 2), (3, 0, 3)]);
        view.spans[1].run = RunId::new(7);
        let tree = Tree::new(view, &BTreeMap::new(), None);
        assert_eq!((tree.chosen(None, None), tree.chosen(Some(id(2)), None), tree.chosen(Some(id(99)), None)), (Some(0), Some(1), Some(0)));
        assert_eq!((tree.roots().collect::<Vec<_>>(), tree.children(0).collect::<Vec<_>>()), (vec![0, 2], vec![1]));
    }
}
