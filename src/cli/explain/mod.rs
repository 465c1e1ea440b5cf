//! `sessionfold explain`: why a session, a run or a trace has the figures it has, asked of a running server.
//!
//! - What it prints is what the server's `include=explain` answers; nothing is computed here.
//! - An id is looked for as a session's first, then as whatever leads to a run.

mod print;

use std::process::ExitCode;

use clap::Args;
use http::StatusCode;
use serde_json::{Value, json};

use super::client::{ClientArgs, ServerArgs};
use super::{fail, print_line, refuse};
use crate::config::Config;
use crate::demo::client::{Client, Door};
use crate::model::ids::TraceId;
use crate::params::pairs;

const SESSIONS: &str = "/api/v1/observability/sessions/";
const RUNS: &str = "/api/v1/observability/runs/";

const EXAMPLE: &str = "Example:
  $ sessionfold explain demo-support-0dd7
  run 8212671946353871 of support-agent, session demo-support-0dd7
    it is a run, since it is an agent and no agent is above it; its own span names the session
    agent support-agent [gen_ai.operation.name=invoke_agent; session: session.id]: the run
      llm ChatOpenAI: not counted, 902 tokens: model spans below it tell of the same tokens (7e1f27a9b3c0d502)
        llm chat gpt-4o (7e1f27a9b3c0d502): 812 input (gen_ai.usage.input_tokens) + 90 output \
(gen_ai.usage.output_tokens), $0.00293: the cost is by the built-in table of prices
    counted    1 call, 902 tokens, $0.00293
    left out   1 call, 902 tokens: model spans below it tell of the same tokens

A session shows the ids of its runs; Tempo, or an agent's log, that of a trace. With --json the same comes as the API gives it.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct ExplainArgs {
    /// A session's id, a run's number, a trace's id, a workflow's id, or the first 12 characters or more of one of the middle two
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// How many runs of a session or trace to explain
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,
    /// How many spans of each run to show; sums are over all
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=2_000))]
    spans: u64,
    /// Print what the server answers, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// What the id leads to.
struct Asked {
    /// What it turned out to be.
    what: &'static str,
    runs: Vec<Value>,
    n_runs: u64,
}

pub(super) fn run(args: &ExplainArgs, config: &Config) -> ExitCode {
    let api = match args.server.api(config) {
        Ok(api) => api,
        Err(problem) => return refuse(&problem),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(ask(args, &api)) {
        Ok(asked) => {
            if args.json {
                print_line(&json!({ "id": args.id, "what": asked.what, "run_count": asked.n_runs, "runs": asked.runs }).to_string());
            } else {
                print::text(&asked);
            }
            ExitCode::SUCCESS
        }
        Err(problem) => fail(&problem),
    }
}

async fn ask(args: &ExplainArgs, api: &str) -> Result<Asked, String> {
    let client = args.client.client(api, Door::Api).map_err(|error| error.to_string())?;
    let path = |id: &str| format!("{RUNS}{}/?include=explain&limit={}", pairs::encode(id), args.spans);
    let of_session = format!("{SESSIONS}{}/?limit={}", pairs::encode(&args.id), args.runs);
    if let Some(session) = get(&client, &of_session).await? {
        let ids = session["runs"].as_array().into_iter().flatten().filter_map(|run| run["id"].as_u64());
        let runs = explained(&client, ids.map(|id| path(&id.to_string()))).await?;
        return Ok(Asked { what: "session", runs, n_runs: session["aggregates"]["run_count"].as_u64().unwrap_or(0) });
    }
    let Some(first) = get(&client, &path(&args.id)).await? else { return Err(not_found(args, &client)) };
    if first["explain"].is_null() {
        return Err(format!("the server at {} is too old to explain anything; its version is at /version", client.base()));
    }
    if !is_trace(&args.id, &first) {
        return Ok(Asked { what: "run", runs: vec![first], n_runs: 1 });
    }
    let others: Vec<u64> = first["explain"]["other_runs"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let n_runs = 1 + others.len() as u64;
    let mut runs = vec![first];
    runs.extend(explained(&client, others.iter().take(args.runs as usize - 1).map(|id| path(&id.to_string()))).await?);
    Ok(Asked { what: "trace", runs, n_runs })
}

async fn explained(client: &Client, paths: impl Iterator<Item = String>) -> Result<Vec<Value>, String> {
    let mut runs = Vec::new();
    for path in paths {
        // One that is gone by now was deleted meanwhile.
        runs.extend(get(client, &path).await?);
    }
    Ok(runs)
}

/// `None` where there is no such thing.
async fn get(client: &Client, path: &str) -> Result<Option<Value>, String> {
    let answer = client.look(path).await.map_err(|error| error.to_string())?;
    if answer.status == StatusCode::NOT_FOUND {
        let is_ours = serde_json::from_slice::<Value>(&answer.body).is_ok_and(|body| body["detail"].is_string());
        return if is_ours { Ok(None) } else { Err(client.expect_ok(path, answer).err().map_or_else(String::new, |it| it.to_string())) };
    }
    let body = client.expect_ok(path, answer).map_err(|error| error.to_string())?;
    serde_json::from_slice(&body).map(Some).map_err(|error| client.unreadable(path, error).to_string())
}

/// Whether the id, or its beginning, is of the trace rather than of the run.
fn is_trace(id: &str, run: &Value) -> bool {
    let (id, trace) = (id.trim().to_ascii_lowercase(), run["trace_id"].as_str().unwrap_or_default());
    let number = run["id"].as_u64().unwrap_or_default().to_string();
    id.len() >= 12 && trace.starts_with(&id) && !number.starts_with(&id)
}

fn not_found(args: &ExplainArgs, client: &Client) -> String {
    let (id, base) = (&args.id, client.base());
    let of_nobody = match TraceId::from_hex(id.trim()) {
        Some(trace) => format!("\n  why spans of a trace are of no run: {base}/traces/{trace}/explain, in a browser"),
        None => String::new(),
    };
    format!(
        "{base} has nothing called {id:?}: no session of this id, no run of this number, no trace with a run or workflow of this id, and \
         none that begins so\n  the sessions that contain it: curl '{base}{SESSIONS}?search={}'{of_nobody}\n  what was sent a moment ago may \
         not be folded yet; what was deleted or has expired is gone, and a key shows its own tenant only",
        pairs::encode(id)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_from_its_trace_by_what_was_typed() {
        let run = json!({ "id": 1234567890123_u64, "trace_id": "123456789012aabbccddeeff00112233" });
        assert!(is_trace("123456789012AA", &run) && is_trace("123456789012aabbccddeeff00112233", &run));
        for id in ["123456789012", "1234567890123", "12345", "wf-1234567890123"] {
            assert!(!is_trace(id, &run), "{id}");
        }
    }
}
