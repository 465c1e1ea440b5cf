//! What holds of a run that both of its paths tell of: per call the smaller count stands, and each is accounted for once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::build::*;
use crate::fold::{Folded, Rules, fold};
use crate::model::facts::SpanFact;
use crate::model::ids::{RunId, SpanKey};
use crate::model::report::{ReportedCall, RunReport};
use crate::model::usage::{NanoUsd, Usage};

/// Calls that are told apart by their tokens, and the cost of each, which not every one states.
const CALLS: [(&str, (u64, u64), u64); 4] = [("gpt", (10, 5), 7), ("claude", (20, 1), 0), ("gpt", (30, 30), 11), ("gpt", (0, 0), 0)];
const EMPTY: usize = 3;

/// How often spans, providers' and frameworks' records tell of each call.
pub(super) type Told = [[usize; 3]; 4];

pub(super) fn any_told() -> impl Strategy<Value = Told> {
    prop::array::uniform4(prop::array::uniform3(0..4_usize))
}

pub(super) fn report(number: u64, span: u64, told: &Told, is_reversed: bool) -> RunReport {
    let mut report = RunReport::new(RunId::mint(number), ms(0));
    report.claims = vec![SpanKey { trace: trace(), span: id(span) }];
    for (call, [_, providers, frameworks]) in CALLS.iter().zip(told) {
        for (is_framework, n) in [(false, *providers), (true, *frameworks)] {
            report.calls.extend((0..n).map(|_| record(call, is_framework)));
        }
    }
    if is_reversed {
        report.calls.reverse();
    }
    report
}

fn record((model, (input, output), cost): &(&str, (u64, u64), u64), is_framework: bool) -> ReportedCall {
    let usage = Usage { input_tokens: Some(*input), output_tokens: Some(*output), cost: Some(NanoUsd(*cost)), ..Usage::default() };
    ReportedCall {
        at: ms(500),
        model: format!("{model}-2024-08-06").into(),
        task: "chat".into(),
        usage,
        is_framework,
        is_error: false,
        is_found: false,
        prompt: None,
        response: None,
    }
}

/// An agent and its calls; of a scope without echoes.
pub(super) fn spans(agent_span: u64, told: &Told) -> Vec<SpanFact> {
    let mut spans = vec![agent(agent_span, "bot").session("s")];
    for ((model, tokens, cost), [n, ..]) in CALLS.iter().zip(told) {
        for _ in 0..*n {
            let number = agent_span + spans.len() as u64;
            spans.push(chat(number, agent_span, 100, *tokens).used(model, *tokens).costs(*cost));
        }
    }
    spans
}

fn folded(spans: Vec<SpanFact>, reports: &[&RunReport]) -> Folded {
    fold(trace(), &facts_of(spans), reports, &Rules { price: &|_, _| None, silent_since: ms(0), idle_since: ms(0), next_turn: ms(0) })
}

/// What stands of each call with tokens, and how many tellings are of none that stands.
fn expected(told: &Told) -> (BTreeMap<usize, usize>, usize) {
    let mut standing = BTreeMap::new();
    let mut left_out = 0;
    for (call, [spans, providers, frameworks]) in told.iter().enumerate().filter(|(call, _)| *call != EMPTY) {
        let reported = *providers.max(frameworks);
        let stands = match (*spans, reported) {
            (0, n) | (n, 0) => n,
            (a, b) => a.min(b),
        };
        let matched = (*spans).min(reported);
        standing.insert(call, stands);
        left_out += spans + providers + frameworks - matched - stands;
    }
    (standing, left_out)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn of_a_call_that_both_paths_tell_of_the_smaller_count_stands(told in any_told(), is_reversed: bool) {
        let report = report(1, 1, &told, is_reversed);
        let folded = folded(spans(1, &told), &[&report]);
        prop_assert_eq!(folded.runs.len(), 1);
        let run = &folded.runs[0];
        let (standing, left_out) = expected(&told);
        let n_standing: usize = standing.values().sum();
        let cost: u64 = standing.iter().map(|(call, n)| CALLS[*call].2 * *n as u64).sum();
        let tokens: u64 = standing.iter().map(|(call, n)| (CALLS[*call].1.0 + CALLS[*call].1.1) * *n as u64).sum();
        // Of empty calls the report says how many, if it tells of any call.
        let n_empty = if report.calls.is_empty() { told[EMPTY][0] } else { told[EMPTY][1] };
        prop_assert_eq!(run.usage.calls as usize, n_standing + n_empty);
        prop_assert_eq!((run.usage.tokens, run.usage.cost.0), (tokens, cost));
        prop_assert_eq!(run.suppressed.calls as usize, left_out);
        // The view's calls: every one that stands is there once, as a span, as a record, or as both.
        let spans = folded.verdicts.iter().filter(|verdict| verdict.counted.is_some()).count();
        let alone = folded.records.iter().filter(|record| record.span.is_none()).count();
        prop_assert_eq!(spans + alone, run.usage.calls as usize);
        let mut records: Vec<_> = folded.records.iter().map(|record| record.record).collect();
        records.dedup();
        prop_assert_eq!(records.len(), folded.records.len(), "no record stands twice");
    }

    #[test]
    fn the_order_of_reports_does_not_matter_and_each_run_has_its_own(one in any_told(), two in any_told()) {
        let reports = [report(1, 1, &one, false), report(2, 1_000, &two, true)];
        let all: Vec<SpanFact> = spans(1, &one).into_iter().chain(spans(1_000, &two)).collect();
        let forth = folded(all.clone(), &[&reports[0], &reports[1]]);
        prop_assert_eq!(&forth, &folded(all, &[&reports[1], &reports[0]]));
        for (report, (own, other)) in reports.iter().zip([(&one, &two), (&two, &one)]) {
            let run = forth.runs.iter().find(|run| run.id == report.id).unwrap();
            // What only its spans tell of counts unless the other run's report tells of it.
            let mut seen = *own;
            for (call, [spans, providers, frameworks]) in seen.iter_mut().enumerate() {
                if *providers == 0 && *frameworks == 0 && other[call][1] + other[call][2] > 0 {
                    *spans = 0;
                }
            }
            let tokens: u64 = expected(&seen).0.iter().map(|(call, n)| (CALLS[*call].1.0 + CALLS[*call].1.1) * *n as u64).sum();
            prop_assert_eq!(run.usage.tokens, tokens);
        }
    }

    #[test]
    fn a_run_without_its_span_is_what_its_report_alone_tells(told in any_told()) {
        let report = report(1, 1, &told, false);
        let alone = folded(Vec::new(), &[&report]);
        let only_report = told.map(|[_, providers, frameworks]| [0, providers, frameworks]);
        let tokens: u64 = expected(&only_report).0.iter().map(|(call, n)| (CALLS[*call].1.0 + CALLS[*call].1.1) * *n as u64).sum();
        prop_assert_eq!((alone.runs.len(), alone.runs[0].usage.tokens, alone.runs[0].n_spans), (1, tokens, 0));
        prop_assert!(alone.verdicts.is_empty());
    }
}

#[test]
fn a_call_under_another_name_of_its_model_is_the_same_call() {
    let mut told: Told = [[0; 3]; 4];
    told[0] = [2, 2, 0];
    let mut report = report(1, 1, &told, false);
    report.calls.iter_mut().for_each(|call| call.model = "azure-deployment".into());
    let run = &folded(spans(1, &told), &[&report]).runs[0];
    assert_eq!((run.usage.calls, run.usage.tokens), (2, 30));
}
