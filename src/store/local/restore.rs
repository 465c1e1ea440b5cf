//! What comes back from Tempo into the index.

use std::sync::Arc;

use super::{LocalStore, Price};
use crate::conventions::Conventions;
use crate::journal::Class;
use crate::model::ids::{RunId, Tenant};
use crate::model::report::EventKind;
use crate::store::AcceptError;
use crate::wire::format::entry::Event;
use bytes::Bytes;

impl LocalStore {
    /// Takes spans that Tempo gave back: an encoded request. Returns once it is durable. They are not forwarded.
    pub async fn restore_spans(&self, tenant: &Tenant, request: Bytes) -> Result<(), AcceptError> {
        self.append(tenant, Event::UnforwardedSpans(request), Class::Spans).await.map(|_| ())
    }

    /// Takes what Tempo still knew of a run that the SDK told of over HTTP ([`crate::conventions::posts::Restored`]). Returns once it is durable.
    pub async fn restore_run(&self, tenant: &Tenant, run: RunId, body: Bytes) -> Result<(), AcceptError> {
        let event = Event::Run { kind: EventKind::Restored, run: Some(run), body };
        self.append(tenant, event, Class::Events).await.map(|_| ())
    }

    /// What a call costs that states no cost.
    pub fn price(&self) -> Price {
        self.shared.price.clone()
    }

    /// What is read of spans.
    pub fn conventions(&self) -> Arc<Conventions> {
        self.shared.conventions.clone()
    }

    /// Waits until everything that was accepted is folded; `false` if the fold has stopped.
    pub async fn catch_up(&self) -> bool {
        self.has_folded(self.journal.end()).await
    }
}
