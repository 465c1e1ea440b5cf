//! What was said in a span, in any dialect, and how a page shows it.
//!
//! ```text
//! attributes, events ──► span, tool (which keys: keys, numbered, events) ──► shapes, parts (what the JSON means) ──► Message
//! Message ──► show (markdown, images, cards) ──► HTML
//! ```
//!
//! - Pure: reads what it is given. All of it is hostile: depth, number and size are limited, and work is linear in the text.
//! - What a dialect says is made out by its shape, not by its name, so that a dialect nobody has seen is mostly read as well.
//! - Nothing that is not ours is run, drawn or loaded: see `markdown` and `image`.

mod base64;
mod events;
mod image;
mod keys;
mod markdown;
mod message;
mod numbered;
mod parts;
pub(super) mod places;
mod python;
mod shapes;
mod show;
mod span;
#[cfg(test)]
mod tests;
mod tool;

use std::collections::BTreeMap;

use serde_json::Value as Json;

pub(super) use self::events::Event;
pub(super) use self::message::{Answer, Call, Message, Part, Role};
pub(super) use self::show::{Outcome, Show};
pub(super) use self::tool::Told;

/// Messages of one span that are read, and parts of one message.
pub(super) const MESSAGES_MAX: usize = 200;
const PARTS_MAX: usize = 200;
/// How deep a structure is looked into.
const DEPTH_MAX: usize = 32;

type Attributes = BTreeMap<String, Json>;

/// What went into a span and what came out.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Said {
    pub(super) input: Vec<Message>,
    pub(super) output: Vec<Message>,
}

// === impl Said ===

impl Said {
    /// What went in, then what came out.
    pub(super) fn all(self) -> Vec<Message> {
        let mut messages = self.input;
        messages.extend(self.output);
        messages.truncate(MESSAGES_MAX);
        messages
    }
}

/// Of a span of a model or an agent.
pub(super) fn said(attributes: &Attributes, events: &[Event<'_>]) -> Said {
    span::said(attributes, events)
}

/// Of a span of a tool.
pub(super) fn told(span_name: &str, attributes: &Attributes, events: &[Event<'_>]) -> Told {
    tool::told(span_name, attributes, events)
}

/// What an agent was given or gave back as its SDK says it: a text, or JSON that holds one.
pub(super) fn reported(value: &str, role: &Role) -> Vec<Message> {
    let mut found = shapes::of_text(value, role, 0);
    found.truncate(MESSAGES_MAX);
    found
}

/// What a tool gave back as an SDK says it.
pub(super) fn given(value: &str) -> Vec<Part> {
    parts::given(&Json::String(value.to_owned()), 0)
}
