//! The claims about the recordings.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use sessionfold::prices::Prices;

use crate::chain::{Received, receive_shuffled};
use crate::exceptions::{EXCEPTIONS, Exception};
use crate::judging::{differences, sessions};
use crate::recording;

#[test]
fn every_known_session_of_every_recording_is_exact_however_its_spans_arrive() {
    let prices = &Prices::embedded();
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut n_known, mut wrong) = (0, String::new());
    for recording in recording::all().iter().filter(|recording| recording.name.contains(&only)) {
        let received = receive_shuffled(&recording.name, &recording.requests, &[1]);
        let found = sessions(&received.runs_at(&|call, start| prices.cost(call, start)));
        for (id, truth) in recording.expected.sessions.iter().filter(|(_, truth)| truth.known) {
            n_known += 1;
            let differences = differences(truth, found.get(id));
            let is_of_it = |of: &&Exception| of.recording == recording.name && of.sessions.contains(&&**id);
            let exception = EXCEPTIONS.iter().find(is_of_it);
            let differs: Vec<&str> = differences.iter().map(|difference| difference.what).collect();
            match exception {
                Some(exception) if exception.differs == differs => continue,
                Some(exception) => {
                    let _ = writeln!(wrong, "{}, session {id}: no longer as its exception says ({})", recording.name, exception.reason);
                    let _ = writeln!(wrong, "    differs {differs:?}, not {:?}", exception.differs);
                }
                None if differs.is_empty() => continue,
                None => _ = writeln!(wrong, "{}, session {id}:", recording.name),
            }
            for difference in differences {
                let _ = writeln!(wrong, "    {:8} {}, should be {}", difference.what, difference.got, difference.want);
            }
        }
    }
    assert!(n_known > 0, "no recording is called {only}");
    assert!(wrong.is_empty(), "of {n_known} sessions these are not right:\n{wrong}");
}

#[test]
fn every_exception_is_of_a_session_that_is_judged() {
    let recordings = recording::all();
    for exception in EXCEPTIONS {
        let recording = recordings.iter().find(|recording| recording.name == exception.recording).expect(exception.recording);
        for session in exception.sessions {
            assert!(recording.expected.sessions.get(*session).is_some_and(|truth| truth.known), "{} {session}", recording.name);
        }
    }
}

/// What `docs/dialects.md` advises.
#[test]
fn below_a_span_of_ones_own_two_instrumentations_of_one_call_count_once() {
    let recordings = recording::all();
    let recording = recordings.iter().find(|recording| recording.name.ends_with("--oi_langchain_both")).unwrap();
    let prices = &Prices::embedded();
    for session in ["lc-s2", "lc-s4"] {
        let received = Received::of([below_spans_of_ones_own(&recording.requests, session)]);
        let found = sessions(&received.runs_at(&|call, start| prices.cost(call, start)));
        let differences = differences(&recording.expected.sessions[session], found.get(session));
        let shown: Vec<String> = differences.iter().map(|it| format!("{} {}, should be {}", it.what, it.got, it.want)).collect();
        assert!(shown.is_empty(), "{session}: {shown:?}");
    }
}

/// The spans of a session, as they come where a span is above each turn: LangChain's begin the turns.
fn below_spans_of_ones_own(requests: &[Vec<u8>], session: &str) -> Vec<u8> {
    let mut all = ExportTraceServiceRequest::default();
    for request in requests {
        all.merge(&**request).unwrap();
    }
    let mut scopes: Vec<&mut ScopeSpans> = all.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans).collect();
    let mut turns = Vec::new();
    for scope in &mut scopes {
        scope.spans.retain(|span| span.attributes.iter().any(|attribute| attribute.key == "session.id" && text(attribute) == session));
        let begins = |span: &&Span| span.parent_span_id.is_empty() && !span.name.contains("Completion");
        turns.extend(scope.spans.iter().filter(begins).map(|span| span.start_time_unix_nano));
    }
    turns.sort_unstable();
    for span in scopes.into_iter().flat_map(|scope| &mut scope.spans) {
        let turn = turns.iter().filter(|turn| **turn <= span.start_time_unix_nano).count() as u8;
        span.trace_id = vec![turn; 16];
        if span.parent_span_id.is_empty() {
            span.parent_span_id = vec![9; 8];
        }
    }
    let above = (1..).zip(&turns).map(|(turn, start)| Span {
        trace_id: vec![turn; 16],
        span_id: vec![9; 8],
        name: "POST /chat".into(),
        start_time_unix_nano: *start,
        ..Span::default()
    });
    let scope_spans = vec![ScopeSpans { spans: above.collect(), ..ScopeSpans::default() }];
    all.resource_spans.push(ResourceSpans { scope_spans, ..ResourceSpans::default() });
    all.encode_to_vec()
}

fn text(attribute: &KeyValue) -> &str {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text,
        _ => "",
    }
}
