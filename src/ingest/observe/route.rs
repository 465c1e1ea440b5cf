//! Which endpoint of the SDK a request is for.

use bytes::Bytes;
use chrono::DateTime;
use http::Method;

use crate::model::ids::RunId;
use crate::model::report::EventKind;
use crate::model::time::UnixNanos;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ingest) enum Route {
    Config,
    PolicyCheck,
    PolicyManifest,
    PromptGuard,
    LlmConfig,
    Prompt,
    Start,
    Daily,
    Run(EventKind, RunId),
    /// Told by the SDK, of no run that is kept apart.
    Tenant(&'static str),
    /// About a run that cannot be one of ours.
    Quiet,
    Unknown,
}

/// The longest agent name or date that a daily run is known by, in bytes.
const NAME_MAX_BYTES: usize = 256;

// === impl Route ===

impl Route {
    pub(in crate::ingest) fn of(method: &Method, path: &str) -> Self {
        if path.starts_with("/api/v1/observability/runs/") {
            return if *method == Method::POST { Self::Tenant("memory") } else { Self::Unknown };
        }
        let rest = path.strip_prefix("/api/v1/observe/").unwrap_or_default();
        let parts: Vec<&str> = rest.strip_suffix('/').unwrap_or(rest).split('/').collect();
        let is_post = *method == Method::POST;
        match (is_post, &parts[..]) {
            (false, ["config"]) if *method == Method::GET || *method == Method::HEAD => Self::Config,
            (true, ["policy-check"]) => Self::PolicyCheck,
            (false, ["policy-manifest"]) if *method == Method::GET => Self::PolicyManifest,
            (true, ["prompt-guard"]) => Self::PromptGuard,
            (false, ["llm-config", "manifest"]) if *method == Method::GET => Self::LlmConfig,
            (false, ["prompts", _]) if *method == Method::GET => Self::Prompt,
            (true, ["runs", "start"]) => Self::Start,
            (true, ["runs", "daily"]) => Self::Daily,
            (true, ["runs", run, what]) => match (kind(what), run.parse().ok().and_then(RunId::new)) {
                (Some(kind), Some(run)) => Self::Run(kind, run),
                _ => Self::Quiet,
            },
            (true, ["events"]) => Self::Tenant("events"),
            (true, ["governance-decision"]) => Self::Tenant("governance-decision"),
            _ => Self::Unknown,
        }
    }

    /// The label `endpoint` in metrics.
    pub(in crate::ingest) fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::PolicyCheck => "policy-check",
            Self::PolicyManifest => "policy-manifest",
            Self::PromptGuard => "prompt-guard",
            Self::LlmConfig => "llm-config",
            Self::Prompt => "prompts",
            Self::Start => "start",
            Self::Daily => "daily",
            Self::Run(EventKind::LlmCalls, _) => "llm-calls",
            Self::Run(EventKind::Steps, _) => "steps",
            Self::Run(EventKind::Spans, _) => "spans",
            Self::Run(EventKind::Scores, _) => "scores",
            Self::Run(EventKind::Partial, _) => "partial",
            Self::Run(EventKind::Complete, _) => "complete",
            Self::Run(..) => "run",
            Self::Tenant(name) => name,
            Self::Quiet => "no_run",
            Self::Unknown => "unknown",
        }
    }
}

fn kind(what: &str) -> Option<EventKind> {
    Some(match what {
        "llm-calls" => EventKind::LlmCalls,
        "steps" => EventKind::Steps,
        "spans" => EventKind::Spans,
        "scores" => EventKind::Scores,
        "partial" => EventKind::Partial,
        "complete" => EventKind::Complete,
        _ => return None,
    })
}

/// Who the daily run is of, and of which day: today in UTC where the body does not say.
pub(in crate::ingest) fn agent_and_date(body: &Bytes, now: UnixNanos) -> (String, String) {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(serde_json::Value::as_str).filter(|text| (1..=NAME_MAX_BYTES).contains(&text.len()));
    let agent = text("agent_slug").or_else(|| text("agent_name")).unwrap_or_default().to_owned();
    let today = || {
        let seconds = i64::try_from(now.0 / 1_000_000_000).unwrap_or_default();
        DateTime::from_timestamp(seconds, 0).unwrap_or_default().date_naive().to_string()
    };
    (agent, text("date").map_or_else(today, str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_with_and_without_its_slash() {
        let run = RunId::new(1_099_511_627_999).unwrap();
        for (method, path, route) in [
            (Method::GET, "config/", Route::Config),
            (Method::POST, "config/", Route::Unknown),
            (Method::POST, "policy-check/", Route::PolicyCheck),
            (Method::GET, "policy-manifest/", Route::PolicyManifest),
            (Method::POST, "runs/start/", Route::Start),
            (Method::POST, "runs/daily", Route::Daily),
            (Method::POST, "runs/1099511627999/llm-calls/", Route::Run(EventKind::LlmCalls, run)),
            (Method::POST, "runs/1099511627999/complete", Route::Run(EventKind::Complete, run)),
            (Method::POST, "runs//llm-calls/", Route::Quiet),
            (Method::POST, "runs/run_abc/steps/", Route::Quiet),
            (Method::POST, "runs/9007199254740992/steps/", Route::Quiet),
            (Method::POST, "runs/1099511627999/nonsense/", Route::Quiet),
            (Method::POST, "events/", Route::Tenant("events")),
            (Method::GET, "prompts/greet/", Route::Prompt),
            (Method::POST, "agents/a/heartbeat/", Route::Unknown),
            (Method::GET, "query/nonsense/", Route::Unknown),
        ] {
            let path = format!("/api/v1/observe/{path}");
            assert_eq!(Route::of(&method, &path), route, "{path}");
            assert_eq!(Route::of(&method, path.trim_end_matches('/')), route, "{path}");
        }
    }

    #[test]
    fn a_day_is_utc_where_nobody_says_otherwise() {
        let now = UnixNanos(1_770_458_732_000_000_000);
        let read = |body: &'static str| agent_and_date(&Bytes::from_static(body.as_bytes()), now);
        assert_eq!(read(r#"{"agent_slug":"mail","date":"2026-01-01"}"#), ("mail".into(), "2026-01-01".into()));
        assert_eq!(read(r#"{"agent_slug":"mail"}"#), ("mail".into(), "2026-02-07".into()));
        assert_eq!(read("nonsense"), (String::new(), "2026-02-07".into()));
    }
}
