//! Which attribute answered what.

use super::keys::saying_its_key;
use super::{attribute, scope};
use crate::conventions::tables::{Meaning, ROWS};
use crate::conventions::{Conventions, KindBy, Oddity, Settings, Sources, Strings, input_without_cache, session_keys};
use crate::model::facts::SpanKind;
use crate::wire::otlp::{Attribute, Value};

fn sources_in(scope_name: &str, name: &str, attributes: &[(&str, Value<'_>)], resource: &[(&str, Value<'_>)]) -> Sources {
    let attributes: Vec<Attribute<'_>> = attributes.iter().copied().map(attribute).collect();
    let resource = Conventions::default().resource(resource.iter().copied().map(attribute));
    Sources::of(name, &attributes, &scope(scope_name), &resource)
}

fn told(sources: &Sources) -> Vec<(&str, &str, &str)> {
    sources.answers.iter().map(|answer| (answer.question, answer.key.as_str(), answer.value.as_str())).collect()
}

#[test]
fn of_two_keys_the_one_that_stands_is_named_and_each_number_has_its_own() {
    let sources = sources_in(
        "app",
        "chat",
        &[
            ("gen_ai.operation.name", Value::Str("chat")),
            ("gen_ai.request.model", Value::Str("gpt-4o")),
            ("gen_ai.response.model", Value::Str("gpt-4o-2024-08-06")),
            ("gen_ai.usage.input_tokens", Value::Int(0)),
            ("gen_ai.usage.prompt_tokens", Value::Int(12)),
            ("gen_ai.usage.output_tokens", Value::Int(3)),
            ("llm.token_count.prompt", Value::Int(99)),
            ("llm.cost.prompt", Value::Double(0.25)),
            ("llm.cost.completion", Value::Double(0.5)),
            ("gen_ai.conversation.id", Value::Str("weak")),
            ("session.id", Value::Str("s")),
        ],
        &[],
    );
    assert_eq!((sources.kind, sources.kind_by), (SpanKind::Llm, KindBy::Attribute));
    assert_eq!(
        told(&sources),
        [
            ("kind", "gen_ai.operation.name", "chat"),
            ("session", "session.id", "s"),
            ("model", "gen_ai.response.model", "gpt-4o-2024-08-06"),
            ("input tokens", "gen_ai.usage.prompt_tokens", "12"),
            ("output tokens", "gen_ai.usage.output_tokens", "3"),
            ("cost", "llm.cost.prompt", "0.25"),
            ("cost", "llm.cost.completion", "0.5"),
        ]
    );
}

#[test]
fn what_a_scope_means_by_a_word_and_what_was_added_is_said() {
    let graph = sources_in("openlit.instrumentation.langgraph", "node", &[("gen_ai.operation.name", Value::Str("invoke_agent"))], &[]);
    assert_eq!((graph.kind, graph.kind_by), (SpanKind::Step, KindBy::ScopeRule));
    let named = sources_in("logfire.openai_agents", "Agent run: 'x'", &[("name", Value::Str("x"))], &[]);
    assert_eq!((named.kind, named.kind_by, told(&named)), (SpanKind::Agent, KindBy::SpanName, vec![("agent", "name", "x")]));
    let cached = [
        ("gen_ai.request.model", Value::Str("claude")),
        ("gen_ai.usage.input_tokens", Value::Int(10)),
        ("gen_ai.usage.cache_read_input_tokens", Value::Int(40)),
    ];
    let cached = sources_in("openlit.instrumentation.anthropic", "chat", &cached, &[]);
    assert_eq!((cached.kind, cached.kind_by), (SpanKind::Llm, KindBy::ModelAndUsage));
    assert!(cached.changes[0].starts_with("40 cached tokens"), "{:?}", cached.changes);
    let json = [("langfuse.observation.usage_details", Value::Str(r#"{"input":3,"output":4,"total":7}"#))];
    let json = sources_in("langfuse-sdk", "x", &json, &[]);
    assert_eq!(told(&json).iter().map(|(question, ..)| *question).collect::<Vec<_>>(), ["input tokens", "output tokens"]);
    let odd = sources_in("app", "x", &[("gen_ai.usage.input_tokens", Value::Int(-1))], &[("session.id", Value::Str("r"))]);
    assert_eq!((odd.oddities.as_slice(), told(&odd)), (&[Oddity::TokensInvalid][..], vec![("session", "session.id", "r")]));
    assert!(odd.answers[0].is_of_resource);
}

/// Whoever adds a row has it explained.
#[test]
fn every_session_and_number_row_names_itself() {
    for row in ROWS.iter().filter(|row| matches!(row.meaning, Meaning::Session | Meaning::WeakSession)) {
        assert_eq!(
            told(&sources_in(row.only_in.first().unwrap_or(&""), "x", &[(row.key, Value::Str(saying_its_key(row)))], &[])),
            [("session", row.key, saying_its_key(row))]
        );
    }
}

#[test]
fn an_operators_own_key_is_named_too() {
    let own = ["acme.agent".to_owned()];
    let (strong, weak, scopes) = (session_keys(false), session_keys(true), input_without_cache());
    let settings = Settings {
        session_keys: &[],
        user_keys: &[],
        agent_keys: &own,
        strong_session_keys: &strong,
        weak_session_keys: &weak,
        input_without_cache: &scopes,
        keep_questions: true,
    };
    let conventions = Conventions::new(&settings).unwrap();
    let attributes = [("gen_ai.agent.name", Value::Str("other")), ("acme.agent", Value::Str("bot"))].map(attribute);
    let scope = conventions.scope("app", &mut Strings::default());
    let sources = Sources::of("x", &attributes, &scope, &conventions.resource(std::iter::empty()));
    assert_eq!(told(&sources), [("agent", "acme.agent", "bot")]);
}
