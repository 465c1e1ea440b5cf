//! Spans that are looked for: by text, and by kind.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::tree::{Row, Tree};
use crate::model::facts::SpanKind;
use crate::model::ids::{SpanId, TraceId};
use crate::ui::spans;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Filter {
    /// Part of a name, a model, a tool, an id, a status message, or of a value of an attribute; ASCII letters match both cases.
    pub(super) text: Option<String>,
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Agents and workflows.
    Agent,
    /// Calls of models, embeddings too.
    Model,
    Tool,
    /// Whatever it is, if it failed.
    Error,
}

// === impl Filter ===

impl Filter {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_none() && self.kind.is_none()
    }

    /// Of each line whether it is found. Looks into the requests only where a text is asked for.
    pub(super) fn find(&self, tree: &Tree, trace: TraceId, requests: &[Bytes]) -> Vec<bool> {
        let held: BTreeSet<SpanId> = self.text.as_ref().map(|text| spans::holding(requests, trace, text)).unwrap_or_default();
        let has_text = |row: &Row| self.text.as_ref().is_none_or(|text| held.contains(&row.span) || says(row, text));
        tree.rows.iter().map(|row| self.kind.is_none_or(|kind| kind.has(row)) && has_text(row)).collect()
    }
}

/// What the index has of it.
fn says(row: &Row, text: &str) -> bool {
    let tool = row.tool.as_deref().unwrap_or_default();
    let model = row.call.as_ref().map_or("", |call| &*call.model);
    [&row.name, tool, model].iter().any(|name| spans::contains(name, text)) || spans::contains(&row.span.to_string(), text)
}

// === impl Kind ===

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Agent, Self::Model, Self::Tool, Self::Error];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Tool => "tool",
            Self::Error => "error",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Agent => "Agents",
            Self::Model => "Model calls",
            Self::Tool => "Tools",
            Self::Error => "Errors",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn has(self, row: &Row) -> bool {
        match self {
            Self::Agent => matches!(row.kind, SpanKind::Agent | SpanKind::Workflow),
            Self::Model => matches!(row.kind, SpanKind::Llm | SpanKind::Embedding),
            Self::Tool => row.kind == SpanKind::Tool,
            Self::Error => row.has_failed,
        }
    }
}
