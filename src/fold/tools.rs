//! Which tools each run called, how often they failed, and how long the calls took.
//!
//! - A call is a span of a tool, by the tool's name. A span of the same tool directly below it is a further layer of the same call, which
//!   has failed if one of its layers has. What a log event tells of a call that has a span is no call.
//! - What a report tells of tools and what spans tell of them are not added: the side that tells of more calls stands, of equally many
//!   the one that tells of more of their time (the SDK's spans of tools that are noted by hand have no length), else that of the spans.

use super::boundary::Territory;
use super::scratch::{List, Scratch};
use super::tree::{Forest, NONE};
use crate::model::facts::Delivery;
use crate::model::report::{RunReport, TOOL_STEP};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::{self, ToolCalls, ToolUsage};

/// One span of a tool.
struct Called<'a> {
    /// The run's place among the seeds.
    owner: u32,
    tool: &'a str,
    has_failed: bool,
    /// `None` while it goes on.
    length: Option<Nanos>,
    is_further_layer: bool,
}

/// The calls that the spans of a trace tell of.
pub(super) struct Tools<'a>(List<'a, Called<'a>>);

// === impl Tools ===

impl<'a> Tools<'a> {
    pub(super) fn none(scratch: &'a Scratch) -> Self {
        Self(scratch.list(0))
    }

    /// Takes note of the span of a tool.
    pub(super) fn note(&mut self, forest: &Forest<'a>, span: u32, owner: u32) {
        let fact = forest.fact(span);
        let Some(tool) = fact.tool().filter(|_| forest.delivery(span) != Delivery::Never) else { return };
        let is_same = |above: u32| forest.fact(above).tool() == Some(tool);
        let length = (fact.end != UnixNanos::ZERO).then(|| fact.end.since(forest.start[span as usize]));
        let is_further_layer = forest.parent(span).is_some_and(is_same);
        self.0.push(Called { owner, tool, has_failed: fact.has_failed(), length, is_further_layer });
    }

    /// The calls of each run by tool, in the order of the territory's seeds; nothing at all where none was called.
    pub(super) fn by_run(mut self, forest: &Forest<'a>, territory: &Territory<'_>) -> List<'a, Vec<ToolUsage>> {
        let mut by_run = forest.scratch.list(0);
        if !self.0.is_empty() {
            by_run.resize(territory.seeds.len(), Vec::new());
            self.0.sort_unstable_by(|a, b| (a.owner, a.tool).cmp(&(b.owner, b.tool)));
            for of_run in self.0.chunk_by(|a, b| a.owner == b.owner) {
                let by_tool = || of_run.chunk_by(|a, b| a.tool == b.tool);
                // The run keeps it: no larger than it must be.
                let tools = &mut by_run[of_run[0].owner as usize];
                tools.reserve_exact(by_tool().count());
                tools.extend(by_tool().map(usage));
                tool::bound(tools);
            }
        }
        if !forest.reports.is_empty() {
            by_run.resize(territory.seeds.len(), Vec::new());
            for (seed, tools) in territory.seeds.iter().zip(&mut by_run).filter(|(seed, _)| seed.span != NONE) {
                let reported = forest.report(seed.span).map_or_else(Vec::new, |placed| reported(placed.report));
                if weight(&reported) > weight(tools) {
                    *tools = reported;
                }
            }
        }
        by_run
    }
}

fn usage(spans: &[Called<'_>]) -> ToolUsage {
    let mut calls = ToolCalls::default();
    let mut n_failed_layers = 0;
    for span in spans {
        match span.is_further_layer {
            false => calls.add(span.has_failed, span.length),
            true => n_failed_layers += u64::from(span.has_failed),
        }
    }
    // Those above them mostly failed too. No more calls fail than there are.
    calls.n_errors = calls.n_errors.max(n_failed_layers).min(calls.n_calls);
    ToolUsage { tool: tool::cut(spans[0].tool).into(), calls }
}

/// The calls of tools that the SDK posted: as spans, or where it posted none, as steps, which say neither how they ended nor how long they
/// took.
fn reported(report: &RunReport) -> Vec<ToolUsage> {
    let spans = report.spans.iter().filter(|span| &*span.kind == "tool");
    let mut told: Vec<(&str, bool, Option<Nanos>)> = spans.map(|span| (&*span.name, span.is_error, span.duration)).collect();
    if told.is_empty() {
        told = report.steps.iter().filter_map(|step| Some((step.name.strip_prefix(TOOL_STEP)?, false, None))).collect();
    }
    told.sort_by_key(|(name, ..)| *name);
    let mut tools = Vec::new();
    for same in told.chunk_by(|a, b| a.0 == b.0) {
        let mut calls = ToolCalls::default();
        same.iter().for_each(|(_, has_failed, length)| calls.add(*has_failed, *length));
        tools.push(ToolUsage { tool: tool::cut(same[0].0).into(), calls });
    }
    tool::bound(&mut tools);
    tools
}

/// How many calls, and how much of their time.
fn weight(tools: &[ToolUsage]) -> (u64, u64) {
    tools.iter().fold((0, 0), |(n_calls, total), tool| (n_calls + tool.calls.n_calls, total.saturating_add(tool.calls.total.0)))
}
