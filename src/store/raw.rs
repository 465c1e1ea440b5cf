//! Spans as they were sent: from the journal while it has them, or from where they were passed on to.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::said::{Names, Seconds, SpanTexts, Unanswered, Wanted};
use crate::model::ids::{Tenant, TraceId};

/// Encoded `ExportTraceServiceRequest`s. They may hold spans of other traces of the same tenant, too, and a span twice.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RawSpans {
    pub requests: Vec<Bytes>,
    /// Looking for more would have taken too long.
    pub is_cut: bool,
}

/// A Tempo that can be asked for a trace.
pub trait TraceSource: Send + Sync + 'static {
    /// An encoded `TracesData`; `None` if it has no such trace. Gives up after a short while and then says why, in words.
    fn trace(&self, tenant: &Tenant, trace: TraceId) -> BoxFuture<'_, Result<Option<Bytes>, String>>;

    /// The attributes that it knows of in a part of time.
    fn names(&self, tenant: &Tenant, time: Seconds) -> BoxFuture<'_, Result<Names, Unanswered>>;

    /// The spans that have a phrase, of the newest traces first. Takes as long as Tempo does: the caller gives up.
    fn search_said(&self, tenant: &Tenant, wanted: Wanted) -> BoxFuture<'_, Result<Vec<SpanTexts>, Unanswered>>;

    /// Bytes that it has not been sent yet.
    fn lag_bytes(&self) -> u64;
}

/// What was found of one trace, or of several, beside what the index keeps.
#[derive(Clone, Default, Debug)]
pub struct Found {
    /// Encoded; they may hold spans of other traces.
    pub requests: Vec<Bytes>,
    pub origin: Origin,
}

/// Who had it, or why nobody did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Origin {
    Tempo,
    Journal,
    /// Tempo does not have it, and may not have been sent all yet.
    NotInTempo {
        lag_bytes: u64,
    },
    TempoFailed(String),
    /// There is no Tempo, and the journal does not have it any more.
    #[default]
    Nowhere,
    /// There is no Tempo, and the journal is too long to be read through.
    JournalTooLong,
    /// The run was told of over HTTP only.
    NoTrace,
}

/// Asks Tempo, if there is one; else, or without an answer, the journal is to be read, and if that has nothing this is why.
pub async fn ask(tempo: Option<&dyn TraceSource>, tenant: &Tenant, trace: TraceId) -> Result<Found, Origin> {
    let Some(tempo) = tempo else { return Err(Origin::Nowhere) };
    match tempo.trace(tenant, trace).await {
        Ok(Some(trace)) => Ok(Found { requests: vec![trace], origin: Origin::Tempo }),
        Ok(None) => Err(Origin::NotInTempo { lag_bytes: tempo.lag_bytes() }),
        Err(reason) => Err(Origin::TempoFailed(reason)),
    }
}

// === impl Found ===

impl Found {
    /// What the journal had; `otherwise` is what to say if it had nothing.
    pub fn in_journal(raw: RawSpans, otherwise: Origin) -> Self {
        let origin = match (raw.requests.is_empty(), raw.is_cut) {
            (false, _) => Origin::Journal,
            (true, true) if otherwise == Origin::Nowhere => Origin::JournalTooLong,
            (true, _) => otherwise,
        };
        Self { requests: raw.requests, origin }
    }
}

// === impl Origin ===

impl Origin {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tempo => "tempo",
            Self::Journal => "journal",
            Self::NotInTempo { .. } | Self::TempoFailed(_) | Self::Nowhere | Self::JournalTooLong | Self::NoTrace => "none",
        }
    }

    /// Where it is known from which attribute said what, or why it is not.
    pub fn words(&self) -> String {
        let unknown = "Which attribute said what is not known:";
        match self {
            Self::Tempo => "Which attribute said what is read from the spans in Tempo.".into(),
            Self::Journal => {
                "Which attribute said what is read from this server's journal, which keeps raw spans for a limited time.".into()
            }
            Self::NotInTempo { lag_bytes: 0 } => format!("{unknown} Tempo does not have this trace."),
            Self::NotInTempo { .. } => format!("{unknown} Tempo does not have this trace yet."),
            Self::TempoFailed(reason) => format!("{unknown} Tempo could not be asked: {reason}."),
            Self::Nowhere => format!("{unknown} the journal does not have these spans any more, and there is no Tempo to ask."),
            Self::NoTrace => "No trace of this run is known: the SDK reported it over HTTP only.".into(),
            Self::JournalTooLong => format!("{unknown} the journal is too long to be read through for an answer."),
        }
    }
}
