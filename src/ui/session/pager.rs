//! The way from one page of a session's runs or turns to the next.

use maud::{Markup, html};

use super::digest::Digest;
use super::{PATH, TURNS};
use crate::params::links::PageWindow;
use crate::params::pairs;
use crate::store::RunPage;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// What the pages are of, and what each has.
pub(super) struct Named {
    pub(super) of: &'static str,
    pub(super) what: &'static str,
}

/// Nothing where all is on one page; `to` is the address of the page that begins at an offset.
pub(super) fn pages(named: &Named, window: PageWindow, n_shown: u64, to: impl Fn(u64) -> String) -> Markup {
    let last = window.count.saturating_sub(1) / window.limit * window.limit;
    html! {
        @if window.count > window.limit || window.offset > 0 {
            nav.pager aria-label=(format!("Pages of the {}", named.of)) {
                @if let Some(previous) = window.previous() {
                    a href=(to(0)) { "First" }
                    a href=(to(previous)) rel="prev" { "Previous" }
                }
                span {
                    (named.what) " "
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

/// Between the pages of the conversation.
pub(super) fn of_turns(context: &PageContext, digest: &Digest, page: RunPage) -> Markup {
    let window = PageWindow { offset: page.offset, limit: page.limit.unwrap_or(TURNS), count: digest.n_turns };
    let path = format!("{PATH}{}?view=conversation", pairs::encode(digest.summary.id.as_str()));
    let limit = if window.limit == TURNS { String::new() } else { format!("&limit={}", window.limit) };
    let offset = |offset: u64| if offset == 0 { String::new() } else { format!("&offset={offset}") };
    let named = Named { of: "conversation", what: "Turns" };
    pages(&named, window, digest.turns.len() as u64, |at| context.to(&format!("{path}{limit}{}", offset(at))))
}
