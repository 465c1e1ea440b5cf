//! Turns that log events of a coding agent tell of, each a trace of its own: what was left in the middle ends when the next one begins.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use sessionfold::conventions::agents::tell;
use sessionfold::model::run::RunStatus::{self, Interrupted, Running, Success};

use super::house::{House, Tuning};
use crate::support::spans::{SECOND, TEN};

const TENANT: &str = "acme";

/// A record of Claude Code, seconds after ten o'clock.
fn record(event: &str, turn: &str, second: u64) -> LogRecord {
    let said = [("event.name", event), ("session.id", "s"), ("prompt.id", turn), ("tool_name", "Bash"), ("model", "claude-opus-4-8")];
    let text = |value: &str| Some(AnyValue { value: Some(Any::StringValue(value.into())) });
    let mut attributes: Vec<KeyValue> =
        said.iter().map(|(key, value)| KeyValue { key: (*key).into(), value: text(value), ..KeyValue::default() }).collect();
    let tokens = AnyValue { value: Some(Any::IntValue(10)) };
    attributes.extend((event == "api_request").then(|| KeyValue {
        key: "input_tokens".into(),
        value: Some(tokens),
        ..KeyValue::default()
    }));
    LogRecord { time_unix_nano: TEN + second * SECOND, attributes, ..LogRecord::default() }
}

fn send(house: &House, records: Vec<LogRecord>) {
    let scope = Some(InstrumentationScope { name: "com.anthropic.claude_code.events".into(), ..InstrumentationScope::default() });
    let scope_logs = vec![ScopeLogs { scope, log_records: records, ..ScopeLogs::default() }];
    let request = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] };
    let told = tell(&request.encode_to_vec(), TENANT, false).unwrap();
    if !told.spans.is_empty() {
        house.send(TENANT, Bytes::from(told.spans));
    }
    if !told.unforwarded.is_empty() {
        house.restore(TENANT, Bytes::from(told.unforwarded)).unwrap();
    }
    house.wait_folded();
    house.tick();
}

/// In the order of their starts.
fn statuses(house: &House) -> Vec<RunStatus> {
    house.detail(TENANT, "s").unwrap().1.iter().map(|run| run.status).collect()
}

#[test]
fn a_turn_that_was_left_in_the_middle_ends_when_the_next_one_begins() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        let mut house = House::new(tuning);
        house.advance(300 * SECOND);
        send(&house, vec![record("user_prompt", "p1", 0), record("api_request", "p1", 10), record("tool_result", "p1", 20)]);
        house.settle_if_restless();
        assert_eq!(statuses(&house), [Running]);
        send(&house, vec![record("user_prompt", "p2", 60)]);
        house.settle_if_restless();
        assert_eq!(statuses(&house), [Interrupted, Running]);
        let (summary, runs) = house.detail(TENANT, "s").unwrap();
        assert_eq!((summary.running_count, runs[0].completed_at), (1, Some(runs[0].last_activity)));
        send(&house, vec![record("api_request", "p2", 70)]);
        for _ in 0..2 {
            assert_eq!(statuses(&house), [Interrupted, Success]);
            house.crash();
        }
        // It went on after all: two programs share the session.
        send(&house, vec![record("tool_result", "p1", 90)]);
        assert_eq!(statuses(&house), [Running, Success]);
        send(&house, vec![record("user_prompt", "p3", 100)]);
        assert_eq!(statuses(&house), [Interrupted, Success, Running]);
    }
}

#[test]
fn whichever_comes_first_and_across_a_restart_it_is_the_same() {
    let turns = || [vec![record("user_prompt", "p1", 0), record("tool_result", "p1", 20)], vec![record("user_prompt", "p2", 60)]];
    for (backwards, reopens) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut house = House::new(Tuning::default());
        house.advance(300 * SECOND);
        let [first, second] = turns();
        let (one, other) = if backwards { (second, first) } else { (first, second) };
        send(&house, one);
        if reopens {
            house.reopen();
        }
        send(&house, other);
        assert_eq!(statuses(&house), [Interrupted, Running], "{backwards} {reopens}");
        house.reopen();
        send(&house, turns().concat());
        assert_eq!(statuses(&house), [Interrupted, Running], "{backwards} {reopens}");
    }
}
