//! `complete/`.

use serde_json::{Map, Value};

use super::json::{cut, name, text};
use super::{elements, lists};
use crate::model::Str;
use crate::model::ids::{SpanId, TraceId};
use crate::model::report::{Completion, RunReport, TEXT_MAX_BYTES};
use crate::model::run::RunStatus;
use crate::model::time::UnixNanos;

/// A later completion wins, and keeps what only the earlier one said.
pub(super) fn apply(report: &mut RunReport, body: &Map<String, Value>, at: UnixNanos) {
    lists::apply_steps(report, elements(body, "steps"), at);
    let error = error(body);
    let status = body.get("status").and_then(Value::as_str).unwrap_or_default();
    let hex = |key: &str| body.get(key).and_then(Value::as_str);
    let before = report.completion.take();
    let trace = hex("trace_id").and_then(TraceId::from_hex).filter(|trace| !trace.is_reserved());
    let span = hex("root_span_id").and_then(SpanId::from_hex);
    report.completion = Some(Completion {
        at,
        status: RunStatus::from_report(status, error.is_some()),
        trace: trace.or_else(|| before.as_ref()?.trace),
        span: span.or_else(|| before.as_ref()?.span),
        result: text(body.get("result"), TEXT_MAX_BYTES).or_else(|| before.as_ref()?.result.clone()),
        error,
    });
}

/// `ValueError: no such order`, as Python writes it.
fn error(body: &Map<String, Value>) -> Option<Str> {
    let message = text(body.get("error"), TEXT_MAX_BYTES);
    let kind = name(body, "error_type");
    match (kind, message) {
        (Some(kind), Some(message)) if !message.starts_with(&*kind) => Some(cut(&format!("{kind}: {message}"), TEXT_MAX_BYTES)),
        (Some(kind), None) => Some(kind),
        (_, message) => message,
    }
}
