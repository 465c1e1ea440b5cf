//! What is new: agents, models and tools that nothing was heard of in the time before.

use maud::{Markup, html};

use super::Found;
use super::state::OverviewState;
use crate::model::Str;
use crate::params::format;
use crate::store::news::News;
use crate::ui::tool;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// Names of one kind that are shown.
const NAMES_MAX: usize = 10;

pub(super) fn news(context: &PageContext, state: &OverviewState, found: &Found) -> Markup {
    let Found { series, before, .. } = found;
    let Some(News { agents, models, tools }) = News::of(series, before) else { return html! {} };
    let narrowed = |name: &'static str| move |value: &Str| context.to(&state.with(&[(name, Some(value))]));
    let (since, until) = (format::timestamp(series.since), format::timestamp(series.until()));
    let to_tool = |name: &Str| context.to(&tool::address(name, &[("since", &*since), ("until", &*until)]));
    let lines = [
        line("Agents", &agents, &narrowed("agent")),
        line("Models", &models, &narrowed("model")),
        line("Tools", &tools.unwrap_or_default(), &to_tool),
    ];
    html! {
        @if lines.iter().any(Option::is_some) {
            section.news aria-label="New in this time" {
                h2 { "New in this time" }
                p.note { "Nothing was heard of them in the time before, which is as long." }
                @for line in lines.into_iter().flatten() { (line) }
            }
        }
    }
}

fn line(what: &str, names: &[&Str], to: &dyn Fn(&Str) -> String) -> Option<Markup> {
    let rest = names.len().saturating_sub(NAMES_MAX);
    (!names.is_empty()).then(|| {
        html! {
            p {
                strong { (what) } ": "
                @for (n, name) in names.iter().take(NAMES_MAX).enumerate() {
                    @if n > 0 { ", " }
                    a href=(to(name)) { (words::name(name)) }
                }
                @if rest > 0 { " and " (words::count(rest as u64)) " more" }
            }
        }
    })
}
