//! All that is kept of a span.
//!
//! One compact fact per span, counted or not, because a span that comes late can change what counts.
//! Facts of one trace form a set: the join of two copies of a span is their maximum, so order, splitting and repetition cannot matter.

use crate::model::Str;
use crate::model::ids::{SessionId, SpanId};
use crate::model::reason::Reason;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::tool_of_span;
use crate::model::usage::Call;

/// What a span is to the fold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum SpanKind {
    /// An HTTP request, a database query, a user's own span.
    #[default]
    Other = 0,
    /// One execution of one agent.
    Agent = 1,
    /// A workflow, crew or pipeline above agents.
    Workflow = 2,
    /// A chat or completion call of a model.
    Llm = 3,
    Embedding = 4,
    Tool = 5,
    /// A chain, task, retriever or step: a container that is neither agent nor workflow.
    Step = 6,
}

/// The status of a span as OTLP has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum SpanStatus {
    #[default]
    Unset = 0,
    Ok = 1,
    Error = 2,
}

/// How Tempo comes to know of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delivery {
    /// It is forwarded.
    #[default]
    Forwarded,
    /// Not at all: it is made of a log event that stands beside spans of the same.
    Never,
    /// It is a turn that only log events tell of: its span is made when it is over.
    WhenOver,
}

/// Who and what a span says it belongs to. Only the spans that say something carry one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Labels {
    pub session: Option<SessionId>,
    /// The session is one that a framework minted: it holds only where no other is in effect.
    pub is_session_weak: bool,
    /// What the span's resource names, the last resort.
    pub resource_session: Option<SessionId>,
    /// The run id a control plane gave, as text.
    pub run_id: Option<Str>,
    pub agent: Option<Str>,
    pub workflow: Option<Str>,
    pub user: Option<Str>,
    pub user_group: Option<Str>,
}

/// One span. The order of the fields is the order in which two copies are compared: the later end wins, then the fuller copy, then
/// the greater bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpanFact {
    /// Zero while a span is not ended.
    pub end: UnixNanos,
    /// A model, tokens or money, wherever they stand; see `kind` for whether it is a model call or a container's claim.
    pub call: Option<Box<Call>>,
    pub labels: Option<Box<Labels>>,
    pub start: UnixNanos,
    pub span: SpanId,
    pub parent: Option<SpanId>,
    pub kind: SpanKind,
    pub status: SpanStatus,
    /// The span names the model that answered (`gen_ai.response.model`): the SDK's echo spans do not (`docs/sdk.md` rule 5).
    pub has_response_model: bool,
    /// The span was made by a framework's instrumentation around a provider's (`waxell.framework`; rule 6).
    pub is_framework: bool,
    /// Start or end lay more than a day after its arrival: shown as sent, but it cannot lead a list.
    pub is_future: bool,
    pub name: Str,
    /// The name of the instrumentation scope.
    pub scope: Str,
    /// Why it failed; `None` also where it failed and nobody says why. A tool that says why has failed, whatever its status is.
    pub failure: Option<Box<Reason>>,
    /// The tool whose span it is, where the span's name does not tell it; see [`Self::tool`].
    pub tool: Option<Box<Str>>,
    /// What it was asked, as [`crate::model::question::made_out`] has it; only of agents, workflows, calls of models and steps.
    pub question: Option<Box<Str>>,
}

// === impl SpanKind ===

impl SpanKind {
    /// A call of a model, as opposed to a container that may claim what its children used.
    pub fn is_model(self) -> bool {
        matches!(self, Self::Llm | Self::Embedding)
    }

    /// The inverse of `as u8`, for what comes from disk.
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Other,
            1 => Self::Agent,
            2 => Self::Workflow,
            3 => Self::Llm,
            4 => Self::Embedding,
            5 => Self::Tool,
            6 => Self::Step,
            _ => return None,
        })
    }
}

// === impl SpanStatus ===

impl SpanStatus {
    /// Unknown codes count as unset, as OTLP asks.
    pub fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

// === impl SpanFact ===

impl SpanFact {
    pub fn duration(&self) -> Nanos {
        self.end.since(self.start)
    }

    /// The Waxell SDK leaves the status of a tool unset that failed, and says why (`docs/sdk.md`).
    pub fn has_failed(&self) -> bool {
        self.status == SpanStatus::Error || self.failure.is_some()
    }

    /// What the tool is called whose span it is; `None` of other spans.
    pub fn tool(&self) -> Option<&str> {
        let stated = self.tool.as_deref().map(|tool| &**tool);
        (self.kind == SpanKind::Tool).then(|| stated.unwrap_or_else(|| tool_of_span(&self.name)))
    }

    /// The session that the span itself names.
    pub fn session(&self) -> Option<&SessionId> {
        self.labels.as_ref()?.session.as_ref()
    }

    pub fn is_session_weak(&self) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.is_session_weak)
    }

    pub fn resource_session(&self) -> Option<&SessionId> {
        self.labels.as_ref()?.resource_session.as_ref()
    }

    /// The agent that the span itself names.
    pub fn agent(&self) -> Option<&Str> {
        self.labels.as_ref()?.agent.as_ref()
    }

    pub fn run_id(&self) -> Option<&Str> {
        self.labels.as_ref()?.run_id.as_ref()
    }

    /// Bytes this fact holds in memory, near enough to bound what open traces may take. Shared strings count as pointers.
    pub fn weight(&self) -> usize {
        let labels = self.labels.as_ref().map_or(0, |l| size_of::<Labels>() + l.session.as_ref().map_or(0, |s| s.as_str().len() + 16));
        let failure = self.failure.as_ref().map_or(0, |failure| failure.weight());
        let tool = self.tool.as_ref().map_or(0, |_| size_of::<Str>());
        // Most are shared; what is not must not go unnoticed.
        let question = self.question.as_ref().map_or(0, |question| size_of::<Str>() + question.len());
        size_of::<Self>() + self.call.as_ref().map_or(0, |_| size_of::<Call>()) + labels + failure + tool + question
    }
}
