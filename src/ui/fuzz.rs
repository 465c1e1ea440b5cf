//! Bodies of fuzz targets: what must hold for anything that agents, or Tempo, put into spans that a page shows.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value as Json;

use super::visitor::own_path;
use super::{messages, spans};
use crate::model::ids::{SpanId, TraceId};
use crate::wire::otlp;

/// Any attributes of a span, as a JSON object: a conversation that is shown escaped, whatever is in it.
pub fn check_messages(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(messages::text_of(&text).len() <= 16 * text.len() + 16);
    if let Some(path) = own_path(&text) {
        assert!(path.starts_with('/') && !path[1..].starts_with(['/', '\\']));
    }
    let Ok(attributes) = serde_json::from_str::<BTreeMap<String, Json>>(&text) else {
        return;
    };
    let said = messages::of(&attributes);
    let (input, output) = messages::both(&attributes);
    assert!(said.len() <= input.len() + output.len());
    assert_shown(&messages::list(&said).into_string());
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
        let outlines = spans::outlines(&requests, trace);
        let attributes = spans::attributes_of(&requests, trace, &|_| true);
        assert!(outlines.keys().eq(attributes.keys()));
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
    assert_shown(&messages::list(&messages::of(&whole.attributes)).into_string());
}

/// Only our own elements, and no control character, which HTML cannot hold.
fn assert_shown(html: &str) {
    const OURS: [&str; 10] = ["ol class", "/ol>", "li class", "/li>", "div class", "/div>", "p class", "/p>", "bdi>", "/bdi>"];
    for (at, _) in html.match_indices('<') {
        assert!(OURS.iter().any(|ours| html[at + 1..].starts_with(ours)), "{html}");
    }
    assert!(!html.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{html:?}");
}
