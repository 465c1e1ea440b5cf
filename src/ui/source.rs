//! Where whole spans come from: Tempo where there is one, else the journal while it still has them; and what to say about it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use maud::{Markup, html};

use super::refusal::Refusal;
use super::{Effort, Ui};
use crate::model::ids::{Tenant, TraceId};

/// A Tempo that can be asked for a trace.
pub trait TraceSource: Send + Sync + 'static {
    /// An encoded `TracesData`; `None` if it has no such trace. Gives up after a short while and then says why, in words.
    fn trace(&self, tenant: &Tenant, trace: TraceId) -> BoxFuture<'_, Result<Option<Bytes>, String>>;

    /// Bytes that it has not been sent yet.
    fn lag_bytes(&self) -> u64;
}

/// What was found of one trace, or of several, beside what the index keeps.
#[derive(Default)]
pub(super) struct Found {
    /// Encoded; they may hold spans of other traces.
    pub(super) requests: Vec<Bytes>,
    pub(super) origin: Origin,
}

/// Who had it, or why nobody did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Origin {
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
}

/// Asks Tempo, then the journal.
pub(super) async fn find(ui: &Arc<Ui>, tenant: &Tenant, trace: TraceId) -> Result<Found, Refusal> {
    let Some(tempo) = &ui.tempo else { return find_in_journal(ui, tenant, vec![trace], Origin::Nowhere).await };
    let missing = match tempo.trace(tenant, trace).await {
        Ok(Some(trace)) => return Ok(Found { requests: vec![trace], origin: Origin::Tempo }),
        Ok(None) => Origin::NotInTempo { lag_bytes: tempo.lag_bytes() },
        Err(reason) => Origin::TempoFailed(reason),
    };
    find_in_journal(ui, tenant, vec![trace], missing).await
}

/// Reads the journal for all of these; `otherwise` is what to say if there is nothing.
pub(super) async fn find_in_journal(ui: &Arc<Ui>, tenant: &Tenant, traces: Vec<TraceId>, otherwise: Origin) -> Result<Found, Refusal> {
    let tenant = tenant.clone();
    let raw = ui.read(Effort::Trace, move |ui| Ok(ui.store.raw_spans(&tenant, &traces)?)).await?;
    let origin = match (raw.requests.is_empty(), raw.is_cut) {
        (false, _) => Origin::Journal,
        (true, true) if otherwise == Origin::Nowhere => Origin::JournalTooLong,
        (true, _) => otherwise,
    };
    Ok(Found { requests: raw.requests, origin })
}

// === impl Origin ===

impl Origin {
    /// `n_missing` are spans that the index knows and the source did not have.
    pub(super) fn line(&self, n_missing: usize) -> Markup {
        let kept = "Shown is what the index keeps: times, kinds, tokens and cost, without attributes and messages.";
        html! {
            @match self {
                Self::Tempo if n_missing > 0 => p.source.warn { "Attributes and messages are from Tempo, which does not have " (n_missing) " of these spans yet." },
                Self::Tempo => p.source { "Attributes and messages are from Tempo." },
                Self::Journal => p.source { "Attributes and messages are from this server's journal, which keeps raw spans for a limited time." },
                Self::NotInTempo { lag_bytes: 0 } => p.source.warn { "Tempo does not have this trace: it has expired there, was refused, or was dropped. " (kept) },
                Self::NotInTempo { lag_bytes } => p.source.warn { "Tempo does not have this trace yet: " (bytes(*lag_bytes)) " are still to be sent to it. " (kept) },
                Self::TempoFailed(reason) => p.source.warn { "Tempo could not be asked: " (reason) ". " (kept) },
                Self::Nowhere => p.source { (kept) " The raw spans are gone from the journal; with a Tempo (--tempo, --tempo-query) they would be there for longer." },
                Self::JournalTooLong => p.source.warn { (kept) " The journal is too long to be read through for a page." },
            }
        }
    }
}

fn bytes(n: u64) -> String {
    bytesize::ByteSize(n).to_string()
}
