//! The table of such a list, its search, and the way to its other pages.

use maud::{Markup, html};

use super::state::{GroupState, LIMIT};
use crate::model::run::RunStatus;
use crate::model::tally::Tally;
use crate::params::links::PageWindow;
use crate::ui::icons::bar;
use crate::ui::overview::{quantile, rate};
use crate::ui::table::scroll;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// A column, by the name that it has in `sort=`; empty where it cannot be sorted by.
pub(super) struct Column {
    pub(super) sort: &'static str,
    pub(super) words: &'static str,
}

pub(super) struct Row {
    pub(super) name: Markup,
    /// Where its overview is, and its sessions.
    pub(super) to: Option<String>,
    pub(super) sessions: Option<String>,
    pub(super) n_runs: u64,
    /// Those behind the number of runs.
    pub(super) cells: Vec<Markup>,
}

/// What all have of [`Row::cells`] first: failed runs, cost, tokens; then the durations.
pub(super) fn figures(tally: &Tally, most: u64) -> Vec<Markup> {
    let n_errors = tally.n_of(RunStatus::Error);
    vec![
        html! { (words::tokens(n_errors)) @if n_errors > 0 { " " small { (rate(n_errors, tally.n_runs())) } } },
        html! { (bar("cost", tally.usage.cost.0, most)) (words::cost(tally.usage.cost, tally.usage.unpriced_calls)) },
        words::tokens(tally.usage.tokens),
        quantile(tally, 500),
        quantile(tally, 950),
    ]
}

pub(super) fn search(context: &PageContext, state: &GroupState, path: &str, what: &str) -> Markup {
    html! {
        form.filters method="get" action=(context.to(path)) role="search" {
            div.field.search {
                label for="search" { "Search" }
                input #search type="search" name="search" value=[state.get("search")] autocomplete="off" spellcheck="false"
                    placeholder=(format!("{what} whose name contains this"));
            }
            @for name in ["agent", "last", "since", "until", "sort"] {
                @if let Some(value) = state.get(name) { input type="hidden" name=(name) value=(value); }
            }
            div.buttons { button type="submit" { "Search" } a.button.quiet href=(context.to(&state.with(&[("search", None)]))) { "Clear" } }
        }
    }
}

/// The first column is the name, the second the number of runs.
pub(super) fn table(
    context: &PageContext,
    state: &GroupState,
    columns: &[Column],
    rows: Vec<Row>,
    count: u64,
    what: (&str, &str),
) -> Markup {
    let window = PageWindow { offset: state.offset as u64, limit: LIMIT as u64, count };
    let to = |offset: u64| context.to(&state.with(&[("offset", (offset > 0).then(|| offset.to_string()).as_deref())]));
    html! {
        p.found { (words::counted(count, what.0, what.1)) @if rows.is_empty() && count > 0 { ", none this far down" } }
        @if !rows.is_empty() {
            (scroll(&words::capital(what.1), &html! {
                table.plot.listed {
                    caption.for-readers { (words::capital(what.1)) }
                    thead { tr { @for (at, column) in columns.iter().enumerate() { (head(context, state, column, at == 0)) } } }
                    tbody {
                        @for row in &rows {
                            tr {
                                th scope="row" { @match &row.to { Some(to) => a href=(context.to(to)) { (row.name) }, None => (row.name) } }
                                td.number { @match &row.sessions { Some(to) => a href=(context.to(to)) title="Their sessions" { (words::tokens(row.n_runs)) }, None => (words::tokens(row.n_runs)) } }
                                @for cell in &row.cells { td.number { (cell) } }
                            }
                        }
                    }
                }
            }))
        }
        @if count > LIMIT as u64 || state.offset > 0 {
            nav.pager aria-label="Pages" {
                @if let Some(previous) = window.previous() { a href=(to(previous)) rel="prev" { "Previous" } }
                span { (words::count(window.offset + 1)) "–" (words::count(window.offset + rows.len() as u64)) " of " (words::count(count)) }
                @if let Some(next) = window.next() { a href=(to(next)) rel="next" { "Next" } }
            }
        }
    }
}

fn head(context: &PageContext, state: &GroupState, column: &Column, is_name: bool) -> Markup {
    let (order, arrow) = match (state.sort.0 == column.sort, state.sort.1) {
        (false, _) => (None, ""),
        (true, true) => (Some("descending"), "↓"),
        (true, false) => (Some("ascending"), "↑"),
    };
    html! {
        th.number[!is_name] scope="col" aria-sort=[order] {
            @if column.sort.is_empty() { (column.words) }
            @else { a href=(context.to(&state.with(&[("sort", Some(&state.next_sort(column.sort, is_name)))]))) {
                (column.words) @if !arrow.is_empty() { " " span.arrow aria-hidden="true" { (arrow) } }
            } }
        }
    }
}
