//! What each event of the tables becomes, and what none of them may do.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::tables::AGENTS;
use super::{Told, tell};

const SECOND: u64 = 1_000_000_000;

fn any(value: impl Into<Words>) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value.into().0) })
}

struct Words(Any);

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Self(Any::StringValue(text.into()))
    }
}

impl From<i64> for Words {
    fn from(number: i64) -> Self {
        Self(Any::IntValue(number))
    }
}

impl From<f64> for Words {
    fn from(number: f64) -> Self {
        Self(Any::DoubleValue(number))
    }
}

fn key(key: &str, value: impl Into<Words>) -> KeyValue {
    KeyValue { key: key.into(), value: any(value), ..Default::default() }
}

fn record(event: &str, attributes: Vec<KeyValue>) -> LogRecord {
    let attributes = [vec![key("event.name", event)], attributes].concat();
    LogRecord { time_unix_nano: 100 * SECOND, attributes, ..Default::default() }
}

fn logs(scope: &str, records: Vec<LogRecord>) -> Vec<u8> {
    let scope = Some(InstrumentationScope { name: scope.into(), ..Default::default() });
    let resource =
        Resource { attributes: vec![key("service.name", "mine"), key("process.command_args", "a secret prompt")], ..Default::default() };
    let scope_logs = vec![ScopeLogs { scope, log_records: records, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { resource: Some(resource), scope_logs, ..Default::default() }] }
        .encode_to_vec()
}

fn spans(request: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn said<'a>(span: &'a Span, key: &str) -> Option<&'a Any> {
    span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn told(scope: &str, records: Vec<LogRecord>) -> Told {
    let request = logs(scope, records);
    let told = tell(&request, "acme", false).unwrap();
    super::fuzz::check(&request, &told);
    told
}

#[test]
fn a_call_has_all_its_tokens_its_cost_and_its_turn() {
    let turn = || vec![key("session.id", "s"), key("prompt.id", "p")];
    let call = [
        turn(),
        vec![
            key("model", "claude-opus-4-8[1m]"),
            key("input_tokens", 13),
            key("output_tokens", "7"),
            key("cache_read_tokens", 100),
            key("cache_creation_tokens", 20),
            key("cache_creation_1h_tokens", 5),
            key("speed", "fast"),
            key("cost_usd", 0.25),
            key("duration_ms", "500"),
            key("request_id", "req_1"),
        ],
    ]
    .concat();
    let told = told("com.anthropic.claude_code.events", vec![record("user_prompt", turn()), record("claude_code.api_request", call)]);
    assert_eq!((told.n_taken, told.n_noise, told.n_strange), (2, 0, 0));
    // The turn's own span is made when it is over.
    let ([prompt], [call]) = (&spans(&told.unforwarded)[..], &spans(&told.spans)[..]) else { panic!("a span each") };
    assert_eq!((&prompt.trace_id, &prompt.span_id), (&call.trace_id, &call.parent_span_id));
    assert_eq!((call.start_time_unix_nano, call.end_time_unix_nano), (99 * SECOND + SECOND / 2, 100 * SECOND));
    for (key, value) in [
        ("gen_ai.request.model", Any::StringValue("claude-opus-4-8".into())),
        ("gen_ai.usage.input_tokens", Any::IntValue(133)),
        ("gen_ai.usage.output_tokens", Any::IntValue(7)),
        ("gen_ai.usage.cache_read.input_tokens", Any::IntValue(100)),
        ("gen_ai.usage.cache_write.input_tokens", Any::IntValue(20)),
        ("gen_ai.usage.cache_write_1h.input_tokens", Any::IntValue(5)),
        ("gen_ai.usage.cost", Any::DoubleValue(0.25)),
        ("gen_ai.response.id", Any::StringValue("req_1".into())),
        ("gen_ai.response.service_tier", Any::StringValue("fast".into())),
        ("session.id", Any::StringValue("s".into())),
        ("sessionfold.synthetic", Any::BoolValue(true)),
    ] {
        assert_eq!(said(call, key), Some(&value), "{key}");
    }
    assert_eq!(said(prompt, "gen_ai.agent.name"), Some(&Any::StringValue("claude-code".into())));
}

#[test]
fn what_a_record_says_is_kept_only_where_that_is_asked_for_and_a_command_line_never() {
    let secret = "a secret prompt";
    let all = |names: [&str; 4]| names.map(|name| key(name, secret)).to_vec();
    for agent in AGENTS {
        let named = |event: &str, more: Vec<KeyValue>| record(&format!("{}{event}", agent.prefix), more);
        let content = || all(["prompt", "response", "arguments", "output"]);
        let records: Vec<_> =
            agent.events.iter().map(|(event, _)| named(event, [content(), vec![key("input_token_count", 1)]].concat())).collect();
        let request = logs(agent.scopes[0], records);
        let holds = |told: &Told| {
            [&told.spans, &told.unforwarded].iter().any(|spans| spans.windows(secret.len()).any(|at| at == secret.as_bytes()))
        };
        assert!(!holds(&tell(&request, "acme", false).unwrap()), "{}", agent.name);
        assert!(holds(&tell(&request, "acme", true).unwrap()), "{}", agent.name);
    }
}

#[test]
fn what_was_said_is_spans_of_its_own_below_the_turn_and_no_second_call() {
    let of_turn = |event: &str, more: Vec<KeyValue>| record(event, [vec![key("session.id", "s"), key("prompt.id", "p")], more].concat());
    let records = || {
        vec![
            of_turn("user_prompt", vec![key("prompt", "Say hello")]),
            of_turn("api_request", vec![key("input_tokens", 5), key("request_id", "r")]),
            of_turn("assistant_response", vec![key("response", "Hello"), key("request_id", "r"), key("model", "claude-opus-4-8")]),
            of_turn("assistant_response", vec![key("response", "<REDACTED>"), key("request_id", "r2")]),
        ]
    };
    let request = logs("com.anthropic.claude_code.events", records());
    let kept = tell(&request, "acme", true).unwrap();
    assert_eq!((kept.n_taken, kept.n_noise), (3, 1));
    let ([turn], [asked, call, answer]) = (&spans(&kept.unforwarded)[..], &spans(&kept.spans)[..]) else { panic!("four spans") };
    for (span, key, text) in [(asked, "input.value", "Say hello"), (answer, "output.value", "Hello")] {
        assert_eq!((&span.trace_id, &span.parent_span_id), (&turn.trace_id, &turn.span_id));
        assert_eq!(said(span, key), Some(&Any::StringValue(text.into())));
        assert_eq!(said(span, "gen_ai.operation.name"), None);
    }
    assert_ne!(call.span_id, answer.span_id);
    let dropped = tell(&request, "acme", false).unwrap();
    assert_eq!((dropped.n_taken, dropped.n_noise), (2, 2));
    assert_eq!(spans(&dropped.spans).len(), 1);
}

#[test]
fn a_tool_that_says_so_has_succeeded_and_a_call_that_failed_says_with_which_status() {
    let told = told(
        "com.anthropic.claude_code.events",
        vec![
            record("tool_result", vec![key("tool_name", "Bash"), key("success", "true")]),
            record("tool_result", vec![key("tool_name", "Read")]),
            record("api_error", vec![key("status_code", 529), key("error", "a secret prompt")]),
        ],
    );
    let spans = spans(&told.spans);
    let status = |span: &Span| span.status.as_ref().map(|status| (status.code, status.message.clone()));
    assert_eq!([status(&spans[0]), status(&spans[1])], [Some((1, String::new())), None]);
    assert_eq!(status(&spans[2]), Some((2, "HTTP 529".into())));
}

#[test]
fn noise_of_an_agent_is_no_stranger_and_a_stranger_is() {
    let told = told(
        "com.anthropic.claude_code.events",
        vec![record("plugin_loaded", vec![key("session.id", "s")]), record("claude_code.compaction", Vec::new())],
    );
    assert_eq!((told.n_taken, told.n_noise, told.n_strange), (0, 2, 0));
    assert!(told.spans.is_empty() && told.unforwarded.is_empty());
    let strange = self::told("my.app", vec![record("user_prompt", Vec::new()), record("api_request", vec![key("input_tokens", 5)])]);
    assert_eq!((strange.n_taken, strange.n_noise, strange.n_strange), (0, 0, 2));
    let by_name = self::told("my.collector", vec![record("claude_code.user_prompt", Vec::new())]);
    assert_eq!(by_name.n_taken, 1, "the scope is gone, the event's name is not");
}

#[test]
fn a_record_with_the_context_of_a_span_joins_its_trace_and_goes_to_nobody_else() {
    let within = |event: &str, more: Vec<KeyValue>| LogRecord {
        trace_id: vec![7; 16],
        span_id: vec![9; 8],
        ..record(event, [vec![key("session.id", "s"), key("prompt.id", "p")], more].concat())
    };
    let told = told(
        "com.anthropic.claude_code.events",
        vec![
            within("user_prompt", Vec::new()),
            within("api_request", vec![key("input_tokens", 5), key("request_id", "r")]),
            within("tool_result", vec![key("tool_name", "Bash")]),
        ],
    );
    assert!(told.spans.is_empty());
    let [prompt, call] = &spans(&told.unforwarded)[..] else { panic!("the tool's own span tells of it") };
    assert_eq!((&prompt.trace_id[..], &prompt.span_id[..]), (&[7; 16][..], &[9; 8][..]), "in place of the span until that comes");
    assert_eq!(call.parent_span_id, prompt.span_id);
}

#[test]
fn numbers_that_nobody_can_believe_stay_unbelievable() {
    for bad in [Any::IntValue(-5), Any::StringValue("many".into()), Any::DoubleValue(f64::NAN), Any::IntValue(i64::MAX)] {
        let value = Some(AnyValue { value: Some(bad.clone()) });
        let input = KeyValue { key: "input_tokens".into(), value, ..Default::default() };
        let more = vec![input, key("cache_read_tokens", 10), key("output_tokens", 3)];
        let told = told("com.anthropic.claude_code.events", vec![record("api_request", more)]);
        let call = &spans(&told.spans)[0];
        assert_eq!(said(call, "gen_ai.usage.input_tokens"), Some(&Any::IntValue(-1)), "{bad:?}");
        assert_eq!(said(call, "gen_ai.usage.output_tokens"), Some(&Any::IntValue(3)));
    }
}

#[test]
fn records_without_ids_and_times_are_told_apart_by_what_they_say() {
    let bare = |tokens: i64| LogRecord { time_unix_nano: 0, ..record("codex.sse_event", vec![key("input_token_count", tokens)]) };
    let told = told("codex_otel.log_only", vec![bare(1), bare(2), bare(1)]);
    let spans = spans(&told.spans);
    assert_eq!(spans.len(), 3);
    assert!(spans[0] == spans[2] && spans[0].span_id != spans[1].span_id);
}

#[test]
fn a_conversation_that_an_agent_starts_is_of_the_session_that_it_was_started_in() {
    let spawn =
        vec![key("conversation.id", "parent"), key("tool_name", "spawn_agent"), key("output", r#"{"agent_id":"child","nickname":"x"}"#)];
    let told = told(
        "codex_otel.log_only",
        vec![record("codex.tool_result", spawn), record("codex.user_prompt", vec![key("conversation.id", "child")])],
    );
    let spans = [spans(&told.spans), spans(&told.unforwarded)].concat();
    let link = spans.iter().find(|span| span.name == "spawned").unwrap();
    let child = spans.iter().find(|span| said(span, "gen_ai.conversation.id") == Some(&Any::StringValue("child".into()))).unwrap();
    assert_eq!(link.trace_id, child.trace_id);
    assert_eq!(said(link, "session.id"), Some(&Any::StringValue("parent".into())));
}

#[test]
fn ids_keep_tenants_sessions_and_turns_apart() {
    let prompt = |session: &str, turn: &str| record("user_prompt", vec![key("session.id", session), key("prompt.id", turn)]);
    let trace = |tenant: &str, session: &str, turn: &str| {
        let request = logs("com.anthropic.claude_code.events", vec![prompt(session, turn)]);
        spans(&tell(&request, tenant, false).unwrap().unforwarded)[0].trace_id.clone()
    };
    let all = [trace("a", "s", "p"), trace("b", "s", "p"), trace("a", "sp", ""), trace("a", "s", "q"), trace("a", "", "sp")];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(trace("a", "s", "p"), all[0]);
}

#[test]
fn an_agent_is_known_by_the_attribute_the_name_or_the_body_of_an_event_before_its_scope() {
    let call = |event: &str| record(event, vec![key("session.id", "s"), key("input_tokens", 1)]);
    let body = LogRecord { body: any("claude_code.api_request"), ..call("api_request") };
    let name = LogRecord { event_name: "claude_code.api_request".into(), ..call("api_request") };
    for record in [body, name, call("claude_code.api_request")] {
        let told = told("", vec![record]);
        assert_eq!((told.n_taken, told.n_strange), (1, 0));
    }
    // Prose, and a name that anybody may use.
    let stranger = LogRecord { body: any("the api_request of claude_code"), ..call("api_request") };
    assert_eq!(told("", vec![stranger]).n_strange, 1);
}

#[test]
fn the_session_of_the_resource_is_that_of_records_which_name_none() {
    let of_resource = |scope: &str, records: Vec<LogRecord>| {
        let mut request = ExportLogsServiceRequest::decode(&logs(scope, records)[..]).unwrap();
        request.resource_logs[0].resource.as_mut().unwrap().attributes.push(key("session.id", "of the resource"));
        spans(&tell(&request.encode_to_vec(), "acme", false).unwrap().spans)
    };
    let session = |span: &Span| said(span, "session.id").cloned();
    let call = || vec![key("input_token_count", 1)];
    let named = [call(), vec![key("session.id", "own")]].concat();
    let spans = of_resource("gemini-cli", vec![record("gemini_cli.api_response", call()), record("gemini_cli.api_response", named)]);
    let expect = ["of the resource", "own"].map(|session| Some(Any::StringValue(session.into())));
    assert_eq!(spans.iter().map(session).collect::<Vec<_>>(), expect);
    // Codex' conversations have another key: what names none is of none.
    let of_codex = of_resource("codex_otel", vec![record("codex.sse_event", call())]);
    assert_eq!(of_codex.iter().map(session).collect::<Vec<_>>(), [None]);
}
