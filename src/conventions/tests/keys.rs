//! Claims about every key of the table.

use super::*;
use crate::conventions::tables::{Meaning, Part, ROWS, Row};
use crate::model::usage::ServiceTier;
use Value::{Int, Str as Text};

/// The fact of a span of `scope` with these attributes.
fn fact_in(scope: &str, attributes: &[(&str, Value<'_>)]) -> SpanFact {
    let attributes = attributes.iter().copied().map(attribute);
    let extracted =
        extract_with(plain_span(), attributes, &super::scope(scope), &Resource::default(), NOW, &mut Strings::default()).unwrap();
    assert_eq!(extracted.oddities, [], "{scope}");
    extracted.fact
}

/// A scope in which the row is read.
fn scope_of(row: &Row) -> &'static str {
    row.only_in.first().unwrap_or(&"a.scope")
}

/// A value in which the row says its own key.
pub(super) fn saying_its_key(row: &Row) -> &'static str {
    match row.key {
        "metadata.requester_metadata" => "{'trace_id': 'a', 'session_id': 'metadata.requester_metadata'}",
        key => key,
    }
}

/// Every key of the table that names something is read where it stands alone, and yields to every key above it.
#[test]
fn every_key_is_read_and_yields_to_those_above_it() {
    for meaning in
        [Meaning::Session, Meaning::WeakSession, Meaning::RunId, Meaning::Agent, Meaning::Workflow, Meaning::User, Meaning::UserGroup]
    {
        let rows: Vec<_> = ROWS.iter().filter(|row| row.meaning == meaning).collect();
        for (first, row) in rows.iter().enumerate() {
            let attributes: Vec<_> = rows[first..].iter().rev().map(|row| (row.key, Text(saying_its_key(row)))).collect();
            let labels = *fact_in(scope_of(row), &attributes).labels.unwrap();
            assert_eq!(labels.is_session_weak, meaning == Meaning::WeakSession);
            let session = labels.session.map(|id| Str::from(id.as_str()));
            let said = [session, labels.run_id, labels.agent, labels.workflow, labels.user, labels.user_group];
            let by_scope = scopes::reading(scope_of(row)).and_then(|reading| reading.agent);
            let said: Vec<_> = said.iter().flatten().map(|text| &**text).filter(|text| Some(*text) != by_scope).collect();
            assert_eq!(said, [row.key]);
            // What one scope means by a word of everybody's is read in no other.
            if !row.only_in.is_empty() {
                assert_eq!(fact_in("a.scope", &[(row.key, Text(saying_its_key(row)))]).labels, None, "{}", row.key);
            }
        }
    }
    let models = |row: &&Row| matches!(row.meaning, Meaning::Model | Meaning::ResponseModel);
    let keys: Vec<_> = ROWS.iter().filter(models).map(|row| row.key).collect();
    for first in 0..keys.len() {
        let attributes: Vec<_> = keys[first..].iter().rev().map(|key| (*key, Text(key))).collect();
        assert_eq!(&*fact(&attributes).call.unwrap().model, keys[first]);
    }
}

/// Every key of usage alone is a usage.
#[test]
fn every_key_of_usage_is_read() {
    for row in ROWS {
        let Meaning::Usage(_, part) = row.meaning else { continue };
        let value = match part {
            Part::TokensJson | Part::CostJson => Text(r#"{"total":5}"#),
            Part::AnswerJson => Text(r#"{"message":{"usage":{"total":6}},"usage":{"total":5}}"#),
            _ => Int(5),
        };
        let usage = fact_in(scope_of(row), &[(row.key, value)]).call.map_or_else(Usage::default, |call| call.usage);
        let numbers = [
            usage.input_tokens,
            usage.output_tokens,
            usage.total_tokens,
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.reasoning_tokens,
            usage.cost.map(|cost| cost.0 / 1_000_000_000),
        ];
        assert_eq!(numbers.into_iter().flatten().collect::<Vec<_>>(), [5], "{}", row.key);
    }
}

#[test]
fn every_key_of_a_service_tier_is_read() {
    for row in ROWS.iter().filter(|row| row.meaning == Meaning::Tier) {
        let call = fact_in(scope_of(row), &[("gen_ai.request.model", Text("m")), (row.key, Text("fast"))]).call.unwrap();
        assert_eq!(call.tier, Some(ServiceTier::Fast), "{}", row.key);
    }
}

#[test]
fn of_a_key_that_comes_twice_what_it_said_first_stands_and_silence_is_passed_over() {
    for (said, stands) in
        [(&[Text("a"), Text("b")][..], "a"), (&[Text(""), Text("b")], "b"), (&[Value::Empty, Text(""), Text("b"), Text("c")], "b")]
    {
        let attributes: Vec<_> = said.iter().map(|value| ("gen_ai.agent.name", *value)).collect();
        assert_eq!(label(&attributes, |labels| labels.agent).as_deref(), Some(stands), "{said:?}");
    }
}
