//! `steps/`, `spans/` and `scores/`.

use serde_json::{Map, Value};

use super::json::{count, cut, millis, name, text};
use crate::model::Str;
use crate::model::report::{NAME_MAX_BYTES, PREVIEW_MAX_BYTES, ReportedSpan, RunReport, SCORES_MAX, SPANS_MAX, STEPS_MAX, Step};
use crate::model::run::{Score, ScoreValue};
use crate::model::time::UnixNanos;

/// The name of steps by which the SDK only asks whether it may go on.
const GOVERNANCE_CHECK: &str = "__governance_check";

pub(super) fn apply_steps(report: &mut RunReport, steps: &[Value], at: UnixNanos) {
    for step in steps.iter().filter_map(Value::as_object) {
        let Some(name) = name(step, "step_name").filter(|name| &**name != GOVERNANCE_CHECK) else { continue };
        if report.steps.len() < STEPS_MAX {
            let output = text(step.get("output"), PREVIEW_MAX_BYTES);
            report.steps.push(Step { at, name, position: count(step, "position"), output });
        }
    }
}

pub(super) fn apply_spans(report: &mut RunReport, spans: &[Value]) {
    for span in spans.iter().filter_map(Value::as_object) {
        if report.spans.len() < SPANS_MAX {
            report.spans.push(ReportedSpan {
                name: name(span, "name").unwrap_or_else(|| Str::from("")),
                kind: name(span, "kind").unwrap_or_else(|| Str::from("")),
                is_error: span.get("status").and_then(Value::as_str).is_some_and(|status| status == "error"),
                duration: millis(span, "duration_ms"),
                position: count(span, "position").unwrap_or(u64::MAX),
                offset: millis(span, "start_offset_ms"),
                parent_position: count(span, "parent_position"),
            });
        }
    }
}

pub(super) fn apply_scores(report: &mut RunReport, scores: &[Value], at: UnixNanos) {
    for score in scores.iter().filter_map(Value::as_object) {
        let (Some(name), Some(value)) = (name(score, "name"), score_value(score)) else { continue };
        if report.scores.len() < SCORES_MAX {
            let comment = text(score.get("comment"), PREVIEW_MAX_BYTES);
            let source = super::json::name(score, "source").unwrap_or_else(|| Str::from("sdk"));
            report.scores.push(Score { name, value, comment, source, at });
        }
    }
}

/// By the type that is stated, else by what is there. The SDK sends a boolean as a number and as text.
fn score_value(score: &Map<String, Value>) -> Option<ScoreValue> {
    let value = |key: &str| score.get(key).or_else(|| score.get("value")).filter(|value| !value.is_null());
    let number =
        || value("numeric_value").and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok())).filter(|n| n.is_finite());
    let label = || match value("string_value") {
        Some(Value::String(text)) => Some(cut(text, NAME_MAX_BYTES)),
        Some(other) => Some(cut(&other.to_string(), NAME_MAX_BYTES)),
        None => None,
    };
    let boolean = || match value("string_value") {
        Some(Value::Bool(is)) => Some(*is),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => number().map(|number| number != 0.0),
    };
    match score.get("data_type").and_then(Value::as_str) {
        Some("numeric") => number().map(ScoreValue::Numeric),
        Some("categorical") => label().map(ScoreValue::Categorical),
        Some("boolean") => boolean().map(ScoreValue::Boolean),
        _ => number().map(ScoreValue::Numeric).or_else(|| label().map(ScoreValue::Categorical)),
    }
}
