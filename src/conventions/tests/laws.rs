//! What holds of any attributes whatever.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::conventions::tables::ROWS;
use crate::model::usage::{SPAN_COST_MAX, SPAN_TOKENS_MAX};

/// A value that owns its text.
#[derive(Clone, Debug)]
enum Owned {
    Empty,
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
}

impl Owned {
    fn lend(&self) -> Value<'_> {
        match self {
            Self::Empty => Value::Empty,
            Self::Text(text) => Value::Str(text),
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Int(number) => Value::Int(*number),
            Self::Double(number) => Value::Double(*number),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

fn any_value() -> impl Strategy<Value = Owned> {
    prop_oneof![
        Just(Owned::Empty),
        ".{0,20}".prop_map(Owned::Text),
        "-?[0-9]{0,14}\\.?[0-9]{0,12}".prop_map(Owned::Text),
        select(vec!["agent_execution", "chat", "invoke_agent", "LLM", "AGENT", "ai.streamText", "agent"])
            .prop_map(|w| Owned::Text(w.into())),
        r#"\{"(input|output|total|prompt_tokens)":-?[0-9]{1,14}(,"total":[0-9]{1,3})?\}"#.prop_map(Owned::Text),
        "x{500,520}".prop_map(Owned::Text),
        any::<bool>().prop_map(Owned::Bool),
        any::<i64>().prop_map(Owned::Int),
        (0i64..5).prop_map(Owned::Int),
        any::<f64>().prop_map(Owned::Double),
        (0.0..2e6).prop_map(Owned::Double),
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(Owned::Bytes),
    ]
}

/// Attributes of the table's keys, each at most once.
fn known_attributes() -> impl Strategy<Value = Vec<(&'static str, Owned)>> {
    let keys: Vec<_> = ROWS.iter().map(|row| row.key).collect();
    proptest::sample::subsequence(keys, 0..24)
        .prop_flat_map(|keys| {
            let values = proptest::collection::vec(any_value(), keys.len());
            (Just(keys), values)
        })
        .prop_map(|(keys, values)| keys.into_iter().zip(values).collect())
}

fn lend<'a>(attributes: &'a [(&'a str, Owned)]) -> Vec<(&'a str, Value<'a>)> {
    attributes.iter().map(|(key, value)| (*key, value.lend())).collect()
}

proptest! {
    #[test]
    fn the_order_of_attributes_does_not_matter(
        (attributes, shuffled) in known_attributes().prop_flat_map(|a| (Just(a.clone()), Just(a).prop_shuffle()))
    ) {
        prop_assert_eq!(extracted(&lend(&attributes)), extracted(&lend(&shuffled)));
    }

    #[test]
    fn unknown_attributes_do_not_matter(
        attributes in known_attributes(),
        strangers in proptest::collection::vec(("[a-z]{1,6}(\\.[a-z_]{1,8}){0,3}", any_value()), 0..10),
        at in any::<prop::sample::Index>(),
    ) {
        let strangers: Vec<_> = strangers.iter().filter(|(key, _)| ROWS.iter().all(|row| row.key != key)).collect();
        let mut mixed = lend(&attributes);
        let at = at.index(mixed.len() + 1);
        for (key, value) in strangers {
            mixed.insert(at, (key, value.lend()));
        }
        prop_assert_eq!(extracted(&lend(&attributes)), extracted(&mixed));
    }

    #[test]
    fn nothing_absurd_gets_through(attributes in known_attributes()) {
        let found = extracted(&lend(&attributes));
        if let Some(call) = &found.fact.call {
            let usage = call.usage;
            let counts = [usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens];
            prop_assert!(counts.into_iter().flatten().all(|count| count <= SPAN_TOKENS_MAX));
            prop_assert!(usage.cost.is_none_or(|cost| cost <= SPAN_COST_MAX));
            prop_assert!(usage.cache_write_1h_tokens <= usage.cache_write_tokens.unwrap_or(0));
            prop_assert!(usage.is_stated() || !call.model.is_empty());
            prop_assert!(call.model.len() <= 256 && call.provider.len() <= 256);
        }
        if let Some(labels) = &found.fact.labels {
            prop_assert!(**labels != Labels::default());
            let texts = [&labels.run_id, &labels.agent, &labels.workflow, &labels.user, &labels.user_group];
            prop_assert!(texts.into_iter().flatten().all(|text| (1..=256).contains(&text.len())));
        }
        prop_assert!(found.oddities.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_number_more_never_makes_usage_vanish(attributes in known_attributes(), key in select(ROWS.to_vec()), value in any_value()) {
        let tokens = |attributes: &[(&str, Value<'_>)]| extracted(attributes).fact.call.map_or(0, |call| call.usage.tokens());
        let before = lend(&attributes);
        prop_assume!(before.iter().all(|(known, _)| *known != key.key));
        let mut after = before.clone();
        after.push((key.key, value.lend()));
        prop_assert!(tokens(&before) == 0 || tokens(&after) > 0);
    }

    #[test]
    fn strings_in_use_do_not_change_what_is_read(attributes in known_attributes(), noise in proptest::collection::vec(".{0,12}", 0..50)) {
        let mut strings = Strings::default();
        for text in &noise {
            strings.share(text);
        }
        let lent = lend(&attributes);
        let once = extract_with(plain_span(), lent.iter().copied().map(attribute), &scope("a.scope"), &Resource::default(), NOW, &mut strings);
        let twice = extract_with(plain_span(), lent.iter().copied().map(attribute), &scope("a.scope"), &Resource::default(), NOW, &mut strings);
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(once, Some(extracted(&lent)));
    }
}
