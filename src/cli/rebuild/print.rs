//! What was done, for people and for programs.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::{Holdings, Outcome};
use crate::cli::print_line;

pub(super) fn text(url: &str, outcome: &Outcome) {
    let Outcome { n_traces, n_spans, seconds, index, .. } = outcome;
    let since = since(outcome);
    print_line(&format!(
        "read {n_traces} traces with {n_spans} spans from {url} since {since}, in {seconds:.1} s: {:.0} traces a second",
        rate(outcome)
    ));
    print_line(&format!("the index now holds {} runs of {} sessions since then", index.n_runs, index.n_sessions));
    for lack in lacks(outcome) {
        print_line(&format!("  not given back: {lack}"));
    }
    print_line(&format!("start the server, and compare: sessionfold verify --tempo-query {url} --since all"));
}

pub(super) fn json(url: &str, outcome: &Outcome) {
    let Outcome { n_traces, n_spans, n_reported_runs, n_unexplained, is_streaming, seconds, index, .. } = outcome;
    let Holdings { n_sessions, n_runs, n_provisional, n_running } = index;
    let answer = json!({
        "tempo": url,
        "since": since(outcome),
        "traces": n_traces,
        "spans": n_spans,
        "seconds": seconds,
        "streaming": is_streaming,
        "sessions": n_sessions,
        "runs": n_runs,
        "reported_runs": n_reported_runs,
        "runs_without_their_span": n_provisional,
        "runs_without_an_end": n_running,
        "runs_with_other_sums": n_unexplained,
        "not_given_back": lacks(outcome),
        "unread": outcome.unread.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    print_line(&answer.to_string());
}

/// What Tempo could not give back, in words.
fn lacks(outcome: &Outcome) -> Vec<String> {
    let Outcome { n_reported_runs, n_unexplained, is_streaming, index, .. } = outcome;
    let Holdings { n_provisional, n_running, .. } = index;
    let mut lacks = Vec::new();
    lacks.extend(outcome.unread.iter().map(|unread| format!("{unread}, although it was asked for in the smallest parts")));
    if *n_reported_runs > 0 {
        lacks.push(format!(
            "of {n_reported_runs} runs that the SDK reported over HTTP: steps, scores, inputs and results, parent runs in other \
             traces, and what no span says: models of calls, users, and whether a run was blocked or interrupted"
        ));
    }
    if *n_unexplained > 0 {
        lacks.push(format!(
            "which calls of {n_unexplained} runs were taken back after they had been exported: their sums are not what they were"
        ));
    }
    if *n_provisional > 0 {
        lacks.push(format!("the own spans of {n_provisional} runs: they are shown as running, or timed out"));
    }
    if *n_running > 0 {
        lacks.push(format!("the ends of {n_running} runs"));
    }
    if !is_streaming {
        lacks.push("nothing, but it was slower than need be: set stream_over_http_enabled in Tempo's configuration".to_owned());
    }
    lacks.push("what Tempo's search does not show: its newest seconds, spans older than its retention, and what it dropped".to_owned());
    lacks
}

fn since(outcome: &Outcome) -> String {
    let start = outcome.range.and_then(|range| DateTime::<Utc>::from_timestamp(i64::try_from(range.start).ok()?, 0));
    start.map(|start| start.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}

fn rate(outcome: &Outcome) -> f64 {
    outcome.n_traces as f64 / outcome.seconds.max(0.001)
}
