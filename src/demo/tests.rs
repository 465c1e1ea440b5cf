//! What the traffic promises, read back from its own bytes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use super::client::{Client, ClientError, Door};
use super::traffic::{self, Parcel, Plan, SESSIONS_MAX, SPREAD, Traffic};
use crate::model::time::UnixNanos;
use crate::model::usage::NanoUsd;
use crate::tempo::tls::Trust;

const NOW: u64 = 1_790_000_000_000_000_000;

fn plan(sessions: u64, seed: u64) -> Plan {
    Plan { sessions, seed, now: UnixNanos(NOW), spread: SPREAD, live: Duration::ZERO }
}

fn spans(parcel: &Parcel) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(parcel.body.clone()).unwrap();
    request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn all_spans(traffic: &Traffic) -> Vec<Span> {
    traffic.parcels.iter().flat_map(spans).collect()
}

fn value<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    match value(span, key) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

fn is_run(span: &Span) -> bool {
    text(span, "waxell.span_type") == "agent_execution"
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let bodies = |seed| traffic::make(&plan(25, seed)).parcels.into_iter().map(|parcel| (parcel.due, parcel.body)).collect::<Vec<_>>();
    assert_eq!(bodies(7), bodies(7));
    let (seven, eight): (HashSet<_>, HashSet<_>) = (bodies(7).into_iter().collect(), bodies(8).into_iter().collect());
    assert!(seven.is_disjoint(&eight));
}

/// Agents, tokens, money and lengths of every session, in an order that does not hang on ids.
fn stories(traffic: &Traffic) -> Vec<(Vec<&str>, u64, u64, u64)> {
    let sessions = traffic.truth.values();
    let mut stories: Vec<_> =
        sessions.map(|session| (session.agents(), session.tokens(), session.cost_nanos(), session.duration())).collect();
    stories.sort();
    stories
}

#[test]
fn the_same_seed_at_another_time_gives_the_same_conversations_under_other_ids() {
    let first = traffic::make(&plan(40, 7));
    let second = traffic::make(&Plan { now: UnixNanos(NOW + 1), ..plan(40, 7) });
    assert_eq!(stories(&first), stories(&second));
    assert!(first.truth.keys().all(|id| !second.truth.contains_key(id)));
    let trace_ids = |traffic: &Traffic| all_spans(traffic).into_iter().map(|span| span.trace_id).collect::<HashSet<_>>();
    assert!(trace_ids(&first).is_disjoint(&trace_ids(&second)));
}

#[test]
fn as_many_sessions_as_asked_for_begin_with_demo_and_never_share_an_id() {
    for sessions in [1, 2, 60, 2_000] {
        let traffic = traffic::make(&plan(sessions, 3));
        assert_eq!(traffic.truth.len() as u64, sessions);
        assert!(traffic.truth.keys().all(|id| id.starts_with("demo-") && id.len() <= 40));
    }
    assert_eq!(traffic::make(&plan(SESSIONS_MAX + 1, 3)).truth.len() as u64, SESSIONS_MAX);
}

#[test]
fn every_span_has_proper_ids_and_lies_within_its_parent_and_the_past() {
    let traffic = traffic::make(&plan(80, 11));
    let spans = all_spans(&traffic);
    let by_id: HashMap<_, _> = spans.iter().map(|span| ((&span.trace_id, &span.span_id), span)).collect();
    assert_eq!(by_id.len(), spans.len(), "a span id is used twice");
    let mut parents_that_never_come = 0;
    for span in &spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.trace_id.iter().any(|byte| *byte != 0) && span.span_id.iter().any(|byte| *byte != 0));
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano && span.end_time_unix_nano <= NOW);
        assert!(span.start_time_unix_nano >= NOW - SPREAD.as_nanos() as u64);
        if span.parent_span_id.is_empty() {
            assert!(is_run(span), "only a run has no parent: {}", span.name);
            continue;
        }
        let Some(parent) = by_id.get(&(&span.trace_id, &span.parent_span_id)) else {
            parents_that_never_come += 1;
            continue;
        };
        assert!(parent.start_time_unix_nano <= span.start_time_unix_nano && span.end_time_unix_nano <= parent.end_time_unix_nano);
    }
    assert!((1..spans.len() / 10).contains(&parents_that_never_come));
}

#[test]
fn no_span_begins_earlier_than_was_asked_for_though_it_be_a_minute() {
    for seconds in [60, 600, 86_400 * 6] {
        let spread = Duration::from_secs(seconds);
        let spans = all_spans(&traffic::make(&Plan { spread, ..plan(60, 12) }));
        let first = spans.iter().map(|span| span.start_time_unix_nano).min().unwrap();
        assert!(first >= NOW - seconds * 1_000_000_000, "{} s before what was asked for", (NOW - first) / 1_000_000_000 - seconds);
        assert!(first < NOW - seconds * 500_000_000, "they are spread over it");
    }
}

#[test]
fn children_come_before_their_parents_and_some_parents_seconds_later() {
    let traffic = traffic::make(&plan(60, 5));
    let spans: Vec<_> = all_spans(&traffic);
    let arrival: HashMap<_, _> = spans.iter().enumerate().map(|(n, span)| ((&span.trace_id, &span.span_id), n)).collect();
    for (n, span) in spans.iter().enumerate() {
        if let Some(parent) = arrival.get(&(&span.trace_id, &span.parent_span_id)) {
            assert!(n < *parent);
        }
    }
    let late: Vec<_> = traffic.parcels.iter().filter(|parcel| !parcel.due.is_zero()).collect();
    assert_eq!(late.len(), 3);
    assert!(late.iter().all(|parcel| spans_are_roots(parcel) && parcel.due <= Duration::from_secs(5)));
}

fn spans_are_roots(parcel: &Parcel) -> bool {
    spans(parcel).iter().all(|span| is_run(span) && span.parent_span_id.is_empty())
}

#[test]
fn the_truth_is_what_the_spans_say_once_echoes_are_left_out() {
    let traffic = traffic::make(&plan(60, 21));
    let spans = all_spans(&traffic);
    let sum = |of: fn(&Span) -> u64| spans.iter().filter(|span| !is_echo(span)).map(of).sum::<u64>();
    let truth = |of: fn(&super::truth::SessionTruth) -> u64| traffic.truth.values().map(of).sum::<u64>();
    assert_eq!(sum(tokens), truth(|session| session.tokens()));
    assert_eq!(sum(cost), truth(|session| session.cost_nanos()));
    assert_eq!(sum(|span| u64::from(is_run(span))), truth(|session| session.runs.len() as u64));
    assert_eq!(sum(|span| u64::from(is_run(span) && failed(span))), truth(|session| session.errors()));
    assert!(spans.iter().any(is_echo) && truth(|session| session.errors()) > 0 && truth(|session| session.unpriced_calls()) > 0);
    for (id, session) in &traffic.truth {
        let runs: Vec<_> = spans.iter().filter(|span| text(span, "waxell.session_id") == id).collect();
        assert_eq!(runs.len(), session.runs.len());
        assert_eq!(runs.iter().map(|run| run.start_time_unix_nano).min(), Some(session.first_run()));
        assert_eq!(runs.iter().map(|run| run.end_time_unix_nano).max(), Some(session.last_activity()));
        assert_eq!(runs.iter().map(|run| run.end_time_unix_nano - run.start_time_unix_nano).sum::<u64>(), session.duration());
    }
}

fn is_echo(span: &Span) -> bool {
    text(span, "waxell.span_type") == "llm_call" && value(span, "gen_ai.response.model").is_none() && !failed(span)
}

fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

fn tokens(span: &Span) -> u64 {
    ["waxell.llm.total_tokens", "waxell.embedding.input_tokens"].iter().find_map(|key| number(span, key)).unwrap_or(0)
}

fn number(span: &Span, key: &str) -> Option<u64> {
    match value(span, key) {
        Some(Value::IntValue(number)) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn cost(span: &Span) -> u64 {
    match value(span, "waxell.llm.cost").or_else(|| value(span, "waxell.embedding.cost")) {
        Some(Value::DoubleValue(dollars)) => NanoUsd::from_dollars(*dollars).unwrap().0,
        _ => 0,
    }
}

#[test]
fn no_placeholder_is_left_in_what_people_read() {
    for span in all_spans(&traffic::make(&plan(40, 2))) {
        for key in ["gen_ai.input.messages", "gen_ai.output.messages"] {
            let said = text(&span, key);
            assert!(!said.contains(['{', '}']), "{said}");
        }
    }
}

#[test]
fn live_conversations_are_whole_and_sent_just_after_they_happened() {
    let live = Duration::from_secs(60);
    let traffic = traffic::make(&Plan { live, ..plan(4, 9) });
    let later: Vec<_> = traffic.parcels.iter().filter(|parcel| spans(parcel).iter().any(|span| span.end_time_unix_nano > NOW)).collect();
    assert!(traffic.truth.len() > 4 && !later.is_empty());
    for parcel in later {
        for span in spans(parcel) {
            let ended = Duration::from_nanos(span.end_time_unix_nano - NOW);
            assert!(ended <= parcel.due && parcel.due <= ended + Duration::from_secs(2) && ended <= live);
        }
    }
    assert!(traffic.parcels.is_sorted_by_key(|parcel| parcel.due));
    let n_runs: usize = traffic.truth.values().map(|session| session.runs.len()).sum();
    assert_eq!(all_spans(&traffic).iter().filter(|span| is_run(span)).count(), n_runs);
}

#[test]
fn an_address_is_taken_as_people_write_it_or_refused_with_what_to_do() {
    for (url, base) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318"),
        ("http://localhost:4318/v1/traces", "http://localhost:4318"),
        ("http://host/otlp/v1/traces/", "http://host/otlp"),
    ] {
        assert_eq!(Client::new(url, Door::Otlp, None).unwrap().base(), base);
    }
    for url in ["127.0.0.1:4318", "localhost", "", "http://", "ftp://host", "http://host?x=1"] {
        assert!(matches!(Client::new(url, Door::Otlp, None), Err(ClientError::BadUrl { port: 4318, .. })), "{url}");
    }
    let insecure = |url: &str| Client::secured(url, Door::Api, None, &Trust::Anybody, None);
    for url in ["https://localhost:4318", "https://127.0.0.1", "https://[::1]:8080"] {
        assert!(insecure(url).is_ok(), "{url}");
    }
    assert!(matches!(insecure("https://host:4318"), Err(ClientError::InsecureElsewhere(_))));
    assert!(matches!(Client::new("http://host", Door::Api, Some("a\nb")), Err(ClientError::BadKey)));
}

#[tokio::test]
async fn a_server_that_does_not_run_is_told_with_the_flag_to_change() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let error = Client::new(&url, Door::Otlp, None).unwrap().post_traces("x".into()).await.err().unwrap().to_string();
    assert!(error.contains(&url) && error.contains("`sessionfold`") && error.contains("--otlp-http"), "{error}");
}
