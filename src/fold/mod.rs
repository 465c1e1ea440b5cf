//! Layer 2: from the facts of a trace to its runs. Pure: facts, prices and time come in as arguments; no bytes, no disk, no clock.
//!
//! ```text
//! TraceFacts (a set) ──► tree: parents, cycles cut, starts ──► boundary: which spans are runs (lost: subtrees whose parent never came)
//!                                                                  │
//!                            adopt: more runs, by their names ◄── names: who
//!                              │
//!                            count: what counts, at which cost ──► merge: what HTTP told ──► assemble: runs, sums, verdicts ──► Folded
//! ```
//!
//! The store drops from that what was deleted, or is told elsewhere (`store/local/write/apply.rs`).
//!
//! What the SDK told of runs over HTTP comes in beside the facts: each report stands on a span (`placed`), and its calls are brought
//! into line with those of the spans (`merge`).
//!
//! - The runs of a trace are always computed from all of its facts and never from earlier runs, so the order of arrival, the split into
//!   requests and repetition cannot matter (below the [`TraceLimit`], where what is refused depends on what came first).
//! - O(n log n) in the spans of the trace, and no recursion: depth, cycles and spans that are their own parents are input like any other.
//! - Every call is accounted for exactly once: in the usage of one run, among what that run left out, or on an orphan.
//! - It never judges attributes (`conventions` did), never prices (`Rules::price` does) and never reads a clock.

mod adopt;
mod assemble;
mod boundary;
mod count;
mod decided;
mod duplicates;
mod explain;
mod failure;
mod lost;
mod merge;
mod names;
mod question;
mod report_placement;
mod retold;
mod running;
mod scratch;
mod set;
#[cfg(test)]
mod tests;
mod tools;
mod tree;
mod turns;
mod twins;
mod why;

pub use self::decided::Decided;
pub use self::explain::{Counting, Explained, RecordReason, RunReason, SpanReason, explain};
pub use self::retold::{Telling, may_be_retold};
use self::scratch::{List, Scratch};
pub use self::turns::delivery;
pub use self::why::{WhyCost, WhyNoRun, WhyNot, WhyOverruled, WhyOwner, WhyRun, WhySession};
use crate::model::facts::{Delivery, SpanFact};
use crate::model::ids::{SpanId, TraceId};
use crate::model::report::RunReport;
use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, Cost};

/// The set of facts of one trace: the stored unit. Joining is idempotent, commutative and associative.
///
/// Two sorted pieces, so that a trace of a few spans is one small vector and a trace of a hundred thousand still takes a span in
/// logarithmic time plus a short move.
#[derive(Clone, Debug, Default)]
pub struct TraceFacts {
    /// Ordered by span id; shares no span with `recent`.
    settled: Vec<SpanFact>,
    /// Ordered by span id, at most [`set::RECENT_MAX`] long.
    recent: Vec<SpanFact>,
    n_refused: u64,
    /// Sum of the facts' own weights in bytes.
    facts_bytes: usize,
}

/// What a fact did to its trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joined {
    New,
    /// It supersedes an earlier copy.
    Replaced,
    /// The copy that is there stays: a duplicate.
    Unchanged,
    /// The trace is over its limit and this fact bears nothing.
    Refused,
}

impl Joined {
    pub const ALL: [Self; 4] = [Self::New, Self::Replaced, Self::Unchanged, Self::Refused];
}

/// How much of a trace is kept.
///
/// Over `max_spans` a new span is kept only if it bears something (a call, a label, or being an agent or workflow span), and over
/// [`TraceLimit::BEARING_FACTOR`] times as many not even then. A further copy of a span that is kept is always taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceLimit {
    pub max_spans: usize,
}

/// What the fold needs to know besides the facts.
pub struct Rules<'a> {
    /// The price of a call that states none, by its model, provider and start; `None` if nobody knows.
    pub price: &'a dyn Fn(&Call, UnixNanos) -> Option<Cost>,
    /// A run without an end whose last activity lies before this has timed out.
    pub silent_since: UnixNanos,
    /// Of a run whose root never came, and whose last activity lies before this, no more is expected: it ended with its last span.
    pub idle_since: UnixNanos,
    /// When the turn began that followed, in another trace of the session, the one of this trace that log events tell of: it was
    /// interrupted if it was last active before this and had not ended. 0 where none followed.
    pub next_turn: UnixNanos,
}

/// What the fold decided about one span: whose it is and what of it counts. Stamps are made from this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub span: SpanId,
    /// Index into the runs; `None` is an orphan.
    pub run: Option<usize>,
    /// Tokens and cost that count in that run, if its call counts.
    pub counted: Option<(u64, Option<Cost>)>,
    /// That cost is not the span's own word: a log event stated it.
    pub is_cost_logged: bool,
    pub delivery: Delivery,
    /// It is the span of a run that has failed, as its calls or its attributes tell, and its status does not say that all is well.
    pub has_failed: bool,
}

/// A reported call that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StandingRecord {
    /// Index into the runs.
    pub run: usize,
    /// Index into the calls of that run's report.
    pub record: usize,
    /// The span that tells of the same call.
    pub span: Option<SpanId>,
    pub cost: Option<Cost>,
}

/// The runs of a trace, ordered by start and key, and a verdict on every span, ordered by span id.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Folded {
    pub runs: Vec<Run>,
    /// Stand-ins of spans that are not here are not among them.
    pub verdicts: Vec<Verdict>,
    /// Ordered by run and record.
    pub records: Vec<StandingRecord>,
}

/// Computes the runs of a trace from all of its facts and from the reports that belong to it.
pub fn fold(trace: TraceId, facts: &TraceFacts, reports: &[&RunReport], rules: &Rules<'_>) -> Folded {
    let placed = report_placement::place(facts, reports);
    let scratch = Scratch::for_spans(facts.len());
    let work = Work::decide(facts, &placed, rules, &scratch);
    assemble::assemble(trace, &work.forest, &work.territory, &work.names, work.shares, &work.merged, rules).0
}

/// Everything that was decided of a trace, before its runs are made of it.
struct Work<'a> {
    forest: tree::Forest<'a>,
    territory: boundary::Territory<'a>,
    names: List<'a, names::Names<'a>>,
    shares: &'a [count::Share],
    merged: Vec<merge::Merged>,
}

// === impl Work ===

impl<'a> Work<'a> {
    fn decide(facts: &'a TraceFacts, placed: &'a [report_placement::Placed<'a>], rules: &Rules<'_>, scratch: &'a Scratch) -> Self {
        let mut forest = tree::Forest::plant(facts, placed, scratch);
        let mut territory = boundary::find_runs(&mut forest);
        let mut names = names::name_runs(&forest, &territory);
        adopt::adopt(&forest, &mut territory, &mut names);
        let shares = count::share(&mut forest, rules);
        let merged = merge::merge_all(&forest, &territory, shares, rules);
        Self { forest, territory, names, shares, merged }
    }
}
