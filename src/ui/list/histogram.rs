//! When the sessions of the list were last active: bars above it, each of which leads to the list of its time.

use maud::{Markup, html};

use super::state::ListState;
use crate::model::session::Activity;
use crate::model::time::{Nanos, UnixNanos};
use crate::params::format;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// Bars at most: at 1280 px each is wide enough to be hit.
pub(super) const BARS_MAX: usize = 60;

const BAR_WIDTH: usize = 10;
const HEIGHT: u64 = 40;

pub(super) fn histogram(context: &PageContext, state: &ListState, activity: &Activity) -> Markup {
    let most = activity.counts.iter().copied().max().unwrap_or(0);
    let end = edge(activity, activity.counts.len());
    html! {
        @if most > 0 && activity.counts.len() > 1 {
            figure.histogram {
                // Who does not see the bars has the range below Time, with the same effect.
                svg viewBox=(format!("0 0 {} {HEIGHT}", activity.counts.len() * BAR_WIDTH)) preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                    @for (at, count) in activity.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0) {
                        (bar(context, state, activity, at, count, most))
                    }
                }
                figcaption {
                    (words::moment(activity.start)) " to " (words::moment(end)) ", by last activity; a bar is " (words::length(activity.width))
                    ", the highest " (words::counted(most, "session", "sessions"))
                    @if state.get("start").is_some() || state.get("end").is_some() || state.get("last").is_some() {
                        ". " a href=(context.to(&state.with_all(&[("last", None), ("start", None), ("end", None)]))) { "Any time" }
                    }
                }
            }
        }
    }
}

fn bar(context: &PageContext, state: &ListState, activity: &Activity, at: usize, count: u64, most: u64) -> Markup {
    // The end of a range belongs to it, and not to its bar.
    let [from, to] = [edge(activity, at), edge(activity, at + 1).minus(Nanos(1_000))].map(format::timestamp);
    let href = context.to(&state.with_all(&[("last", None), ("start", Some(&from)), ("end", Some(&to))]));
    // What is there is seen, however few they are.
    let height = (u128::from(count) * u128::from(HEIGHT - 2) / u128::from(full(most))) as u64 + 2;
    html! {
        a href=(href) tabindex="-1" {
            title { (words::counted(count, "session", "sessions")) ", " (from) " to " (to) }
            rect.room x=(at * BAR_WIDTH) y="0" width=(BAR_WIDTH) height=(HEIGHT) {}
            rect.value x=(at * BAR_WIDTH + 1) y=(HEIGHT - height) width=(BAR_WIDTH - 2) height=(height) {}
        }
    }
}

/// What a full bar stands for: the next of 1, 2, 5, 10, 20 and so on, so that not every bar of a live list changes with the highest.
fn full(most: u64) -> u64 {
    let ten = 10_u64.pow(most.max(1).ilog10());
    [1, 2, 5].into_iter().map(|n| ten.saturating_mul(n)).find(|full| *full >= most).unwrap_or_else(|| ten.saturating_mul(10))
}

/// Where a bar begins; the end for their number.
fn edge(activity: &Activity, at: usize) -> UnixNanos {
    activity.start.plus(Nanos(activity.width.0.saturating_mul(at as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bar_is_a_round_number_that_is_no_less() {
        for (most, expect) in [(1, 1), (2, 2), (3, 5), (6, 10), (10, 10), (11, 20), (501, 1_000), (u64::MAX, u64::MAX)] {
            assert_eq!(full(most), expect);
        }
    }
}
