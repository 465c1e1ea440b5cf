//! Cost and tokens by agent and by model: a table whose bars are drawn beside its numbers.

use maud::{Markup, html};

use super::digest::{Digest, Share};
use crate::params::pairs;
use crate::ui::icons::bar;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// Rows of one plot; the rest is one row.
const ROWS_MAX: usize = 8;

struct Row {
    name: Markup,
    share: Share,
}

pub(super) fn shares(context: &PageContext, digest: &Digest) -> Markup {
    let agents = digest.agents.iter().map(|(name, share)| Row { name: linked(context, "agent", name, words::agent(name)), share: *share });
    let models = digest.models.iter().map(|((model, provider), share)| Row { name: model_name(context, model, provider), share: *share });
    html! {
        section.shares aria-label="Cost and tokens" {
            (plot("By agent", "Agent", "Runs", agents.collect()))
            @if !digest.models.is_empty() { (plot("By model", "Model", "Calls", models.collect())) }
        }
    }
}

/// Leads to what all runs with it came to.
fn linked(context: &PageContext, parameter: &str, name: &str, shown: Markup) -> Markup {
    let to = || context.to(&format!("/overview?last=30d&{parameter}={}", pairs::encode(name)));
    html! { @if name.is_empty() { (shown) } @else { a href=(to()) { (shown) } } }
}

fn model_name(context: &PageContext, model: &str, provider: &str) -> Markup {
    html! {
        (linked(context, "model", model, words::agent(model)))
        @if !provider.is_empty() { " " small { (words::name(provider)) } }
    }
}

fn plot(title: &str, what: &str, n: &str, mut rows: Vec<Row>) -> Markup {
    rows.sort_by_key(|row| std::cmp::Reverse((row.share.cost, row.share.tokens)));
    if rows.len() > ROWS_MAX {
        let rest = rows.split_off(ROWS_MAX - 1);
        let name = html! { (words::count(rest.len() as u64)) " others" };
        let share = rest.iter().fold(Share::default(), |sum, row| sum.plus(&row.share));
        rows.push(Row { name, share });
    }
    let most_cost = rows.iter().map(|row| row.share.cost.0).max().unwrap_or(0);
    let most_tokens = rows.iter().map(|row| row.share.tokens).max().unwrap_or(0);
    html! {
        table.plot {
            caption { (title) }
            thead { tr { th scope="col" { (what) } th.number scope="col" { (n) } th.number scope="col" { "Cost" } th.number scope="col" { "Tokens" } } }
            tbody {
                @for row in &rows {
                    tr {
                        th scope="row" { (row.name) }
                        td.number { (words::count(row.share.n)) }
                        td.number { (bar("cost", row.share.cost.0, most_cost)) (words::cost_in_column(row.share.cost, row.share.unpriced_calls)) }
                        td.number { (bar("tokens", row.share.tokens, most_tokens)) (words::tokens(row.share.tokens)) }
                    }
                }
            }
        }
    }
}

// === impl Share ===

impl Share {
    fn plus(mut self, other: &Self) -> Self {
        self.n += other.n;
        self.tokens = self.tokens.wrapping_add(other.tokens);
        self.cost.0 = self.cost.0.wrapping_add(other.cost.0);
        self.unpriced_calls = self.unpriced_calls.wrapping_add(other.unpriced_calls);
        self
    }
}
