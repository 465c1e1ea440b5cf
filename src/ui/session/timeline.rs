//! The runs of a session from top to bottom, each at its place in time, those within others foldable.

use std::collections::{BTreeMap, HashMap, HashSet};

use maud::{Markup, html};

use super::address::{Shown, Sort, SortField};
use super::axis::{Axis, WIDTH};
use super::digest::Digest;
use super::forest::{Forest, Node};
use super::pager::{self, Named};
use super::{LIMIT, scores};
use crate::model::ids::{RunId, SessionId};
use crate::model::run::Run;
use crate::model::time::{Nanos, UnixNanos};
use crate::params::format;
use crate::params::links::PageWindow;
use crate::store::RunPage;
use crate::ui::visitor::PageContext;
use crate::ui::{failed, icons, words};

/// Deeper runs are indented no further.
const DEPTH_MAX: usize = 6;
/// The narrowest bar that can still be seen, in units of the axis.
const BAR_MIN: u64 = 3;
/// Moments that are named along the axis.
const TICKS: u64 = 4;
const MINUTE: Nanos = Nanos::from_secs(60);
const DAY: Nanos = Nanos::from_secs(24 * 3_600);

/// One page of the timeline: which runs have a line on it.
pub(super) struct Timeline<'a> {
    pub(super) context: &'a PageContext,
    pub(super) digest: &'a Digest,
    pub(super) shown: &'a Shown,
    window: PageWindow,
    /// Their places in the forest.
    lines: Vec<usize>,
    /// Those and the runs that they were started in, with their places.
    read: BTreeMap<usize, RunId>,
    is_open: bool,
}

// === impl Timeline ===

impl<'a> Timeline<'a> {
    pub(super) fn new(context: &'a PageContext, digest: &'a Digest, shown: &'a Shown, page: RunPage) -> Self {
        let is_open = digest.forest.is_open(shown.is_open);
        let all = digest.forest.lines(shown.sort, &shown.folds, is_open);
        let window = PageWindow { offset: page.offset, limit: page.limit.unwrap_or(LIMIT), count: all.len() as u64 };
        let (skip, take) = [page.offset, window.limit].map(|n| usize::try_from(n).unwrap_or(usize::MAX)).into();
        let lines: Vec<usize> = all.into_iter().skip(skip).take(take).collect();
        let read = lines.iter().flat_map(|&at| [Some(at), digest.forest.node(at).above]).flatten();
        let read = read.map(|at| (at, digest.forest.node(at).id)).collect();
        Self { context, digest, shown, window, lines, read, is_open }
    }

    /// The runs to be read for it, by their start: those that it draws are among them.
    pub(super) fn wanted(&self) -> Option<RunPage> {
        let (first, last) = (*self.read.first_key_value()?.0, *self.read.last_key_value()?.0);
        Some(RunPage { limit: Some((last - first + 1) as u64), offset: first as u64 })
    }

    /// The ids of the runs that it draws.
    pub(super) fn drawn(&self) -> HashSet<RunId> {
        self.read.values().copied().collect()
    }

    fn forest(&self) -> &Forest {
        &self.digest.forest
    }

    fn id(&self) -> &SessionId {
        &self.digest.summary.id
    }

    fn to(&self, shown: &Shown, offset: u64) -> String {
        self.context.to(&shown.address(self.id(), (self.window.limit != LIMIT).then_some(self.window.limit), offset))
    }

    /// `runs` are those of the lines, as far as they are still there.
    pub(super) fn draw(&self, runs: &HashMap<RunId, Run>) -> Markup {
        let axis = Axis::new(self.forest().times());
        let pager =
            pager::pages(&Named { of: "timeline", what: "Runs" }, self.window, self.lines.len() as u64, |at| self.to(self.shown, at));
        let mut day = None;
        html! {
            section aria-labelledby="timeline-title" {
                h2 #timeline-title { "Timeline" }
                @if self.forest().len() > 1 { (self.controls()) }
                (pager)
                @if !self.lines.is_empty() { (ticks(&axis)) }
                ol.timeline.branched[self.forest().has_branches()] {
                    @for &at in &self.lines {
                        @let node = self.forest().node(at);
                        @if let Some(run) = runs.get(&node.id) {
                            (self.before(node, &mut day))
                            (self.entry(node, run, runs, &axis))
                        }
                    }
                }
                @if self.lines.is_empty() { p { "No run this far down." } }
                (pager)
            }
        }
    }

    /// Order, folding, and the ways to what stands out.
    fn controls(&self) -> Markup {
        let shown = self.shown;
        let sorts = [("Start", Sort::START), ("Cost", Sort::DEAREST), ("Duration", Sort::LONGEST)];
        let folded = [("All runs", true), ("Outer runs only", false)];
        let way = |run: &Run| self.context.to(&to_run(run));
        html! {
            div.walk {
                span.choice role="group" aria-label="Order of the runs" {
                    @for (word, sort) in sorts { a href=(self.to(&shown.sorted(sort), 0)) aria-current=[(shown.sort == sort).then_some("true")] { (word) } }
                }
                @if self.forest().has_branches() {
                    span.choice role="group" aria-label="Runs within others" {
                        @for (word, is_open) in folded {
                            a href=(self.to(&shown.with_all(is_open), 0)) aria-current=[(self.is_open == is_open).then_some("true")] { (word) }
                        }
                    }
                }
                @if let Some(run) = &self.digest.dearest {
                    span { "Most expensive run: " a href=(way(run)) { (words::agent(&run.agent)) } " " (words::cost(run.usage.cost, run.usage.unpriced_calls)) }
                }
                @if let Some(run) = &self.digest.longest {
                    span { "Longest run: " a href=(way(run)) { (words::agent(&run.agent)) } " " (words::duration(run.duration())) }
                }
            }
        }
    }

    /// The day, where another begins, and silence: only in the order of time.
    fn before(&self, node: &Node, day: &mut Option<UnixNanos>) -> Markup {
        if self.shown.sort.field != SortField::Start {
            return html! {};
        }
        let today = UnixNanos(node.start.0 - node.start.0 % DAY.0);
        let is_new = node.above.is_none() && *day != Some(today) || day.is_none();
        *day = if is_new { Some(today) } else { *day };
        html! {
            @if is_new { li.day data-key=(format!("day-{}", node.id.get())) { (words::day_of(node.start)) } }
            @if !self.shown.sort.is_descending && let Some(idle) = node.idle {
                li.idle data-key=(format!("idle-{}", node.id.get())) { (icons::icon(icons::TIMEOUT)) "idle for " (words::length(idle)) }
            }
        }
    }

    fn entry(&self, node: &Node, run: &Run, runs: &HashMap<RunId, Run>, axis: &Axis) -> Markup {
        let is_dearest = self.digest.summary.run_count > 1 && self.digest.dearest.as_ref().is_some_and(|dearest| dearest.id == run.id);
        let parent = node.above.map(|above| self.forest().node(above).id).and_then(|parent| runs.get(&parent));
        let class = format!("run {} depth-{}{}", run.status.as_str(), node.depth.min(DEPTH_MAX), if is_dearest { " dearest" } else { "" });
        html! {
            li #{ "run-" (run.id.get()) } class=(class) data-key=(run.id.get()) {
                @if self.shown.sort.field == SortField::Start { span.when { (words::time_of_day(run.started_at)) } }
                @else { span.when.dated { (words::moment(run.started_at)) } }
                span.dot { (icons::icon(icons::shape(run.status))) }
                div.what {
                    (self.branch(node))
                    a href=(self.context.to(&to_run(run))) { (words::agent(&run.agent)) }
                    @if let Some(parent) = parent { " " span.parent { "in " (words::agent(&parent.agent)) } }
                    @if !run.workflow.is_empty() && &*run.workflow != "default" { " " span.workflow { (words::name(&run.workflow)) } }
                    " " (icons::status(run.status))
                    @if is_dearest { " " span.remark title="No other run of the session cost more by itself" { "most expensive" } }
                    (remarks(run))
                    (scores::of_run(run))
                    (failed::reason(run.error.as_ref()))
                }
                (bar(axis, node))
                (figures(node, run))
            }
        }
    }

    /// Opens or folds the runs within.
    fn branch(&self, node: &Node) -> Markup {
        let is_open = self.shown.folds.says(node.id).unwrap_or(self.is_open);
        let to = || format!("{}#run-{}", self.to(&self.shown.folding(node.id, !is_open), self.window.offset), node.id.get());
        let within = words::counted(node.n_below as u64, "run within", "runs within");
        html! {
            @if node.n_below > 0 {
                a.fold href=(to()) aria-expanded=(is_open) aria-label=(within) { @if is_open { "▾" } @else { "▸ " (words::count(node.n_below as u64)) } } " "
            }
        }
    }
}

/// What a run comes to with all runs within, and by itself where that is less.
fn figures(node: &Node, run: &Run) -> Markup {
    let is_longer = node.n_below > 0 && node.end_below > node.end;
    let (own, total) = (&node.own, &node.total);
    html! {
        dl.figures {
            div { dt { "Duration" } dd { (words::duration(run.duration())) @if is_longer { small { (words::length(node.end_below.since(node.start))) " with all within" } } } }
            div { dt { "Cost" } dd { (words::cost(total.cost, total.unpriced_calls)) @if own.cost != total.cost && own.cost.0 > 0 { small { "own " (words::cost(own.cost, own.unpriced_calls)) } } } }
            div { dt { "Tokens" } dd { (words::tokens(total.tokens)) @if own.tokens != total.tokens && own.tokens > 0 { small { "own " (words::tokens(own.tokens)) } } } }
        }
    }
}

/// What is odd about a run.
fn remarks(run: &Run) -> Markup {
    html! {
        @if run.is_provisional { " " span.remark title="Its own span has not arrived; all that is known comes from the spans below it" { "provisional" } }
        @if run.is_future { " " span.remark title="Its times lie more than a day ahead of its arrival" { "from the future" } }
        @if run.tool_errors > 0 { " " (failed::tools(run.tool_errors.into())) }
        @if run.is_truncated { " " span.remark title="Its trace has more spans than are folded" { "cut short" } }
    }
}

/// The run's place in the time of the session, and behind it that of all runs within.
fn bar(axis: &Axis, node: &Node) -> Markup {
    let extent = |end: UnixNanos| {
        let (x, right) = (axis.x(node.start).min(WIDTH - BAR_MIN), axis.x(end));
        (x, right.saturating_sub(x).clamp(BAR_MIN, WIDTH - x))
    };
    let (x, width) = extent(node.end);
    html! {
        svg.span-of-time viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @if axis.marks().next().is_some() { use href="#silences" {} }
            @if node.end_below > node.end { rect.below x=(x) y="3" width=(extent(node.end_below).1) height="2" {} }
            rect x=(x) width=(width) height="8" {}
        }
    }
}

/// The moments along the axis; what is between them is even but for the silences, which are marked.
fn ticks(axis: &Axis) -> Markup {
    let length = axis.length();
    let word = |n: u64| {
        let at = axis.moment(WIDTH * n / TICKS);
        let exact = format::timestamp(at);
        match length {
            short if short < MINUTE => words::length(at.since(axis.moment(0))),
            long if long >= DAY => format!("{} {}", exact.get(5..10).unwrap_or_default(), exact.get(11..16).unwrap_or_default()),
            _ => words::clock(&exact).to_owned(),
        }
    };
    let n_silences = axis.n_silences();
    html! {
        div.axis {
            div.ticks { @for n in 0..=TICKS { span { (word(n)) } } }
            svg.span-of-time viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                g #silences { @for (x, width) in axis.marks() { rect.silence x=(x) width=(width) height="8" {} } }
            }
            @if n_silences > 0 { p.quiet { (words::counted(n_silences, "silence is", "silences are")) " shortened" } }
        }
    }
}

/// Where a click on a run leads: to its trace, opened at it; to the run alone where no trace is known.
pub(super) fn to_run(run: &Run) -> String {
    match run.trace_id() {
        Some(trace) => format!("/traces/{trace}?run={}", run.id.get()),
        None => format!("/runs/{}", run.id.get()),
    }
}
