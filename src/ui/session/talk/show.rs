//! Turns as a page shows them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::digest::Digest;
use super::super::{pager, timeline};
use super::turn::{Called, Step, Turn};
use crate::model::run::{Run, RunStatus};
use crate::store::RunPage;
use crate::ui::messages::{Message, Outcome, Show};
use crate::ui::visitor::PageContext;
use crate::ui::{icons, tool, words};

pub(super) fn talk(context: &PageContext, digest: &Digest, page: RunPage, turns: &[Turn]) -> Markup {
    let is_silent = !turns.iter().any(Turn::has_words);
    let show = Show::new();
    let pager = pager::of_turns(context, digest, page);
    let mut instructed = Instructed::default();
    html! {
        section aria-labelledby="talk-title" {
            h2 #talk-title { "Conversation" }
            (pager)
            @if turns.is_empty() { p { "No turn this far down." } }
            @else if is_silent {
                p.source {
                    "There is no text for these runs. It is shown where an agent captures it (" code { "gen_ai.input.messages" } ", " code { "input.value" }
                    ", inputs and results of the Waxell SDK), and for as long as Tempo or this server's journal keeps the spans. "
                    "What coding agents say in their logs is kept where they are configured to send it and " code { "agents.keep_content" } " is set."
                }
            }
            @for (turn, number) in turns.iter().zip(page.offset + 1..) {
                (self::turn(context, &show, turn, number, instructed.new_in(turn)))
            }
            (pager)
        }
    }
}

/// The instructions that were shown last of each agent.
#[derive(Default)]
struct Instructed<'a>(BTreeMap<&'a str, &'a [Message]>);

// === impl Instructed ===

impl<'a> Instructed<'a> {
    /// Those of a turn, unless its agent had the same before.
    fn new_in(&mut self, turn: &'a Turn) -> &'a [Message] {
        let before = self.0.get(&*turn.run.agent).copied();
        if turn.system.is_empty() || before == Some(&turn.system) {
            return &[];
        }
        self.0.insert(&turn.run.agent, &turn.system);
        &turn.system
    }
}

/// `system` is what it was instructed, where that is new.
fn turn(context: &PageContext, show: &Show, turn: &Turn, number: u64, system: &[Message]) -> Markup {
    let title = format!("turn-{number}");
    html! {
        section.turn aria-labelledby=(title) {
            div.turn-head {
                h3 id=(title) { "Turn " (words::count(number)) }
                a href=(context.to(&timeline::to_run(&turn.run))) { (words::agent(&turn.run.agent)) }
                (icons::status(turn.run.status))
                span.when { (words::moment(turn.run.started_at)) }
                (figures(&turn.run))
            }
            ol.talk {
                @for message in system { (show.message(message, &html! {})) }
                @for message in &turn.asked { (show.message(message, &html! {})) }
                @if turn.asked.is_empty() && turn.has_words() { li.user { p.quiet { "What was asked was not captured." } } }
                (steps(context, show, turn))
            }
        }
    }
}

/// What it cost, how long it took, and by which models.
fn figures(run: &Run) -> Markup {
    let models: Vec<&str> = run.models.iter().map(|usage| &*usage.model).filter(|model| !model.is_empty()).take(3).collect();
    html! {
        dl.figures {
            @if !models.is_empty() { div { dt { "Model" } dd { @for model in &models { span.model { (words::name(model)) } " " } } } }
            div { dt { "Duration" } dd { (words::duration(run.duration())) } }
            div { dt { "Cost" } dd { (words::cost(run.usage.cost, run.usage.unpriced_calls)) } }
            div { dt { "Tokens" } dd { (words::tokens(run.usage.tokens)) } }
        }
    }
}

fn steps(context: &PageContext, show: &Show, turn: &Turn) -> Markup {
    let is_told = turn.error.as_ref().is_some_and(|error| turn.failures().any(|told| is_alike(told, error)));
    html! {
        @for step in &turn.steps {
            @match step {
                Step::Said(message) => (show.message(message, &html! {})),
                Step::Called(called) => li.tool { (self::called(context, show, &turn.run, called)) },
                Step::Failed(error) => li.failed { div.who { "model call failed" } p.problem { (words::visible_lines(error)) } },
                Step::Delegated(child) => li.delegated { (delegated(context, show, child)) },
            }
        }
        @if let Some(error) = turn.error.as_ref().filter(|_| !is_told) { li.failed { p.problem { (words::visible_lines(error)) } } }
        @if let Some(why) = unanswered(turn) { li.assistant { p.quiet { (why) } } }
        @if turn.is_cut {
            li.other { p.quiet { "There is more than this page has room for. " a href=(context.to(&timeline::to_run(&turn.run))) { "All of it" } } }
        }
    }
}

fn called(context: &PageContext, show: &Show, run: &Run, called: &Called) -> Markup {
    let outcome = Outcome { result: called.result.as_deref(), is_error: called.is_error };
    let beside = html! {
        @if let Some(duration) = called.duration { " " span.quiet { (words::duration(Some(duration))) } }
    };
    html! {
        (show.call(&called.call, outcome, &beside))
        @if let Some(error) = &called.error { p.problem { (words::visible_lines(error)) } }
        @if let (Some(trace), Some(span)) = (run.trace_id(), called.span) {
            p.more {
                a href=(context.to(&format!("/traces/{trace}?run={}&span={span}#span", run.id.get()))) { "span" }
                @if let Some(tool) = called.tool.as_deref().filter(|tool| !tool.is_empty()) { " " a href=(context.to(&tool::address(tool, &[]))) { "all its calls" } }
            }
        }
    }
}

/// A run that was started in another: its head, and what was said in it at a click.
fn delegated(context: &PageContext, show: &Show, child: &Turn) -> Markup {
    let head = html! {
        span.kind { "Agent" } " " strong { (words::agent(&child.run.agent)) } " " (icons::status(child.run.status))
        " " span.quiet { (words::duration(child.run.duration())) " · " (words::cost(child.run.usage.cost, child.run.usage.unpriced_calls)) " · " (words::tokens(child.run.usage.tokens)) " tokens" }
    };
    html! {
        @if child.is_silent() { div.head { (head) } }
        @else {
            details {
                summary { (head) }
                ol.talk {
                    @for message in child.system.iter().chain(&child.asked) { (show.message(message, &html! {})) }
                    (steps(context, show, child))
                }
            }
        }
        p.more { a href=(context.to(&timeline::to_run(&child.run))) { "run" } }
    }
}

/// Why there is no answer; nothing where that needs no word.
fn unanswered(turn: &Turn) -> Option<&'static str> {
    let last_is_said = turn.steps.iter().any(|step| matches!(step, Step::Said(_)));
    if last_is_said || turn.is_of_numbers || turn.error.is_some() || turn.failures().next().is_some() {
        None
    } else if turn.run.completed_at.is_none() {
        Some("No answer yet.")
    } else if turn.run.status == RunStatus::Error {
        Some("It ended with an error, and no answer was captured.")
    } else if turn.steps.is_empty() && turn.has_words() {
        Some("What was answered was not captured.")
    } else {
        None
    }
}

/// Whether one error tells of another: it has its words, or ends with them.
fn is_alike(one: &str, other: &str) -> bool {
    const ENDING_CHARS: usize = 20;
    let ending = |text: &str| text.chars().rev().take(ENDING_CHARS).collect::<String>();
    one.contains(other) || other.contains(one) || ending(one) == ending(other)
}
