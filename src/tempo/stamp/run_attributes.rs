//! The attributes of a run, on each of its spans and on its own span.

use crate::model::ids::{RunId, SessionId};
use crate::model::run::Run;
use crate::tempo::keys::{AGENT_NAME, ERROR, RUN_COST, RUN_ID, RUN_LLM_CALLS, RUN_TOKENS, SESSION_ID};
use crate::wire::otlp::stamp::Stamps;

/// On every span of a run. A run whose own span is missing has no id yet that would last.
pub(super) fn put_run(stamps: &mut Stamps<'_>, run: &Run) {
    put_identity(stamps, run.session.as_ref(), (!run.is_provisional).then_some(run.id), &run.agent);
}

pub(super) fn put_identity(stamps: &mut Stamps<'_>, session: Option<&SessionId>, id: Option<RunId>, agent: &str) {
    if let Some(session) = session {
        stamps.string(SESSION_ID, session.as_str());
    }
    if let Some(id) = id {
        stamps.string(RUN_ID, &id.get().to_string());
    }
    if !agent.is_empty() {
        stamps.string(AGENT_NAME, agent);
    }
}

/// On the run's own span: what it came to, and why it failed. Zero is said too: a run that called no model is a run.
pub(super) fn put_outcome(stamps: &mut Stamps<'_>, run: &Run) {
    let usage = &run.usage;
    stamps.double(RUN_COST, usage.cost.0 as f64 / 1e9);
    stamps.int(RUN_TOKENS, i64::try_from(usage.tokens).unwrap_or(i64::MAX));
    stamps.int(RUN_LLM_CALLS, i64::try_from(usage.calls).unwrap_or(i64::MAX));
    if let Some(error) = &run.error {
        stamps.string(ERROR, error);
    }
}
