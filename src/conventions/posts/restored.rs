//! A run whose report was lost, as Tempo still knew it: written and read here alone.
//!
//! - It says what the SDK would have said: whose run it was, the calls that counted, how it ended and on which span.
//! - What the SDK itself told stands: a report that knows anything of its run is not changed.

use serde_json::{Map, Value, json};

use super::{call, complete, elements, start};
use crate::conventions::Oddities;
use crate::model::Str;
use crate::model::ids::{SessionId, SpanId, TraceId};
use crate::model::report::RunReport;
use crate::model::run::RunStatus;
use crate::model::time::UnixNanos;
use crate::model::usage::Usage;

/// What is known of such a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Restored {
    pub session: Option<SessionId>,
    pub agent: Str,
    /// `None`: not known, or nobody named one.
    pub workflow: Option<Str>,
    pub user: Option<Str>,
    pub user_group: Option<Str>,
    pub started_at: UnixNanos,
    pub completed_at: UnixNanos,
    /// Not `Running`.
    pub status: RunStatus,
    /// Why it failed.
    pub error: Option<Str>,
    /// Where it stands: its trace, and its own span.
    pub trace: Option<TraceId>,
    pub span: Option<SpanId>,
    /// Each with its model, which may be empty.
    pub calls: Vec<(Str, Usage)>,
}

/// A task that no instrumentation has: neither a provider's call, which would be told twice, nor a framework's.
const TASK: &str = "restored";

// === impl Restored ===

impl Restored {
    /// The body of an event of the journal.
    pub fn encode(&self) -> Vec<u8> {
        let Self { session, agent, workflow, user, user_group, started_at, completed_at, status, error, trace, span, calls } = self;
        let text = |text: &Option<Str>| text.as_deref().map(str::to_owned);
        let calls: Vec<Value> = calls
            .iter()
            .map(|(model, usage)| {
                json!({
                    "model": &**model, "task": TASK, "tokens_in": usage.input_tokens, "tokens_out": usage.output_tokens,
                    "total_tokens": usage.total_tokens, "cost": usage.cost.map(|cost| cost.0 as f64 / 1e9),
                })
            })
            .collect();
        let body = json!({
            "agent_name": &**agent, "workflow_name": text(workflow), "user_id": text(user), "user_group": text(user_group),
            "session_id": session.as_ref().map(SessionId::as_str), "started_at_ns": started_at.0, "completed_at_ns": completed_at.0,
            "status": status.as_str(), "error": text(error), "trace_id": trace.map(|trace| trace.to_string()),
            "root_span_id": span.map(|span| span.to_string()), "calls": calls,
        });
        body.to_string().into_bytes()
    }
}

pub(super) fn apply(report: &mut RunReport, body: &Map<String, Value>, oddities: &mut Oddities) {
    if report.start.is_some() || report.completion.is_some() || !report.calls.is_empty() {
        return;
    }
    let time = |key: &str| body.get(key).and_then(Value::as_u64).map(UnixNanos);
    let (Some(started_at), Some(completed_at)) = (time("started_at_ns"), time("completed_at_ns")) else { return };
    start::apply(report, body, started_at, oddities);
    call::apply(report, elements(body, "calls"), completed_at, oddities);
    complete::apply(report, body, completed_at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conventions::posts::{Post, apply as apply_post};
    use crate::model::ids::RunId;
    use crate::model::report::EventKind;
    use crate::model::usage::NanoUsd;

    fn restored() -> Restored {
        let usage = Usage { input_tokens: Some(7), output_tokens: Some(2), cost: Some(NanoUsd(15_331_001)), ..Usage::default() };
        Restored {
            session: SessionId::new("a \"b\""),
            agent: "planner".into(),
            workflow: None,
            user: Some("u".into()),
            user_group: None,
            started_at: UnixNanos(1_795_701_910_816_238_607),
            completed_at: UnixNanos(1_795_701_911_816_238_608),
            status: RunStatus::Blocked,
            error: Some("over budget".into()),
            trace: TraceId::from_bytes(&[7; 16]),
            span: SpanId::from_u64(9),
            calls: vec![("gpt-4o".into(), usage), ("".into(), Usage::default())],
        }
    }

    fn event(body: &[u8], report: &mut RunReport) {
        let post = Post { kind: EventKind::Restored, body, received_at: UnixNanos(1 << 62), position: 0 };
        assert_eq!(apply_post(report, &post, 0), []);
    }

    #[test]
    fn what_is_written_is_read_and_a_second_time_changes_nothing() {
        let body = restored().encode();
        let mut report = RunReport::new(RunId::mint(7), UnixNanos(1 << 62));
        event(&body, &mut report);
        let start = report.start.clone().unwrap();
        assert_eq!((start.session.as_ref().unwrap().as_str(), &*start.agent, start.at), ("a \"b\"", "planner", restored().started_at));
        assert_eq!(report.own_span().map(|key| (key.trace, key.span)), restored().trace.zip(restored().span));
        assert_eq!(report.completion.as_ref().map(|it| (it.status, it.at)), Some((RunStatus::Blocked, restored().completed_at)));
        assert_eq!(report.completion.as_ref().and_then(|it| it.error.as_deref()), Some("over budget"));
        let calls: Vec<_> = report.calls.iter().map(|call| (call.model.clone(), call.usage)).collect();
        assert_eq!(calls, restored().calls);
        assert!(report.calls.iter().all(|call| !call.is_framework));

        event(&Restored { calls: Vec::new(), ..restored() }.encode(), &mut report);
        assert_eq!(report.calls.len(), 2, "a second event");
    }

    #[test]
    fn what_the_sdk_told_stands() {
        let mut report = RunReport::new(RunId::mint(7), UnixNanos(5));
        let told = Post { kind: EventKind::Start, body: br#"{"agent_name":"caller"}"#, received_at: UnixNanos(5), position: 0 };
        apply_post(&mut report, &told, 0);
        event(&restored().encode(), &mut report);
        assert_eq!(report.start.map(|start| start.agent), Some("caller".into()));
        assert!(report.completion.is_none() && report.calls.is_empty());
    }
}
