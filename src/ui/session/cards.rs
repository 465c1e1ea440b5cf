//! The figures of a session at the top of its page.

use maud::{Markup, html};

use super::digest::Digest;
use crate::model::Str;
use crate::model::time::UnixNanos;
use crate::ui::visitor::PageContext;
use crate::ui::{failed, icons, overview, words};

/// Names that a card lists.
const NAMES_SHOWN: usize = 6;

pub(super) fn cards(context: &PageContext, digest: &Digest, now: UnixNanos) -> Markup {
    let summary = &digest.summary;
    html! {
        dl.cards {
            (card("Runs", &words::tokens(summary.run_count), &running(digest)))
            (card("Duration (sum)", &words::duration(Some(summary.total_duration)), &html! { "all runs added up, nested ones included" }))
            (card("Wall time", &words::duration(Some(digest.wall_time())), &html! { "from the first start to the last activity" }))
            (card("Cost", &words::cost(summary.total_cost, summary.unpriced_calls), &cost_note(digest)))
            (card("Tokens", &words::tokens(summary.total_tokens), &html! {
                (words::count(digest.usage.input_tokens)) " in"
                @if digest.usage.cache_read_tokens > 0 { " (" (words::count(digest.usage.cache_read_tokens)) " of them cached)" }
                ", " (words::count(digest.usage.output_tokens)) " out"
            }))
            (card("Errors", &errors(summary.error_count), &html! {
                "runs that failed"
                @if summary.tool_errors > 0 { "; " (failed::counted_tools(summary.tool_errors)) }
            }))
            (card("Agents", &html! { (words::count(summary.agents.len() as u64)) }, &names(&summary.agents, None)))
            (card("Users", &html! { (words::count(digest.users.len() as u64)) }, &names(&digest.users, Some(context))))
            (card("First run", &words::moment(summary.first_run), &html! {}))
            (card("Last activity", &words::moment_and_age(summary.last_activity, now), &html! {}))
        }
    }
}

fn card(name: &str, figure: &Markup, note: &Markup) -> Markup {
    html! {
        div.card {
            dt { (name) }
            dd.figure { (figure) }
            @if !note.0.is_empty() { dd.note { (note) } }
        }
    }
}

fn running(digest: &Digest) -> Markup {
    let n = digest.summary.running_count;
    html! { @if n > 0 { (icons::badge("running", icons::RUNNING, &format!("{} running", words::count(n)))) } @else { "none is running" } }
}

fn errors(n: u64) -> Markup {
    html! { @if n > 0 { span.badge.error { (icons::icon(icons::ERROR)) (words::count(n)) } } @else { "0" } }
}

/// What the sum leaves out, so that nobody has to guess.
fn cost_note(digest: &Digest) -> Markup {
    let (unpriced, doubled) = (digest.summary.unpriced_calls, digest.suppressed.calls);
    html! {
        (words::counted(digest.usage.calls, "model call", "model calls"))
        @if unpriced > 0 { ", " (words::count(unpriced)) " without a known price" }
        @if doubled > 0 { "; " (words::counted(doubled, "repeated report", "repeated reports")) " left out" }
    }
}

/// Users lead to their sessions.
fn names(names: &[Str], sessions_at: Option<&PageContext>) -> Markup {
    let shown = names.len().min(NAMES_SHOWN);
    html! {
        @for (at, name) in names.iter().take(shown).enumerate() { @if at > 0 { ", " } @match sessions_at { Some(context) => a href=(context.to(&overview::sessions(None, Some(name), None))) { (words::name(name)) }, None => (words::name(name)) } }
        @if names.len() > shown { " and " (words::count((names.len() - shown) as u64)) " more" }
    }
}
