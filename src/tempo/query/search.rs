//! TraceQL searches and metrics.
//!
//! - One question, one answer: windows, limits and what to do about them are the caller's.

use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{QueryClient, QueryError};
use crate::model::ids::{SpanId, Tenant, TraceId};

/// What Tempo sends is mostly below 16 MiB for each of its jobs. Beyond this a smaller question is asked: JSON takes several times as much memory.
pub(super) const MAX_ANSWER_BYTES: usize = 96 << 20;

/// Seconds since 1970; the end is not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub start: u64,
    pub end: u64,
}

/// A trace that a search found.
#[derive(Clone, PartialEq, Debug)]
pub struct FoundTrace {
    pub trace: TraceId,
    /// How many of its spans match; `spans` can hold fewer.
    pub matched: u64,
    pub spans: Vec<FoundSpan>,
}

/// A span that matched, with the attributes that were selected. Its name is empty unless that was selected or asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct FoundSpan {
    pub span: SpanId,
    pub name: String,
    pub start_unix_nanos: u64,
    pub duration_nanos: u64,
    pub attributes: Vec<(String, Attribute)>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Attribute {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
}

/// The names of attributes that Tempo knows of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tags {
    pub of_spans: Vec<String>,
    pub of_events: Vec<String>,
}

/// One series of a metric, with the values of its labels in the order of `by`.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// `None`: spans without that attribute.
    pub labels: Vec<Option<String>>,
    pub value: f64,
}

// === impl QueryClient ===

impl QueryClient {
    /// The traces that match in the window, at most `limit` of them and at most `spans` spans of each (Tempo allows 100).
    pub async fn search(
        &self,
        tenant: &Tenant,
        query: &str,
        window: Window,
        limit: usize,
        spans: usize,
    ) -> Result<Vec<FoundTrace>, QueryError> {
        let Window { start, end } = window;
        let path = format!("/api/search?q={}&start={start}&end={end}&limit={limit}&spss={spans}", encode(query));
        found_traces(&self.json(tenant, &path).await?)
    }

    /// The series of an instant metric over the window, which Tempo allows to be 24 hours long.
    pub async fn metric(&self, tenant: &Tenant, query: &str, window: Window) -> Result<Vec<Series>, QueryError> {
        let Window { start, end } = window;
        let path = format!("/api/metrics/query?q={}&start={start}&end={end}", encode(query));
        Ok(all_series(&self.json(tenant, &path).await?))
    }

    /// The attributes of resources that Tempo knows of in the window.
    pub async fn resource_tags(&self, tenant: &Tenant, window: Window) -> Result<Vec<String>, QueryError> {
        let Window { start, end } = window;
        let path = format!("/api/v2/search/tags?scope=resource&start={start}&end={end}");
        Ok(tags_of(&self.json(tenant, &path).await?, "resource"))
    }

    /// The attributes of spans and of their events that Tempo knows of in the window.
    pub async fn tags(&self, tenant: &Tenant, window: Window) -> Result<Tags, QueryError> {
        let Window { start, end } = window;
        let answer = self.json(tenant, &format!("/api/v2/search/tags?start={start}&end={end}")).await?;
        Ok(Tags { of_spans: tags_of(&answer, "span"), of_events: tags_of(&answer, "event") })
    }

    async fn json(&self, tenant: &Tenant, path: &str) -> Result<Value, QueryError> {
        let (status, body) = self.get(tenant, path, "application/json", MAX_ANSWER_BYTES).await?;
        if status != StatusCode::OK {
            return Err(super::refusal::refused(status.as_u16(), &String::from_utf8_lossy(&body)));
        }
        serde_json::from_slice(&body).map_err(|error| QueryError::Answer(error.to_string()))
    }
}

// === impl FoundSpan ===

impl FoundSpan {
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.attribute(key)? {
            Attribute::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn int(&self, key: &str) -> Option<i64> {
        match self.attribute(key)? {
            Attribute::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub fn double(&self, key: &str) -> Option<f64> {
        match self.attribute(key)? {
            Attribute::Double(number) => Some(*number),
            _ => None,
        }
    }

    fn attribute(&self, key: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// Reads an answer of `/api/search`.
pub(in crate::tempo) fn found_traces(answer: &Value) -> Result<Vec<FoundTrace>, QueryError> {
    answer["traces"].as_array().into_iter().flatten().map(found_trace).collect()
}

/// Reads an answer of `/api/metrics/query`.
pub(in crate::tempo) fn all_series(answer: &Value) -> Vec<Series> {
    answer["series"].as_array().into_iter().flatten().map(found_series).collect()
}

/// Reads an answer of `/api/v2/search/tags`; `scope` is what they are attributes of.
pub(in crate::tempo) fn tags_of(answer: &Value, scope: &str) -> Vec<String> {
    let scopes = answer["scopes"].as_array().into_iter().flatten().filter(|part| part["name"] == scope);
    let tags = scopes.flat_map(|scope| scope["tags"].as_array().into_iter().flatten());
    tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
}

fn found_trace(trace: &Value) -> Result<FoundTrace, QueryError> {
    let trace_id = trace_id(trace["traceID"].as_str().unwrap_or_default())?;
    let sets = trace["spanSets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found = FoundTrace { trace: trace_id, matched: 0, spans: Vec::new() };
    for set in sets {
        found.matched += set["matched"].as_u64().unwrap_or(0);
        for span in set["spans"].as_array().into_iter().flatten() {
            found.spans.push(found_span(span)?);
        }
    }
    Ok(found)
}

fn found_span(span: &Value) -> Result<FoundSpan, QueryError> {
    let attributes = span["attributes"].as_array().into_iter().flatten();
    let attributes = attributes.filter_map(|attribute| {
        let value = &attribute["value"];
        let value = if let Some(text) = value["stringValue"].as_str() {
            Attribute::Text(text.to_owned())
        } else if let Some(number) = value["intValue"].as_str() {
            Attribute::Int(number.parse().ok()?)
        } else if let Some(number) = value["doubleValue"].as_f64() {
            Attribute::Double(number)
        } else {
            Attribute::Bool(value["boolValue"].as_bool()?)
        };
        Some((attribute["key"].as_str()?.to_owned(), value))
    });
    Ok(FoundSpan {
        span: span_id(span["spanID"].as_str().unwrap_or_default())?,
        name: span["name"].as_str().unwrap_or_default().to_owned(),
        start_unix_nanos: nanos(&span["startTimeUnixNano"]),
        duration_nanos: nanos(&span["durationNanos"]),
        attributes: attributes.collect(),
    })
}

fn nanos(text: &Value) -> u64 {
    text.as_str().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// Tempo leaves leading zeros out.
pub(super) fn trace_id(hex: &str) -> Result<TraceId, QueryError> {
    TraceId::from_hex(&format!("{hex:0>32}")).ok_or_else(|| QueryError::Answer(format!("the trace id {hex:?}")))
}

pub(super) fn span_id(hex: &str) -> Result<SpanId, QueryError> {
    let number = u64::from_str_radix(hex, 16).ok().and_then(SpanId::from_u64);
    number.ok_or_else(|| QueryError::Answer(format!("the span id {hex:?}")))
}

fn found_series(series: &Value) -> Series {
    let labels = series["labels"].as_array().into_iter().flatten();
    let labels = labels.map(|label| {
        let value = &label["value"];
        value["stringValue"].as_str().filter(|text| *text != "nil").map(str::to_owned)
    });
    Series { labels: labels.collect(), value: series["value"].as_f64().unwrap_or(0.0) }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_a_real_tempo_is_read() {
        let answer = r#"{"traceID":"b05d59fcaea561cdf2ca19b712f52af","rootServiceName":"support-desk","durationMs":2195,
            "spanSet":{"spans":[],"matched":1},
            "spanSets":[{"spans":[{"spanID":"37da326dc2904f9","name":"invoke_agent support-agent","startTimeUnixNano":"1795692607878229985",
            "durationNanos":"2195368323","attributes":[{"key":"sessionfold.run.tokens","value":{"intValue":"1083"}},
            {"key":"sessionfold.run.cost","value":{"doubleValue":0.003045}},{"key":"sessionfold.session_id","value":{"stringValue":"s"}},
            {"key":"status","value":{"stringValue":"ok"}}]}],"matched":3}]}"#;
        let found = found_trace(&serde_json::from_str(answer).unwrap()).unwrap();
        assert_eq!(found.trace.to_string(), "0b05d59fcaea561cdf2ca19b712f52af");
        assert_eq!((found.matched, found.spans.len()), (3, 1));
        let span = &found.spans[0];
        assert_eq!(span.span.to_string(), "037da326dc2904f9");
        assert_eq!((span.int("sessionfold.run.tokens"), span.double("sessionfold.run.cost")), (Some(1083), Some(0.003_045)));
        assert_eq!((span.text("sessionfold.session_id"), span.text("status")), (Some("s"), Some("ok")));
        assert_eq!(span.start_unix_nanos, 1_795_692_607_878_229_985);
    }
}
