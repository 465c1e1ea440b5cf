//! `runs/start/` and `runs/daily/`.

use serde_json::{Map, Value};

use super::json::{name, text};
use crate::conventions::{Oddities, Oddity};
use crate::model::Str;
use crate::model::ids::{RunId, SessionId};
use crate::model::report::{RunReport, Start, TEXT_MAX_BYTES};
use crate::model::time::UnixNanos;

/// The workflow of a run that names none, as the SDK has it.
const WORKFLOW_DEFAULT: &str = "default";
const WORKFLOW_DAILY: &str = "daily";

/// The workflow id that is given to the SDK for a run, and that comes back as the parent of the runs started in it.
pub fn workflow_id(run: RunId) -> String {
    format!("wf-{run}")
}

/// The run of a workflow id that was given here.
pub fn run_of_workflow(workflow: &str) -> Option<RunId> {
    RunId::from_minted(workflow.strip_prefix("wf-")?)
}

pub(super) fn apply(report: &mut RunReport, body: &Map<String, Value>, at: UnixNanos, oddities: &mut Oddities) {
    if report.start.is_some() {
        return;
    }
    let is_auto = body.get("metadata").and_then(|metadata| metadata.get("auto_collected")).and_then(Value::as_bool).unwrap_or(false);
    report.start = Some(Start {
        at,
        agent: name(body, "agent_name").unwrap_or_else(|| Str::from("")),
        workflow: name(body, "workflow_name").unwrap_or_else(|| Str::from(WORKFLOW_DEFAULT)),
        session: session(body, oddities),
        user: name(body, "user_id"),
        user_group: name(body, "user_group"),
        parent: body.get("parent_workflow_id").and_then(Value::as_str).and_then(run_of_workflow).filter(|parent| *parent != report.id),
        inputs: text(body.get("inputs"), TEXT_MAX_BYTES),
        is_auto,
        is_doubtful: false,
    });
}

pub(super) fn apply_daily(report: &mut RunReport, body: &Map<String, Value>, at: UnixNanos, oddities: &mut Oddities) {
    if report.start.is_some() {
        return;
    }
    apply(report, body, at, oddities);
    if let Some(start) = &mut report.start {
        start.agent = name(body, "agent_slug").unwrap_or_else(|| start.agent.clone());
        start.workflow = name(body, "workflow_name").unwrap_or_else(|| Str::from(WORKFLOW_DAILY));
    }
}

fn session(body: &Map<String, Value>, oddities: &mut Oddities) -> Option<SessionId> {
    let id = match body.get("session_id")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    let session = SessionId::new(&id);
    if session.is_none() && !id.is_empty() {
        oddities.insert(Oddity::SessionIdTooLong);
    }
    session
}
