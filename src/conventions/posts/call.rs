//! `llm-calls/`.

use serde_json::{Map, Value};

use super::json::{dollars, name, text, tokens};
use crate::conventions::Oddities;
use crate::model::Str;
use crate::model::report::{CALLS_MAX, PREVIEW_MAX_BYTES, PREVIEWED_CALLS_MAX, ReportedCall, RunReport};
use crate::model::time::UnixNanos;
use crate::model::usage::Usage;

/// Tasks of instrumentations that stand around a provider's client, whose own instrumentation tells of the same call. Data: a new one is
/// one line. Source: the `task` texts in the instrumentors of waxell-observe 0.1.10; recorded are those of LangChain.
pub(super) const FRAMEWORK_TASKS: &[&str] = &[
    "crewai.",
    "dspy.",
    "guidance.",
    "haystack.",
    "instructor.create",
    "langchain.",
    "langfuse.",
    "langgraph.",
    "langsmith.",
    "litellm.",
    "llamaindex.",
    "lmql.",
    "magentic.",
    "marvin:",
    "mirascope.",
    "outlines.",
];

pub(super) fn apply(report: &mut RunReport, calls: &[Value], at: UnixNanos, oddities: &mut Oddities) {
    for call in calls.iter().filter_map(Value::as_object) {
        if report.calls.len() >= CALLS_MAX {
            report.n_calls_refused += 1;
            continue;
        }
        let mut call = read(call, at, oddities);
        if report.calls.len() >= PREVIEWED_CALLS_MAX {
            (call.prompt, call.response) = (None, None);
        }
        report.calls.push(call);
    }
}

fn read(call: &Map<String, Value>, at: UnixNanos, oddities: &mut Oddities) -> ReportedCall {
    let mut first = |keys: &[&str]| keys.iter().find_map(|key| tokens(call, key, oddities));
    let (input_tokens, output_tokens) = (first(&["tokens_in", "input_tokens"]), first(&["tokens_out", "output_tokens"]));
    let total_tokens = first(&["total_tokens"]);
    let cost = dollars(call, "cost", oddities).or_else(|| dollars(call, "cost_usd", oddities));
    let task = call.get("task").and_then(Value::as_str);
    let names_framework = name(call, "framework").is_some();
    ReportedCall {
        at,
        model: name(call, "model").unwrap_or_else(|| Str::from("")),
        task: name(call, "task").unwrap_or_else(|| Str::from("")),
        usage: Usage { input_tokens, output_tokens, total_tokens, cost, ..Usage::default() },
        is_framework: names_framework || task.is_none_or(|task| FRAMEWORK_TASKS.iter().any(|prefix| task.starts_with(prefix))),
        is_error: call.get("status").and_then(Value::as_str).is_some_and(|status| !matches!(status, "ok" | "success" | "")),
        is_found: false,
        prompt: text(call.get("prompt_preview"), PREVIEW_MAX_BYTES),
        response: text(call.get("response_preview"), PREVIEW_MAX_BYTES),
    }
}
