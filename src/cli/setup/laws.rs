//! What must hold for any settings file: it keeps all that it had, it says what was wished for, and the second time changes nothing.

use clap::ValueEnum;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::agents::{AgentName, Format};
use super::edit::{EditError, edit};
use super::wishes::{Asked, Wish, Wished};

fn asked() -> impl Strategy<Value = Asked> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(needs_key, content, traces)| Asked {
        address: "http://127.0.0.1:4318".into(),
        needs_key,
        content,
        traces,
    })
}

fn agents_of(format: Format) -> impl Strategy<Value = AgentName> {
    let of_it = |name: &&AgentName| name.agent().file.as_ref().is_some_and(|file| file.format == format);
    proptest::sample::select(AgentName::value_variants().iter().filter(of_it).copied().collect::<Vec<_>>())
}

/// Keys that collide with ours, and keys that do not.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "env",
            "telemetry",
            "experimental",
            "openTelemetry",
            "enabled",
            "OTEL_LOGS_EXPORTER",
            "OTEL_EXPORTER_OTLP_HEADERS",
            "otel",
            "exporter",
            "trace_exporter",
            "otlp-http",
            "otlp-grpc",
            "endpoint",
            "headers",
            "x-wax-key",
            "log_user_prompt",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,4}",
        "\\PC{0,6}",
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| json!(n)),
        any::<i32>().prop_map(|n| json!(f64::from(n) / 8.0)),
        "\\PC{0,12}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let object =
            proptest::collection::vec((key(), inner.clone()), 0..6).prop_map(|pairs| Value::Object(pairs.into_iter().collect())).boxed();
        prop_oneof![proptest::collection::vec(inner, 0..4).prop_map(Value::Array), object.clone(), object]
    })
}

fn json_object() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::vec((key(), json_value()), 0..6).prop_map(|pairs| pairs.into_iter().collect())
}

/// Takes what was wished for out of it, and the objects above that are empty then.
fn without(value: &mut Value, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(object) = value.as_object_mut() else { return };
    if rest.is_empty() {
        object.remove(*first);
    } else if let Some(child) = object.get_mut(*first) {
        without(child, rest);
        if child.as_object().is_some_and(Map::is_empty) {
            object.remove(*first);
        }
    }
}

fn stripped(mut value: Value, wishes: &[Wish]) -> Value {
    for wish in wishes {
        without(&mut value, wish.path);
    }
    value
}

fn says(value: &Value, wish: &Wish) -> bool {
    let value = wish.path.iter().try_fold(value, |at, key| at.get(key));
    match &wish.value {
        Wished::Text(text) => value == Some(&json!(text)),
        Wished::Flag(flag) => value == Some(&json!(flag)),
        Wished::KeyInList => value.and_then(Value::as_str).is_some_and(|list| list.to_ascii_lowercase().contains("x-wax-key=")),
        Wished::Key => value.and_then(Value::as_str).is_some_and(|key| !key.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]

    #[test]
    fn any_json_keeps_all_it_had(object in json_object(), name in agents_of(Format::Json), asked in asked(), layout in 0_u8..4) {
        let agent = name.agent();
        let wishes = asked.wishes(agent.lines);
        let object = Value::Object(object);
        let text = match layout {
            0 => object.to_string(),
            1 => serde_json::to_string_pretty(&object).unwrap(),
            // A comment at every end of a line, and other line ends.
            2 => format!("// head\n{}\n/* tail */\n", serde_json::to_string_pretty(&object).unwrap().replace(",\n", ", // said\n")),
            _ => format!("\u{feff}{}\r\n", serde_json::to_string_pretty(&object).unwrap().replace('\n', "\r\n")),
        };
        match edit(agent, Format::Json, &text, &wishes) {
            // What belongs there is an object, and something else is there.
            Err(error) => prop_assert!(matches!(error, EditError::Shape(..)), "{error} in {text}"),
            Ok(edited) => {
                let plain = edited.trim_start_matches('\u{feff}').replace(", // said\n", ",\n").replace("// head\n", "").replace("/* tail */\n", "");
                let after: Value = serde_json::from_str(&plain).map_err(|error| TestCaseError::fail(format!("{error}: {edited}")))?;
                prop_assert!(wishes.iter().all(|wish| says(&after, wish)), "{edited}");
                prop_assert_eq!(stripped(after, &wishes), stripped(object, &wishes));
                prop_assert_eq!(edited.matches("// said").count(), text.matches("// said").count());
                prop_assert_eq!(edited.starts_with('\u{feff}'), text.starts_with('\u{feff}'));
                prop_assert!(edited.contains('\r') == text.contains('\r') && (!edited.contains('\r') || !edited.replace("\r\n", "").contains('\n')));
                prop_assert_eq!(edit(agent, Format::Json, &edited, &wishes), Ok(edited));
            }
        }
    }

    #[test]
    fn any_toml_keeps_all_it_had(object in json_object(), asked in asked(), with_comments: bool, crlf: bool) {
        let agent = AgentName::Codex.agent();
        let wishes = asked.wishes(agent.lines);
        let Some(::toml::Value::Table(table)) = as_toml(&Value::Object(object)) else { return Ok(()) };
        let mut text = ::toml::to_string(&table).unwrap();
        if with_comments {
            text = format!("# head\n{}\n# tail\n", text.replace("]\n", "] # said\n"));
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let before: ::toml::Table = match ::toml::from_str(&text) {
            Ok(before) => before,
            // The comment came into a text of several lines.
            Err(_) => return Ok(()),
        };
        match edit(agent, Format::Toml, &text, &wishes) {
            // What stands on a line that goes and looks like a comment is not given up.
            Err(EditError::Lossy) => prop_assert!(text.contains('#'), "{text}"),
            Err(error) => prop_assert!(matches!(error, EditError::Shape(..)), "{error} in {text}"),
            Ok(edited) => {
                let after: ::toml::Table = ::toml::from_str(&edited).map_err(|error| TestCaseError::fail(format!("{error}: {edited}")))?;
                let (mut after, mut before) = (serde_json::to_value(&after).unwrap(), serde_json::to_value(&before).unwrap());
                prop_assert!(wishes.iter().all(|wish| says(&after, wish)), "{edited}");
                for value in [&mut before, &mut after] {
                    leave_out_alternatives(value, &wishes);
                }
                prop_assert_eq!(stripped(after, &wishes), stripped(before, &wishes));
                prop_assert_eq!(edited.contains('\r'), crlf && text.contains('\r'));
                prop_assert_eq!(edit(agent, Format::Toml, &edited, &wishes), Ok(edited));
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}", brackets in "[\\[\\]{}\",:=.#/*a \n\r]{0,60}", asked in asked()) {
        for name in AgentName::value_variants() {
            let wishes = asked.wishes(name.agent().lines);
            for text in [&text, &brackets] {
                for format in [Format::Json, Format::Toml] {
                    let _ = edit(name.agent(), format, text, &wishes);
                    super::diff::diff(format, "a", text, &brackets);
                }
            }
        }
    }
}

/// TOML has no null, and no numbers beyond 64 bits.
fn as_toml(value: &Value) -> Option<::toml::Value> {
    match value {
        Value::Object(object) => {
            Some(::toml::Value::Table(object.iter().filter_map(|(key, value)| Some((key.clone(), as_toml(value)?))).collect()))
        }
        Value::Array(array) => Some(::toml::Value::Array(array.iter().filter_map(as_toml).collect())),
        other => ::toml::Value::try_from(other).ok(),
    }
}

/// Other alternatives than the one that is wished for go.
fn leave_out_alternatives(value: &mut Value, wishes: &[Wish]) {
    let Some(otel) = value.get_mut("otel").and_then(Value::as_object_mut) else { return };
    for name in ["exporter", "trace_exporter"] {
        if !wishes.iter().any(|wish| wish.path[1] == name) {
            continue;
        }
        match otel.get_mut(name).and_then(Value::as_object_mut) {
            Some(table) => table.retain(|key, _| key == "otlp-http"),
            None => _ = otel.remove(name),
        }
    }
}
