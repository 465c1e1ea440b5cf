//! Bodies of fuzz targets: what must hold for anything that agents, or Tempo, put into spans that a page shows.

use std::collections::BTreeMap;

use bytes::Bytes;
use maud::html;
use serde_json::Value as Json;

use super::messages::{self, Message, Outcome, Role, Show};
use super::spans;
use super::visitor::own_path;
use crate::model::ids::{SpanId, TraceId};
use crate::wire::otlp;

/// Any attributes of a span, as a JSON object: a conversation that is shown escaped, whatever is in it.
pub fn check_messages(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(path) = own_path(&text) {
        assert!(path.starts_with('/') && !path[1..].starts_with(['/', '\\']));
    }
    assert_shown(&Show::new().list(&messages::reported(&text, &Role::User)).into_string());
    assert_shown(&Show::new().list(&[Message::text(Role::Assistant, text.clone())]).into_string());
    let Ok(attributes) = serde_json::from_str::<BTreeMap<String, Json>>(&text) else {
        return;
    };
    assert_said(&attributes, &[("gen_ai.choice", &attributes), ("gen_ai.user.message", &attributes), ("exception", &attributes)]);
}

/// Of limited number and size, and shown.
fn assert_said(attributes: &BTreeMap<String, Json>, events: &[messages::Event<'_>]) {
    let said = messages::said(attributes, events);
    assert!(said.input.len() <= messages::MESSAGES_MAX && said.output.len() <= messages::MESSAGES_MAX);
    assert_shown(&Show::new().list(&said.all()).into_string());
    let told = messages::told("execute_tool x", attributes, events);
    let outcome = Outcome { result: Some(&told.result), is_error: true };
    assert_shown(&Show::new().call(&told.call, outcome, &html! {}).into_string());
}

/// Any bytes where Tempo, or the journal, should have a trace: what can be read of it is, to the first byte that is not protobuf.
pub fn check_trace(bytes: &[u8]) {
    let requests = [Bytes::copy_from_slice(bytes)];
    let mut traces = Vec::new();
    for resource in otlp::resource_spans(bytes).map_while(Result::ok) {
        for scope in resource.scope_spans().map_while(Result::ok) {
            traces.extend(scope.spans().map_while(Result::ok).filter_map(|span| TraceId::from_bytes(span.trace_id)));
        }
    }
    traces.sort_unstable();
    traces.dedup();
    for trace in traces.into_iter().take(4) {
        let outlines = spans::outlines(&requests, trace, &|_| true);
        let attributes = spans::attributes_of(&requests, trace, &|_| true);
        assert!(outlines.keys().eq(attributes.keys()));
        assert!(spans::holding(&requests, trace, "e").iter().all(|span| outlines.contains_key(span)));
        for span in outlines.keys().copied().take(4) {
            check_span(&requests, trace, span, &attributes[&span]);
        }
    }
}

fn check_span(requests: &[Bytes], trace: TraceId, span: SpanId, attributes: &BTreeMap<String, Json>) {
    let whole = spans::whole(requests, trace, span).expect("it has an outline");
    assert!(whole.attributes.len() >= attributes.len());
    for event in &whole.events {
        // As a page shows them.
        let _ = serde_json::to_string(&event.attributes).expect("JSON");
    }
    let events: Vec<messages::Event<'_>> = whole.events.iter().map(|event| (&*event.name, &event.attributes)).collect();
    assert_said(&whole.attributes, &events);
}

/// Only elements of the allow-list, with attributes that are ours; nothing is loaded but checked `data:`; no control character, which HTML
/// cannot hold.
fn assert_shown(html: &str) {
    const OURS: [&str; 22] = [
        "ol",
        "ul",
        "li",
        "div",
        "p",
        "bdi",
        "pre",
        "code",
        "details",
        "summary",
        "span",
        "strong",
        "em",
        "del",
        "blockquote",
        "br",
        "hr",
        "table",
        "thead",
        "tr",
        "th",
        "td",
    ];
    const ATTRIBUTES: [&str; 7] = ["class=\"", "dir=\"auto\"", "open", "start=\"", "scope=\"col\"", "viewBox=\"0 0 16 16\"", "title=\""];
    for (at, _) in html.match_indices('<') {
        let rest = &html[at + 1..];
        let tag = rest.strip_prefix('/').unwrap_or(rest);
        let name = &tag[..tag.find([' ', '>']).unwrap_or(tag.len())];
        let inside = &tag[name.len()..tag.find('>').unwrap_or(tag.len())];
        match name {
            "a" => {
                let address = inside.strip_prefix(" href=\"").map(str::to_ascii_lowercase).unwrap_or_default();
                let is_ours = ["http:", "https:", "mailto:"].iter().any(|scheme| address.starts_with(scheme));
                assert!(inside.is_empty() || is_ours && inside.ends_with(" rel=\"noopener noreferrer nofollow\""), "{inside}");
            }
            "img" => {
                let kind = inside.strip_prefix(" class=\"shown\" src=\"data:image/").and_then(|rest| rest.split_once(';'));
                assert!(kind.is_some_and(|(kind, _)| ["png", "jpeg", "gif", "webp"].contains(&kind)), "{inside}");
            }
            "svg" | "path" | "circle" => {}
            _ => assert!(
                OURS.contains(&name) && (inside.is_empty() || ATTRIBUTES.iter().any(|ours| inside[1..].starts_with(ours))),
                "{rest}"
            ),
        }
    }
    assert!(!html.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{html:?}");
}
