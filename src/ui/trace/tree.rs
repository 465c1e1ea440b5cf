//! The spans of a trace as lines: each below its parent, siblings by their start.
//!
//! What the index keeps says which spans there are, what they are and what counts: a span that it does not have may be of a deleted run.
//! A log event that repeats a call of which the agent has a span of its own has no line.
//! Only where it says that it kept a part of the trace do raw spans add lines.
//! A span whose parent is missing stands at the top. Cycles, which only broken senders make, end at the top, too.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::facts::{Delivery, SpanKind, SpanStatus};
use crate::model::ids::{RunId, RunKey, SpanId};
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
    pub(super) kind: SpanKind,
    pub(super) status: SpanStatus,
    pub(super) start: UnixNanos,
    pub(super) end: Option<UnixNanos>,
    pub(super) is_of_log: bool,
    pub(super) run: Option<RunId>,
    pub(super) call: Option<Call>,
    pub(super) counted: Option<(u64, Option<NanoUsd>)>,
    pub(super) depth: usize,
}

// === impl Tree ===

impl Tree {
    pub(super) fn new(view: TraceView, raw: &BTreeMap<SpanId, Outline>) -> Self {
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
        let start = rows.values().map(|row| row.start).filter(|start| *start > UnixNanos::ZERO).min().unwrap_or_default();
        let end = rows.values().map(|row| row.end.unwrap_or(row.start)).max().unwrap_or_default();
        let has_spans = rows.values().any(|row| !row.is_of_log);
        Self { runs, rows: ordered(rows), n_missing, n_retold, has_spans, start, end }
    }

    /// The span that is asked for; else the run's own, else its first, else the first of all.
    pub(super) fn chosen(&self, span: Option<SpanId>, run: Option<&Run>) -> Option<&Row> {
        let asked = span.and_then(|span| self.rows.iter().find(|row| row.span == span));
        let own =
            || run.filter(|run| run.key.span != RunKey::PROVISIONAL).and_then(|run| self.rows.iter().find(|row| row.span == run.key.span));
        let first = || run.and_then(|run| self.rows.iter().find(|row| row.run == Some(run.id)));
        asked.or_else(own).or_else(first).or_else(|| self.rows.first())
    }
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
            kind: span.kind,
            status: span.status,
            start: span.start,
            end: span.end,
            is_of_log: span.is_of_log,
            run: span.run,
            call: span.call,
            counted: span.counted,
            depth: 0,
        }
    }

    fn raw(outline: &Outline) -> Self {
        Self {
            span: outline.span,
            parent: outline.parent,
            name: outline.name.clone(),
            tool: None,
            kind: SpanKind::Other,
            status: SpanStatus::from_code(outline.status_code.into()),
            start: outline.start,
            end: (outline.end > UnixNanos::ZERO).then_some(outline.end),
            is_of_log: false,
            run: None,
            call: None,
            counted: None,
            depth: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TraceId;
    use crate::model::usage::Usage;

    fn id(number: u64) -> SpanId {
        SpanId::from_u64(number).unwrap()
    }

    fn span((span, parent, start): &(u64, u64, u64)) -> SpanView {
        SpanView {
            span: id(*span),
            parent: SpanId::from_u64(*parent),
            name: "work".into(),
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

    fn view(spans: &[(u64, u64, u64)]) -> TraceView {
        TraceView { trace: TraceId::from_bytes(&[1; 16]).unwrap(), runs: Vec::new(), spans: spans.iter().map(span).collect() }
    }

    fn order(spans: &[(u64, u64, u64)]) -> Vec<(u64, usize)> {
        let tree = Tree::new(view(spans), &BTreeMap::new());
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
        let tree = Tree::new(view(&[(1, 0, 1)]), &BTreeMap::from([(id(1), raw(1)), (id(2), raw(2))]));
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
            let tree = Tree::new(view, &BTreeMap::new());
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
}
