//! One span whole, beside the tree: what was said in it, and everything it carries.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value as Json;

use super::address::{Asked, Page};
use super::tree::{Row, Tree};
use super::waterfall::{kind, status};
use super::whole;
use crate::model::facts::SpanKind;
use crate::model::ids::TraceId;
use crate::ui::copy;
use crate::ui::failed;
use crate::ui::messages::{self, Answer, Message, Part, Role, Show};
use crate::ui::spans::{RawEvent, RawSpan};
use crate::ui::tool;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// How much of a value is shown.
const VALUE_MAX_CHARS: usize = 20_000;

/// What there is of the chosen span.
pub(super) struct Whole<'a> {
    pub(super) trace: TraceId,
    pub(super) row: &'a Row,
    pub(super) raw: Option<RawSpan>,
    pub(super) said: Vec<Message>,
}

pub(super) fn detail(context: &PageContext, asked: &Asked, tree: &Tree, whole: &Whole<'_>) -> Markup {
    let (row, raw) = (whole.row, whole.raw.as_ref());
    html! {
        // It moves within itself, so that it can be read without leaving the line that it belongs to.
        section #span tabindex="0" aria-labelledby="span-title" {
            h2 #span-title { span.kind { (kind(row.kind)) } " " (words::name(&row.name)) @if let Some(status) = status(row) { " " (status) } }
            (figures(context, asked, tree, row))
            // What was sent has all of it; the index has one line.
            @match raw.map(|raw| &raw.status_message).filter(|message| !message.is_empty()) {
                Some(message) => p.problem { (words::visible_lines(message)) },
                None => (failed::reason(row.failure.as_ref())),
            }
            @if !whole.said.is_empty() { h3 { "Messages" } (Show::new().list(&whole.said)) }
            @if let Some(raw) = raw {
                @for event in &raw.events { (self::event(event)) }
                (table("Attributes", &raw.attributes))
            }
            (facts(row, raw))
            @if let Some(raw) = raw { (table("Resource", &raw.resource)) }
            @let json = whole::json(whole.trace, row, raw);
            details.copyable data-key="json" {
                summary { "JSON" }
                div.text {
                    pre tabindex="0" { code #span-json { (words::visible_lines(&json)) } }
                    (copy::button("span-json", "Copy the JSON"))
                }
            }
        }
    }
}

/// What was said in a span; of a tool, with what it was called and what it gave back.
pub(super) fn messages(row: &Row, raw: &RawSpan) -> Vec<Message> {
    let events: Vec<messages::Event<'_>> = raw.events.iter().map(|event| (&*event.name, &event.attributes)).collect();
    if row.kind != SpanKind::Tool {
        return messages::said(&raw.attributes, &events).all();
    }
    let told = messages::told(&row.name, &raw.attributes, &events);
    let id = told.call.id.clone();
    let is_told = !told.call.arguments.is_null();
    let called = is_told.then(|| Message { role: Role::Assistant, parts: vec![Part::Call(told.call)] });
    let answer = Answer { id, name: None, parts: told.result, is_error: false };
    let gave = (!answer.parts.is_empty()).then(|| Message { role: Role::Tool, parts: vec![Part::Answer(answer)] });
    called.into_iter().chain(gave).collect()
}

/// Its times and sums at a glance, and whose it is.
fn figures(context: &PageContext, asked: &Asked, tree: &Tree, row: &Row) -> Markup {
    let (own, total) = (row.counted, &row.figures.total);
    let run = row.run.and_then(|id| tree.runs.iter().find(|run| run.id == id)).filter(|run| asked.page != Page::Run(run.id));
    html! {
        dl.figures-line {
            div { dt { "Duration" } dd { (words::duration(row.end.map(|end| end.since(row.start)))) } }
            div { dt { "Own time" } dd { (words::duration(row.figures.own_time)) } }
            div { dt { "Begins after" } dd { (words::duration(Some(row.start.since(tree.start)))) } }
            @if let Some((tokens, cost)) = own {
                div { dt { "Tokens" } dd { (words::tokens(tokens)) } }
                div { dt { "Cost" } dd { (words::cost(cost.unwrap_or_default(), u64::from(cost.is_none() && tokens > 0))) } }
            }
            @if row.n_below > 0 && !total.is_nothing() {
                div { dt { "With all below" } dd {
                    (words::counted(total.calls, "call", "calls")) ", " (words::tokens(total.tokens)) " tokens, " (words::cost(total.cost, total.unpriced_calls))
                } }
            }
            @if row.n_below > 0 { div { dt { "Below" } dd {
                (words::counted(row.n_below as u64, "span", "spans"))
                @if row.figures.n_errors_below > 0 { ", " (words::counted(row.figures.n_errors_below as u64, "error", "errors")) }
            } } }
            @if let Some(tool) = row.called.as_deref().filter(|tool| !tool.is_empty()) {
                div { dt { "Tool" } dd { a href=(context.to(&tool::address(tool, &[]))) title="All of its calls" { (words::name(tool)) } } }
            }
            @if let Some(run) = run {
                div { dt { "Run" } dd { a href=(context.to(&format!("/runs/{}", run.id.get()))) { (words::agent(&run.agent)) } } }
            }
        }
    }
}

fn facts(row: &Row, raw: Option<&RawSpan>) -> Markup {
    html! {
        table.attributes {
            caption { "Span" }
            tbody {
                tr { th scope="row" { "Span id" } td { (copy::id("span-id", &row.span.to_string(), "span")) } }
                @if let Some(parent) = row.parent { tr { th scope="row" { "Parent" } td.mono { (parent.to_string()) } } }
                @if row.is_of_log { tr { th scope="row" { "From" } td { "a log event of the agent" } } }
                tr { th scope="row" { "Started" } td { (words::moment(row.start)) } }
                @if let Some(end) = row.end { tr { th scope="row" { "Ended" } td { (words::moment(end)) } } }
                @if let Some(raw) = raw { tr { th scope="row" { "Scope" } td { (words::name(&raw.scope)) } } }
                @if let Some(call) = &row.call {
                    tr { th scope="row" { "Model" } td { (words::name(&call.model)) } }
                    @if !call.provider.is_empty() { tr { th scope="row" { "Provider" } td { (words::name(&call.provider)) } } }
                    @for (name, tokens) in [("Input tokens", call.usage.input_tokens), ("Output tokens", call.usage.output_tokens),
                        ("Cached tokens", call.usage.cache_read_tokens), ("Cache writes", call.usage.cache_write_tokens), ("Reasoning tokens", call.usage.reasoning_tokens)]
                    {
                        @if let Some(tokens) = tokens { tr { th scope="row" { (name) } td { (words::tokens(tokens)) } } }
                    }
                }
            }
        }
    }
}

fn event(event: &RawEvent) -> Markup {
    html! {
        h3 { "Event " (words::name(&event.name)) " " small { (words::moment(event.at)) } }
        (table("Attributes of the event", &event.attributes))
    }
}

fn table(title: &str, attributes: &BTreeMap<String, Json>) -> Markup {
    html! {
        @if !attributes.is_empty() {
            table.attributes {
                caption { (title) }
                tbody { @for (key, value) in attributes { tr { th scope="row" { (self::key(key)) } td { (self::value(value)) } } } }
            }
        }
    }
}

/// A key may be broken behind its dots: there is where it is read in parts anyway.
fn key(key: &str) -> Markup {
    html! { bdi { @for part in words::visible(key).split_inclusive('.') { (part) wbr; } } }
}

fn value(value: &Json) -> Markup {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Array(_) | Json::Object(_) => serde_json::to_string_pretty(value).unwrap_or_default(),
        other => other.to_string(),
    };
    let cut = text.char_indices().nth(VALUE_MAX_CHARS).map(|(at, _)| at);
    html! {
        bdi { (words::visible_lines(&text[..cut.unwrap_or(text.len())])) }
        @if cut.is_some() { " " span.quiet { "… the rest is left out" } }
    }
}
