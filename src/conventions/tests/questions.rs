//! What spans were asked.

use super::{attribute, extract_with, fact, plain_span};
use crate::conventions::tables::{Meaning, ROWS};
use crate::conventions::{Conventions, Resource, Settings, Strings, input_without_cache, session_keys};
use crate::wire::otlp::Value;

fn question(attributes: &[(&str, Value<'_>)]) -> Option<String> {
    fact(attributes).question.map(|question| question.to_string())
}

const CHAT: (&str, Value<'_>) = ("gen_ai.operation.name", Value::Str("chat"));

#[test]
fn every_row_is_read_of_text_and_of_messages() {
    for row in ROWS.iter().filter(|row| matches!(row.meaning, Meaning::Asked | Meaning::AskedOfRole) && row.only_in.is_empty()) {
        for said in ["hi", r#"[{"role":"system","content":"Be kind."},{"role":"user","content":"hi"}]"#, r#"{"input":"hi"}"#] {
            assert_eq!(question(&[CHAT, (row.key, Value::Str(said))]).as_deref(), Some("hi"), "{} {said}", row.key);
        }
    }
}

#[test]
fn of_messages_one_after_another_the_first_of_a_person_stands() {
    for (role, content) in [
        ("gen_ai.prompt.{}.role", "gen_ai.prompt.{}.content"),
        ("llm.input_messages.{}.message.role", "llm.input_messages.{}.message.content"),
        ("llm.input_messages.{}.message.role", "llm.input_messages.{}.message.contents.0.message_content.text"),
    ] {
        let key = |key: &str, n: u8| key.replace("{}", &n.to_string());
        let (first, second) = ((key(role, 0), key(content, 0)), (key(role, 1), key(content, 1)));
        let with = |roles: [&str; 2]| {
            question(&[
                CHAT,
                (&first.0, Value::Str(roles[0])),
                (&first.1, Value::Str("one")),
                (&second.0, Value::Str(roles[1])),
                (&second.1, Value::Str("two")),
            ])
        };
        assert_eq!(with(["system", "user"]).as_deref(), Some("two"), "{content}");
        assert_eq!(with(["user", "assistant"]).as_deref(), Some("one"), "{content}");
        assert_eq!(with(["system", "assistant"]), None, "{content}");
    }
}

#[test]
fn the_first_that_is_made_out_stands_and_only_of_what_is_asked() {
    let opaque = ("gen_ai.input.messages", Value::Str("[HumanMessage('hi')]"));
    assert_eq!(question(&[CHAT, ("input.value", Value::Str("plain")), opaque]).as_deref(), Some("plain"));
    assert_eq!(question(&[CHAT, opaque]), None, "better nothing than what no person wrote");
    assert_eq!(question(&[CHAT, ("input.value", Value::Int(3))]), None);
    for kind in ["execute_tool", "embeddings"] {
        assert_eq!(question(&[("gen_ai.operation.name", Value::Str(kind)), ("input.value", Value::Str("hi"))]), None, "{kind}");
    }
    assert_eq!(question(&[("input.value", Value::Str("hi"))]), None, "of what is nobody's");
    assert_eq!(
        question(&[("gen_ai.operation.name", Value::Str("invoke_agent")), ("input.value", Value::Str("hi"))]).as_deref(),
        Some("hi")
    );
}

#[test]
fn none_is_kept_where_that_is_not_wanted() {
    let (strong, weak, scopes) = (session_keys(false), session_keys(true), input_without_cache());
    let settings = Settings {
        session_keys: &[],
        user_keys: &[],
        agent_keys: &[],
        strong_session_keys: &strong,
        weak_session_keys: &weak,
        input_without_cache: &scopes,
        keep_questions: false,
    };
    let (conventions, mut strings) = (Conventions::new(&settings).unwrap(), Strings::default());
    let scope = conventions.scope("a.scope", &mut strings);
    let attributes = [CHAT, ("input.value", Value::Str("hi"))].into_iter().map(attribute);
    let extracted = extract_with(plain_span(), attributes, &scope, &Resource::default(), super::NOW, &mut strings).unwrap();
    assert_eq!(extracted.fact.question, None);
}
