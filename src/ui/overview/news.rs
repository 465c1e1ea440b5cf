//! What is new: agents, models and tools that nothing was heard of in the time before.

use maud::{Markup, html};

use super::Found;
use super::state::OverviewState;
use crate::model::Str;
use crate::params::format;
use crate::ui::tool;
use crate::ui::visitor::Place;
use crate::ui::words;

/// Names of one kind that are shown, those that cost most or took longest.
const NAMES_MAX: usize = 10;

/// Nothing where there was nothing before: then all would be new.
pub(super) fn news(place: &Place, state: &OverviewState, found: &Found) -> Markup {
    let Found { series, before, .. } = found;
    if before.total.n_runs() == 0 {
        return html! {};
    }
    let narrowed = |name: &'static str| move |value: &Str| place.to(&state.with(&[(name, Some(value))]));
    let agents = series.agents_by_cost().into_iter().map(|(name, _)| name).filter(|name| !before.agents.contains_key(*name));
    let models = series.models_by_cost().into_iter().map(|(name, _)| name).filter(|name| !before.models.contains_key(*name));
    let was_called = |name: &Str| before.tools.as_ref().is_some_and(|tools| tools.contains_key(name));
    let tools = series.tools_by_time().into_iter().map(|(name, _)| name).filter(|name| !was_called(name));
    let (since, until) = (format::timestamp(series.since), format::timestamp(series.until()));
    let to_tool = |name: &Str| place.to(&tool::address(name, &[("since", &*since), ("until", &*until)]));
    let lines = [
        line("Agents", agents.collect(), &narrowed("agent")),
        line("Models", models.collect(), &narrowed("model")),
        line("Tools", tools.collect(), &to_tool),
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

fn line(what: &str, mut names: Vec<&Str>, to: &dyn Fn(&Str) -> String) -> Option<Markup> {
    names.retain(|name| !name.is_empty());
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
