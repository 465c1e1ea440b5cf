//! What a message is, whichever dialect told of it.

use serde_json::Value as Json;

use super::image::Image;

/// Who says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ui) enum Role {
    /// Instructions of whoever built the agent.
    System,
    User,
    Assistant,
    /// A tool that was called.
    Tool,
    /// What else the sender calls it.
    Other(String),
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::ui) struct Message {
    pub(in crate::ui) role: Role,
    /// Never empty, where a reader made it.
    pub(in crate::ui) parts: Vec<Part>,
}

/// A piece of a message.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::ui) enum Part {
    /// Markdown, as agents and people write it.
    Text(String),
    /// What a model thought before it answered.
    Reasoning(String),
    Image(Image),
    /// A sound, a document: named, not shown.
    File(String),
    /// A tool is to be called.
    Call(Call),
    /// What a tool gave back.
    Answer(Answer),
    /// A structure that is no message.
    Data(Json),
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::ui) struct Call {
    /// By which its answer names it.
    pub(in crate::ui) id: Option<String>,
    /// Empty where nobody says it.
    pub(in crate::ui) name: String,
    /// Null where nobody says them.
    pub(in crate::ui) arguments: Json,
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::ui) struct Answer {
    /// Of the call.
    pub(in crate::ui) id: Option<String>,
    /// Of the tool.
    pub(in crate::ui) name: Option<String>,
    pub(in crate::ui) parts: Vec<Part>,
    pub(in crate::ui) is_error: bool,
}

// === impl Role ===

impl Role {
    /// The names that dialects have for it.
    pub(in crate::ui) fn of(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "system" | "developer" | "systemmessage" | "systemmessagechunk" | "system-prompt" | "instructions" => Self::System,
            "user" | "human" | "humanmessage" | "humanmessagechunk" | "user-prompt" => Self::User,
            "assistant" | "ai" | "model" | "aimessage" | "aimessagechunk" | "chatbot" => Self::Assistant,
            "tool" | "function" | "toolmessage" | "toolmessagechunk" | "functionmessage" | "tool-return" | "retry-prompt"
            | "tool-response" => Self::Tool,
            _ => Self::Other(name.to_owned()),
        }
    }

    pub(in crate::ui) fn name(&self) -> &str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Other(name) => name,
        }
    }
}

// === impl Message ===

impl Message {
    pub(in crate::ui) fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())] }
    }

    /// Whether a reader made out what it is: more than a structure that is shown as it came.
    pub(super) fn is_read(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Data(_)))
    }

    /// Its texts, without what was thought, called and answered.
    pub(in crate::ui) fn said(&self) -> String {
        let texts: Vec<&str> =
            self.parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(&**text) } else { None }).collect();
        texts.join("\n\n")
    }
}
