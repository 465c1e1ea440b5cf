//! The way from one page of a run's or a trace's spans to the next.

use maud::{Markup, html};

use crate::params::links::PageWindow;
use crate::ui::words;

/// Nothing where all spans are on one page; `to` is the address of the page that begins at an offset. Past the end it leads back.
pub(super) fn of_spans(window: PageWindow, to: impl Fn(u64) -> String) -> Markup {
    html! {
        @if window.count > window.limit || window.offset > 0 {
            nav.pager aria-label="Pages of spans" {
                @if let Some(previous) = window.previous() { a href=(to(previous)) rel="prev" { "Previous" } }
                span {
                    @if window.offset < window.count {
                        "Spans " (words::count(window.offset + 1)) "–" (words::count((window.offset + window.limit).min(window.count))) " of " (words::count(window.count))
                    } @else {
                        (words::counted(window.count, "span", "spans")) ", none this far down"
                    }
                }
                @if let Some(next) = window.next() { a href=(to(next)) rel="next" { "Next" } }
            }
        }
    }
}
