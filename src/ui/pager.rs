//! The way from one page of a run's or a trace's spans to the next.

use maud::{Markup, html};

use crate::params::links::Place as Window;
use crate::ui::words;

/// Nothing where all spans are on one page; `to` is the address of the page that begins at an offset.
pub(super) fn of_spans(window: Window, to: impl Fn(u64) -> String) -> Markup {
    html! {
        @if window.count > window.limit {
            nav.pager aria-label="Pages of spans" {
                @if let Some(previous) = window.previous() { a href=(to(previous)) rel="prev" { "Previous" } }
                span { "Spans " (words::count(window.offset + 1)) "–" (words::count((window.offset + window.limit).min(window.count))) " of " (words::count(window.count)) }
                @if let Some(next) = window.next() { a href=(to(next)) rel="next" { "Next" } }
            }
        }
    }
}
