//! The runs of a session from top to bottom, strictly in the order they started.

use maud::{Markup, html};

use super::digest::{Digest, Line};
use super::{LIMIT, PATH, TURNS};
use crate::model::run::Run;
use crate::params::links::Place as Window;
use crate::params::pairs;
use crate::store::RunPage;
use crate::ui::visitor::Place;
use crate::ui::{icons, words};

/// Deeper runs are indented no further.
const DEPTH_MAX: usize = 6;

pub(super) fn timeline(place: &Place, digest: &Digest, page: RunPage) -> Markup {
    html! {
        section aria-labelledby="timeline-title" {
            h2 #timeline-title { "Timeline" }
            (pager(place, digest, page, None))
            ol.timeline {
                @for line in &digest.lines { (entry(place, digest, line)) }
            }
            @if digest.lines.is_empty() { p { "No run this far down." } }
            (pager(place, digest, page, None))
        }
    }
}

fn entry(place: &Place, digest: &Digest, line: &Line) -> Markup {
    let run = &line.run;
    html! {
        @if line.is_new_day { li.day data-key=(format!("day-{}", run.id.get())) { (words::day_of(run.started_at)) } }
        @if let Some(idle) = line.idle {
            li.idle data-key=(format!("idle-{}", run.id.get())) { (icons::icon(icons::TIMEOUT)) "idle for " (words::length(idle)) }
        }
        li class=(format!("run {} depth-{}", run.status.as_str(), line.depth.min(DEPTH_MAX))) data-key=(run.id.get()) {
            span.when { (words::time_of_day(run.started_at)) }
            span.dot { (icons::icon(icons::shape(run.status))) }
            div.what {
                a href=(place.to(&to_run(run))) { (words::agent(&run.agent)) }
                @if let Some(parent) = &line.parent { " " span.parent { "in " (words::agent(parent)) } }
                @if !run.workflow.is_empty() && &*run.workflow != "default" { " " span.workflow { (words::name(&run.workflow)) } }
                " " (icons::status(run.status))
                (remarks(run))
            }
            dl.figures {
                div { dt { "Duration" } dd { (words::duration(run.duration())) } }
                div { dt { "Cost" } dd { (words::cost(run.usage.cost, run.usage.unpriced_calls)) } }
                div { dt { "Tokens" } dd { (words::tokens(run.usage.tokens)) } }
            }
            (length_bar(digest, run))
        }
    }
}

/// What is odd about a run.
fn remarks(run: &Run) -> Markup {
    html! {
        @if run.is_provisional { " " span.remark title="Its own span has not arrived; all that is known comes from the spans below it" { "provisional" } }
        @if run.is_future { " " span.remark title="Its times lie more than a day ahead of its arrival" { "from the future" } }
        @if run.is_truncated { " " span.remark title="Its trace has more spans than are folded" { "cut short" } }
    }
}

/// The run's length beside the longest one of the session.
fn length_bar(digest: &Digest, run: &Run) -> Markup {
    let (length, longest) = (run.duration().unwrap_or_default().0, digest.longest.0.max(1));
    let width = (u128::from(length) * 1000 / u128::from(longest)).max(u128::from(length > 0));
    html! {
        svg.length viewBox="0 0 1000 4" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.value width=(width) height="4" {}
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

/// The way to other pages of the timeline, or of another `view`.
pub(super) fn pager(place: &Place, digest: &Digest, page: RunPage, view: Option<&str>) -> Markup {
    let default_limit = if view.is_none() { LIMIT } else { TURNS };
    let window = Window { offset: page.offset, limit: page.limit.unwrap_or(default_limit), count: digest.count };
    let id = pairs::encode(digest.summary.id.as_str());
    let to = |offset: u64| {
        let mut query: Vec<String> = view.map(|view| format!("view={view}")).into_iter().collect();
        if window.limit != default_limit {
            query.push(format!("limit={}", window.limit));
        }
        if offset > 0 {
            query.push(format!("offset={offset}"));
        }
        let separator = if query.is_empty() { "" } else { "?" };
        place.to(&format!("{PATH}{id}{separator}{}", query.join("&")))
    };
    let n_shown = digest.lines.len() as u64;
    let last = window.count.saturating_sub(1) / window.limit * window.limit;
    html! {
        @if window.count > window.limit || window.offset > 0 {
            nav.pager aria-label=(format!("Pages of the {}", view.unwrap_or("timeline"))) {
                @if let Some(previous) = window.previous() {
                    a href=(to(0)) { "First" }
                    a href=(to(previous)) rel="prev" { "Previous" }
                }
                span {
                    @if view.is_none() { "Runs " } @else { "Turns " }
                    @if n_shown > 0 { (words::count(window.offset + 1)) "–" (words::count(window.offset + n_shown)) " of " }
                    (words::count(window.count))
                }
                @if let Some(next) = window.next() {
                    a href=(to(next)) rel="next" { "Next" }
                    a href=(to(last)) { "Last" }
                }
            }
        }
    }
}
