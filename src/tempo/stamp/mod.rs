//! Stamps: what the fold decided, as attributes on the spans that go to Tempo.
//!
//! ```text
//! entries ──► Hold (one per tenant): wait until settled ──► Stamper: write stamps, add corrections ──► Lane
//!               │ its work is done by a few threads           │ asks [`Verdicts`], keeps the sums that were exported
//!               │ for all tenants ([`workers`])               │ in one memory for all tenants ([`memory`])
//! ```
//!
//! - Every span of a run gets `sessionfold.session_id`, `.run_id`, `.agent_name`; a model span that counts also `.cost` (always a double) and
//!   `.tokens` (always an integer); the run's own span `.run.cost`, `.run.tokens`, `.run.llm_calls`, and, if the run failed, `.error`.
//!   A call whose cost a log event told also gets `.logged_cost`, and the status of a failed run's own span becomes ERROR where it was unset.
//!   Nothing else of a span changes.
//! - Entries leave in the order of the journal. One waits until every trace in it has settled, at most `hold`, and less where memory is short.
//! - What changes after it was exported goes out as a difference, on a span of its own in the same request as the span that changed it. So the sums
//!   over what Tempo holds are the sums of the index, and a crash between the two is not possible.
//! - A completed run that only the SDK's posts report becomes one span of our own.
//! - It never waits for Tempo to decide anything, and never keeps an entry back for good.

mod account;
mod correction;
mod export_state;
mod generations;
mod hold;
mod hold_queue;
mod intake;
mod memory;
mod run_attributes;
mod stamper;
mod unsure;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashSet;

pub(super) use self::hold::{Ends, Hold};
pub(super) use self::hold_queue::HoldContext;
pub(super) use self::intake::{Incoming, RunEvent, What};
pub(super) use self::memory::Memory;
pub(super) use self::workers::Workers;
use crate::fold::Decided;
use crate::journal::Position;
use crate::model::ids::{RunId, SpanId, Tenant, TraceId};

/// What stamps are made from; the assembly lends it. Calls may block on disk.
pub trait Verdicts: Send + Sync + 'static {
    /// How far the journal is folded.
    fn folded(&self) -> Position;

    /// The last decision on each of these traces; `None` where nothing is known of it.
    fn decided(&self, tenant: &Tenant, traces: &[TraceId]) -> Vec<Option<Arc<Decided>>>;

    /// Whether nothing more is to be expected of the trace.
    fn is_settled(&self, tenant: &Tenant, trace: TraceId) -> bool;

    /// The trace in which a run that the SDK posted about is decided.
    fn trace_of_reported(&self, tenant: &Tenant, run: RunId) -> Option<TraceId>;

    /// The decision as it would be without these spans.
    fn decided_without(&self, tenant: &Tenant, trace: TraceId, spans: &FxHashSet<SpanId>) -> Option<Arc<Decided>>;
}

/// What the user decides about stamps.
#[derive(Clone, Copy, Debug)]
pub struct StampOptions {
    /// A trace waits at most this long until it has settled.
    pub hold: Duration,
    /// Entries wait at least this long, so that they leave in company.
    pub linger: Duration,
    /// So many bytes of settled entries do not wait for company.
    pub batch_bytes: usize,
    /// Send corrections of what was exported before.
    pub corrections: bool,
    /// Bytes for what is remembered of spans that were sent, over all tenants: for repetitions and for differences.
    pub memory_bytes: usize,
    /// Threads that hold and stamp, over all tenants.
    pub threads: usize,
}

/// Nano-dollars as the double that is nearest to them.
fn dollars(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}
