use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::*;

fn runs() -> Runs {
    Runs::new(Arc::new(|_, _| None), Arc::default())
}

fn trace(n: u8) -> TraceId {
    TraceId::from_bytes(&[n; 16]).unwrap()
}

fn stamped(n: u8, span: u64, run: RunId) -> Stamped {
    Stamped {
        trace: trace(n),
        span: SpanId::from_u64(span).unwrap(),
        role: Role::OfSender,
        session: Some("s".into()),
        run_id: Some(run.to_string()),
        agent: Some("planner".into()),
        workflow: None,
        user: None,
        user_group: None,
        status: None,
        error: None,
        cost: 0,
        tokens: None,
        run_cost: 0,
        run_tokens: 0,
        run_calls: 0,
        has_amounts: true,
        is_run: false,
        is_error: false,
        start_unix_nanos: 5,
        end_unix_nanos: 9,
    }
}

fn stands(n: u8, span: u64, run: RunId, (cost, tokens, calls): (i64, i64, i64)) -> Stamped {
    Stamped { is_run: true, run_cost: cost, run_tokens: tokens, run_calls: calls, ..stamped(n, span, run) }
}

fn ours(role: Role, stamped: Stamped) -> Stamped {
    Stamped { is_run: role == Role::Synthetic, role, ..stamped }
}

/// An agent's span 1, and calls below it from 2 on, each of as many input tokens as nano-dollars.
fn spans(n: u8, run: Option<RunId>, calls: &[i64]) -> Bytes {
    let text = |text: &str| any_value::Value::StringValue(text.to_owned());
    let attribute =
        |key: &str, value| KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() };
    let span = |id: u64, parent: u64, attributes| Span {
        trace_id: vec![n; 16],
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: if parent == 0 { Vec::new() } else { parent.to_be_bytes().to_vec() },
        start_time_unix_nano: 5,
        end_time_unix_nano: 9,
        attributes,
        ..Span::default()
    };
    let mut own = vec![attribute("waxell.span_type", text("agent_execution")), attribute("waxell.workflow_name", text("planning"))];
    own.extend(run.map(|run| attribute("waxell.run_id", text(&run.to_string()))));
    let calls = calls.iter().zip(2..).map(|(tokens, id)| {
        let said = vec![
            attribute("waxell.span_type", text("llm_call")),
            attribute("waxell.llm.model", text("m")),
            attribute("waxell.llm.input_tokens", any_value::Value::IntValue(*tokens)),
            attribute("waxell.llm.cost", any_value::Value::DoubleValue(*tokens as f64 / 1e9)),
        ];
        span(id, 1, said)
    });
    let spans = std::iter::once(span(1, 0, own)).chain(calls).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }.encode_to_vec().into()
}

fn window(n: u8, stamped: Vec<Stamped>, request: Bytes) -> TraceSpans {
    TraceSpans { trace: trace(n), n_spans: stamped.len(), stamped, request }
}

/// The only run that is put together.
fn one(runs: &mut Runs) -> (RunId, Restored) {
    let mut finished = runs.finished(&HashSet::new());
    assert_eq!(finished.len(), 1);
    finished.remove(0)
}

#[test]
fn a_run_whose_number_follows_from_its_span_needs_nothing() {
    let mut runs = runs();
    let derived = RunId::derive(RunKey { trace: trace(1), span: SpanId::from_u64(1).unwrap() });
    // Its child was in an earlier window.
    runs.take(&window(1, vec![Stamped { tokens: Some(4), ..stamped(1, 2, derived) }], Bytes::new()), 10);
    assert_eq!(runs.since(), Some(10));
    runs.take(&window(1, vec![stands(1, 1, derived, (4, 4, 1))], spans(1, None, &[4])), 20);
    assert_eq!(runs.since(), None);
    assert!(runs.finished(&HashSet::new()).is_empty());
}

#[test]
fn a_reported_run_waits_for_its_corrections_and_says_what_its_spans_do_not() {
    let mut runs = runs();
    let run = RunId::mint(7);
    let own = stands(1, 1, run, (700, 700, 2));
    let call = Stamped { cost: 700, tokens: Some(700), ..stamped(1, 2, run) };
    runs.take(&window(1, vec![own.clone(), call.clone()], spans(1, None, &[700])), 10);
    assert!(runs.finished(&HashSet::from([trace(1)])).is_empty(), "its trace goes on");
    let correction = ours(Role::Correction, stands(1, 8, run, (50, 2, 1)));
    // What a window repeats counts once.
    runs.take(&window(1, vec![own, call, correction], spans(1, None, &[700])), 20);
    assert_eq!(runs.since(), Some(10));
    let (id, restored) = one(&mut runs);
    assert_eq!((id, restored.trace, restored.span), (run, Some(trace(1)), SpanId::from_u64(1)));
    assert_eq!(restored.workflow.as_deref(), Some("planning"));
    let stated = Usage { input_tokens: Some(700), cost: Some(NanoUsd(700)), ..Usage::default() };
    let rest = Usage { input_tokens: Some(2), cost: Some(NanoUsd(50)), ..Usage::default() };
    assert_eq!(restored.calls, [("m".into(), stated), ("".into(), rest), ("".into(), Usage::default())]);
    assert_eq!((runs.n_unexplained, runs.since()), (0, None));
}

/// Calls that left before their run was known bear no stamps, and count all the same: once they were taken for calls that were reported over HTTP only.
#[test]
fn calls_that_left_before_their_run_was_known_are_its_spans_and_nothing_more() {
    let mut runs = runs();
    let run = RunId::mint(7);
    let late = Stamped { cost: 30, tokens: Some(30), ..stamped(1, 3, run) };
    runs.take(&window(1, vec![stands(1, 1, run, (700, 700, 1)), late], spans(1, None, &[700, 30])), 10);
    let correction = ours(Role::Correction, stands(1, 8, run, (30, 30, 1)));
    runs.take(&window(1, vec![correction], Bytes::new()), 10);
    let (_, restored) = one(&mut runs);
    assert_eq!(restored.calls, [], "its spans say it all");
}

#[test]
fn of_calls_that_spans_tell_twice_those_count_that_were_stamped() {
    let mut runs = runs();
    let run = RunId::mint(7);
    let call = Stamped { cost: 700, tokens: Some(700), ..stamped(1, 2, run) };
    runs.take(&window(1, vec![stands(1, 1, run, (700, 700, 1)), call], spans(1, None, &[700, 700])), 10);
    let (_, restored) = one(&mut runs);
    let stated = Usage { input_tokens: Some(700), cost: Some(NanoUsd(700)), ..Usage::default() };
    assert_eq!((&restored.calls[..], runs.n_unexplained), (&[("m".into(), stated)][..], 0));

    let taken_back = ours(Role::Correction, stands(1, 8, run, (-300, -300, 0)));
    runs.take(&window(1, vec![stands(1, 1, run, (700, 700, 1)), taken_back], spans(1, None, &[700])), 10);
    one(&mut runs);
    assert_eq!(runs.n_unexplained, 1, "no call is of what is left");
}

/// The SDK's `complete/` can be a second or more before its spans; a span of ours stood for the run then, and its own has no totals.
#[test]
fn a_run_for_which_a_span_of_ours_stood_is_found_on_its_own_span() {
    let run = RunId::mint(7);
    for says_so in [true, false] {
        let mut runs = runs();
        let synthetic = ours(Role::Synthetic, stands(1, 9, run, (700, 700, 1)));
        let own = Stamped { has_amounts: false, ..stamped(1, 1, run) };
        let call = Stamped { cost: 700, tokens: Some(700), ..stamped(1, 2, run) };
        runs.take(&window(1, vec![synthetic, own, call], spans(1, says_so.then_some(run), &[700])), 10);
        let (_, restored) = one(&mut runs);
        assert_eq!((restored.span, &restored.calls[..]), (SpanId::from_u64(1), &[][..]));
        assert_eq!(restored.workflow.as_deref(), Some("planning"));
    }
}

#[test]
fn a_run_of_which_nothing_but_children_is_left_is_not_made_up() {
    let mut runs = runs();
    runs.take(&window(1, vec![Stamped { tokens: Some(4), ..stamped(1, 2, RunId::mint(7)) }], Bytes::new()), 10);
    assert!(runs.finished(&HashSet::new()).is_empty());
    assert_eq!(runs.since(), None);
}

#[test]
fn a_run_without_spans_stands_in_the_trace_that_it_named_or_in_none() {
    let (named, alone) = (RunId::mint(7), RunId::mint(8));
    let mut runs = runs();
    let synthetic = |run, trace| Stamped {
        trace,
        status: Some("blocked".into()),
        workflow: Some("planning".into()),
        user: Some("u".into()),
        ..ours(Role::Synthetic, stands(1, 9, run, (5, 6, 2)))
    };
    runs.take(&window(1, vec![synthetic(named, trace(1))], Bytes::new()), 10);
    let reserved = TraceId::of_report(alone);
    let of_nobody = TraceSpans { trace: reserved, n_spans: 1, stamped: vec![synthetic(alone, reserved)], request: Bytes::new() };
    runs.take(&of_nobody, 10);
    let finished: HashMap<_, _> = runs.finished(&HashSet::new()).into_iter().collect();
    assert_eq!((finished[&named].trace, finished[&named].span), (Some(trace(1)), None));
    assert_eq!((finished[&alone].trace, finished[&alone].status), (None, RunStatus::Blocked));
    assert_eq!((finished[&alone].workflow.as_deref(), finished[&alone].user.as_deref()), (Some("planning"), Some("u")));
    let rest = Usage { input_tokens: Some(6), cost: Some(NanoUsd(5)), ..Usage::default() };
    assert_eq!(finished[&alone].calls, [("".into(), rest), ("".into(), Usage::default())]);
}
