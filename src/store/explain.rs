//! Why a run has the figures it has.

use bytes::Bytes;

use super::view::{RunBrief, SpanView};
use crate::conventions::Sources;
use crate::fold::{Counting, RunReason, SpanReason, WhyNot};
use crate::model::Str;
use crate::model::ids::{RunId, TraceId};
use crate::model::run::Run;
use crate::model::usage::{Cost, Usage, UsageTotal};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct ExplainQuery<'a> {
    pub run: RunId,
    /// Spans to show, and how many to pass over; sums are over all.
    pub limit: usize,
    pub offset: usize,
    /// Requests that hold spans of its trace as they were sent, where they are to be had.
    pub raw: &'a [Bytes],
}

/// The same of the spans of a trace that are of no run.
#[derive(Clone, Copy, Debug)]
pub struct OrphansQuery<'a> {
    pub trace: TraceId,
    pub limit: usize,
    pub offset: usize,
    pub raw: &'a [Bytes],
}

/// A run with the reasons for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Explanation {
    /// As the index shows it.
    pub run: Run,
    /// `None`: its spans are not kept any more.
    pub reason: Option<RunReason>,
    /// Its spans as a tree, parents before children.
    pub spans: Vec<ExplainedSpan>,
    pub n_spans: usize,
    /// Calls that only the SDK reported.
    pub calls: Vec<ExplainedCall>,
    /// Spans of its trace that are of no run, as many as are shown at most.
    pub orphans: Vec<ExplainedSpan>,
    pub n_orphans: usize,
    /// The other runs of its trace.
    pub others: Vec<RunBrief>,
    /// A run in another trace of the session that seems to tell of a call of this one too.
    pub told_elsewhere: Option<ToldElsewhere>,
    pub sums: Sums,
}

/// Another instrumentation's telling of a call, in a trace of its own: both count.
#[derive(Clone, PartialEq, Debug)]
pub struct ToldElsewhere {
    pub run: RunBrief,
    /// What made the span of its call.
    pub scope: Str,
}

/// The spans of a trace that are of no run, with the reasons.
#[derive(Clone, PartialEq, Debug)]
pub struct Orphans {
    /// As a tree, parents before children.
    pub spans: Vec<ExplainedSpan>,
    pub n_spans: usize,
    /// The runs of the trace.
    pub runs: Vec<RunBrief>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct ExplainedSpan {
    /// How many spans of the run, or of those of no run, are above it.
    pub depth: usize,
    pub view: SpanView,
    pub scope: Str,
    pub reason: SpanReason,
    /// `None`: the span as it was sent is not to be had.
    pub sources: Option<Sources>,
}

/// A call that was reported over HTTP.
#[derive(Clone, PartialEq, Debug)]
pub struct ExplainedCall {
    pub model: Str,
    pub task: Str,
    pub usage: Usage,
    pub counting: Counting,
}

/// What the reasons add up to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Calls without a price are not told apart from free ones here.
    pub counted: UsageTotal,
    /// By rule, in the order of the rules.
    pub left_out: Vec<(WhyNot, UsageTotal)>,
}

// === impl Explanation ===

impl Explanation {
    /// A run of which nothing else is kept.
    pub fn bare(run: Run) -> Self {
        Self {
            run,
            reason: None,
            spans: Vec::new(),
            n_spans: 0,
            calls: Vec::new(),
            orphans: Vec::new(),
            n_orphans: 0,
            others: Vec::new(),
            told_elsewhere: None,
            sums: Sums::default(),
        }
    }

    /// Whether the reasons add up to what is shown of the run. They do not where its spans or the prices have changed since it was folded.
    pub fn adds_up(&self) -> bool {
        let (counted, usage) = (&self.sums.counted, &self.run.usage);
        let left_out = self.sums.left_out();
        (counted.calls, counted.tokens, counted.cost) == (usage.calls, usage.tokens, usage.cost)
            && (left_out.calls, left_out.tokens, left_out.cost)
                == (self.run.suppressed.calls, self.run.suppressed.tokens, self.run.suppressed.cost)
    }
}

// === impl ToldElsewhere ===

impl ToldElsewhere {
    /// What it means, and where it is said what can be done.
    pub fn words(&self) -> String {
        let scope = &self.scope;
        format!(
            "a run in another trace of this session tells of a call with the same tokens at the same time, by {scope}: if two \
             instrumentations tell of one call it counts twice (docs/dialects.md, \"Two instrumentations of one call\")"
        )
    }
}

// === impl Sums ===

impl Sums {
    pub fn add(&mut self, usage: &Usage, counting: Counting) {
        match counting {
            Counting::Counts(cost, _) => self.counted.add_call(usage, cost),
            Counting::LeftOut(cost, why) => {
                let at = self.left_out.iter().position(|(known, _)| *known == why).unwrap_or_else(|| {
                    self.left_out.push((why, UsageTotal::default()));
                    self.left_out.len() - 1
                });
                self.left_out[at].1.add_call(usage, Some(Cost::emitted(cost)));
            }
            Counting::Nothing(_) => {}
        }
    }

    /// All that was left out.
    pub fn left_out(&self) -> UsageTotal {
        let mut all = UsageTotal::default();
        self.left_out.iter().for_each(|(_, total)| all.add(total));
        all
    }
}
