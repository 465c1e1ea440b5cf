//! The tables of two sessions: a column for each, and where it is a number, the difference.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::model::Str;
use crate::model::run::Run;
use crate::model::time::Nanos;
use crate::model::usage::NanoUsd;
use crate::ui::session::{Digest, Share};
use crate::ui::table::scroll;
use crate::ui::visitor::PageContext;
use crate::ui::{list, words};

/// Agents, or models, that are compared: those that cost most.
const LINES_MAX: usize = 50;

/// One line: what it is, both values, and how the second differs.
struct Line {
    name: Markup,
    values: [Markup; 2],
    difference: Markup,
}

pub(super) fn figures(context: &PageContext, a: &Digest, b: &Digest) -> Markup {
    let both = [a, b];
    let number = |name: &'static str, of: fn(&Digest) -> u64| {
        let [a, b] = both.map(of);
        Line { name: html! { (name) }, values: [a, b].map(words::tokens), difference: words::difference(a, b, words::count) }
    };
    let length = |name: &'static str, of: fn(&Digest) -> Nanos| {
        let [a, b] = both.map(of);
        let difference = words::difference(a.0, b.0, |nanos| words::length(Nanos(nanos)));
        Line { name: html! { (name) }, values: [a, b].map(|length| words::duration(Some(length))), difference }
    };
    let shown =
        |name: &'static str, of: &dyn Fn(&Digest) -> Markup| Line { name: html! { (name) }, values: both.map(of), difference: html! {} };
    let lines = [
        shown("Status", &status),
        number("Runs", |digest| digest.summary.run_count),
        number("Runs that failed", |digest| digest.summary.error_count),
        shown("First run", &|digest| words::moment(digest.summary.first_run)),
        shown("Last activity", &|digest| words::moment(digest.summary.last_activity)),
        length("Duration (sum)", |digest| digest.summary.total_duration),
        length("Wall time", Digest::wall_time),
        length("Longest run", |digest| digest.longest.as_ref().and_then(Run::duration).unwrap_or_default()),
        costs(html! { "Cost" }, both.map(|digest| (digest.summary.total_cost, digest.summary.unpriced_calls))),
        number("Model calls", |digest| digest.usage.calls),
        number("Calls without a known price", |digest| digest.summary.unpriced_calls),
        number("Tokens", |digest| digest.summary.total_tokens),
        number("Input tokens", |digest| digest.usage.input_tokens),
        number("Input tokens from a cache", |digest| digest.usage.cache_read_tokens),
        number("Output tokens", |digest| digest.usage.output_tokens),
        number("Repeated reports left out", |digest| digest.suppressed.calls),
        shown("Users", &|digest| names(&digest.users)),
    ];
    let head = both.map(|digest| {
        let id = digest.summary.id.as_str();
        html! { a href=(context.to(&list::to_session(id))) { (words::name(id)) } }
    });
    table("Figures", "", &head, &lines)
}

pub(super) fn agents(a: &Digest, b: &Digest) -> Markup {
    let names: BTreeSet<&Str> = a.agents.keys().chain(b.agents.keys()).collect();
    let shares = names.into_iter().map(|name| {
        let shares = [a, b].map(|digest| digest.agents.get(name).copied().unwrap_or_default());
        (words::agent(name), shares)
    });
    by_share("By agent", "runs", shares.collect())
}

pub(super) fn models(a: &Digest, b: &Digest) -> Markup {
    let names: BTreeSet<&(Str, Str)> = a.models.keys().chain(b.models.keys()).collect();
    let shares = names.into_iter().map(|name| {
        let shares = [a, b].map(|digest| digest.models.get(name).copied().unwrap_or_default());
        let (model, provider) = name;
        let shown = html! { (words::agent(model)) @if !provider.is_empty() { " " small { (words::name(provider)) } } };
        (shown, shares)
    });
    by_share("By model", "calls", shares.collect())
}

fn by_share(title: &str, n: &str, mut shares: Vec<(Markup, [Share; 2])>) -> Markup {
    shares.sort_by_key(|(_, [a, b])| std::cmp::Reverse(a.cost.max(b.cost)));
    let n_more = shares.len().saturating_sub(LINES_MAX);
    shares.truncate(LINES_MAX);
    let mut lines = Vec::new();
    for (name, shares) in shares {
        let [a, b] = shares.map(|share| share.n);
        lines.push(Line {
            name: html! { (name) ", " (n) },
            values: [a, b].map(words::tokens),
            difference: words::difference(a, b, words::count),
        });
        lines.push(costs(html! { (name) ", cost" }, shares.map(|share| (share.cost, share.unpriced_calls))));
        let [a, b] = shares.map(|share| share.tokens);
        lines.push(Line {
            name: html! { (name) ", tokens" },
            values: [a, b].map(words::tokens),
            difference: words::difference(a, b, words::count),
        });
    }
    html! {
        @if !lines.is_empty() {
            (table(title, if n_more > 0 { "those that cost most" } else { "" }, &[html! { "First" }, html! { "Second" }], &lines))
        }
    }
}

/// Where a price is missing on either side there is no difference to speak of.
fn costs(name: Markup, costs: [(NanoUsd, u64); 2]) -> Line {
    let difference = match costs {
        [(a, 0), (b, 0)] => words::difference(a.0, b.0, |nanos| words::dollars(NanoUsd(nanos))),
        _ => html! {},
    };
    Line { name, values: costs.map(|(cost, n_unpriced)| words::cost_in_column(cost, n_unpriced)), difference }
}

fn table(title: &str, note: &str, head: &[Markup; 2], lines: &[Line]) -> Markup {
    scroll(
        title,
        &html! {
            table.plain.compared {
                caption { (title) @if !note.is_empty() { ": " (note) } }
                thead {
                    tr {
                        td {}
                        @for one in head { th.number scope="col" { (one) } }
                        th.number scope="col" { "Difference" }
                    }
                }
                tbody {
                    @for line in lines {
                        tr {
                            th scope="row" { (line.name) }
                            @for value in &line.values { td.number { (value) } }
                            td.number { (line.difference) }
                        }
                    }
                }
            }
        },
    )
}

fn status(digest: &Digest) -> Markup {
    list::status(&digest.summary)
}

fn names(names: &[Str]) -> Markup {
    html! { @for (at, name) in names.iter().take(6).enumerate() { @if at > 0 { ", " } (words::name(name)) } @if names.len() > 6 { " and more" } }
}
