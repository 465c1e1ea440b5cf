//! Where whole spans come from: Tempo where there is one, else the journal while it still has them; and what to say about it.

use std::sync::Arc;

use maud::{Markup, html};

use super::refusal::Refusal;
use super::{Effort, Ui};
use crate::model::ids::{Tenant, TraceId};
use crate::store::raw::{self, Found, Origin};

/// Asks Tempo, then the journal.
pub(super) async fn find(ui: &Arc<Ui>, tenant: &Tenant, trace: TraceId) -> Result<Found, Refusal> {
    match raw::ask(ui.tempo.as_deref(), tenant, trace).await {
        Ok(found) => Ok(found),
        Err(missing) => find_in_journal(ui, tenant, vec![trace], missing).await,
    }
}

/// Reads the journal for all of these; `otherwise` is what to say if there is nothing.
pub(super) async fn find_in_journal(ui: &Arc<Ui>, tenant: &Tenant, traces: Vec<TraceId>, otherwise: Origin) -> Result<Found, Refusal> {
    let tenant = tenant.clone();
    let raw = ui.read(Effort::Trace, move |ui| Ok(ui.store.raw_spans(&tenant, &traces)?)).await?;
    Ok(Found::in_journal(raw, otherwise))
}

/// `n_missing` are spans that the index knows and the source did not have.
pub(super) fn line(origin: &Origin, n_missing: usize) -> Markup {
    let kept = "This is what the index keeps: times, kinds, tokens and cost, without attributes and messages.";
    html! {
        @match origin {
            Origin::Tempo if n_missing > 0 => p.source.warn { "Attributes and messages are from Tempo, which does not have " (n_missing) " of these spans yet." },
            Origin::Tempo => p.source { "Attributes and messages are from Tempo." },
            Origin::Journal => p.source { "Attributes and messages are from this server's journal, which keeps raw spans for a limited time." },
            Origin::NotInTempo { lag_bytes: 0 } => p.source.warn { "Tempo does not have this trace: it has expired there, was refused, or was dropped. " (kept) },
            Origin::NotInTempo { lag_bytes } => p.source.warn { "Tempo does not have this trace yet: " (bytes(*lag_bytes)) " are still to be sent to it. " (kept) },
            Origin::TempoFailed(reason) => p.source.warn { "Tempo could not be asked: " (reason) ". " (kept) },
            Origin::Nowhere | Origin::NoTrace => p.source { (kept) " The raw spans are gone from the journal; with a Tempo (--tempo, --tempo-query) they would be there for longer." },
            Origin::JournalTooLong => p.source.warn { (kept) " The journal is too long to be read through for a page." },
        }
    }
}

fn bytes(n: u64) -> String {
    bytesize::ByteSize(n).to_string()
}
