//! Writes the stamps of one entry, and what has to be corrected beside it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::account::{Amounts, Owner, Subject, own_span};
use super::correction::{self, Correction};
use super::intake::Held;
use super::labels::{put_run, put_totals};
use super::told::{Seen, Told, TraceTold};
use super::{COST, StampOptions, TOKENS, Verdicts, dollars};
use crate::fold::{Decided, Verdict};
use crate::model::Str;
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::tempo::metrics::ForwardMetrics;
use crate::wire::stamp::{Fate, Stamps, encoded};

/// The stamps of a span in the usual lengths.
const STAMP_BYTES: usize = 208;

/// So many traces may wait to be looked at again until it is known what was told of them.
const MAX_UNSURE: usize = 10_000;

/// The stamping of one tenant's spans. Not async: it is called where blocking is allowed.
pub(in crate::tempo) struct Stamper {
    pub(super) tenant: Tenant,
    pub(super) verdicts: Arc<dyn Verdicts>,
    pub(super) told: Told,
    options: StampOptions,
    metrics: ForwardMetrics,
    /// Traces that something is known of from before, and of which it was not known yet whether all of it is from before.
    unsure: VecDeque<TraceId>,
}

/// A run of which spans are being stamped: the attributes that all its spans share.
struct Shared {
    decided: Option<Arc<Decided>>,
    labels: Vec<Option<Vec<u8>>>,
}

// === impl Stamper ===

impl Stamper {
    pub(in crate::tempo) fn new(tenant: Tenant, verdicts: Arc<dyn Verdicts>, options: StampOptions, metrics: ForwardMetrics) -> Self {
        let told = Told::new(options.memory_bytes);
        Self { tenant, verdicts, told, options, metrics, unsure: VecDeque::new() }
    }

    /// The entry as Tempo gets it; empty if nothing of it is left to send. `is_all_read` says whether all of the journal came by.
    pub(super) fn stamp(&mut self, held: &Held, is_all_read: &dyn Fn() -> bool) -> Bytes {
        let Some(layout) = &held.layout else { return held.bytes.clone() };
        let mut shared: Vec<Shared> = Vec::with_capacity(held.traces.len());
        for trace in &held.traces {
            let decided = self.verdicts.decided(&self.tenant, *trace);
            let n_runs = decided.as_ref().map_or(0, |decided| decided.runs.len());
            shared.push(Shared { decided, labels: vec![None; n_runs] });
        }
        let mut n_kept = 0;
        let mut n_stamped = 0;
        let told = &mut self.told;
        let mut out = layout.write(&held.bytes, held.spans.len() * STAMP_BYTES, |ordinal, stamps| {
            let Some(span) = held.spans.get(ordinal) else { return Fate::Keep };
            let (Some(id), Some(trace)) = (span.id, held.traces.get(span.trace as usize)) else { return Fate::Keep };
            if span.seen == Seen::Already {
                return Fate::Drop;
            }
            n_kept += 1;
            let trace_told = told.trace(*trace);
            trace_told.send(id);
            let Some(shared) = shared.get_mut(span.trace as usize) else { return Fate::Keep };
            n_stamped += u64::from(shared.put(stamps, trace_told, id, span.seen));
            Fate::Keep
        });
        self.metrics.stamped_spans.inc_by(n_stamped);
        if n_kept == 0 {
            out.clear();
        }
        if self.options.corrections {
            let mut corrections = Vec::new();
            for (trace, shared) in held.traces.iter().zip(&shared) {
                if let Some(decided) = &shared.decided {
                    self.correct(*trace, decided, is_all_read, &mut corrections);
                }
            }
            self.append(&corrections, &mut out);
        }
        out.into()
    }

    /// Looks again at traces of which it was not known what had been told; gives a request with what they lack, or nothing.
    pub(super) fn catch_up(&mut self, is_all_read: &dyn Fn() -> bool) -> Bytes {
        let mut corrections = Vec::new();
        if !self.unsure.is_empty() && is_all_read() {
            for trace in std::mem::take(&mut self.unsure) {
                if let Some(decided) = self.verdicts.decided(&self.tenant, trace) {
                    self.correct(trace, &decided, is_all_read, &mut corrections);
                }
            }
        }
        let mut out = Vec::new();
        self.append(&corrections, &mut out);
        out.into()
    }

    pub(super) fn is_unsure(&self) -> bool {
        !self.unsure.is_empty()
    }

    fn append(&self, corrections: &[Correction], out: &mut Vec<u8>) {
        if !corrections.is_empty() {
            self.metrics.corrections.inc_by(corrections.len() as u64);
            out.extend_from_slice(&correction::request(corrections));
        }
    }

    /// What the trace's stamps must still be changed by.
    fn correct(&mut self, trace: TraceId, decided: &Decided, is_all_read: &dyn Fn() -> bool, corrections: &mut Vec<Correction>) {
        let told = self.told.trace(trace);
        if !told.is_begun {
            if decided.verdicts.len() <= told.n_spans() {
                told.begin(None);
            } else if is_all_read() {
                let before = self.verdicts.decided_without(&self.tenant, trace, &told.ids());
                told.begin(before.as_deref());
            } else {
                // Some spans are known that did not come by. They came before this process, or are still to come: only the end of the journal tells.
                if self.unsure.len() < MAX_UNSURE && !self.unsure.contains(&trace) {
                    self.unsure.push_back(trace);
                }
                return;
            }
        }
        // Deleted runs are not taken back from Tempo.
        if decided.runs.iter().any(Option::is_none) {
            return;
        }
        let expected = told.expected(decided);
        let first = corrections.len();
        for run in decided.runs.iter().flatten().filter(|run| is_over(run)) {
            let owner = Owner::of(run);
            let so_far = told.accounts.of(&owner);
            let difference = Amounts::in_all(&run.usage).minus(so_far).minus(expected.of(&owner));
            if !difference.is_zero() {
                let subject = Subject { id: Some(run.id), agent: run.agent.clone() };
                corrections.push(Correction { trace, owner, subject, at: run.started_at, difference, told: so_far });
            }
        }
        let is_any_running = decided.runs.iter().flatten().any(|run| !is_over(run));
        for account in told.accounts.iter().filter(|account| !account.amounts.is_zero()) {
            let is_known = decided.runs.iter().flatten().any(|run| Owner::of(run) == account.owner);
            let is_pool = account.owner.run.is_none();
            if is_known || is_pool && is_any_running {
                continue;
            }
            // Nobody's any more: the run turned out to be part of another, or of another session.
            let subject = Subject { id: None, agent: Str::from("") };
            let difference = Amounts::default().minus(account.amounts).minus(expected.of(&account.owner));
            if !difference.is_zero() {
                let at = decided.runs.iter().flatten().map(|run| run.started_at).min().unwrap_or(UnixNanos::ZERO);
                corrections.push(Correction { trace, owner: account.owner.clone(), subject, at, difference, told: account.amounts });
            }
        }
        for correction in &corrections[first..] {
            told.accounts.add(&correction.owner, correction.difference);
        }
    }
}

/// Whether a run's sums are compared with what was told: not before its own span is there.
fn is_over(run: &Run) -> bool {
    run.status != RunStatus::Running && !run.is_provisional
}

// === impl Shared ===

impl Shared {
    /// Appends the stamps of one span and notes them; `false` if it belongs to no run.
    fn put(&mut self, stamps: &mut Stamps<'_>, told: &mut TraceTold, id: SpanId, seen: Seen) -> bool {
        let Some(decided) = self.decided.as_deref() else { return false };
        let Some(Verdict { run: Some(at), counted, .. }) = decided.verdict(id) else { return false };
        let Some(run) = decided.run(*at) else { return false };
        let Some(labels) = self.labels.get_mut(*at) else { return false };
        stamps.encoded(labels.get_or_insert_with(|| encoded(|stamps| put_run(stamps, run))));
        // Of two different copies of a span only the first is believed by Tempo's sums; a correction says what the second one changed.
        if seen == Seen::Differently {
            return true;
        }
        let mut amounts = Amounts::default();
        if let Some((tokens, cost)) = *counted {
            amounts = Amounts::of_call(tokens, cost);
            if cost.is_some() {
                stamps.double(COST, dollars(amounts.cost));
            }
            stamps.int(TOKENS, amounts.tokens);
        }
        if own_span(run) == Some(id) {
            put_totals(stamps, &run.usage);
            amounts = amounts.plus(Amounts::of_run(&run.usage));
        }
        if !amounts.is_zero() {
            told.accounts.add(&Owner::of(run), amounts);
        }
        true
    }
}
