//! A span as JSON, to be read or taken elsewhere: the words of OTLP, values as JSON has them.

use serde_json::{Map, Value as Json};

use super::tree::Row;
use crate::model::facts::SpanStatus;
use crate::model::ids::TraceId;
use crate::model::time::UnixNanos;
use crate::params::format;
use crate::ui::spans::RawSpan;

/// Of a text in it this many characters stay; the page has no more of it either.
const TEXT_MAX_CHARS: usize = 20_000;

/// Of a span whose attributes nobody has any more, what the index keeps.
pub(super) fn json(trace: TraceId, row: &Row, raw: Option<&RawSpan>) -> String {
    let moment = |at: UnixNanos| Json::from(format::timestamp(at));
    let mut span = Map::new();
    let mut set = |name: &str, value: Json| span.insert(name.to_owned(), value);
    set("trace_id", trace.to_string().into());
    set("span_id", row.span.to_string().into());
    set("parent_span_id", row.parent.map(|parent| parent.to_string()).into());
    set("name", cut(&row.name).into());
    set("start_time", moment(row.start));
    set("end_time", row.end.map(moment).into());
    let status = match row.status {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    };
    set("status", status.into());
    if let Some(raw) = raw {
        set("status_message", cut(&raw.status_message).into());
        set("scope", cut(&raw.scope).into());
        set("attributes", object(&raw.attributes));
        let events = raw.events.iter().map(|event| {
            let fields = [("time", moment(event.at)), ("name", cut(&event.name).into()), ("attributes", object(&event.attributes))];
            Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        });
        set("events", events.collect());
        set("resource", object(&raw.resource));
    }
    serde_json::to_string_pretty(&Json::Object(span)).unwrap_or_default()
}

fn object<'a>(fields: impl IntoIterator<Item = (&'a String, &'a Json)>) -> Json {
    Json::Object(fields.into_iter().map(|(name, value)| (cut(name), short(value))).collect())
}

fn short(value: &Json) -> Json {
    match value {
        Json::String(text) => cut(text).into(),
        Json::Array(values) => values.iter().map(short).collect(),
        Json::Object(fields) => object(fields),
        other => other.clone(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
