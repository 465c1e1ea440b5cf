//! Every field of every body, and what becomes of those that are not as the SDK sends them.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::model::ids::{RunId, SpanId, TraceId};
use crate::model::report::{
    CALLS_MAX, NAME_MAX_BYTES, PREVIEW_MAX_BYTES, PREVIEWED_CALLS_MAX, ReportedCall, SCORES_MAX, SPANS_MAX, STEPS_MAX, TEXT_MAX_BYTES,
};
use crate::model::run::{RunStatus, ScoreValue};
use crate::model::usage::NanoUsd;

const AT: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
/// The sign of a cut.
const CUT: usize = '…'.len_utf8();

fn report() -> RunReport {
    RunReport::new(RunId::mint(1), AT)
}

fn take(report: &mut RunReport, kind: EventKind, body: &str, position: u64) -> Vec<Oddity> {
    apply(report, &Post { kind, body: body.as_bytes(), received_at: AT, position }, 0)
}

/// The report of one event, and what was odd about it.
fn told(kind: EventKind, body: &Value) -> (RunReport, Vec<Oddity>) {
    let mut report = report();
    let oddities = take(&mut report, kind, &body.to_string(), 1);
    (report, oddities)
}

fn call(body: Value) -> ReportedCall {
    let (report, _) = told(EventKind::LlmCalls, &json!({ "calls": [body] }));
    report.calls.into_iter().next().unwrap()
}

#[test]
fn a_start_as_the_sdk_sends_it() {
    let parent = RunId::mint(7);
    let body = json!({ "agent_name": "chat-agent", "workflow_name": "support", "inputs": { "user_message": "Hello!" }, "metadata": {},
        "trace_id": "", "interaction_mode": "interactive", "user_id": "user_456", "user_group": "paying", "session_id": "session-abc123",
        "parent_workflow_id": workflow_id(parent), "root_workflow_id": workflow_id(parent) });
    let (report, oddities) = told(EventKind::Start, &body);
    assert_eq!(oddities, []);
    let start = report.start.unwrap();
    assert_eq!((&*start.agent, &*start.workflow, start.at), ("chat-agent", "support", AT));
    assert_eq!((start.user.as_deref(), start.user_group.as_deref()), (Some("user_456"), Some("paying")));
    assert_eq!(start.session.unwrap().as_str(), "session-abc123");
    assert_eq!((start.inputs.as_deref(), start.parent), (Some(r#"{"user_message":"Hello!"}"#), Some(parent)));
    assert!(!start.is_auto && !start.is_doubtful);
}

#[test]
fn a_start_is_believed_field_by_field() {
    let start = |body: Value| told(EventKind::Start, &body).0.start.unwrap();
    let empty = start(json!({}));
    assert_eq!((&*empty.agent, &*empty.workflow, empty.session, empty.user, empty.inputs), ("", "default", None, None, None));
    let odd = start(json!({ "agent_name": ["a"], "workflow_name": {}, "session_id": true, "user_id": 42, "inputs": null, "metadata": "x",
        "parent_workflow_id": 7 }));
    assert_eq!((&*odd.agent, &*odd.workflow, odd.session, odd.user.as_deref(), odd.parent), ("", "default", None, Some("42"), None));
    assert_eq!(start(json!({ "session_id": 17 })).session.unwrap().as_str(), "17");
    for (inputs, kept) in [(json!("text"), Some("text")), (json!({}), None), (json!([]), None), (json!(""), None), (json!(0), Some("0"))] {
        assert_eq!(start(json!({ "inputs": inputs })).inputs.as_deref(), kept, "{inputs}");
    }
    for foreign in ["wf-4711", "wf-", "4711", "wf--1", "wf-+1099511627777", "wf-9007199254740992"] {
        assert_eq!(start(json!({ "parent_workflow_id": foreign })).parent, None, "{foreign}");
    }
    assert_eq!(start(json!({ "parent_workflow_id": workflow_id(report().id) })).parent, None, "it is not its own parent");
    for (metadata, is_auto) in [(json!({ "auto_collected": true }), true), (json!({ "auto_collected": "yes" }), false), (json!([]), false)]
    {
        assert_eq!(start(json!({ "metadata": metadata })).is_auto, is_auto, "{metadata}");
    }
}

#[test]
fn a_session_id_beyond_the_limit_is_no_session_and_says_so() {
    let (report, oddities) = told(EventKind::Start, &json!({ "session_id": "x".repeat(513) }));
    assert_eq!((report.start.unwrap().session, oddities), (None, vec![Oddity::SessionIdTooLong]));
    assert_eq!(told(EventKind::Start, &json!({ "session_id": "" })).1, []);
}

#[test]
fn the_first_start_stands_and_a_daily_run_is_named_after_its_agent() {
    let mut report = report();
    take(&mut report, EventKind::Daily, r#"{"agent_slug":"watcher","agent_type":"mcp"}"#, 1);
    take(&mut report, EventKind::Start, r#"{"agent_name":"another","session_id":"s"}"#, 2);
    let start = report.start.unwrap();
    assert_eq!((&*start.agent, &*start.workflow, start.session), ("watcher", "daily", None));
}

#[test]
fn a_call_as_the_sdk_sends_it() {
    let call = call(json!({ "model": "gpt-4o-2024-08-06", "tokens_in": 120, "tokens_out": 30, "cost": 0.000_600_000_000_000_000_1,
        "task": "chat.completions", "prompt_preview": "Hi", "response_preview": "Hello", "status": "ok", "error_type": "" }));
    assert_eq!((&*call.model, &*call.task, call.at), ("gpt-4o-2024-08-06", "chat.completions", AT));
    assert_eq!((call.usage.input_tokens, call.usage.output_tokens, call.usage.cost), (Some(120), Some(30), Some(NanoUsd(600_000))));
    assert_eq!((call.prompt.as_deref(), call.response.as_deref()), (Some("Hi"), Some("Hello")));
    assert!(!call.is_framework && !call.is_error && !call.is_found);
}

#[test]
fn tokens_and_costs_are_numbers_of_any_kind_and_what_cannot_be_true_is_absent() {
    for (stated, read) in [
        (json!(7), Some(7)),
        (json!(7.0), Some(7)),
        (json!("7"), Some(7)),
        (json!(-1), None),
        (json!(1e30), None),
        (json!(u64::MAX), None),
        (json!("many"), None),
        (json!(true), None),
        (json!([7]), None),
        (json!(null), None),
    ] {
        assert_eq!(call(json!({ "tokens_in": stated })).usage.input_tokens, read, "{stated}");
    }
    for (stated, read) in [
        (json!(0.25), Some(250_000_000)),
        (json!("0.000000001"), Some(1)),
        (json!(0), Some(0)),
        (json!(-0.5), None),
        (json!(1e300), None),
        (json!({}), None),
    ] {
        assert_eq!(call(json!({ "cost": stated })).usage.cost, read.map(NanoUsd), "{stated}");
    }
    let (_, oddities) = told(EventKind::LlmCalls, &json!({ "calls": [{ "tokens_in": -1, "cost": -1 }, { "tokens_out": "x" }] }));
    assert_eq!(oddities, [Oddity::CostInvalid, Oddity::TokensInvalid]);
    let other = call(json!({ "input_tokens": 3, "output_tokens": 4, "total_tokens": 9, "cost_usd": 0.5 }));
    assert_eq!((other.usage.tokens(), other.usage.total_tokens, other.usage.cost), (7, Some(9), Some(NanoUsd(500_000_000))));
}

#[test]
fn whether_a_framework_tells_of_a_call_says_its_task() {
    for (call_of, is_framework) in [
        (json!({ "task": "chat.completions" }), false),
        (json!({ "task": "" }), false),
        (json!({}), true),
        (json!({ "task": null }), true),
        (json!({ "task": "langchain.ChatOpenAI" }), true),
        (json!({ "task": "litellm.completion" }), true),
        (json!({ "task": "chat.completions", "framework": "langchain" }), true),
        (json!({ "task": "chat.completions", "framework": "" }), false),
    ] {
        assert_eq!(call(call_of.clone()).is_framework, is_framework, "{call_of}");
    }
    for (status, is_error) in
        [(json!("ok"), false), (json!("success"), false), (json!(""), false), (json!("error"), true), (json!(1), false)]
    {
        assert_eq!(call(json!({ "status": status })).is_error, is_error, "{status}");
    }
}

#[test]
fn what_is_no_call_is_passed_over_and_calls_beyond_the_limit_are_counted() {
    for calls in [json!("x"), json!(null), json!({ "model": "m" }), json!([1, null, "x", []])] {
        assert_eq!(told(EventKind::LlmCalls, &json!({ "calls": calls })).0.calls, [], "{calls}");
    }
    let many = json!({ "calls": vec![json!({ "prompt_preview": "p" }); CALLS_MAX + 3] });
    let report = told(EventKind::LlmCalls, &many).0;
    assert_eq!((report.calls.len(), report.n_calls_refused), (CALLS_MAX, 3));
    assert_eq!(report.calls.iter().filter(|call| call.prompt.is_some()).count(), PREVIEWED_CALLS_MAX);
}

#[test]
fn texts_are_cut_between_characters() {
    // Two bytes a character: the limit lies within one.
    let long = format!("a{}", "é".repeat(TEXT_MAX_BYTES));
    let cut_call = call(json!({ "model": long, "prompt_preview": long, "response_preview": { "text": long } }));
    assert_eq!(cut_call.model.len(), NAME_MAX_BYTES - 1 + CUT);
    assert_eq!(cut_call.prompt.unwrap().len(), PREVIEW_MAX_BYTES - 1 + CUT);
    assert!(cut_call.response.unwrap().starts_with(r#"{"text":"a"#));
    let completion = told(EventKind::Complete, &json!({ "result": long, "error": long, "error_type": long })).0.completion.unwrap();
    assert!(completion.result.unwrap().len() <= TEXT_MAX_BYTES + CUT);
    assert!(completion.error.unwrap().len() <= TEXT_MAX_BYTES + CUT);
    let report = told(EventKind::Scores, &json!({ "scores": [{ "name": long, "string_value": long, "comment": long, "source": long }] })).0;
    let score = &report.scores[0];
    let ScoreValue::Categorical(label) = &score.value else { panic!("{score:?}") };
    assert!([&score.name, label, &score.source].iter().all(|text| text.len() <= NAME_MAX_BYTES + CUT), "a label was kept at any length");
    assert!(score.comment.as_ref().unwrap().len() <= PREVIEW_MAX_BYTES + CUT);
}

#[test]
fn steps_spans_and_scores_as_the_sdk_sends_them() {
    let steps = json!({ "steps": [{ "step_name": "io:user_message", "output": { "message": "Hi" }, "position": 0 },
        { "step_name": "__governance_check" }, { "output": 1 }, { "step_name": "bare", "position": -1, "output": {} }] });
    let report = told(EventKind::Steps, &steps).0;
    let kept: Vec<_> = report.steps.iter().map(|step| (&*step.name, step.position, step.output.as_deref())).collect();
    assert_eq!(kept, [("io:user_message", Some(0), Some(r#"{"message":"Hi"}"#)), ("bare", None, None)]);

    let spans = json!({ "spans": [{ "name": "a.default", "kind": "agent", "status": "error", "duration_ms": 1500, "position": 0 },
        { "name": "chat", "kind": "llm", "status": "ok", "duration_ms": null, "position": 1, "start_offset_ms": 2.5, "parent_position": 0 },
        { "duration_ms": -1, "position": "x" }, 7] });
    let report = told(EventKind::Spans, &spans).0;
    let kept: Vec<_> = report.spans.iter().map(|span| (&*span.name, span.is_error, span.duration, span.position)).collect();
    let expected = [("a.default", true, Some(Nanos::from_millis(1500)), 0), ("chat", false, None, 1), ("", false, None, u64::MAX)];
    assert_eq!(kept, expected);
    assert_eq!((report.spans[1].offset, report.spans[1].parent_position), (Some(Nanos(2_500_000)), Some(0)));

    for (score, value) in [
        (json!({ "name": "n", "data_type": "numeric", "comment": "", "numeric_value": 0.9 }), Some(ScoreValue::Numeric(0.9))),
        (json!({ "name": "n", "data_type": "categorical", "string_value": "good" }), Some(ScoreValue::Categorical("good".into()))),
        (json!({ "name": "n", "data_type": "boolean", "numeric_value": 1.0, "string_value": "true" }), Some(ScoreValue::Boolean(true))),
        (json!({ "name": "n", "data_type": "boolean", "numeric_value": 0 }), Some(ScoreValue::Boolean(false))),
        (json!({ "name": "n", "data_type": "numeric", "numeric_value": "0.5" }), Some(ScoreValue::Numeric(0.5))),
        (json!({ "name": "n", "data_type": "numeric", "numeric_value": "NaN" }), None),
        (json!({ "name": "n", "data_type": "numeric", "numeric_value": "inf" }), None),
        (json!({ "name": "n", "value": 3 }), Some(ScoreValue::Numeric(3.0))),
        (json!({ "name": "n", "value": "fine" }), Some(ScoreValue::Categorical("fine".into()))),
        (json!({ "name": "", "value": 3 }), None),
        (json!({ "name": "n" }), None),
    ] {
        let report = told(EventKind::Scores, &json!({ "scores": [score] })).0;
        assert_eq!(report.scores.first().map(|score| score.value.clone()), value, "{score}");
    }
    for (kind, list, max) in
        [(EventKind::Steps, "steps", STEPS_MAX), (EventKind::Spans, "spans", SPANS_MAX), (EventKind::Scores, "scores", SCORES_MAX)]
    {
        let one = json!({ "step_name": "s", "name": "n", "value": 1 });
        let report = told(kind, &json!({ list: vec![one; max + 1] })).0;
        assert_eq!(report.steps.len() + report.spans.len() + report.scores.len(), max, "{list}");
    }
}

#[test]
fn a_completion_as_the_sdk_sends_it_and_a_later_one() {
    let mut report = report();
    let body = json!({ "result": { "output": "Hi" }, "status": "error", "error": "no such order", "error_type": "ValueError",
        "traceback": "...", "steps": [{ "step_name": "last" }], "trace_id": "96034ce016cf7ad3e832df744549a30a",
        "root_span_id": "fc5855940fa6b1b1" });
    take(&mut report, EventKind::Complete, &body.to_string(), 1);
    let completion = report.completion.clone().unwrap();
    assert_eq!((completion.status, completion.error.as_deref()), (RunStatus::Error, Some("ValueError: no such order")));
    assert_eq!(
        (completion.trace, completion.span),
        (TraceId::from_hex("96034ce016cf7ad3e832df744549a30a"), SpanId::from_hex("fc5855940fa6b1b1"))
    );
    assert_eq!((completion.result.as_deref(), report.steps.len()), (Some(r#"{"output":"Hi"}"#), 1));
    take(&mut report, EventKind::Complete, r#"{"status":"success"}"#, 2);
    let later = report.completion.unwrap();
    assert_eq!((later.status, later.error, later.trace, later.result), (RunStatus::Success, None, completion.trace, completion.result));
}

#[test]
fn a_completion_is_believed_field_by_field() {
    let completion = |body: Value| told(EventKind::Complete, &body).0.completion.unwrap();
    for (status, error, read) in [
        (json!("blocked"), json!(""), RunStatus::Blocked),
        (json!("interrupted"), json!(null), RunStatus::Interrupted),
        (json!("news"), json!(""), RunStatus::Success),
        (json!("news"), json!("x"), RunStatus::Error),
        (json!(5), json!({ "why": 1 }), RunStatus::Error),
    ] {
        assert_eq!(completion(json!({ "status": status, "error": error })).status, read, "{status}, {error}");
    }
    let reserved = TraceId::of_report(RunId::mint(3)).to_string();
    for trace in ["", "00000000000000000000000000000000", "xyz", "96034CE0", reserved.as_str()] {
        assert_eq!(completion(json!({ "trace_id": trace, "root_span_id": "zz" })).trace, None, "{trace}");
    }
    assert_eq!(completion(json!({ "error_type": "KeyError" })).error.as_deref(), Some("KeyError"));
    assert_eq!(completion(json!({ "error_type": "KeyError", "error": "KeyError: 1" })).error.as_deref(), Some("KeyError: 1"));
}

#[test]
fn what_is_no_object_is_counted_and_does_nothing() {
    for body in ["", "null", "[]", "7", "\"x\"", "{", "{\"a\":}", "\u{0}"] {
        for kind in [EventKind::Start, EventKind::LlmCalls, EventKind::Complete] {
            let mut report = report();
            assert_eq!(take(&mut report, kind, body, 1), [Oddity::PostUnreadable], "{body}");
            assert!(!report.tells_more() && report.start.is_none());
        }
    }
    let mut report = report();
    let oddities =
        apply(&mut report, &Post { kind: EventKind::Start, body: b"{\"agent_name\":\"\xff\"}", received_at: AT, position: 1 }, 0);
    assert_eq!((oddities, report.start.map(|start| start.agent)), (vec![], Some("\u{fffd}".into())), "not UTF-8");
}

/// A call beside it was lost with what could not be read.
#[test]
fn one_value_that_cannot_be_read_spoils_nothing_beside_it() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    for odd in [deep.as_str(), r#""\udc00""#, r#"{"\ud800":1}"#, "1e999"] {
        let mut report = report();
        let body =
            format!(r#"{{"calls":[{{"model":"m","tokens_in":7,"response_preview":{odd}}},{{"model":"n","tokens_in":8}}],"x":{odd}}}"#);
        assert_eq!(take(&mut report, EventKind::LlmCalls, &body, 1), [], "{odd}");
        let kept: Vec<_> = report.calls.iter().map(|call| (&*call.model, call.usage.input_tokens)).collect();
        assert_eq!(kept, [("m", Some(7)), ("n", Some(8))], "{odd}");
    }
}

#[test]
fn a_repetition_is_known_for_a_minute_and_only_after_a_lost_answer() {
    let body = r#"{"calls":[{"model":"m","tokens_in":1}]}"#;
    let post = |seconds, position| Post {
        kind: EventKind::LlmCalls,
        body: body.as_bytes(),
        received_at: AT.plus(Nanos::from_secs(seconds)),
        position,
    };
    let lost = digest(EventKind::LlmCalls, body.as_bytes()).to_be_bytes();
    let lost = |seconds| Post { kind: EventKind::Unanswered, body: &lost, received_at: AT.plus(Nanos::from_secs(seconds)), position: 99 };
    for (posts, opened_at, n_calls) in [
        (vec![post(0, 1), post(1, 2)], 0, 2),
        (vec![post(0, 1), lost(1), post(2, 2)], 0, 1),
        (vec![post(0, 1), lost(1), post(2, 2), post(3, 3)], 0, 2),
        (vec![post(0, 1), lost(1), post(2, 2), lost(3), post(4, 3)], 0, 1),
        (vec![post(0, 1), lost(1), post(61, 2)], 0, 2),
        (vec![post(0, 1), post(1, 8)], 5, 1),
        (vec![post(0, 1), post(1, 8), post(2, 9)], 5, 2),
        (vec![lost(0), post(1, 2)], 0, 1),
    ] {
        let mut report = report();
        for post in &posts {
            apply(&mut report, post, if post.position < 5 { 0 } else { opened_at });
        }
        assert_eq!(report.calls.len(), n_calls, "{posts:?}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| json!(n)),
        any::<u64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        Just(json!(1e13)),
    ];
    let text = prop_oneof!["[a-zé\u{1f600}]{0,12}", (0..20_000_usize).prop_map(|n| "é".repeat(n)), Just("true".to_owned())];
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, text.prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "agent_name",
        "session_id",
        "user_id",
        "metadata",
        "inputs",
        "calls",
        "model",
        "tokens_in",
        "tokens_out",
        "total_tokens",
        "cost",
        "task",
        "framework",
        "status",
        "prompt_preview",
        "response_preview",
        "steps",
        "step_name",
        "output",
        "position",
        "spans",
        "name",
        "kind",
        "duration_ms",
        "start_offset_ms",
        "scores",
        "data_type",
        "numeric_value",
        "string_value",
        "value",
        "comment",
        "source",
        "result",
        "error",
        "error_type",
        "trace_id",
        "root_span_id",
        "parent_workflow_id",
        "agent_slug",
    ];
    prop_oneof![9 => prop::sample::select(KEYS).prop_map(str::to_owned), 1 => "[a-z]{0,3}"]
}

fn any_kind() -> impl Strategy<Value = EventKind> {
    (1..=10_u8).prop_map(|kind| EventKind::from_u8(kind).unwrap())
}

proptest! {
    #[test]
    fn whatever_is_posted_it_never_panics_and_stays_within_the_limits(
        posts in prop::collection::vec((any_kind(), any_json(), any::<bool>()), 1..8),
        cut_at in any::<prop::sample::Index>(),
    ) {
        let mut report = report();
        let mut again = report.clone();
        for (position, (kind, body, is_list)) in posts.iter().enumerate() {
            let list = ["calls", "steps", "spans", "scores"][usize::from(*kind as u8) % 4];
            let body = if *is_list { json!({ list: [body] }) } else { body.clone() };
            let mut body = body.to_string().into_bytes();
            if position == 0 {
                body.truncate(cut_at.index(body.len() + 1));
            }
            let post = Post { kind: *kind, body: &body, received_at: AT, position: position as u64 };
            apply(&mut report, &post, 3);
            apply(&mut again, &post, 3);
        }
        prop_assert_eq!(&report, &again, "the same posts give the same report");
        within_limits(&report);
        report.weight();
        report.strip();
    }

    #[test]
    fn bytes_that_are_no_json_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in any_kind()) {
        let mut report = report();
        apply(&mut report, &Post { kind, body: &bytes, received_at: AT, position: 1 }, 0);
        within_limits(&report);
    }
}

/// What `model::report` promises of every report.
pub(super) fn within_limits(report: &RunReport) {
    let name = |text: &str| assert!(text.len() <= NAME_MAX_BYTES + CUT, "{} bytes", text.len());
    let bound = |text: &Option<crate::model::Str>, max: usize| assert!(text.as_ref().is_none_or(|text| text.len() <= max + CUT));
    if let Some(start) = &report.start {
        name(&start.agent);
        name(&start.workflow);
        bound(&start.user, NAME_MAX_BYTES);
        bound(&start.user_group, NAME_MAX_BYTES);
        bound(&start.inputs, TEXT_MAX_BYTES);
    }
    if let Some(completion) = &report.completion {
        bound(&completion.result, TEXT_MAX_BYTES);
        bound(&completion.error, TEXT_MAX_BYTES);
        assert!(report.completed_at().unwrap() <= completion.at.plus(Nanos::from_secs(3_600)));
    }
    assert!(report.calls.len() <= CALLS_MAX && report.steps.len() <= STEPS_MAX);
    assert!(report.scores.len() <= SCORES_MAX && report.spans.len() <= SPANS_MAX && report.seen.len() <= SEEN_MAX);
    for call in &report.calls {
        name(&call.model);
        name(&call.task);
        bound(&call.prompt, PREVIEW_MAX_BYTES);
        bound(&call.response, PREVIEW_MAX_BYTES);
        // Sums of them cannot overflow.
        assert!(call.usage.tokens() <= 2 * crate::model::usage::SPAN_TOKENS_MAX);
    }
    for step in &report.steps {
        name(&step.name);
        bound(&step.output, PREVIEW_MAX_BYTES);
    }
    for span in &report.spans {
        name(&span.name);
        name(&span.kind);
    }
    for score in &report.scores {
        name(&score.name);
        name(&score.source);
        bound(&score.comment, PREVIEW_MAX_BYTES);
        match &score.value {
            ScoreValue::Numeric(number) => assert!(number.is_finite()),
            ScoreValue::Categorical(label) => name(label),
            ScoreValue::Boolean(_) => {}
        }
    }
}
