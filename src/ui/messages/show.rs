//! Messages as a page shows them.
//!
//! - Long texts, what a model thought and the instructions of an agent are folded; a click opens them, without JavaScript.
//! - A page has so much room for texts and images; what does not fit is said to be left out.

use std::cell::Cell;

use maud::{Markup, html};
use serde_json::Value as Json;

use super::image::Image;
use super::message::{Call, Message, Part, Role};
use super::{PARTS_MAX, markdown};
use crate::ui::{icons, words};

/// How much of one text is shown.
const TEXT_MAX_CHARS: usize = 20_000;
/// Longer texts are folded.
const FOLD_CHARS: usize = 6_000;
/// Calls whose arguments and answer are no longer than this are open.
const OPEN_CHARS: usize = 600;
/// Texts and images on one page.
const PAGE_TEXT_BYTES: usize = 2 * 1024 * 1024;
const PAGE_IMAGE_BYTES: usize = 4 * 1024 * 1024;
/// Structures that are no longer are on one line.
const LINE_CHARS: usize = 90;
/// Of a folded text or of arguments, beside their name.
const GLIMPSE_CHARS: usize = 90;

/// What a page may still show.
pub(in crate::ui) struct Show {
    text: Cell<usize>,
    images: Cell<usize>,
}

/// How a call went, as far as that is known.
#[derive(Clone, Copy, Default)]
pub(in crate::ui) struct Outcome<'a> {
    /// `None` where it was not captured.
    pub(in crate::ui) result: Option<&'a [Part]>,
    pub(in crate::ui) is_error: bool,
}

// === impl Show ===

impl Show {
    pub(in crate::ui) fn new() -> Self {
        Self { text: Cell::new(PAGE_TEXT_BYTES), images: Cell::new(PAGE_IMAGE_BYTES) }
    }

    pub(in crate::ui) fn list(&self, messages: &[Message]) -> Markup {
        html! { ol.talk { @for message in messages { (self.message(message, &html! {})) } } }
    }

    /// One message; `beside` stands next to who said it.
    pub(in crate::ui) fn message(&self, message: &Message, beside: &Markup) -> Markup {
        let class = match &message.role {
            Role::Other(_) => "other",
            known => known.name(),
        };
        let is_folded = message.role == Role::System;
        html! {
            li class=(class) {
                div.who { (words::name(message.role.name())) (beside) }
                @for part in message.parts.iter().take(PARTS_MAX) {
                    @match part {
                        Part::Text(text) if is_folded => (self.folded("Instructions", text)),
                        part => (self.part(part)),
                    }
                }
                @if message.parts.len() > PARTS_MAX { p.quiet { "The rest is left out." } }
            }
        }
    }

    pub(in crate::ui) fn part(&self, part: &Part) -> Markup {
        html! {
            @match part {
                Part::Text(text) => (self.text(text)),
                Part::Reasoning(text) => (self.folded("Reasoning", text)),
                Part::Image(image) => div.said { (self.image(image)) },
                Part::File(name) => p.quiet { "File: " (words::name(name)) },
                Part::Call(call) => (self.call(call, Outcome::default(), &html! {})),
                Part::Answer(answer) => {
                    @if answer.is_error { p { (icons::badge("error", icons::ERROR, "error")) } }
                    (self.given(&answer.parts))
                },
                Part::Data(data) => (self.plain(&pretty(data))),
            }
        }
    }

    /// A call of a tool as a card: its name, its arguments, and what came back.
    pub(in crate::ui) fn call(&self, call: &Call, outcome: Outcome<'_>, beside: &Markup) -> Markup {
        let arguments = match &call.arguments {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            other => pretty(other),
        };
        let length = arguments.len() + outcome.result.map_or(0, |parts| parts.iter().map(length).sum());
        let is_bare = arguments.is_empty() && outcome.result.is_none_or(<[Part]>::is_empty);
        let head = html! {
            span.kind { "Tool" } " " strong { @if call.name.is_empty() { "no name" } @else { (words::name(&call.name)) } }
            @if outcome.is_error { " " (icons::badge("error", icons::ERROR, "error")) }
            (beside)
        };
        html! {
            @if is_bare {
                div.call { div.head { (head) } p.quiet { "Its arguments and its result were not captured." } }
            } @else {
                details.call open[length <= OPEN_CHARS] {
                    summary { (head) @if length > OPEN_CHARS { " " span.glimpse { (glimpse(&arguments)) } } }
                    @if !arguments.is_empty() { p.label { "Arguments" } (self.plain(&arguments)) }
                    @if let Some(parts) = outcome.result {
                        p.label { "Result" }
                        @if parts.is_empty() { p.quiet { "Nothing, or it was not captured." } } @else { (self.given(parts)) }
                    }
                }
            }
        }
    }

    /// What a tool gave back: as it is, without Markdown.
    fn given(&self, parts: &[Part]) -> Markup {
        html! {
            @for part in parts.iter().take(PARTS_MAX) {
                @match part {
                    Part::Text(text) => (self.plain(text)),
                    Part::Answer(_) | Part::Call(_) => (self.plain(&said(part))),
                    other => (self.part(other)),
                }
            }
        }
    }

    /// Opens at a click; the beginning stands beside the title.
    pub(in crate::ui) fn folded(&self, title: &str, text: &str) -> Markup {
        let n_chars = text.chars().count() as u64;
        html! {
            details.fold {
                summary { (title) " " span.quiet { "· " (words::counted(n_chars, "character", "characters")) } " " span.glimpse { (glimpse(text)) } }
                (self.drawn(text))
            }
        }
    }

    fn text(&self, text: &str) -> Markup {
        if text.chars().nth(FOLD_CHARS).is_some() {
            return self.folded("Long text", text);
        }
        self.drawn(text)
    }

    fn drawn(&self, text: &str) -> Markup {
        let (shown, is_cut) = self.room(text);
        html! {
            div.said dir="auto" { (markdown::html(shown, &|image| self.image(image))) }
            @if is_cut { (left_out()) }
        }
    }

    fn plain(&self, text: &str) -> Markup {
        let (shown, is_cut) = self.room(text);
        html! {
            pre.given dir="auto" { (words::visible_lines(shown)) }
            @if is_cut { (left_out()) }
        }
    }

    /// As much of it as there is room for.
    fn room<'t>(&self, text: &'t str) -> (&'t str, bool) {
        let mut cut = text.char_indices().nth(TEXT_MAX_CHARS).map_or(text.len(), |(at, _)| at);
        if cut > self.text.get() {
            cut = text.floor_char_boundary(self.text.get());
        }
        self.text.set(self.text.get() - cut);
        (&text[..cut], cut < text.len())
    }

    fn image(&self, image: &Image) -> Markup {
        html! {
            @match image {
                Image::Inline { kind, base64 } if base64.len() <= self.images.get() => {
                    ({ self.images.set(self.images.get() - base64.len()); "" })
                    img.shown src=(format!("data:{kind};base64,{base64}")) alt="Image in the conversation" loading="lazy" decoding="async";
                },
                Image::Inline { kind, .. } => span.unknown { "(" (kind) ", for which this page has no room)" },
                Image::At(url) => span.elsewhere { "Image: " (markdown::link(url, &html! { bdi { (words::visible(url)) } })) },
                Image::Unshown(why) => span.unknown { "(" (words::visible(why)) ")" },
            }
        }
    }
}

fn left_out() -> Markup {
    html! { p.quiet { "The rest is left out." } }
}

/// The beginning on one line.
fn glimpse(text: &str) -> Markup {
    let line: String = text.split_whitespace().take(40).collect::<Vec<_>>().join(" ");
    let cut = line.char_indices().nth(GLIMPSE_CHARS).map(|(at, _)| at);
    html! { bdi { (words::visible(&line[..cut.unwrap_or(line.len())])) @if cut.is_some() { "…" } } }
}

fn length(part: &Part) -> usize {
    match part {
        Part::Text(text) | Part::Reasoning(text) => text.len(),
        Part::Data(data) => pretty(data).len(),
        _ => 0,
    }
}

fn said(part: &Part) -> String {
    match part {
        Part::Call(call) => format!("{}({})", call.name, call.arguments),
        Part::Answer(answer) => {
            answer.parts.iter().map(|part| if let Part::Text(text) = part { text.clone() } else { String::new() }).collect()
        }
        _ => String::new(),
    }
}

/// On one line if it is short.
fn pretty(value: &Json) -> String {
    let line = value.to_string();
    if line.len() <= LINE_CHARS { line } else { serde_json::to_string_pretty(value).unwrap_or_default() }
}
