//! Bars over time, drawn on the server: each leads to the overview of its own time. A table beside them says the same.

use maud::{Markup, html};

use super::figures;
use super::state::OverviewState;
use crate::model::run::RunStatus;
use crate::model::tally::Tally;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;
use crate::params::format;
use crate::store::series::Series;
use crate::ui::table::{self, Columns};
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// A bar and the room around it, and how high the highest is, in the picture's own units.
const BAR: u64 = 8;
const ROOM: u64 = 10;
const HEIGHT: u64 = 100;

/// What one chart draws of each point: a part of a bar, and the whole of it.
pub(in crate::ui) struct Chart<T> {
    pub(in crate::ui) title: &'static str,
    pub(in crate::ui) class: &'static str,
    /// What the two are, for the legend: the part and the rest or the whole.
    pub(in crate::ui) legend: [(&'static str, &'static str); 2],
    pub(in crate::ui) part: fn(&T) -> u64,
    pub(in crate::ui) whole: fn(&T) -> u64,
    /// The highest of them in words.
    pub(in crate::ui) label: fn(u64) -> String,
    pub(in crate::ui) words: fn(&T) -> String,
}

/// The address of the same page of a part of its time.
pub(in crate::ui) type Between<'a> = &'a dyn Fn(UnixNanos, UnixNanos) -> String;

const CHARTS: [Chart<Tally>; 4] = [
    Chart {
        title: "Runs",
        class: "runs",
        legend: [("part", "failed"), ("whole", "others")],
        part: |tally| tally.n_of(RunStatus::Error),
        whole: Tally::n_runs,
        label: |most| words::counted(most, "run", "runs"),
        words: |tally| format!("{}, {} failed", words::counted(tally.n_runs(), "run", "runs"), words::count(tally.n_of(RunStatus::Error))),
    },
    Chart {
        title: "Cost",
        class: "cost",
        legend: [("", ""), ("whole", "US dollars")],
        part: |_| 0,
        whole: |tally| tally.usage.cost.0,
        label: |most| words::dollars(NanoUsd(most)),
        words: |tally| words::dollars(tally.usage.cost),
    },
    Chart {
        title: "Tokens",
        class: "tokens",
        legend: [("part", "out"), ("whole", "in")],
        part: |tally| tally.usage.output_tokens.min(tally.usage.tokens),
        whole: |tally| tally.usage.tokens,
        label: |most| words::counted(most, "token", "tokens"),
        words: |tally| {
            let (all, out) = (words::counted(tally.usage.tokens, "token", "tokens"), words::count(tally.usage.output_tokens));
            format!("{all}, {out} of them out")
        },
    },
    Chart {
        title: "Duration",
        class: "duration",
        legend: [("part", "median"), ("whole", "95th percentile")],
        part: |tally| quantile(tally, 500),
        whole: |tally| quantile(tally, 950),
        label: |most| words::length(Nanos(most)),
        words: |tally| match tally.durations.quantile(500) {
            Some(median) => format!("median {}, 95th percentile {}", words::length(median), words::length(Nanos(quantile(tally, 950)))),
            None => "no run has ended".to_owned(),
        },
    },
];

fn quantile(tally: &Tally, of_thousand: u64) -> u64 {
    tally.durations.quantile(of_thousand).map_or(0, |length| length.0)
}

pub(super) fn charts(context: &PageContext, state: &OverviewState, series: &Series) -> Markup {
    let between = |since, until| state.between(since, until);
    html! {
        (draw_all(context, &between, series, &series.points, &CHARTS))
        (points(context, &between, series))
    }
}

/// Of each of the points of a series what the charts draw of it.
pub(in crate::ui) fn draw_all<T>(
    context: &PageContext,
    between: Between<'_>,
    series: &Series,
    points: &[T],
    charts: &[Chart<T>],
) -> Markup {
    html! {
        section.charts aria-label="Over time" {
            @for chart in charts { (draw(context, between, series, points, chart)) }
        }
    }
}

fn draw<T>(context: &PageContext, between: Between<'_>, series: &Series, points: &[T], chart: &Chart<T>) -> Markup {
    let most = points.iter().map(chart.whole).max().unwrap_or(0);
    let height = |value: u64| match value {
        0 => 0,
        // What is there is seen, however little it is.
        _ => (u128::from(value) * u128::from(HEIGHT) / u128::from(most.max(1))).clamp(1, u128::from(HEIGHT)) as u64,
    };
    let width = points.len() as u64 * ROOM;
    html! {
        figure class=(format!("chart {}", chart.class)) {
            figcaption {
                strong { (chart.title) }
                span.legend {
                    @for (class, words) in chart.legend.iter().filter(|(class, _)| !class.is_empty()) {
                        span { svg.swatch viewBox="0 0 8 8" aria-hidden="true" focusable="false" { rect class=(class) width="8" height="8" rx="2" {} } (words) }
                    }
                }
            }
            div.scale { span { (if most > 0 { (chart.label)(most) } else { String::new() }) } }
            // The same stands in the table below, for those who cannot see or point.
            svg viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                rect.line width=(width) height="0.5" {}
                rect.line y="50" width=(width) height="0.5" {}
                @for (at, point) in points.iter().enumerate() {
                    @let (whole, part) = (height((chart.whole)(point)), height((chart.part)(point)));
                    @let (left, since) = (at as u64 * ROOM, series.start_of(at));
                    a href=(context.to(&between(since, series.start_of(at + 1)))) tabindex="-1" {
                        title { (span(since, series.step)) " UTC: " ((chart.words)(point)) }
                        rect.room x=(left) width=(ROOM) height=(HEIGHT) {}
                        @if whole > 0 { rect.whole x=(left + 1) y=(HEIGHT - whole) width=(BAR) height=(whole) {} }
                        @if part > 0 { rect.part x=(left + 1) y=(HEIGHT - part) width=(BAR) height=(part) {} }
                    }
                }
            }
            div.times aria-hidden="true" { @for at in marks(series) { (short(at, series)) } }
        }
    }
}

/// `2026-02-07 10:00 to 10:30`
fn span(since: UnixNanos, step: Nanos) -> String {
    let (from, to) = (format::timestamp(since), format::timestamp(since.plus(step)));
    let day = words::day(&from);
    match words::day(&to) == day {
        true => format!("{day} {} to {}", minute(&from), minute(&to)),
        false => format!("{day} {} to {} {}", minute(&from), words::day(&to), minute(&to)),
    }
}

fn minute(timestamp: &str) -> &str {
    timestamp.get(11..16).unwrap_or_default()
}

/// The first moment, the middle and the last.
fn marks(series: &Series) -> [UnixNanos; 3] {
    [series.since, series.start_of(series.points.len() / 2), series.until()]
}

/// As short as the whole window lets it be. `page.js` has the same forms.
fn short(at: UnixNanos, series: &Series) -> Markup {
    const DAY: u64 = 86_400 * 1_000_000_000;
    let (exact, window) = (format::timestamp(at), series.until().since(series.since).0);
    let day = exact.get(5..10).unwrap_or_default();
    let (form, text) = match window {
        _ if window <= DAY + series.step.0 => ("minute", minute(&exact).to_owned()),
        _ if window <= 8 * DAY => ("day-minute", format!("{day} {}", minute(&exact))),
        _ => ("day", words::day(&exact).to_owned()),
    };
    html! { time datetime=(exact) title=(words::utc(&exact)) data-form=(form) { (text) } }
}

/// All charts as a table.
fn points(context: &PageContext, between: Between<'_>, series: &Series) -> Markup {
    let names = ["Runs", "Failed", "Cost", "Tokens", "Median", "95th percentile"];
    as_table(context, between, "Runs, cost, tokens and duration over time", &names, series, &|at| {
        let tally = &series.points[at];
        html! {
            td.number { (words::tokens(tally.n_runs())) }
            td.number { (words::tokens(tally.n_of(RunStatus::Error))) }
            td.number { (words::cost(tally.usage.cost, tally.usage.unpriced_calls)) }
            td.number { (words::tokens(tally.usage.tokens)) }
            td.number { (figures::quantile(tally, 500)) }
            td.number { (figures::quantile(tally, 950)) }
        }
    })
}

/// What charts show as a table, the newest point first, each with the way to its own time; `cells` has the figures of one.
pub(in crate::ui) fn as_table(
    context: &PageContext,
    between: Between<'_>,
    caption: &str,
    names: &[&str],
    series: &Series,
    cells: &dyn Fn(usize) -> Markup,
) -> Markup {
    let rows = html! {
        @for at in (0..series.points.len()).rev() {
            tr {
                th scope="row" { a href=(context.to(&between(series.start_of(at), series.start_of(at + 1)))) { (words::moment(series.start_of(at))) } }
                (cells(at))
            }
        }
    };
    html! {
        details.as-table {
            summary { "The charts as a table" }
            (table::scroll("The charts as a table", &table::captioned(caption, "plain points", &Columns(&["From"], names), &rows)))
        }
    }
}
