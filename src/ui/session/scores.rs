//! What was judged of a session's runs: averages by name, and beside each run its own.

use maud::{Markup, html};

use crate::model::run::{Run, Score, ScoreValue};
use crate::model::scores::{ScoreTotal, ScoreTotals};
use crate::ui::table::scroll;
use crate::ui::words;

/// Names that the table has, and labels that it counts of each.
const ROWS_MAX: usize = 50;
const LABELS_MAX: usize = 8;
/// Scores that stand beside a run.
const BESIDE_MAX: usize = 3;

pub(super) fn scores(totals: &ScoreTotals) -> Markup {
    let n_more = totals.iter().count().saturating_sub(ROWS_MAX);
    html! {
        @if !totals.is_empty() {
            section aria-labelledby="scores-title" {
                h2 #scores-title { "Scores" }
                (scroll("Scores", &html! {
                    table.plain {
                        thead { tr { th scope="col" { "Score" } th.number scope="col" { "Given" } th scope="col" { "Average, or how often which" } } }
                        tbody {
                            @for (name, data_type, total) in totals.iter().take(ROWS_MAX) {
                                tr { th scope="row" { (words::name(name)) } td.number { (words::count(total.count)) } td { (average(data_type, total)) } }
                            }
                        }
                    }
                }))
                @if n_more > 0 { p.quiet { (words::counted(n_more as u64, "score has", "scores have")) " another name." } }
            }
        }
    }
}

fn average(data_type: &str, total: &ScoreTotal) -> Markup {
    let mut labels: Vec<_> = total.labels.iter().collect();
    labels.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let average = total.sum / total.count.max(1) as f64;
    html! {
        @match data_type {
            "categorical" => {
                @for (n, (label, count)) in labels.iter().take(LABELS_MAX).enumerate() { @if n > 0 { ", " } (words::name(label)) " " (words::count(**count)) }
                @if labels.len() > LABELS_MAX { " and " (words::count((labels.len() - LABELS_MAX) as u64)) " more" }
            }
            "boolean" => { "yes in " (rounded(average * 100.0)) " %" }
            _ => (rounded(average)),
        }
    }
}

/// Those of a session, on its line of the list.
pub(in crate::ui) fn on_the_line(totals: &ScoreTotals) -> Markup {
    let n_more = totals.iter().count().saturating_sub(BESIDE_MAX);
    html! {
        @for (name, data_type, total) in totals.iter().take(BESIDE_MAX) { span.score { (words::name(name)) " " (average(data_type, total)) } " " }
        @if n_more > 0 { span.quiet { "and " (n_more) " more" } }
    }
}

/// The same without marks and bounds: a name and its average, or how often which label, one after the other.
pub(in crate::ui) fn in_words(totals: &ScoreTotals) -> String {
    let one = |(name, data_type, total): (&str, &str, &ScoreTotal)| {
        let average = total.sum / total.count.max(1) as f64;
        match data_type {
            "categorical" => {
                format!("{name}: {}", total.labels.iter().map(|(label, n)| format!("{label} {n}")).collect::<Vec<_>>().join(", "))
            }
            "boolean" => format!("{name}: {} %", rounded(average * 100.0)),
            _ => format!("{name}: {}", rounded(average)),
        }
    };
    totals.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The latest scores of a run, at the end of its line.
pub(super) fn of_run(run: &Run) -> Markup {
    let skipped = run.scores.len().saturating_sub(BESIDE_MAX);
    html! {
        @for score in &run.scores[skipped..] { " " span.score { (words::name(&score.name)) " " (value(score)) } }
        @if skipped > 0 { " " span.quiet { "and " (words::counted(skipped as u64, "score", "scores")) } }
    }
}

fn value(score: &Score) -> Markup {
    html! {
        @match &score.value {
            ScoreValue::Numeric(number) => (rounded(*number)),
            ScoreValue::Boolean(is) => @if *is { "yes" } @else { "no" },
            ScoreValue::Categorical(label) => (words::name(label)),
        }
    }
}

/// Three decimals at most.
fn rounded(number: f64) -> String {
    if number.abs() >= 1e12 { format!("{number:e}") } else { ((number * 1000.0).round() / 1000.0).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_decimals_at_most() {
        for (number, text) in [(0.0, "0"), (0.5, "0.5"), (2.0 / 3.0, "0.667"), (-4.0, "-4"), (1e300, "1e300")] {
            assert_eq!(rounded(number), text);
        }
    }
}
