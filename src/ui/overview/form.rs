//! What the overview is of: a range of time to choose, and agent, model or user.

use maud::{Markup, html};

use super::Found;
use super::state::{NARROWINGS, OverviewState, PATH};
use crate::model::time::UnixNanos;
use crate::params::format;
use crate::params::instant;
use crate::params::overview::RANGES;
use crate::ui::visitor::PageContext;
use crate::ui::words;

pub(super) fn form(context: &PageContext, state: &OverviewState, found: Option<&Found>, problem: Option<&str>) -> Markup {
    let last = state.last();
    html! {
        div.windows {
            nav.choices aria-label="Range of time" {
                @for (value, words, _) in RANGES {
                    @let to = context.to(&state.with(&[("last", Some(value)), ("since", None), ("until", None), ("step", None)]));
                    a href=(to) title=(words) aria-current=[(last == Some(value)).then_some("true")] { (value) }
                }
            }
            (time(found))
        }
        @let narrowed: Vec<_> = NARROWINGS.into_iter().filter_map(|(name, words)| Some((name, words, state.get(name)?))).collect();
        @if !narrowed.is_empty() {
            p.narrowed {
                @for (name, words, value) in narrowed {
                    span.chip {
                        (words) " " (words::name(value)) " "
                        a href=(context.to(&state.with(&[(name, None)]))) aria-label=(format!("Remove {} {}", words.to_lowercase(), words::visible(value))) { "×" }
                    }
                }
                (to_sessions(context, state, found))
            }
        }
        details.range open[problem.is_some() || last.is_none()] {
            summary { "Own range, agent, model, user" }
            form.filters method="get" action=(context.to(PATH)) {
                @for (name, words) in [("since", "From (UTC)"), ("until", "To (UTC)")] {
                    div.field {
                        label for=(name) { (words) }
                        input id=(name) type="datetime-local" step="1" name=(name) value=[state.get(name).map(local)];
                    }
                }
                @for (name, words) in NARROWINGS {
                    div.field {
                        label for=(name) { (words) }
                        input id=(name) type="text" name=(name) value=[state.get(name)] autocomplete="off" spellcheck="false" list=(format!("{name}s"));
                    }
                }
                @if let Some(found) = found {
                    datalist #agents { @for name in found.series.agents.keys().take(OFFERED) { option value=(name) {} } }
                    datalist #models { @for name in found.series.models.keys().take(OFFERED) { option value=(name) {} } }
                    datalist #users { @for share in found.leading.users.iter().flatten() { option value=(share.user) {} } }
                }
                div.buttons { button type="submit" { "Apply" } a.button.quiet href=(context.to(PATH)) { "Clear" } }
                @if let Some(problem) = problem { p.problem role="alert" { (words::visible(problem)) } }
            }
        }
    }
}

/// Names that a field suggests.
const OFFERED: usize = 200;

/// What of the form moves on with the time.
pub(super) fn moving(context: &PageContext, state: &OverviewState, found: Option<&Found>) -> Markup {
    let is_narrowed = NARROWINGS.into_iter().any(|(name, _)| state.get(name).is_some());
    html! {
        (time(found))
        @if is_narrowed { (to_sessions(context, state, found)) }
    }
}

/// Which time the figures are of, since a range is rounded to whole steps.
fn time(found: Option<&Found>) -> Markup {
    html! {
        div #overview-time data-part {
            @if let Some(found) = found {
                p.note { (words::moment(found.series.since)) " to " (words::moment(found.series.until())) ", a bar is " (words::length(found.series.step)) }
            }
        }
    }
}

fn to_sessions(context: &PageContext, state: &OverviewState, found: Option<&Found>) -> Markup {
    html! { span #overview-sessions data-part { a href=(context.to(&sessions(state, found))) { "Their sessions" } } }
}

/// The sessions of the same runs, as far as the list can be narrowed so.
fn sessions(state: &OverviewState, found: Option<&Found>) -> String {
    let window = found.map(|found| (found.series.since, found.series.until()));
    super::tables::sessions(state.get("agent"), state.get("user"), window)
}

/// A moment as the browser's field for it wants it, to the second; what is none goes as it is.
fn local(text: &str) -> String {
    match instant::parse(text) {
        Some(moment @ UnixNanos(_)) => format::timestamp(moment).get(..19).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}
