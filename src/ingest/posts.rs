//! What becomes of a POST of the SDK once it is read.

use std::sync::Arc;
use std::time::Instant;

use axum::response::Response;

use super::encoding::Coding;
use super::metrics::{PostLabels, WAXELL};
use super::peer::Peer;
use super::receiver::Receiver;
use super::refusal::Refusal;
use crate::clock;
use crate::model::ids::{RunId, Tenant};
use crate::model::time::UnixNanos;
use crate::store::{RunPost, Store};

/// A post whose answer is not under way. Dropped before that, because its sender has gone, it has the store note so.
struct Unanswered {
    store: Arc<dyn Store>,
    post: Option<(Tenant, RunPost)>,
    /// When it came.
    since: UnixNanos,
}

impl Receiver {
    /// Takes a post; returns once it is durable.
    pub(super) async fn take_post(&self, tenant: &Tenant, post: RunPost, peer: &Peer) -> Result<(), Refusal> {
        let mut unanswered = Unanswered { store: self.store().clone(), post: Some((tenant.clone(), post.clone())), since: self.now() };
        let mut accepting = self.store().accept_post(tenant, post);
        let taken = tokio::select! {
            biased;
            taken = &mut accepting => {
                unanswered.post = None;
                taken
            }
            // Nearly always it has gone; one that only ended its side hears its answer.
            () = peer.ended() => {
                drop(unanswered);
                accepting.await
            }
        };
        taken.map_err(|error| self.not_accepted(error))
    }

    /// When a run started, if it is known.
    pub(super) async fn run_started_at(&self, tenant: &Tenant, run: RunId) -> Result<Option<UnixNanos>, Refusal> {
        let (store, tenant) = (self.store().clone(), tenant.clone());
        match self.look_up(move || store.run(&tenant, run)).await? {
            Ok(view) => Ok(view.map(|view| view.run.started_at)),
            Err(error) if error.is_busy() => Err(Refusal::Overloaded),
            Err(error) => {
                tracing::error!(%error, "a run could not be looked up");
                Err(Refusal::Internal)
            }
        }
    }

    /// Counts an answer, and logs a refusal once in a while.
    pub(super) fn record_post(&self, endpoint: &'static str, coding: Coding, arrived: Instant, answer: &Result<Response, Refusal>) {
        let outcome = match answer {
            Ok(_) => {
                self.metrics().took(WAXELL, coding, arrived.elapsed());
                "accepted"
            }
            Err(refusal) => refusal.reason(),
        };
        self.metrics().posts.get_or_create(&PostLabels { endpoint, outcome }).inc();
        let Err(refusal) = answer else { return };
        if matches!(refusal, Refusal::JournalFull | Refusal::Unavailable) {
            return; // Written about in the store's own words.
        }
        if let Some(n_requests) = self.log_limiter().due(outcome, 1, Instant::now()) {
            tracing::warn!(endpoint, reason = outcome, n_requests, error = %refusal, "requests of the Waxell SDK were refused");
        }
    }

    pub(super) fn now(&self) -> UnixNanos {
        clock::now()
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let Some((tenant, post)) = self.post.take().filter(|(_, post)| post.run.is_some()) else { return };
        let (store, since) = (self.store.clone(), self.since);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { store.unanswered(&tenant, post, since).await });
        }
    }
}
