//! The result, for people and for programs.

use serde_json::{Value, json};

use super::compare::Comparison;
use super::difference::{Difference, What};
use crate::cli::print_line;

pub(super) fn text(tempo: &str, comparison: &Comparison) {
    let Comparison { n_runs, n_sessions, n_running, n_young, n_unread, unread, differences } = comparison;
    for difference in differences {
        print_line(&line(difference));
        print_line(&format!("    {}", difference.cause.words()));
        for span in &difference.spans {
            print_line(&format!("    span {span}"));
        }
    }
    for unread in unread {
        print_line(&format!("not read: {unread}"));
    }
    let unread = if unread.is_empty() { String::new() } else { format!(", {n_unread} that tempo could not give") };
    let left_out = format!("left out: {n_running} still running, {n_young} too recent{unread}");
    let verdict = match differences.len() {
        0 if !comparison.unread.is_empty() => "they agree as far as tempo could be read".to_owned(),
        0 => "they agree".to_owned(),
        1 => "1 difference".to_owned(),
        n => format!("{n} differences"),
    };
    print_line(&format!("compared {n_runs} runs of {n_sessions} sessions with {tempo} ({left_out}): {verdict}"));
}

pub(super) fn json(tempo: &str, comparison: &Comparison) {
    let differences: Vec<Value> = comparison.differences.iter().map(of).collect();
    let answer = json!({
        "tempo": tempo,
        "runs": comparison.n_runs,
        "sessions": comparison.n_sessions,
        "left_out": { "running": comparison.n_running, "young": comparison.n_young, "unread": comparison.n_unread },
        "unread": comparison.unread.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "differences": differences,
    });
    print_line(&answer.to_string());
}

fn line(difference: &Difference) -> String {
    let Difference { session, run, trace, what, .. } = difference;
    let run = run.as_deref().unwrap_or("-");
    let trace = trace.map_or("none".to_owned(), |trace| trace.to_string());
    let what = match *what {
        What::OnlyInIndex => "tempo shows nothing of it".to_owned(),
        What::OnlyInTempo => "the index has no such run".to_owned(),
        What::Runs { in_tempo } => format!("tempo holds {in_tempo} spans that stand for it, not 1"),
        What::Session => "tempo has some of its spans under another session".to_owned(),
        What::Error { in_index } => format!("it is {} here, and not so in tempo", if in_index { "an error" } else { "no error" }),
        What::Cost { in_index, in_tempo, of_run } => {
            format!("cost {} here, {} on tempo's calls, {} on its run", dollars(in_index), dollars(in_tempo), dollars(of_run))
        }
        What::Tokens { in_index, in_tempo, of_run } => format!("tokens {in_index} here, {in_tempo} on tempo's calls, {of_run} on its run"),
    };
    format!("session {session:?} run {run} trace {trace}: {what}")
}

fn of(difference: &Difference) -> Value {
    let Difference { session, run, trace, what, cause, spans } = difference;
    let (in_index, in_tempo, of_run) = match *what {
        What::Cost { in_index, in_tempo, of_run } => (json!(money(in_index)), json!(money(in_tempo)), json!(money(of_run))),
        What::Tokens { in_index, in_tempo, of_run } => (json!(in_index), json!(in_tempo), json!(of_run)),
        What::Runs { in_tempo } => (json!(1), json!(in_tempo), Value::Null),
        What::Error { in_index } => (json!(in_index), json!(!in_index), Value::Null),
        _ => (Value::Null, Value::Null, Value::Null),
    };
    json!({
        "session_id": session,
        "run_id": run,
        "trace_id": trace.map(|trace| trace.to_string()),
        "what": what.name(),
        "in_index": in_index,
        "in_tempo": in_tempo,
        "on_run_span": of_run,
        "cause": cause.name(),
        "spans": spans.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn money(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

fn dollars(nanos: i64) -> String {
    format!("${}", money(nanos))
}
