//! Runs that the SDK reported over HTTP, put together again from the stamps that they left on spans.
//!
//! - They are known by their number: that of a run which only spans report follows from its span, and needs nothing here.
//! - A trace is looked at once no window holds it any more: a correction and the span that stands for a run are in the window of its start.
//! - It is folded as the index will fold it. Where a run then comes to something else than its stamps say, its calls are named one by one, and
//!   what they lack is one more call, without a model.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::conventions::posts::{self, Post, Restored};
use crate::conventions::{Conventions, Strings, extract};
use crate::fold::{self, Folded, Rules, TraceFacts, TraceLimit};
use crate::model::Str;
use crate::model::facts::SpanKind;
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, TraceId};
use crate::model::report::{CALLS_MAX, EventKind, RunReport};
use crate::model::run::RunStatus;
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, Usage};
use crate::store::local::Price;
use crate::tempo::recover::restored::TraceSpans;
use crate::tempo::recover::stamped::{Role, Stamped};
use crate::wire::otlp;

/// Traces of which more may come.
pub(super) struct Runs {
    open: HashMap<TraceId, Trace>,
    price: Price,
    conventions: Arc<Conventions>,
    strings: Strings,
    /// Runs that do not come to what their stamps say: calls were taken back, and which ones is not known.
    pub(super) n_unexplained: u64,
}

struct Trace {
    /// Where the window began in which it was met first, in seconds since 1970.
    since: u64,
    requests: Vec<Bytes>,
    stamped: HashMap<SpanId, Stamped>,
}

/// What the stamps say about one run.
#[derive(Default)]
struct StampedRun<'a> {
    /// The span that stands for it.
    stands: Option<&'a Stamped>,
    spans: Vec<&'a Stamped>,
    totals: Totals,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Totals {
    cost: i64,
    tokens: i64,
    calls: i64,
}

/// Any limit that the index may have is below this.
const LIMIT: TraceLimit = TraceLimit { max_spans: usize::MAX };

// === impl Runs ===

impl Runs {
    pub(super) fn new(price: Price, conventions: Arc<Conventions>) -> Self {
        Self { open: HashMap::new(), price, conventions, strings: Strings::default(), n_unexplained: 0 }
    }

    /// Takes what a window that begins at `since` holds of one trace.
    pub(super) fn take(&mut self, spans: &TraceSpans, since: u64) {
        let new = || Trace { since, requests: Vec::new(), stamped: HashMap::new() };
        let trace = self.open.entry(spans.trace).or_insert_with(new);
        trace.requests.push(spans.request.clone());
        trace.stamped.extend(spans.stamped.iter().map(|stamped| (stamped.span, stamped.clone())));
    }

    /// The runs of the traces that the last window does not hold any more.
    pub(super) fn finished(&mut self, present: &HashSet<TraceId>) -> Vec<(RunId, Restored)> {
        let over: Vec<TraceId> = self.open.keys().filter(|trace| !present.contains(trace)).copied().collect();
        let mut finished = Vec::new();
        for id in over {
            if let Some(trace) = self.open.remove(&id) {
                finished.extend(self.put_together(id, &trace));
            }
        }
        finished
    }

    /// Where reading must begin again so that no run is forgotten, if it is broken off now.
    pub(super) fn since(&self) -> Option<u64> {
        self.open.values().filter(|trace| !trace.is_of_spans_alone()).map(|trace| trace.since).min()
    }

    fn put_together(&mut self, id: TraceId, trace: &Trace) -> Vec<(RunId, Restored)> {
        let by_run = trace.by_run();
        if by_run.is_empty() {
            return Vec::new();
        }
        let facts = facts(&trace.requests, &self.conventions, &mut self.strings);
        let mut restored: Vec<(RunId, Restored)> =
            by_run.iter().filter_map(|(run, stamped)| Some((*run, stamped.restored(*run, &facts)?))).collect();
        let folded = folded(id, &facts, &restored, &self.price);
        for (run, restored) in &mut restored {
            if let Some((at, totals)) = totals_of(&folded, *run)
                && totals != by_run[run].totals
            {
                restored.calls = by_run[run].calls(&folded, at, &facts);
            }
        }
        // What will come of it is not hoped, but looked at.
        let folded = folded_again(id, &facts, &restored, &self.price, folded);
        let is_other = |(run, _): &&(RunId, Restored)| totals_of(&folded, *run).is_none_or(|(_, totals)| totals != by_run[run].totals);
        self.n_unexplained += restored.iter().filter(is_other).count() as u64;
        restored
    }
}

fn facts(requests: &[Bytes], conventions: &Conventions, strings: &mut Strings) -> TraceFacts {
    let mut facts = TraceFacts::default();
    for resource in requests.iter().flat_map(|request| otlp::resource_spans(request)).filter_map(Result::ok) {
        let said = conventions.resource(resource.attributes().filter_map(Result::ok));
        for scope in resource.scope_spans().filter_map(Result::ok) {
            let known = conventions.scope(scope.scope_name, strings);
            for span in scope.spans().filter_map(Result::ok) {
                if let Some(extracted) = extract(&span, &known, &said, UnixNanos(u64::MAX), strings) {
                    facts.join(extracted.fact, LIMIT);
                }
            }
        }
    }
    facts
}

/// The trace as the index will fold it with these runs.
fn folded(id: TraceId, facts: &TraceFacts, restored: &[(RunId, Restored)], price: &Price) -> Folded {
    let reports: Vec<RunReport> = restored
        .iter()
        .map(|(run, restored)| {
            let mut report = RunReport::new(*run, restored.completed_at);
            let body = restored.encode();
            let post = Post { kind: EventKind::Restored, body: &body, received_at: restored.completed_at, position: 0 };
            posts::apply(&mut report, &post, 0);
            report
        })
        .collect();
    let rules = Rules { price: &**price, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO };
    fold::fold(id, facts, &reports.iter().collect::<Vec<_>>(), &rules)
}

/// As [`folded`]; if no calls were named, `before` still holds.
fn folded_again(id: TraceId, facts: &TraceFacts, restored: &[(RunId, Restored)], price: &Price, before: Folded) -> Folded {
    if restored.iter().all(|(_, restored)| restored.calls.is_empty()) { before } else { folded(id, facts, restored, price) }
}

/// What a run comes to, and its place.
fn totals_of(folded: &Folded, run: RunId) -> Option<(usize, Totals)> {
    let at = folded.runs.iter().position(|folded| folded.id == run)?;
    let usage = &folded.runs[at].usage;
    Some((at, Totals { cost: signed(usage.cost.0), tokens: signed(usage.tokens), calls: signed(usage.calls) }))
}

// === impl Trace ===

impl Trace {
    /// What the stamps say about the runs whose numbers do not follow from their spans.
    fn by_run(&self) -> BTreeMap<RunId, StampedRun<'_>> {
        let of_spans: HashSet<RunId> = self.stamped.values().filter(|stamped| follows(stamped)).filter_map(number).collect();
        let mut by_run: BTreeMap<RunId, StampedRun<'_>> = BTreeMap::new();
        for stamped in self.stamped.values() {
            if let Some(run) = number(stamped).filter(|run| !of_spans.contains(run)) {
                by_run.entry(run).or_default().add(stamped);
            }
        }
        by_run
    }

    /// Whether no run of it was reported over HTTP, as far as was read.
    fn is_of_spans_alone(&self) -> bool {
        self.stamped.values().any(follows) && self.by_run().is_empty()
    }
}

fn number(stamped: &Stamped) -> Option<RunId> {
    RunId::new(stamped.run_id.as_ref()?.parse().ok()?)
}

/// Whether it is the own span of a run whose number follows from it.
fn follows(stamped: &Stamped) -> bool {
    let key = RunKey { trace: stamped.trace, span: stamped.span };
    stamped.is_run && stamped.role == Role::OfSender && number(stamped) == Some(RunId::derive(key))
}

// === impl StampedRun ===

impl<'a> StampedRun<'a> {
    fn add(&mut self, stamped: &'a Stamped) {
        self.totals.cost += stamped.run_cost;
        self.totals.tokens += stamped.run_tokens;
        self.totals.calls += stamped.run_calls;
        if stamped.is_run {
            self.stands = Some(stamped);
        }
        if stamped.role == Role::OfSender {
            self.spans.push(stamped);
        }
    }

    /// Without its calls; `None` if Tempo has no span that stands for it.
    fn restored(&self, run: RunId, facts: &TraceFacts) -> Option<Restored> {
        let stands = self.stands?;
        let span = match stands.role {
            Role::OfSender => Some(stands.span),
            _ => self.own(run, facts),
        };
        let labels = span.and_then(|span| facts.get(span)?.labels.as_deref());
        let owned = |text: &Option<String>| text.as_deref().map(Str::from);
        let of_span = if stands.is_error { RunStatus::Error } else { RunStatus::Success };
        let status = stands.status.as_ref().map_or(of_span, |status| RunStatus::from_report(status, stands.is_error));
        Some(Restored {
            session: stands.session.as_deref().and_then(SessionId::new),
            agent: stands.agent.as_deref().unwrap_or_default().into(),
            workflow: owned(&stands.workflow).or_else(|| labels?.workflow.clone()),
            user: owned(&stands.user).or_else(|| labels?.user.clone()),
            user_group: owned(&stands.user_group).or_else(|| labels?.user_group.clone()),
            started_at: UnixNanos(stands.start_unix_nanos),
            completed_at: UnixNanos(stands.end_unix_nanos),
            status,
            error: owned(&stands.error),
            trace: Some(stands.trace).filter(|trace| !trace.is_reserved()),
            span,
            calls: Vec::new(),
        })
    }

    /// Its own span, where one of ours stood for it before that came: it says so itself, or is the topmost agent's span of the run.
    fn own(&self, run: RunId, facts: &TraceFacts) -> Option<SpanId> {
        let agents: Vec<_> =
            self.spans.iter().filter_map(|span| facts.get(span.span)).filter(|fact| fact.kind == SpanKind::Agent).collect();
        let says_so = agents.iter().find(|fact| fact.run_id().is_some_and(|id| **id == *run.to_string()));
        let is_topmost = |fact: &&&crate::model::facts::SpanFact| !self.spans.iter().any(|span| Some(span.span) == fact.parent);
        says_so.or_else(|| agents.iter().find(is_topmost)).map(|fact| fact.span)
    }

    /// The calls that its spans count, and what they lack.
    fn calls(&self, folded: &Folded, at: usize, facts: &TraceFacts) -> Vec<(Str, Usage)> {
        let stamped: HashSet<SpanId> = self.spans.iter().filter(|span| span.tokens.is_some()).map(|span| span.span).collect();
        let counted = folded.verdicts.iter().filter(|verdict| verdict.run == Some(at)).filter_map(|verdict| {
            let (tokens, cost) = verdict.counted?;
            let call = facts.get(verdict.span)?.call.as_deref().filter(|call| call.usage.is_positive())?;
            Some((verdict.span, call, signed(tokens), cost.map_or(0, |cost| signed(cost.amount.0))))
        });
        let mut counted: Vec<_> = counted.collect();
        let rest = |counted: &[(SpanId, _, i64, i64)]| Totals {
            cost: self.totals.cost - counted.iter().map(|(.., cost)| cost).sum::<i64>(),
            tokens: self.totals.tokens - counted.iter().map(|(.., tokens, _)| tokens).sum::<i64>(),
            calls: self.totals.calls - signed(counted.len() as u64),
        };
        if rest(&counted).is_negative() {
            // Fewer were reported over HTTP: of calls that are alike, those that were not stamped did not count.
            counted.retain(|(span, ..)| stamped.contains(span));
        }
        let mut rest = rest(&counted);
        let mut calls: Vec<_> = counted.into_iter().map(|(_, call, ..)| (call.model.clone(), call.usage)).collect();
        if rest.cost > 0 || rest.tokens > 0 {
            let cost = u64::try_from(rest.cost).ok().filter(|cost| *cost > 0).map(NanoUsd);
            calls.push((Str::from(""), Usage { input_tokens: u64::try_from(rest.tokens).ok(), cost, ..Usage::default() }));
            rest.calls -= 1;
        }
        let n_empty = usize::try_from(rest.calls).unwrap_or(0).min(CALLS_MAX);
        calls.extend(std::iter::repeat_n((Str::from(""), Usage::default()), n_empty));
        calls
    }
}

// === impl Totals ===

impl Totals {
    fn is_negative(&self) -> bool {
        self.cost < 0 || self.tokens < 0 || self.calls < 0
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
