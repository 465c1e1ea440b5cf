//! The figures at the top, each with its change against the time before.

use maud::{Markup, html};

use crate::model::durations::Durations;
use crate::model::run::RunStatus;
use crate::model::tally::Tally;
use crate::model::time::Nanos;
use crate::params::format;
use crate::store::series::Series;
use crate::ui::words;

pub(super) fn cards(series: &Series, before: &Series) -> Markup {
    let (now, then) = (&series.total, Some(&before.total).filter(|total| total.n_runs() > 0));
    let (usage, n_errors) = (&now.usage, now.n_of(RunStatus::Error));
    let n_running = now.n_of(RunStatus::Running);
    html! {
        dl.cards.headline {
            (card("Runs", &words::tokens(now.n_runs()), now.n_runs(), then.map(Tally::n_runs), &html! {
                @if n_running > 0 { (words::count(n_running)) " running" }
            }))
            (card("Failed", &html! { (words::tokens(n_errors)) " " small { (rate(n_errors, now.n_runs())) } }, n_errors, then.map(|then| then.n_of(RunStatus::Error)), &html! {}))
            (card("Cost", &words::cost(usage.cost, usage.unpriced_calls), usage.cost.0, then.map(|then| then.usage.cost.0), &html! {
                @if usage.unpriced_calls > 0 { (words::count(usage.unpriced_calls)) " of " (words::counted(usage.calls, "call", "calls")) " without a known price" }
            }))
            (card("Tokens", &words::tokens(usage.tokens), usage.tokens, then.map(|then| then.usage.tokens), &html! {
                (words::count(usage.input_tokens)) " in, " (words::count(usage.output_tokens)) " out"
            }))
            (card("Median duration", &quantile(now, 500), length(now, 500), then.map(|then| length(then, 500)), &html! {}))
            (card("95th percentile", &quantile(now, 950), length(now, 950), then.map(|then| length(then, 950)), &html! {
                @if let Some(slow) = now.durations.quantile(990) { "99th: " (words::length(slow)) }
            }))
        }
        p.note.against {
            @if then.is_some() { "Changes are against " } @else { "There were no runs from " }
            (words::moment(before.since)) " to " (words::moment(before.until())) "."
        }
    }
}

fn card(name: &str, figure: &Markup, now: u64, then: Option<u64>, note: &Markup) -> Markup {
    html! {
        div.card {
            dt { (name) }
            dd.figure { (figure) }
            dd.note { @if let Some(then) = then { span.change { (change(now, then)) } @if !note.0.is_empty() { " · " } } (note) }
        }
    }
}

/// `+12 %`, `−3 %`, `×7.5`.
fn change(now: u64, then: u64) -> String {
    let (more, less) = (now.saturating_sub(then), then.saturating_sub(now));
    // Rounded, halves up.
    let percent = |part: u64| (u128::from(part) * 200 / u128::from(then.max(1))).div_ceil(2);
    match (now, then) {
        _ if now == then => "unchanged".to_owned(),
        (_, 0) => "none before".to_owned(),
        _ if now / 10 >= then => format!("×{}", words::count(now / then)),
        _ if more > 0 => format!("+{} %", percent(more)),
        _ => format!("−{} %", percent(less)),
    }
}

/// How many of a hundred.
pub(in crate::ui) fn rate(part: u64, all: u64) -> String {
    let tenths = u128::from(part) * 1_000 / u128::from(all.max(1));
    match (part, tenths) {
        (0, _) => "0 %".to_owned(),
        (_, 0) => "< 0.1 %".to_owned(),
        (_, 1_000) => "100 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// A percentile of the durations.
pub(in crate::ui) fn quantile(tally: &Tally, of_thousand: u64) -> Markup {
    percentile(&tally.durations, of_thousand, "No run has ended")
}

/// The same of any durations; `none` says why there are none.
pub(in crate::ui) fn percentile(durations: &Durations, of_thousand: u64, none: &str) -> Markup {
    html! {
        @match durations.quantile(of_thousand) {
            Some(exact) => data value=(format::seconds(exact)) title="right to 5 %" { (words::length(exact)) },
            None => span.unknown title=(none) { "–" },
        }
    }
}

fn length(tally: &Tally, of_thousand: u64) -> u64 {
    tally.durations.quantile(of_thousand).unwrap_or(Nanos::ZERO).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_parts_of_a_hundred_or_times() {
        for (now, then, told) in [
            (0, 0, "unchanged"),
            (5, 5, "unchanged"),
            (5, 0, "none before"),
            (112, 100, "+12 %"),
            (97, 100, "−3 %"),
            (0, 7, "−100 %"),
            (750, 100, "+650 %"),
            (2_000, 100, "×20"),
            (u64::MAX, 1, "×18,446,744,073,709,551,615"),
        ] {
            assert_eq!(change(now, then), told, "{now} after {then}");
        }
        for (part, all, told) in [(0, 0, "0 %"), (1, 3, "33.3 %"), (3, 3, "100 %"), (1, 5_000, "< 0.1 %")] {
            assert_eq!(rate(part, all), told);
        }
    }
}
