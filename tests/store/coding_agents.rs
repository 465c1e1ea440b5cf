//! Recordings of real coding agents: each session is what the model's server counted, however its logs and spans arrive: alone and beside
//! one another, whole, shuffled record by record, three times over, and after a crash.

use std::collections::BTreeMap;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use sessionfold::conventions::agents::tell;
use sessionfold::model::run::{Run, RunStatus};

use super::house::{House, Tuning};
use crate::support::coding::{Recording, Request, What};
use crate::support::dice::Dice;

const TENANT: &str = "acme";
/// Records and spans that are sent together when they are shuffled: one each would be thousands of writes to disk.
const TOGETHER: usize = 12;
/// 2026-12-02: after all of them.
const NOW: u64 = 1_796_169_600_000_000_000;

fn send(requests: &[Request], house: &House) {
    let mut logs = ExportLogsServiceRequest::default();
    let mut spans = ExportTraceServiceRequest::default();
    for request in requests {
        match request {
            Request::Logs(request) => logs.resource_logs.extend(request.resource_logs.clone()),
            Request::Spans(request) => spans.resource_spans.extend(request.resource_spans.clone()),
        }
    }
    let told = tell(&logs.encode_to_vec(), TENANT, false).unwrap();
    for request in [told.spans, spans.encode_to_vec()].into_iter().filter(|request| !request.is_empty()) {
        house.send(TENANT, Bytes::from(request));
    }
    if !told.unforwarded.is_empty() {
        house.restore(TENANT, Bytes::from(told.unforwarded)).unwrap();
    }
}

/// As they came, in an order that nobody means, and that three times over.
fn orders(requests: Vec<Request>, seed: u64) -> [Vec<Vec<Request>>; 3] {
    let whole: Vec<Vec<Request>> = requests.iter().map(|request| vec![request.clone()]).collect();
    let apart: Vec<Request> = requests.into_iter().flat_map(Request::split).collect();
    let shuffled = |times: usize| {
        let mut all: Vec<Request> = std::iter::repeat_n(apart.clone(), times).flatten().collect();
        Dice::new(seed + times as u64).shuffle(&mut all);
        all.chunks(TOGETHER).map(<[Request]>::to_vec).collect()
    };
    [whole, shuffled(1), shuffled(3)]
}

fn house() -> House {
    let house = House::new(Tuning::default());
    house.advance(NOW - house.now().0);
    house
}

fn runs(house: &House) -> Vec<Run> {
    house.wait_folded();
    house.tick();
    house.runs(TENANT)
}

/// What is not right about the sessions of these runs, in words.
fn differences(recording: &Recording, what: What, runs: &[Run]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, truth) in recording.expected.sessions.iter().filter(|(_, truth)| truth.tokens > 0) {
        let of_it: Vec<&Run> = runs.iter().filter(|run| run.session.as_ref().is_some_and(|session| session.as_str() == id)).collect();
        let sum = |number: fn(&Run) -> u64| of_it.iter().map(|run| number(run)).sum::<u64>();
        let states_cost = what != What::Spans;
        let compared = [
            ("tokens", Some(truth.tokens), sum(|run| run.usage.tokens)),
            ("cached", truth.cache_read, sum(|run| run.usage.cache_read_tokens)),
            ("written", truth.cache_write, sum(|run| run.usage.cache_write_tokens)),
            ("thought", truth.reasoning, sum(|run| run.usage.reasoning_tokens)),
            ("nano-dollars", truth.cost.filter(|_| states_cost).map(|cost| (cost * 1e9).round() as u64), sum(|run| run.usage.cost.0)),
        ];
        let differs = compared.into_iter().filter_map(|(name, want, got)| Some((name, want.filter(|want| *want != got)?, got)));
        wrong.extend(differs.map(|(name, want, got)| format!("{id}: {got} {name}, not {want}")));
        let n_turns = of_it.iter().filter(|run| run.parent.is_none()).count() as u64;
        if truth.prompts.is_some_and(|prompts| n_turns < prompts) {
            wrong.push(format!("{id}: {n_turns} runs for {:?} prompts", truth.prompts));
        }
    }
    let is_expected = |run: &Run| run.session.as_ref().is_some_and(|session| recording.expected.sessions.contains_key(session.as_str()));
    let strangers = runs.iter().filter(|run| run.usage.tokens > 0 && !is_expected(run));
    wrong.extend(strangers.map(|run| format!("a run of nobody's session {:?}", run.session)));
    wrong
}

#[test]
fn every_session_is_what_the_models_server_counted_however_logs_and_spans_arrive() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut n_judged, mut wrong) = (0, Vec::new());
    for (seed, recording) in Recording::all().iter().enumerate().filter(|(_, recording)| recording.name.contains(&only)) {
        for what in [What::Both, What::Logs, What::Spans].into_iter().filter(|what| recording.tells_all(*what)) {
            let mut first = None;
            for (order, requests) in orders(recording.of(what), seed as u64).into_iter().enumerate() {
                let mut house = house();
                requests.iter().for_each(|together| send(together, &house));
                let found = runs(&house);
                n_judged += 1;
                wrong.extend(
                    differences(recording, what, &found).into_iter().map(|words| format!("{} {what:?} {order}: {words}", recording.name)),
                );
                if *first.get_or_insert_with(|| found.clone()) != found {
                    wrong.push(format!("{} {what:?} {order}: other runs than in the order they came", recording.name));
                }
                if order == 1 {
                    house.crash();
                    if runs(&house) != found {
                        wrong.push(format!("{} {what:?}: other runs after a crash", recording.name));
                    }
                }
            }
        }
    }
    assert!(n_judged > 0, "no recording is called {only}");
    assert!(wrong.is_empty(), "of {n_judged} these are not right:\n{}", wrong.join("\n"));
}

/// The runs of one recording as it came: agent, status, whether it is below another.
fn shown(name: &str, what: What) -> Vec<(String, RunStatus, bool)> {
    let recording = Recording::all().into_iter().find(|recording| recording.name == name).unwrap();
    let house = house();
    recording.of(what).iter().for_each(|request| send(std::slice::from_ref(request), &house));
    runs(&house).iter().map(|run| (run.agent.to_string(), run.status, run.parent.is_some())).collect()
}

#[test]
fn a_turn_has_failed_if_its_last_call_has_and_a_command_is_no_turn() {
    let failed = shown("claude-code-2.1.332/08e-traces-fail", What::Spans);
    let [ok, error] = [RunStatus::Success, RunStatus::Error].map(|status| ("claude-code".to_owned(), status, false));
    assert_eq!(failed, [ok.clone(), error.clone()]);
    assert_eq!(shown("claude-code-2.1.332/08e-traces-fail", What::Logs), failed);
    // Two turns, /clear, a turn, /exit.
    for what in [What::Both, What::Logs, What::Spans] {
        assert_eq!(shown("claude-code-2.1.332/14-tui-clear", what), [ok.clone(), ok.clone(), ok.clone()], "{what:?}");
    }
}

#[test]
fn a_subagent_is_a_run_below_the_turn_that_it_was_started_in() {
    let runs = shown("claude-code-2.1.332/04-subagent", What::Logs);
    let run = |agent: &str, is_below| (agent.to_owned(), RunStatus::Success, is_below);
    assert_eq!(runs, [run("claude-code", false), run("general-purpose", true), run("claude-code", false)]);
    let gemini = shown("gemini-cli-0.61.0/04-subagent", What::Both);
    assert_eq!(
        gemini.iter().map(|(agent, _, is_below)| (&agent[..], *is_below)).collect::<Vec<_>>(),
        [("gemini-cli", false), ("generalist", true)]
    );
}

/// How often each tool was called, over all runs of a recording as it came.
fn tools(recording: &Recording, what: What) -> BTreeMap<String, (u64, u64)> {
    let house = house();
    recording.of(what).iter().for_each(|request| send(std::slice::from_ref(request), &house));
    let mut calls: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for usage in runs(&house).iter().flat_map(|run| &run.tools) {
        let (n_calls, n_errors) = calls.entry(usage.tool.to_string()).or_default();
        *n_calls += usage.calls.n_calls;
        *n_errors += usage.calls.n_errors;
    }
    calls
}

/// Logs and spans tell of the same calls: beside one another they are no more than what one of them tells.
#[test]
fn a_call_of_a_tool_counts_once_however_many_tell_of_it() {
    let mut wrong = Vec::new();
    let mut n_calls = 0;
    for recording in Recording::all().iter().filter(|recording| recording.tells_all(What::Both)) {
        let [both, logs, spans] = [What::Both, What::Logs, What::Spans].map(|what| tools(recording, what));
        n_calls += both.values().map(|(n_calls, _)| n_calls).sum::<u64>();
        for (tool, told) in &both {
            let most = logs.get(tool).max(spans.get(tool));
            if most != Some(told) {
                wrong.push(format!("{} {tool}: {told:?}, by logs {:?}, by spans {:?}", recording.name, logs.get(tool), spans.get(tool)));
            }
        }
    }
    assert!(n_calls > 0);
    assert!(wrong.is_empty(), "calls and errors are not right:\n{}", wrong.join("\n"));
}
