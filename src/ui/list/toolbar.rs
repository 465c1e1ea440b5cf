//! The line above the table: what is shown of how many, how many at a time, which columns, and the way out of here.

use maud::{Markup, html};

use super::{View, columns};
use crate::params::links::PageWindow;
use crate::params::pairs;
use crate::ui::words;

/// Sessions on a page, the usual number first.
const SIZES: [u64; 3] = [25, 50, 100];

/// The form that the boxes of the rows belong to.
pub(super) const COMPARE: &str = "compare";

pub(super) fn toolbar(view: &View<'_>, window: PageWindow, n_shown: usize) -> Markup {
    let View { context, state, columns, .. } = *view;
    html! {
        div.toolbar {
            p.found data-say { (summary(window, n_shown)) }
            button.news type="button" data-news hidden { }
            form id=(COMPARE) method="get" action=(context.to("/compare")) {
                button.quiet type="submit" title="Two sessions whose boxes are ticked, side by side" { "Compare" }
            }
            nav.sizes aria-label="Sessions on a page" {
                "Rows"
                @for size in SIZES {
                    @let value = size.to_string();
                    a href=(context.to(&state.with("limit", (size != SIZES[0]).then_some(&value)))) aria-current=[(size == window.limit).then_some("true")] {
                        (value)
                    }
                }
            }
            (columns::choice(context, state, columns))
            nav.export aria-label="All that fit as a file" {
                a href=(context.to(&with_format(&state.with("offset", None), "csv"))) download { "CSV" }
                a href=(context.to(&ndjson(view))) download { "NDJSON" }
            }
        }
    }
}

fn summary(window: PageWindow, n_shown: usize) -> Markup {
    let all = words::counted(window.count, "session", "sessions");
    html! {
        @if n_shown == 0 {
            (all) ", none this far down"
        } @else if n_shown as u64 == window.count {
            (all)
        } @else {
            (words::count(window.offset + 1)) "–" (words::count(window.offset + n_shown as u64)) " of " (all)
        }
    }
}

fn with_format(path: &str, format: &str) -> String {
    format!("{path}{}format={format}", if path.contains('?') { '&' } else { '?' })
}

/// From the API, which has no pages of it either.
fn ndjson(view: &View<'_>) -> String {
    let query: Vec<String> = view
        .state
        .for_api(view.fixed_start().as_deref())
        .filter(|(name, _)| !matches!(*name, "limit" | "offset"))
        .map(|(name, value)| format!("{name}={}", pairs::encode(value)))
        .chain(["include=usage,users,errors,scores,note&format=ndjson".to_owned()])
        .collect();
    format!("/api/v1/observability/sessions/?{}", query.join("&"))
}
