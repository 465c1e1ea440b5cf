//! Attributes whose keys are paths, `llm.input_messages.0.message.content`: read as the JSON that they were made of.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// Steps of a path that are followed.
const DEPTH_MAX: usize = 12;

/// What stands below a prefix, which ends in a dot; null where nothing does.
pub(super) fn below(attributes: &BTreeMap<String, Json>, prefix: &str) -> Json {
    let mut root = Json::Null;
    for (key, value) in attributes.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix)) {
        let path: Vec<&str> = key[prefix.len()..].splitn(DEPTH_MAX, '.').collect();
        if path[0].bytes().all(|byte| byte.is_ascii_digit()) && !path[0].is_empty() {
            put(&mut root, &path, value);
        }
    }
    listed(root)
}

fn put(at: &mut Json, path: &[&str], value: &Json) {
    let Some((step, rest)) = path.split_first() else {
        // What has a value of its own keeps what is below it.
        if at.is_null() {
            *at = value.clone();
        }
        return;
    };
    if !at.is_object() {
        *at = Json::Object(Map::new());
    }
    if let Json::Object(fields) = at {
        put(fields.entry(*step).or_insert(Json::Null), rest, value);
    }
}

/// Objects whose keys are all numbers as lists, in the order of the numbers.
fn listed(value: Json) -> Json {
    let Json::Object(fields) = value else { return value };
    let numbers: Option<Vec<u64>> = fields.keys().map(|key| key.parse().ok()).collect();
    match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let mut list: Vec<(u64, Json)> = numbers.into_iter().zip(fields.into_iter().map(|(_, value)| listed(value))).collect();
            list.sort_by_key(|(number, _)| *number);
            list.into_iter().map(|(_, value)| value).collect()
        }
        _ => fields.into_iter().map(|(key, value)| (key, listed(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_become_what_they_were_made_of() {
        let attributes = json!({
            "m.0.role": "user", "m.0.parts.1.text": "b", "m.0.parts.0.text": "a", "m.10.role": "tool", "m.2.role": "x", "m.count": 3, "m": 1,
        });
        let attributes = attributes.as_object().unwrap().clone().into_iter().collect();
        assert_eq!(
            below(&attributes, "m."),
            json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}, {"role": "x"}, {"role": "tool"}])
        );
        assert_eq!(below(&attributes, "n."), Json::Null);
    }
}
