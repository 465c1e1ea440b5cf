//! What the SDK hears: the fields that it reads, and nothing that could stop an agent (`docs/sdk.md`).

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::super::refusal::Refusal;
use crate::auth::{CHALLENGE, Denied};
use crate::conventions::posts;
use crate::model::ids::{RunId, Tenant};
use crate::model::report::EventKind;
use crate::model::time::UnixNanos;

/// Seconds for which the SDK does not ask for policies again: the longest that it believes.
const MANIFEST_TTL_SECONDS: u32 = 3_600;

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// The SDK sends its traces to `base`, where this server takes them too. Without a base it would send none, so the key is left out.
pub(super) fn config(base: &str, tenant: &Tenant) -> Response {
    let mut body = json!({ "tenant_id": tenant.as_str(), "tenant_slug": tenant.as_str() });
    if !base.is_empty() {
        body["otel_endpoint"] = json!(base);
    }
    let mut response = answer(StatusCode::OK, &body);
    // It may repeat the host that was asked for, which is right for nobody but the one who asked.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn policy_check() -> Response {
    answer(StatusCode::OK, &json!({ "action": "allow", "reason": "", "metadata": {}, "evaluations": [] }))
}

pub(super) fn policy_manifest() -> Response {
    let body = json!({ "manifest_version": "1", "ttl_seconds": MANIFEST_TTL_SECONDS, "checkpoints": [], "surfaces": {}, "policies": [] });
    answer(StatusCode::OK, &body)
}

pub(super) fn prompt_guard() -> Response {
    answer(StatusCode::OK, &json!({ "action": "allow", "violations": [], "redacted_text": null, "scan_time_ms": 0 }))
}

pub(super) fn llm_config(tenant: &Tenant) -> Response {
    let (id, none): (&str, [u8; 0]) = (tenant.as_str(), []);
    let lists = json!({ "schema_version": 1, "tenant_id": id, "tenant_slug": id, "instances": none, "tenant_models": none, "groups": none,
        "capability_overrides": none });
    answer(StatusCode::OK, &lists)
}

/// The SDK shows the sentence to its user.
pub(super) fn no_prompts() -> Response {
    answer(StatusCode::NOT_FOUND, &json!({ "detail": "Not found: sessionfold keeps no prompts." }))
}

/// Ids are strings: with a number the SDK would silently send no calls.
pub(super) fn started(run: RunId, at: UnixNanos) -> Response {
    let body = json!({ "run_id": run.to_string(), "workflow_id": posts::workflow_id(run), "started_at": timestamp(at) });
    answer(StatusCode::CREATED, &body)
}

pub(super) fn daily(run: RunId, at: UnixNanos, date: &str, created: bool) -> Response {
    let (run_id, workflow_id) = (run.to_string(), posts::workflow_id(run));
    let body = json!({ "run_id": run_id, "workflow_id": workflow_id, "started_at": timestamp(at), "date": date, "created": created });
    answer(if created { StatusCode::CREATED } else { StatusCode::OK }, &body)
}

pub(super) fn taken(kind: EventKind, run: RunId) -> Response {
    let governance = json!({ "action": "allow", "reason": "", "retry_feedback": "", "max_retries": 0 });
    match kind {
        EventKind::Complete => answer(StatusCode::OK, &json!({ "run_id": run.to_string(), "governance": governance })),
        _ => answer(StatusCode::CREATED, &json!({ "governance": governance })),
    }
}

pub(super) fn noted(name: &str) -> Response {
    match name {
        // Without `run_found` the SDK asks four times more.
        "governance-decision" => answer(StatusCode::OK, &json!({ "run_found": true })),
        _ => answer(StatusCode::CREATED, &json!({})),
    }
}

pub(super) fn empty() -> Response {
    answer(StatusCode::OK, &json!({}))
}

pub(super) fn not_found() -> Response {
    answer(StatusCode::NOT_FOUND, &json!({ "detail": "Not found." }))
}

/// The SDK logs the first 200 bytes, so the sentence comes first. "quota" makes it say so once and not for every post.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let status = super::status(refusal);
    let detail = match refusal {
        Refusal::Unauthenticated => format!("{} Set WAXELL_API_KEY to a key of this sessionfold.", Denied::Missing.detail()),
        Refusal::Forbidden => format!("{refusal}."),
        Refusal::WrongKeys(_) => format!("{} {refusal}. Set WAXELL_API_KEY to a key of this sessionfold.", Denied::Missing.detail()),
        _ if status == StatusCode::TOO_MANY_REQUESTS => format!("Storage quota: {refusal}."),
        other => format!("{other}."),
    };
    let mut response = answer(status, &json!({ "detail": detail }));
    if *refusal == Refusal::Unauthenticated {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    if let Some(delay) = refusal.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(delay.as_secs()));
    }
    response
}

fn timestamp(at: UnixNanos) -> String {
    let nanos = i64::try_from(at.0).unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Micros, true)
}
