//! Changes settings that are JSON, with comments or without.
//!
//! - What is there stays: other keys, comments, their order, and how they are written. Only the values that are wished for change.
//! - What cannot be changed so is refused; the result is compared with what was there before it is given back.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstLeafNode, CstNode, CstObject, CstObjectProp, CstRootNode};

use super::edit::{EditError, dotted};
use super::wishes::{Settled, Wish};

/// JSON as its parsers take it, and what settings files are allowed besides.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The text with every wish in it.
pub(super) fn edit(text: &str, wishes: &[Wish]) -> Result<String, EditError> {
    let document = parse(text)?;
    let root = document.object_value_or_create().ok_or_else(|| EditError::Shape("the whole file".into(), "an object"))?;
    for wish in wishes {
        grant(&root, wish)?;
    }
    let edited = if text.trim().is_empty() { format!("{}\n", document.to_string().trim()) } else { document.to_string() };
    check_kept(text, &edited, wishes)?;
    Ok(edited)
}

/// The setting at `path`: a string as it is meant, all else as it is written.
pub(super) fn value(text: &str, path: &[&str]) -> Option<String> {
    let mut at = parse(text).ok()?.value()?;
    for name in path {
        at = at.as_object()?.get(name)?.value()?;
    }
    Some(at.as_string_lit().and_then(|literal| literal.decoded_value().ok()).unwrap_or_else(|| at.to_string()))
}

/// The text with every string replaced for which `hide` gives something else when it gets its key.
pub(super) fn hide(text: &str, hide: &dyn Fn(&[String], &str) -> Option<String>) -> String {
    let Ok(document) = parse(text) else { return text.to_owned() };
    let mut path = Vec::new();
    if let Some(value) = document.value() {
        walk(&value, &mut path, &mut |path, node| {
            let CstNode::Leaf(CstLeafNode::StringLit(literal)) = node else { return };
            let hidden = literal.decoded_value().ok().and_then(|value| hide(path, &value));
            if let Some(hidden) = hidden {
                literal.set_raw_value(serde_json::Value::String(hidden).to_string());
            }
        });
    }
    document.to_string()
}

fn parse(text: &str) -> Result<CstRootNode, EditError> {
    CstRootNode::parse(text, &OPTIONS).map_err(|error| EditError::Broken {
        line: error.line_display(),
        column: error.column_display(),
        message: error.kind().to_string(),
    })
}

fn grant(root: &CstObject, wish: &Wish) -> Result<(), EditError> {
    let Some((last, above)) = wish.path.split_last() else { return Ok(()) };
    let mut object = root.clone();
    for (depth, name) in above.iter().enumerate() {
        let shape = || EditError::Shape(dotted(&wish.path[..=depth]), "an object");
        object = match property(&object, name)? {
            None => object.append(name, CstInputValue::Object(Vec::new())).object_value().ok_or_else(shape)?,
            Some(property) => property.object_value().ok_or_else(shape)?,
        };
    }
    let property = property(&object, last)?;
    let value = property.as_ref().and_then(CstObjectProp::value);
    let text = value.as_ref().and_then(CstNode::as_string_lit).and_then(|literal| literal.decoded_value().ok());
    let flag = value.as_ref().and_then(CstNode::as_boolean_lit).map(|literal| literal.value());
    if value.is_some_and(|value| value.as_object().is_some() || value.as_array().is_some()) {
        return Err(EditError::Shape(dotted(wish.path), "a single value"));
    }
    let settled = match wish.settle(text.as_deref(), flag) {
        Settled::Stays => return Ok(()),
        Settled::Text(text) => CstInputValue::String(text),
        Settled::Flag(flag) => CstInputValue::Bool(flag),
    };
    match property {
        Some(property) => property.set_value(settled),
        None => drop(object.append(last, settled)),
    }
    Ok(())
}

/// The one property of this name. Of two, programs take the last, and people see the first.
fn property(object: &CstObject, name: &str) -> Result<Option<CstObjectProp>, EditError> {
    let mut named = object.properties().into_iter().filter(|property| property.decoded_name().as_deref() == Some(name));
    let first = named.next();
    if named.next().is_some() {
        return Err(EditError::Twice(name.to_owned()));
    }
    Ok(first)
}

// === what there is, to compare ===

/// Every value that holds no others, with the keys that lead to it, and every comment, each in order.
type Contents = (Vec<(Vec<String>, String)>, Vec<String>);

fn contents(document: &CstRootNode) -> Contents {
    let (mut values, mut path) = (Vec::new(), Vec::new());
    if let Some(value) = document.value() {
        walk(&value, &mut path, &mut |path, node| values.push((path.to_vec(), node.to_string())));
    }
    let mut comments = Vec::new();
    collect_comments(&document.children(), &mut comments);
    (values, comments)
}

/// Shows each value that holds no others; an empty object is one, too.
fn walk(node: &CstNode, path: &mut Vec<String>, see: &mut dyn FnMut(&[String], &CstNode)) {
    if let Some(object) = node.as_object()
        && !object.properties().is_empty()
    {
        for property in object.properties() {
            path.push(property.decoded_name().unwrap_or_default());
            if let Some(value) = property.value() {
                walk(&value, path, see);
            }
            path.pop();
        }
    } else if let Some(array) = node.as_array()
        && !array.elements().is_empty()
    {
        for (index, element) in array.elements().iter().enumerate() {
            path.push(index.to_string());
            walk(element, path, see);
            path.pop();
        }
    } else {
        see(path, node);
    }
}

fn collect_comments(nodes: &[CstNode], comments: &mut Vec<String>) {
    for node in nodes {
        match node {
            CstNode::Leaf(CstLeafNode::Comment(comment)) => comments.push(comment.raw_value().trim_end().to_owned()),
            CstNode::Container(container) => collect_comments(&container.children(), comments),
            CstNode::Leaf(_) => {}
        }
    }
}

/// Nothing is missing, nothing is new, and nothing stands elsewhere but what was wished for.
fn check_kept(before: &str, after: &str, wishes: &[Wish]) -> Result<(), EditError> {
    let is_wished = |path: &[String]| wishes.iter().any(|wish| path.iter().eq(wish.path.iter()));
    // An object that was empty and has ours now.
    let was_empty = |path: &[String], value: &str| {
        value.starts_with('{') && wishes.iter().any(|wish| path.len() < wish.path.len() && path.iter().eq(wish.path[..path.len()].iter()))
    };
    let others = |text: &str| -> Result<Contents, EditError> {
        let (values, comments) = contents(&parse(text)?);
        let values = values.into_iter().filter(|(path, value)| !is_wished(path) && !was_empty(path, value)).collect();
        Ok((values, comments))
    };
    if others(before)? == others(after)? { Ok(()) } else { Err(EditError::Lossy) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::setup::wishes::Wished;

    fn wishes() -> Vec<Wish> {
        let wish = |path, value| Wish { path, value, why: "", source: "" };
        vec![
            wish(&["env", "A"], Wished::Text("1".into())),
            wish(&["env", "B"], Wished::Text("2".into())),
            wish(&["on"], Wished::Flag(true)),
        ]
    }

    #[test]
    fn an_empty_file_becomes_one_that_can_be_read() {
        for empty in ["", " \n", "{}"] {
            let expected = "{\n  \"env\": {\n    \"A\": \"1\",\n    \"B\": \"2\"\n  },\n  \"on\": true\n}";
            assert_eq!(edit(empty, &wishes()).unwrap().trim_end(), expected, "{empty:?}");
        }
    }

    #[test]
    fn comments_order_and_the_way_it_is_written_stay() {
        let text = "// mine\n{\n\t\"z\": 1.50, // one and a half\n\t/* the environment */\n\t\"env\": {\n\t\t\"B\": \"old\", // two\n\t\t\"C\": \"\\u0041\",\n\t},\n\t\"on\": true,\n\t\"a\": [1,2 , 3],\n}\n";
        let expected =
            text.replace("\"old\"", "\"2\"").replace("\t\t\"C\": \"\\u0041\",\n", "\t\t\"C\": \"\\u0041\",\n\t\t\"A\": \"1\",\n");
        assert_eq!(edit(text, &wishes()).unwrap(), expected);
    }

    #[test]
    fn what_stands_on_one_line_keeps_what_it_says() {
        let edited = edit("{\"env\":{\"C\":1e400},\"n\":123456789012345678901234567890}", &wishes()).unwrap();
        assert!(edited.contains("\"C\":1e400") && edited.contains("\"n\":123456789012345678901234567890"), "{edited}");
        assert!(edited.contains("\"A\": \"1\"") && edited.contains("\"on\": true"), "{edited}");
    }

    #[test]
    fn what_cannot_be_changed_is_refused_with_its_place() {
        let refused = |text: &str| edit(text, &wishes()).unwrap_err().to_string();
        assert!(
            refused("{\n  \"env\": {\n    \"A\": \"1\"\n    \"B\": 2\n  }\n}").starts_with("line 3, column "),
            "{}",
            refused("{\n\"a\" 1}")
        );
        assert!(refused("{\n  'env': {}\n}").starts_with("line 2, column 3: "));
        assert!(refused("{\"env\": {}").starts_with("line 1, column "));
        assert!(refused("{\"env\": {}} {}").starts_with("line 1, column "));
        assert!(refused("{\"env\": null}").contains("env is not an object"));
        assert!(refused("{\"env\": {\"A\": [1]}}").contains("env.A is not a single value"));
        assert!(refused("[]").contains("the whole file is not an object"));
        assert!(refused("{\"env\": {}, \"\\u0065nv\": {}}").contains("\"env\" stands there twice"));
    }
}
