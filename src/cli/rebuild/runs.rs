//! Runs that the SDK told of over HTTP, put together again from the stamps that they left on spans.
//!
//! - They are known by their number: that of a run which only spans told of follows from its span, and needs nothing here.
//! - A run is put together once no window holds its trace any more: a correction and the span that stands for it are in the window of its start.
//! - What the calls of spans do not come to is one more call, without a model.

use std::collections::{HashMap, HashSet};

use crate::conventions::posts::Restored;
use crate::conventions::{self, Strings};
use crate::model::Str;
use crate::model::facts::SpanFact;
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, TraceId};
use crate::model::time::UnixNanos;
use crate::model::usage::{NanoUsd, Usage};
use crate::tempo::restored::TraceSpans;
use crate::tempo::stamped::{Role, Stamped};
use crate::wire::otlp;

/// Runs of which not everything was read yet.
#[derive(Default)]
pub(super) struct Runs {
    open: HashMap<RunId, Told>,
    strings: Strings,
    /// Runs whose stamps come to less than their calls: what was taken back cannot be said of one call.
    pub(super) n_unexplained: u64,
}

/// What the stamps tell of one run.
struct Told {
    /// Where the window began in which it was met first, in seconds since 1970.
    since: u64,
    traces: HashSet<TraceId>,
    /// The span that stands for it.
    own: Option<Own>,
    /// Spans that were added already.
    seen: HashSet<(TraceId, SpanId)>,
    totals: Totals,
    calls: Vec<CountedCall>,
}

struct Own {
    stamped: Stamped,
    workflow: Option<Str>,
    user: Option<Str>,
    user_group: Option<Str>,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    cost: i64,
    tokens: i64,
    calls: i64,
}

struct CountedCall {
    model: Str,
    usage: Usage,
    /// As stamped.
    cost: i64,
    tokens: i64,
}

// === impl Runs ===

impl Runs {
    /// Takes what the spans of one trace say in a window that begins at `since`.
    pub(super) fn take(&mut self, trace: &TraceSpans, since: u64) {
        let number = |stamped: &Stamped| RunId::new(stamped.run_id.as_ref()?.parse().ok()?);
        let follows = |stamped: &&Stamped| {
            let key = RunKey { trace: stamped.trace, span: stamped.span };
            stamped.is_run && stamped.role == Role::OfSender && number(stamped) == Some(RunId::derive(key))
        };
        let by_spans: HashSet<RunId> = trace.stamped.iter().filter(follows).filter_map(number).collect();
        by_spans.iter().for_each(|run| _ = self.open.remove(run));
        let mut facts: Option<HashMap<SpanId, SpanFact>> = None;
        for stamped in &trace.stamped {
            let Some(run) = number(stamped).filter(|run| !by_spans.contains(run)) else { continue };
            let facts = facts.get_or_insert_with(|| facts_of(trace, &mut self.strings));
            let told = self.open.entry(run).or_insert_with(|| Told::new(since));
            told.add(stamped, facts.get(&stamped.span));
        }
    }

    /// The runs of which nothing more will come, because none of their traces is in the last window.
    pub(super) fn finished(&mut self, present: &HashSet<TraceId>) -> Vec<(RunId, Restored)> {
        let is_over = |told: &Told| told.traces.iter().all(|trace| !present.contains(trace));
        let over: Vec<RunId> = self.open.iter().filter(|(_, told)| is_over(told)).map(|(run, _)| *run).collect();
        let mut finished = Vec::new();
        for run in over {
            let restored = self.open.remove(&run).and_then(|told| told.restored(&mut self.n_unexplained));
            finished.extend(restored.map(|restored| (run, restored)));
        }
        finished
    }

    /// Where reading must begin again so that no run is forgotten, if it is broken off now.
    pub(super) fn since(&self) -> Option<u64> {
        self.open.values().map(|told| told.since).min()
    }
}

fn facts_of(trace: &TraceSpans, strings: &mut Strings) -> HashMap<SpanId, SpanFact> {
    let mut facts = HashMap::new();
    for resource in otlp::resource_spans(&trace.request).filter_map(Result::ok) {
        for scope in resource.scope_spans().filter_map(Result::ok) {
            for span in scope.spans().filter_map(Result::ok) {
                let extracted = conventions::extract(&span, scope.scope_name, &[], UnixNanos(u64::MAX), strings);
                facts.extend(extracted.map(|extracted| (extracted.fact.span, extracted.fact)));
            }
        }
    }
    facts
}

// === impl Told ===

impl Told {
    fn new(since: u64) -> Self {
        let (traces, seen) = (HashSet::new(), HashSet::new());
        Self { since, traces, own: None, seen, totals: Totals::default(), calls: Vec::new() }
    }

    fn add(&mut self, stamped: &Stamped, fact: Option<&SpanFact>) {
        self.traces.insert(stamped.trace);
        if !self.seen.insert((stamped.trace, stamped.span)) {
            return;
        }
        self.totals.cost += stamped.run_cost;
        self.totals.tokens += stamped.run_tokens;
        self.totals.calls += stamped.run_calls;
        if let (Role::OfSender, Some(tokens)) = (stamped.role, stamped.tokens)
            && let Some(call) = fact.and_then(|fact| fact.call.as_deref())
        {
            self.calls.push(CountedCall { model: call.model.clone(), usage: call.usage, cost: stamped.cost, tokens });
        }
        // Its own span, where it came after ours stood for it, has no totals and is not called a run; it is then found by the number it bears.
        if stamped.is_run {
            let labels = fact.and_then(|fact| fact.labels.as_deref());
            let label = |of: fn(&crate::model::facts::Labels) -> &Option<Str>| labels.and_then(|labels| of(labels).clone());
            self.own = Some(Own {
                stamped: stamped.clone(),
                workflow: label(|labels| &labels.workflow),
                user: label(|labels| &labels.user),
                user_group: label(|labels| &labels.user_group),
            });
        }
    }

    /// `None` if Tempo has no span that stands for it.
    fn restored(self, n_unexplained: &mut u64) -> Option<Restored> {
        let Own { stamped, workflow, user, user_group } = self.own?;
        let calls = self.totals.calls_with_the_rest(self.calls, n_unexplained);
        let place = match stamped.role {
            Role::OfSender => Some((stamped.trace, Some(stamped.span))),
            _ if stamped.trace.is_reserved() => None,
            _ => Some((stamped.trace, None)),
        };
        Some(Restored {
            session: stamped.session.as_deref().and_then(SessionId::new),
            agent: stamped.agent.as_deref().unwrap_or_default().into(),
            workflow,
            user,
            user_group,
            started_at: UnixNanos(stamped.start_unix_nanos),
            completed_at: UnixNanos(stamped.end_unix_nanos),
            is_error: stamped.is_error,
            trace: place.map(|(trace, _)| trace),
            span: place.and_then(|(_, span)| span),
            calls,
        })
    }
}

// === impl Totals ===

impl Totals {
    /// The calls, and what they lack.
    fn calls_with_the_rest(self, counted: Vec<CountedCall>, n_unexplained: &mut u64) -> Vec<(Str, Usage)> {
        let sum = |of: fn(&CountedCall) -> i64| counted.iter().map(of).sum::<i64>();
        let (cost, tokens) = (self.cost - sum(|call| call.cost), self.tokens - sum(|call| call.tokens));
        let mut n_rest = self.calls - i64::try_from(counted.len()).unwrap_or(i64::MAX);
        if cost < 0 || tokens < 0 || n_rest < 0 {
            *n_unexplained += 1;
        }
        let mut calls: Vec<_> = counted.into_iter().map(|call| (call.model, call.usage)).collect();
        if cost > 0 || tokens > 0 {
            let cost = u64::try_from(cost).ok().filter(|cost| *cost > 0).map(NanoUsd);
            let usage = Usage { input_tokens: u64::try_from(tokens).ok(), cost, ..Usage::default() };
            calls.push((Str::from(""), usage));
            n_rest -= 1;
        }
        let n_empty = usize::try_from(n_rest).unwrap_or(0).min(crate::model::report::CALLS_MAX);
        calls.extend(std::iter::repeat_n((Str::from(""), Usage::default()), n_empty));
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(n: u8) -> TraceId {
        TraceId::from_bytes(&[n; 16]).unwrap()
    }

    fn stamped(n: u8, span: u64, run: RunId) -> Stamped {
        Stamped {
            trace: trace(n),
            span: SpanId::from_u64(span).unwrap(),
            role: Role::OfSender,
            session: Some("s".into()),
            run_id: Some(run.to_string()),
            agent: Some("planner".into()),
            cost: 0,
            tokens: None,
            run_cost: 0,
            run_tokens: 0,
            run_calls: 0,
            is_run: false,
            is_error: false,
            start_unix_nanos: 5,
            end_unix_nanos: 9,
        }
    }

    fn own(n: u8, run: RunId, (cost, tokens, calls): (i64, i64, i64)) -> Stamped {
        Stamped { is_run: true, run_cost: cost, run_tokens: tokens, run_calls: calls, ..stamped(n, 1, run) }
    }

    fn read(n: u8, stamped: Vec<Stamped>) -> TraceSpans {
        TraceSpans { trace: trace(n), n_spans: stamped.len(), stamped, request: bytes::Bytes::new() }
    }

    #[test]
    fn a_run_whose_number_follows_from_its_span_needs_nothing() {
        let mut runs = Runs::default();
        let derived = RunId::derive(RunKey { trace: trace(1), span: SpanId::from_u64(1).unwrap() });
        // Its child was in an earlier window.
        runs.take(&read(1, vec![Stamped { tokens: Some(4), ..stamped(1, 2, derived) }]), 10);
        assert_eq!(runs.since(), Some(10));
        runs.take(&read(1, vec![own(1, derived, (7, 4, 1))]), 20);
        assert_eq!(runs.since(), None);
        assert!(runs.finished(&HashSet::new()).is_empty());
    }

    #[test]
    fn a_reported_run_waits_for_its_corrections_and_says_what_its_spans_do_not() {
        let mut runs = Runs::default();
        let run = RunId::mint(7);
        runs.take(&read(1, vec![own(1, run, (700, 40, 2))]), 10);
        assert!(runs.finished(&HashSet::from([trace(1)])).is_empty(), "its trace goes on");
        let correction = Stamped { role: Role::Correction, is_run: false, ..own(1, run, (50, 2, 1)) };
        let correction = Stamped { span: SpanId::from_u64(8).unwrap(), ..correction };
        // What a window repeats is added once.
        runs.take(&read(1, vec![own(1, run, (700, 40, 2)), correction]), 20);
        assert_eq!(runs.since(), Some(10));
        let [(id, restored)] = &runs.finished(&HashSet::new())[..] else { panic!("one run") };
        assert_eq!((*id, restored.trace, restored.span), (run, Some(trace(1)), SpanId::from_u64(1)));
        let rest = Usage { input_tokens: Some(42), cost: Some(NanoUsd(750)), ..Usage::default() };
        assert_eq!(restored.calls, [("".into(), rest), ("".into(), Usage::default()), ("".into(), Usage::default())]);
        assert_eq!((runs.n_unexplained, runs.since()), (0, None));
    }

    #[test]
    fn a_run_of_which_nothing_but_children_is_left_is_not_made_up() {
        let mut runs = Runs::default();
        runs.take(&read(1, vec![Stamped { tokens: Some(4), ..stamped(1, 2, RunId::mint(7)) }]), 10);
        assert!(runs.finished(&HashSet::new()).is_empty());
        assert_eq!(runs.since(), None);
    }

    #[test]
    fn a_run_without_spans_stands_in_the_trace_that_it_named_or_in_none() {
        let (named, alone) = (RunId::mint(7), RunId::mint(8));
        let mut runs = Runs::default();
        let synthetic = |stamped: Stamped| Stamped { role: Role::Synthetic, is_error: true, ..stamped };
        runs.take(&read(1, vec![synthetic(own(1, named, (0, 0, 0)))]), 10);
        let reserved = TraceId::of_report(alone);
        let spans = vec![Stamped { trace: reserved, ..synthetic(own(1, alone, (0, 0, 0))) }];
        runs.take(&TraceSpans { trace: reserved, n_spans: 1, stamped: spans, request: bytes::Bytes::new() }, 10);
        let finished: HashMap<_, _> = runs.finished(&HashSet::new()).into_iter().collect();
        assert_eq!((finished[&named].trace, finished[&named].span), (Some(trace(1)), None));
        assert_eq!((finished[&alone].trace, finished[&alone].is_error), (None, true));
    }
}
