//! Why a span failed, as status, events and attributes tell it.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Sent, Status};
use prost::Message;

use super::*;
use crate::conventions::tables::{Meaning, ROWS};
use crate::wire::otlp;

const ERROR: i32 = 2;
const UNSET: i32 = 0;

fn texts(said: &[(&str, &str)]) -> Vec<KeyValue> {
    let value = |said: &str| Some(AnyValue { value: Some(any_value::Value::StringValue(said.to_owned())) });
    said.iter().map(|(key, said)| KeyValue { value: value(said), ..KeyValue { key: (*key).to_owned(), ..KeyValue::default() } }).collect()
}

fn exception(said: &[(&str, &str)]) -> Event {
    Event { name: "exception".to_owned(), attributes: texts(said), ..Event::default() }
}

fn failed(message: &str, events: Vec<Event>, attributes: &[(&str, &str)]) -> Sent {
    Sent {
        status: Some(Status { code: ERROR, message: message.to_owned() }),
        events,
        attributes: texts(attributes),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..Sent::default()
    }
}

/// The fact of a span as it is sent.
fn fact_of(span: Sent) -> SpanFact {
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let request = ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
    let bytes = request.encode_to_vec();
    let resource = otlp::resource_spans(&bytes).next().unwrap().unwrap();
    let scope_spans = resource.scope_spans().next().unwrap().unwrap();
    let span = scope_spans.spans().next().unwrap().unwrap();
    extract(&span, &scope("a.scope"), &Resource::default(), NOW, &mut Strings::default()).unwrap().fact
}

fn why(span: Sent) -> Option<String> {
    fact_of(span).failure.map(|failure| failure.to_string())
}

#[test]
fn the_status_says_it_else_the_first_exception_else_the_attributes() {
    let exceptions = || {
        vec![
            exception(&[("exception.type", "openai.RateLimitError"), ("exception.message", "Error code: 429")]),
            exception(&[("exception.message", "a second one")]),
        ]
    };
    let attributes = [("error.message", "by an attribute"), ("error.type", "Kind")];
    for (message, events, expected) in [
        ("by its status", exceptions(), "by its status"),
        ("", exceptions(), "RateLimitError: Error code: 429"),
        ("Error", exceptions(), "RateLimitError: Error code: 429"),
        ("", vec![exception(&[("exception.type", "KeyError"), ("exception.message", "")])], "KeyError"),
        ("", vec![exception(&[("exception.stacktrace", "Traceback (most recent call last):\n  File \"a\"\nE: x")])], "E: x"),
        ("internal error", vec![exception(&[])], "by an attribute"),
    ] {
        assert_eq!(why(failed(message, events, &attributes)).as_deref(), Some(expected), "{message}");
    }
    assert_eq!(why(failed("", vec![], &[("error.type", "Kind")])).as_deref(), Some("Kind"));
    assert_eq!(why(failed("error", vec![], &[])).as_deref(), Some("error"), "better than nothing");
    assert_eq!(why(failed("", vec![], &[])), None);
}

#[test]
fn what_is_json_is_read() {
    for (said, kept) in [
        (r#"{"error":{"code":429,"message":"fake 429","status":"RESOURCE_EXHAUSTED"}}"#, "fake 429"),
        (r#"{"message":"Error in agent run","data":{"error":"Error code: 400"}}"#, "Error in agent run: Error code: 400"),
        (r#"{"error":"plain"}"#, "plain"),
        (r#"{"code":7}"#, r#"{"code":7}"#),
        ("{'message': 'Python'}", "{'message': 'Python'}"),
    ] {
        assert_eq!(why(failed(said, vec![], &[])).as_deref(), Some(kept));
        assert_eq!(why(failed("", vec![exception(&[("exception.message", said)])], &[])).as_deref(), Some(kept));
    }
}

#[test]
fn every_key_of_a_failure_is_read_of_a_span_that_failed() {
    for row in ROWS.iter().filter(|row| matches!(row.meaning, Meaning::Failure | Meaning::WeakFailure)) {
        assert_eq!(why(failed("", vec![], &[(row.key, "no such order")])).as_deref(), Some("no such order"), "{}", row.key);
    }
}

#[test]
fn a_tool_that_says_why_has_failed_and_nothing_else_has_whose_status_is_not_an_error() {
    let tool = ("gen_ai.operation.name", "execute_tool");
    let unset = |attributes: &[(&str, &str)]| {
        let mut span = failed("", vec![exception(&[("exception.message", "caught")])], attributes);
        span.status = Some(Status { code: UNSET, message: "ignored".to_owned() });
        fact_of(span)
    };
    let waxell = unset(&[tool, ("error.message", "no such order")]);
    assert_eq!((waxell.failure.as_deref().map(|why| &**why), waxell.has_failed()), (Some("no such order"), true));
    for attributes in [&[tool] as &[_], &[tool, ("error", "null")], &[("error.message", "no such order")]] {
        assert_eq!((unset(attributes).failure, unset(attributes).has_failed()), (None, false));
    }
    let mut fine = failed("", vec![], &[tool, ("error.message", "caught")]);
    fine.status = Some(Status { code: 1, message: String::new() });
    assert!(!fact_of(fine).has_failed());
}
