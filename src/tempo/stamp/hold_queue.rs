//! The queue of one tenant: entries held back in the order of the journal, until their traces have settled.
//!
//! - In order, so that the position of the forwarder says exactly what Tempo has, and a crash repeats as little as can be.
//! - Not async: it is worked on by the threads of [`super::workers`], since stamping is CPU, and a trace that left memory is read from disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustc_hash::FxHashSet;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::StampOptions;
use super::export_state::ExportState;
use super::intake::{Held, Incoming, What};
use super::memory::{Memory, lock};
use super::stamper::{Found, Stamper};
use super::workers::Workers;
use crate::journal::Position;
use crate::model::ids::TraceId;
use crate::model::via::Via;
use crate::tempo::drain::Drain;
use crate::tempo::link::segmented::SegmentedBytes;
use crate::tempo::metrics::ForwardMetrics;
use crate::tempo::options::LogEnd;
use crate::tempo::piece::{Doubted, Last, Piece};
use crate::tempo::recover::ask::{Answers, Asker};

/// How much longer an entry waits to be folded, on a machine that is too busy.
const FOLD_PATIENCE: Duration = Duration::from_secs(20);

/// How often traces are looked at again whose earlier exports were not known.
const CATCH_UP: Duration = Duration::from_millis(500);

/// What an entry has waited for company less than `linger` when it leaves: what leaves with it needs a moment to be stamped.
const COMPANY: Duration = Duration::from_millis(25);

/// What the queues of all tenants share.
#[derive(Clone)]
pub(in crate::tempo) struct HoldContext {
    pub(in crate::tempo) drain: Drain,
    pub(in crate::tempo) metrics: ForwardMetrics,
    pub(in crate::tempo) log_end: LogEnd,
    /// How far the reader of the journal has handed entries on, over all tenants.
    pub(in crate::tempo) read: Arc<AtomicU64>,
    /// The memory for entries; when it is nearly used up, the oldest do not wait longer.
    pub(in crate::tempo) memory: Arc<Semaphore>,
    pub(in crate::tempo) memory_bytes: usize,
    /// What was sent, of all tenants.
    pub(in crate::tempo) remembered: Arc<Memory>,
    pub(in crate::tempo) workers: Workers,
    /// Present where Tempo can be asked what it holds.
    pub(in crate::tempo) asker: Option<Arc<Asker>>,
    /// When what could not be found out may be sent all the same.
    pub(in crate::tempo) doubt_ends: Instant,
    /// How many queues have something to wait for.
    pub(in crate::tempo) n_busy: Arc<AtomicUsize>,
}

pub(super) struct HoldQueue {
    entries: VecDeque<Held>,
    queued_bytes: usize,
    stamper: Stamper,
    exported: Arc<Mutex<ExportState>>,
    options: StampOptions,
    context: HoldContext,
    /// Entries handed to this queue, by the reader of the journal.
    n_dispatched: Arc<AtomicU64>,
    n_taken: u64,
    last_catch_up: Instant,
    /// What Tempo was found to hold of traces in doubt; `None` where it could not be found out.
    found: Found,
    /// Whether what could not be found out may be sent now all the same.
    is_doubt_over: bool,
}

/// What leaves the queue.
#[derive(Default)]
pub(super) struct Released {
    pub(super) pieces: Vec<Piece>,
    /// More is ready: it was only enough for one batch.
    pub(super) is_more: bool,
    /// Tempo has to be asked about these traces first.
    pub(super) ask: Vec<TraceId>,
    /// Nothing could be found out about the next entry, so it must wait until Tempo can distinguish a copy from the original.
    pub(super) is_in_doubt: bool,
}

/// What comes into the queue at once.
#[derive(Default)]
pub(super) struct Came {
    pub(super) entries: Vec<Incoming>,
    /// What was asked for last.
    pub(super) asked: Vec<TraceId>,
    pub(super) answers: Answers,
    pub(super) is_doubt_over: bool,
    /// Nothing more will come.
    pub(super) is_closing: bool,
}

// === impl HoldQueue ===

impl HoldQueue {
    pub(super) fn new(stamper: Stamper, options: StampOptions, context: HoldContext, n_dispatched: Arc<AtomicU64>) -> Self {
        let exported = context.remembered.of(&stamper.tenant);
        Self {
            entries: VecDeque::new(),
            queued_bytes: 0,
            stamper,
            exported,
            options,
            context,
            n_dispatched,
            n_taken: 0,
            last_catch_up: Instant::now(),
            found: Found::default(),
            is_doubt_over: false,
        }
    }

    /// Takes what came, and gives what is ready, in order, about a batch of it.
    pub(super) fn work(&mut self, came: Came) -> Released {
        let Came { entries, asked, mut answers, is_doubt_over, is_closing } = came;
        let exported = self.exported.clone();
        let mut exported = lock(&exported);
        exported.catch_up();
        self.found.extend(asked.into_iter().map(|trace| (trace, answers.remove(&trace))));
        self.is_doubt_over |= is_doubt_over;
        for incoming in entries {
            self.take(&mut exported, incoming);
            self.context.remembered.forget_oldest(&mut exported);
        }
        self.release(&mut exported, is_closing)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(super) fn is_unsure(&self) -> bool {
        self.stamper.is_unsure()
    }

    fn take(&mut self, exported: &mut ExportState, incoming: Incoming) {
        let Incoming { what, read_at, end, via, doubt, last } = incoming;
        self.n_taken += 1;
        let mut held = match what {
            What::Event(event) => Held::of_event(event, read_at, end, last),
            What::Spans(bytes) => {
                self.queued_bytes += bytes.len();
                let (held, n_duplicates) = Held::of(bytes, read_at, end, last, exported);
                self.context.metrics.duplicate_spans.inc_by(n_duplicates);
                held
            }
        };
        held.doubt = doubt;
        held.via = via;
        self.entries.push_back(held);
    }

    fn release(&mut self, exported: &mut ExportState, is_closing: bool) -> Released {
        let is_company = self.queued_bytes >= self.options.batch_bytes;
        let is_time = self.entries.front().is_some_and(|head| head.read_at.elapsed() >= self.options.linger);
        let is_hurried = is_closing || self.context.drain.is_draining();
        let mut released = Released::default();
        let mut released_bytes = 0;
        while (is_company || is_time || is_hurried || self.is_crowded()) && self.is_head_ready(is_hurried) {
            if self.is_head_in_doubt() && self.must_wait(&mut released) {
                break;
            }
            let Some(held) = self.entries.pop_front() else { break };
            self.queued_bytes -= held.bytes.len();
            released_bytes += held.bytes.len();
            let bytes = self.stamp(exported, &held);
            released.pieces.push(self.piece(bytes, held.end, held.via, Some(held.last)));
            if released_bytes >= self.options.batch_bytes {
                released.is_more = true;
                break;
            }
        }
        if self.stamper.is_unsure() && self.last_catch_up.elapsed() >= CATCH_UP {
            self.last_catch_up = Instant::now();
            let is_all_read = is_all_read(&self.context, &self.n_dispatched, self.n_taken);
            let bytes = self.stamper.catch_up(exported, &is_all_read);
            if !bytes.is_empty() {
                released.pieces.push(self.piece(bytes, Position::default(), Via::default(), None));
            }
        }
        released
    }

    /// Tempo may have what comes next.
    fn is_head_in_doubt(&mut self) -> bool {
        let is_in_doubt = self.entries.front().is_some_and(|head| head.doubt != Doubted::No);
        if !is_in_doubt && !self.found.is_empty() {
            // What is in doubt comes first, so it is over.
            self.found = Found::default();
        }
        is_in_doubt && self.context.asker.is_some()
    }

    /// Whether what comes next waits for an answer of Tempo, or for want of one.
    fn must_wait(&self, released: &mut Released) -> bool {
        let Some((head, asker)) = self.entries.front().zip(self.context.asker.as_ref()) else { return false };
        if head.traces.iter().all(|trace| self.found.contains_key(trace)) {
            // What Tempo had taken is not sent again without knowing, so waiting is no use, unless the next process can find it out.
            let waits = !self.is_doubt_over && head.doubt == Doubted::Sent || self.context.drain.is_draining();
            released.is_in_doubt = waits && head.traces.iter().any(|trace| matches!(self.found.get(trace), Some(None)));
            return released.is_in_doubt;
        }
        // Those of later entries are asked for with them.
        let in_doubt = self.entries.iter().take_while(|held| held.doubt != Doubted::No).flat_map(|held| &held.traces);
        let mut asked = FxHashSet::default();
        let unknown = in_doubt.filter(|trace| !self.found.contains_key(trace) && asked.insert(**trace));
        released.ask = unknown.take(asker.max_traces().max(head.traces.len())).copied().collect();
        true
    }

    fn stamp(&mut self, exported: &mut ExportState, held: &Held) -> SegmentedBytes {
        let is_all_read = is_all_read(&self.context, &self.n_dispatched, self.n_taken);
        let nothing = Found::default();
        let found = if held.doubt == Doubted::No { &nothing } else { &self.found };
        match held.event {
            None => self.stamper.stamp(exported, held, found, &is_all_read),
            Some(event) => match held.traces.first() {
                Some(trace) => self.stamper.report(exported, event, *trace, found, &is_all_read),
                None => SegmentedBytes::default(),
            },
        }
    }

    fn piece(&self, bytes: SegmentedBytes, end: Position, via: Via, last: Option<Last>) -> Piece {
        let read_at = Instant::now() - self.options.linger.saturating_sub(COMPANY);
        Piece { bytes, read_at, end, via, doubt: Doubted::No, last }
    }

    /// Whether the entry that came first may leave.
    fn is_head_ready(&mut self, is_hurried: bool) -> bool {
        let is_crowded = self.is_crowded();
        let Some(head) = self.entries.front_mut() else { return false };
        let is_folded = self.stamper.verdicts.folded() >= head.end;
        if is_folded && let Some(event) = head.event.filter(|_| head.traces.is_empty()) {
            head.traces.extend(self.stamper.verdicts.trace_of_reported(&self.stamper.tenant, event.run));
            // Only the end of a run is worth waiting for its spans.
            head.n_settled = if event.is_end { 0 } else { head.traces.len() };
        }
        // Before it is folded nothing can be said of it; a fold that has stopped is not waited for.
        let patience = if is_folded { self.options.hold } else { self.options.hold + FOLD_PATIENCE };
        if is_hurried || head.read_at.elapsed() >= patience {
            return true;
        }
        if is_folded {
            while let Some(trace) = head.traces.get(head.n_settled) {
                if !self.stamper.verdicts.is_settled(&self.stamper.tenant, *trace) {
                    break;
                }
                head.n_settled += 1;
            }
            if head.n_settled == head.traces.len() {
                return true;
            }
        }
        if is_crowded {
            self.context.metrics.released_early.inc();
        }
        is_crowded
    }

    fn is_crowded(&self) -> bool {
        self.context.memory.available_permits() < self.context.memory_bytes / 4
    }
}

/// Whether every entry of the journal has been read. Asked after a decision was looked at, so that nothing it rests on is still to come.
fn is_all_read(context: &HoldContext, n_dispatched: &Arc<AtomicU64>, n_taken: u64) -> impl Fn() -> bool + use<> {
    let (log_end, read, n_dispatched) = (context.log_end.clone(), context.read.clone(), n_dispatched.clone());
    move || {
        let end = log_end().0;
        read.load(Ordering::Acquire) >= end && n_dispatched.load(Ordering::Acquire) == n_taken
    }
}
