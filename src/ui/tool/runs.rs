//! The runs that stand out by their calls of a tool, and the sessions that they are of.

use maud::{Markup, html};

use crate::model::run::Run;
use crate::model::time::UnixNanos;
use crate::params::pairs;
use crate::store::series::Callers;
use crate::ui::table::{self, Columns};
use crate::ui::visitor::PageContext;
use crate::ui::{overview, words};

pub(super) fn runs(context: &PageContext, tool: &str, callers: &Callers, now: UnixNanos) -> Markup {
    html! {
        section.groups aria-label="Runs that called it" {
            (table(context, tool, "Slowest calls", &callers.slowest, now))
            (table(context, tool, "Latest failures", &callers.failed, now))
            (table(context, tool, "Latest runs", &callers.latest, now))
        }
        @if !callers.is_complete { p.note { "There are very many runs in a part of this time; not all of them were looked at for these lists." } }
    }
}

fn table(context: &PageContext, tool: &str, title: &str, runs: &[Run], now: UnixNanos) -> Markup {
    html! {
        @if !runs.is_empty() {
            div {
                (table::titled(title, "plain leaders", &Columns(&["Run", "Session", "Started"], &["Calls", "Failed", "Slowest"]), &html! {
                    @for (run, calls) in runs.iter().filter_map(|run| Some((run, run.calls_of(tool)?))) {
                        @let figures = [words::tokens(calls.n_calls), words::tokens(calls.n_errors), words::duration(calls.slowest())];
                        (overview::leader(context, run, &to_calls(run, tool), now, &figures))
                    }
                }))
            }
        }
    }
}

/// The trace of a run with the lines of its calls; without a trace the run.
fn to_calls(run: &Run, tool: &str) -> String {
    let to_run = overview::to_run(run);
    let separator = if to_run.contains('?') { '&' } else { '?' };
    format!("{to_run}{separator}kind=tool&search={}", pairs::encode(tool))
}
