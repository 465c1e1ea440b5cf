//! Writes the stamps of one entry, and what has to be corrected beside it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

use super::account::{Amounts, Owner, Subject, is_over, own_span};
use super::correction::{self, Correction, Synthetic};
use super::export_state::{ExportState, Seen, TraceExport, needs_synthetic_span};
use super::intake::{Held, RunEvent};
use super::run_attributes::{put_outcome, put_run};
use super::unsure::Unsure;
use super::{StampOptions, Verdicts, dollars};
use crate::fold::{Decided, Verdict};
use crate::model::Str;
use crate::model::ids::{SessionId, SpanId, Tenant, TraceId};
use crate::model::time::UnixNanos;
use crate::tempo::keys::{COST, LOGGED_COST, TOKENS};
use crate::tempo::link::segmented::SegmentedBytes;
use crate::tempo::metrics::{Doubt, ForwardMetrics};
use crate::tempo::piece::Doubted;
use crate::tempo::recover::ask::Holdings;
use crate::wire::otlp::stamp::{Fate, Stamps};

/// The stamps of a span in the usual lengths.
const STAMP_BYTES: usize = 208;

/// Decisions that are in memory at one time when traces are looked at again.
const CATCH_UP_TRACES: usize = 256;

/// The stamping of one tenant's spans. Not async: it is called where blocking is allowed.
pub(in crate::tempo) struct Stamper {
    pub(super) tenant: Tenant,
    pub(super) verdicts: Arc<dyn Verdicts>,
    options: StampOptions,
    metrics: ForwardMetrics,
    /// Traces that something is known of from before, and of which it was not known yet whether all of it is from before.
    unsure: Unsure,
}

/// What Tempo holds of traces in doubt; `None` where it could not be found out.
pub(super) type Found = FxHashMap<TraceId, Option<Arc<Holdings>>>;

/// A trace of which spans are being stamped.
struct Shared {
    /// Known where Tempo was asked.
    held: Option<Arc<Holdings>>,
    is_in_doubt: bool,
    decided: Option<Arc<Decided>>,
    exported: Box<TraceExport>,
    /// The run that the last span belonged to, and where its labels are.
    labelled: Option<(usize, Range<usize>)>,
}

/// Spans of our own that have to be sent.
#[derive(Default)]
struct Due {
    corrections: Vec<Correction>,
    synthetics: Vec<Synthetic>,
}

/// Why a trace is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Spans,
    /// The SDK said that a run of it is over.
    End,
}

// === impl Stamper ===

impl Stamper {
    pub(in crate::tempo) fn new(tenant: Tenant, verdicts: Arc<dyn Verdicts>, options: StampOptions, metrics: ForwardMetrics) -> Self {
        Self { tenant, verdicts, options, metrics, unsure: Unsure::default() }
    }

    /// The entry as Tempo gets it; empty if nothing of it is left to send. `is_all_read` says whether the whole journal has been read.
    pub(super) fn stamp(
        &mut self,
        exported: &mut ExportState,
        held: &Held,
        found: &Found,
        is_all_read: &dyn Fn() -> bool,
    ) -> SegmentedBytes {
        let Some(layout) = &held.layout else { return held.bytes.clone().into() };
        let mut shared: Vec<Shared> = Vec::with_capacity(held.traces.len());
        let decided = self.verdicts.decided(&self.tenant, &held.traces);
        for (trace, decided) in held.traces.iter().zip(decided) {
            let (mut of_trace, in_tempo) = (exported.take(*trace), found.get(trace).cloned());
            if let Some(Some(in_tempo)) = &in_tempo {
                of_trace.begin_with(in_tempo, decided.as_deref());
            }
            let is_in_doubt = matches!(in_tempo, Some(None));
            shared.push(Shared { held: in_tempo.flatten(), is_in_doubt, decided, exported: of_trace, labelled: None });
        }
        // The attributes that all spans of a run share, of one run after the other.
        let mut labels = Vec::with_capacity(held.traces.len() * STAMP_BYTES);
        let mut n_kept = 0;
        let mut n_stamped = 0;
        let (mut n_held_back, mut n_unchecked, mut n_doubled) = (0, 0, 0);
        let stamped = layout.write(&held.bytes, held.spans.len() * STAMP_BYTES, |ordinal, stamps| {
            let Some(span) = held.spans.get(ordinal) else { return Fate::Keep };
            if span.seen == Seen::Already {
                return Fate::Drop;
            }
            if let (Some(id), Some(shared)) = (span.id, shared.get_mut(span.trace as usize)) {
                shared.exported.send(id);
                if shared.held.as_ref().is_some_and(|held| held.holds(id)) {
                    n_held_back += 1;
                    return Fate::Drop;
                }
                if shared.is_in_doubt && held.doubt == Doubted::Taken {
                    n_unchecked += 1;
                    return Fate::Drop;
                }
                n_doubled += u64::from(shared.is_in_doubt);
                n_stamped += u64::from(shared.put(stamps, &mut labels, id, span.seen));
            }
            n_kept += 1;
            Fate::Keep
        });
        let mut all_decided = Vec::with_capacity(shared.len());
        for (trace, Shared { decided, exported: of_trace, .. }) in held.traces.iter().zip(shared) {
            exported.put_back(*trace, of_trace);
            all_decided.push(decided);
        }
        self.metrics.stamped_spans.inc_by(n_stamped);
        self.metrics.held_back_spans.inc_by(n_held_back);
        self.metrics.unchecked_spans.inc_by(n_unchecked);
        self.metrics.maybe_doubled_spans(Doubt::Restart).inc_by(n_doubled);
        let mut out = if n_kept == 0 { SegmentedBytes::default() } else { SegmentedBytes::from(stamped) };
        if self.options.corrections {
            let mut due = Due::default();
            for (trace, decided) in held.traces.iter().zip(&all_decided) {
                let Some(decided) = decided else { continue };
                self.correct(exported, *trace, decided, Trigger::Spans, is_all_read, &mut due);
                // What was exported for a run before its trace was known is taken back.
                for run in decided.runs.iter().flatten().filter(|run| run.is_reported && run.key.trace == *trace) {
                    self.take_back(exported, TraceId::of_report(run.id), is_all_read, &mut due);
                }
            }
            self.append(&due, &mut out);
        }
        out
    }

    /// What has to be sent because the SDK posted more about a run; mostly nothing.
    pub(super) fn report(
        &mut self,
        exported: &mut ExportState,
        event: RunEvent,
        trace: TraceId,
        found: &Found,
        is_all_read: &dyn Fn() -> bool,
    ) -> SegmentedBytes {
        let mut due = Due::default();
        // What an earlier process exported is not known. The end of a run is exported once; what comes after it is not.
        if self.options.corrections && (event.is_end || exported.knows(trace)) {
            let trigger = if event.is_end { Trigger::End } else { Trigger::Spans };
            if let Some(decided) = self.decided(trace) {
                if let Some(Some(in_tempo)) = found.get(&trace) {
                    exported.trace(trace).begin_with(in_tempo, Some(&decided));
                }
                self.correct(exported, trace, &decided, trigger, is_all_read, &mut due);
            }
            let own = TraceId::of_report(event.run);
            if trace != own {
                self.take_back(exported, own, is_all_read, &mut due);
            }
        }
        let mut out = SegmentedBytes::default();
        self.append(&due, &mut out);
        out
    }

    fn take_back(&mut self, exported: &mut ExportState, trace: TraceId, is_all_read: &dyn Fn() -> bool, due: &mut Due) {
        if exported.knows(trace) {
            let decided = self.decided(trace).unwrap_or_default();
            self.correct(exported, trace, &decided, Trigger::Spans, is_all_read, due);
        }
    }

    fn decided(&self, trace: TraceId) -> Option<Arc<Decided>> {
        self.verdicts.decided(&self.tenant, &[trace]).pop().flatten()
    }

    /// Looks again at traces whose earlier exports were not known; returns a request with what Tempo lacks of them, or nothing.
    pub(super) fn catch_up(&mut self, exported: &mut ExportState, is_all_read: &dyn Fn() -> bool) -> SegmentedBytes {
        let mut due = Due::default();
        if !self.unsure.is_empty() && is_all_read() {
            for traces in self.unsure.take().chunks(CATCH_UP_TRACES) {
                for (trace, decided) in traces.iter().zip(self.verdicts.decided(&self.tenant, traces)) {
                    let Some(decided) = decided else { continue };
                    self.correct(exported, *trace, &decided, Trigger::Spans, is_all_read, &mut due);
                }
            }
        }
        let mut out = SegmentedBytes::default();
        self.append(&due, &mut out);
        out
    }

    pub(super) fn is_unsure(&self) -> bool {
        !self.unsure.is_empty()
    }

    fn append(&self, due: &Due, out: &mut SegmentedBytes) {
        if due.corrections.is_empty() && due.synthetics.is_empty() {
            return;
        }
        self.metrics.corrections.inc_by(due.corrections.len() as u64);
        self.metrics.synthetic_spans.inc_by(due.synthetics.len() as u64);
        out.append(&Bytes::from(correction::request(&due.corrections, &due.synthetics)).into());
    }

    /// What the trace's stamps must still be changed by.
    fn correct(
        &mut self,
        exported: &mut ExportState,
        trace: TraceId,
        decided: &Decided,
        trigger: Trigger,
        is_all_read: &dyn Fn() -> bool,
        due: &mut Due,
    ) {
        let exported = exported.trace(trace);
        if !exported.is_begun {
            if decided.verdicts.len() <= exported.n_spans() {
                exported.begin(None);
                self.unsure.remove(trace);
            } else if is_all_read() {
                let before = self.verdicts.decided_without(&self.tenant, trace, &exported.ids());
                exported.begin(before.as_deref());
            } else {
                // The index knows spans that were not seen here. They came before this process, or are still ahead in the journal: at its end we know.
                self.unsure.add(trace);
                return;
            }
        }
        // Deleted runs are not taken back from Tempo.
        if decided.has_deleted {
            return;
        }
        let expected = exported.expected(decided);
        let first = due.corrections.len();
        for run in decided.runs.iter().flatten().filter(|run| is_over(run)) {
            let owner = Owner::of(run);
            let so_far = exported.accounts.of(&owner);
            let difference = Amounts::in_all(&run.usage).minus(so_far).minus(expected.of(&owner));
            if needs_synthetic_span(decided, run) && !exported.synthetic.contains(&run.key.span) {
                let is_turn = decided.verdict(run.key.span).is_some();
                // So far only posts report it, and its span was waited for; or only logs do, and no more of them came.
                let is_due = if is_turn { !exported.is_waiting() } else { trigger == Trigger::End };
                if is_due {
                    exported.synthetic.push(run.key.span);
                    exported.accounts.add(&owner, difference);
                    due.synthetics.push(Synthetic { run: run.clone(), untold: difference, is_turn });
                }
            } else if !difference.is_zero() {
                let subject = Subject { id: Some(run.id), agent: run.agent.clone() };
                due.corrections.push(Correction { trace, owner, subject, at: run.started_at, difference, before: so_far });
            }
        }
        let is_any_running = decided.runs.iter().flatten().any(|run| !is_over(run));
        let known: FxHashSet<(Option<SpanId>, Option<&SessionId>)> =
            decided.runs.iter().flatten().map(|run| (own_span(run), run.session.as_ref())).collect();
        for (owner, so_far) in exported.accounts.iter().filter(|(_, so_far)| !so_far.is_zero()) {
            let is_pool = owner.run.is_none();
            if known.contains(&(owner.run, owner.session.as_ref())) || is_pool && is_any_running {
                continue;
            }
            // Nobody's any more: the run turned out to be part of another, or of another session.
            let subject = Subject { id: None, agent: Str::from("") };
            let difference = Amounts::default().minus(so_far).minus(expected.of(owner));
            if !difference.is_zero() {
                let at = decided.runs.iter().flatten().map(|run| run.started_at).min().unwrap_or(UnixNanos::ZERO);
                due.corrections.push(Correction { trace, owner: owner.clone(), subject, at, difference, before: so_far });
            }
        }
        for correction in &due.corrections[first..] {
            exported.accounts.add(&correction.owner, correction.difference);
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Appends the stamps of one span and notes them; `false` if it belongs to no run.
    fn put(&mut self, stamps: &mut Stamps<'_>, labels: &mut Vec<u8>, id: SpanId, seen: Seen) -> bool {
        let Some(decided) = self.decided.as_deref() else { return false };
        let Some(Verdict { run: Some(at), counted, is_cost_logged, has_failed, .. }) = decided.verdict(id) else { return false };
        let Some(run) = decided.run(*at) else { return false };
        let of_run = match self.labelled.take() {
            Some((run, range)) if run == *at => range,
            _ => {
                let start = labels.len();
                put_run(&mut Stamps::to(labels), run);
                start..labels.len()
            }
        };
        stamps.encoded(labels.get(of_run.clone()).unwrap_or_default());
        self.labelled = Some((*at, of_run));
        // Of two different copies of a span only the first is believed by Tempo's sums; a correction says what the second one changed.
        if seen == Seen::Differently {
            return true;
        }
        let mut amounts = Amounts::default();
        if let Some((tokens, cost)) = *counted {
            amounts = Amounts::of_call(tokens, cost);
            if cost.is_some() {
                stamps.double(COST, dollars(amounts.cost));
                if *is_cost_logged {
                    stamps.double(LOGGED_COST, dollars(amounts.cost));
                }
            }
            stamps.int(TOKENS, amounts.tokens);
        }
        if *has_failed {
            stamps.failed();
        }
        if own_span(run) == Some(id) && !self.exported.synthetic.contains(&id) {
            put_outcome(stamps, run);
            amounts = amounts.plus(Amounts::of_run(&run.usage));
        }
        if !amounts.is_zero() {
            self.exported.accounts.add_of(run, amounts);
        }
        true
    }
}
