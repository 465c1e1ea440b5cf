//! Asking Tempo's HTTP API: a trace by its id, a TraceQL search, a TraceQL metric.
//!
//! - One question, one answer: windows, limits and what to do about them are the caller's.
//! - An answer is bounded in bytes and in time. Nothing is retried.
//! - It speaks plain HTTP, as Tempo's query API does without a proxy before it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::model::ids::{SpanId, Tenant, TraceId};

/// A trace is at most 5 MB by Tempo's default, a page of search some dozens.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Longer than Tempo's own time-out for a query.
const TIMEOUT: Duration = Duration::from_secs(130);

/// Tempo's query API, for one tenant; clones share connections.
#[derive(Clone, Debug)]
pub struct QueryClient {
    base: String,
    headers: HeaderMap,
    http: Client<HttpConnector, Empty<Bytes>>,
}

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

/// A span that matched, with the attributes that were selected.
#[derive(Clone, PartialEq, Debug)]
pub struct FoundSpan {
    pub span: SpanId,
    pub name: String,
    pub start_unix_nanos: u64,
    pub attributes: Vec<(String, Attribute)>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Attribute {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
}

/// One series of a metric, with the values of its labels in the order of `by`.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// `None`: spans without that attribute.
    pub labels: Vec<Option<String>>,
    pub value: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("`{0}` is not an http URL of Tempo's query API")]
    Url(String),
    #[error("the header {0} cannot be sent")]
    Header(String),
    #[error("cannot ask {url}: {reason}")]
    Request { url: String, reason: String },
    /// With Tempo's own words.
    #[error("tempo answered {status}: {words}")]
    Refused { status: u16, words: String },
    #[error("tempo's answer is not what was expected: {0}")]
    Answer(String),
}

// === impl QueryClient ===

impl QueryClient {
    /// `base` is for instance `http://tempo:3200`.
    pub fn new(base: &str, headers: &[(String, String)]) -> Result<Self, QueryError> {
        let uri: http::Uri = base.parse().map_err(|_| QueryError::Url(base.to_owned()))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(QueryError::Url(base.to_owned()));
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let bad = || QueryError::Header(name.clone());
            let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
            value.set_sensitive(true);
            map.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?, value);
        }
        let http = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { base: base.trim_end_matches('/').to_owned(), headers: map, http })
    }

    /// The same, asking as this tenant. The tenant `default` is not named, as in forwarding.
    pub fn for_tenant(mut self, tenant: &Tenant) -> Self {
        if tenant.as_str() != Tenant::DEFAULT
            && let Ok(name) = HeaderValue::from_str(tenant.as_str())
        {
            self.headers.insert("x-scope-orgid", name);
        }
        self
    }

    /// The trace as an encoded OTLP request; `None` if Tempo does not have it.
    pub async fn trace(&self, id: TraceId) -> Result<Option<Bytes>, QueryError> {
        match self.get(&format!("/api/traces/{id}"), "application/protobuf").await {
            Ok(body) => Ok(Some(body).filter(|body| !body.is_empty())),
            Err(QueryError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The traces that match in the window, at most `limit` of them and at most `spans` spans of each (Tempo allows 100).
    pub async fn search(&self, query: &str, window: Window, limit: usize, spans: usize) -> Result<Vec<FoundTrace>, QueryError> {
        let Window { start, end } = window;
        let query = encode(query);
        let answer = self.json(&format!("/api/search?q={query}&start={start}&end={end}&limit={limit}&spss={spans}")).await?;
        let traces = answer["traces"].as_array().map(Vec::as_slice).unwrap_or_default();
        traces.iter().map(found_trace).collect()
    }

    /// The series of an instant metric over the window, which Tempo allows to be 24 hours long.
    pub async fn metric(&self, query: &str, window: Window) -> Result<Vec<Series>, QueryError> {
        let Window { start, end } = window;
        let answer = self.json(&format!("/api/metrics/query?q={}&start={start}&end={end}", encode(query))).await?;
        let series = answer["series"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(series.iter().map(found_series).collect())
    }

    async fn json(&self, path: &str) -> Result<Value, QueryError> {
        let body = self.get(path, "application/json").await?;
        serde_json::from_slice(&body).map_err(|error| QueryError::Answer(error.to_string()))
    }

    async fn get(&self, path: &str, accept: &'static str) -> Result<Bytes, QueryError> {
        let url = format!("{}{path}", self.base);
        let failed = |reason: String| QueryError::Request { url: self.base.clone(), reason };
        let mut request = Request::get(&url).body(Empty::new()).map_err(|error| failed(error.to_string()))?;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(http::header::ACCEPT, HeaderValue::from_static(accept));
        let exchange = async {
            let response = self.http.request(request).await.map_err(|error| failed(chain(&error)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(|error| failed(error.to_string()))?;
            let body = body.to_bytes();
            if status != StatusCode::OK {
                let words = String::from_utf8_lossy(&body).chars().take(200).collect();
                return Err(QueryError::Refused { status: status.as_u16(), words });
            }
            Ok(body)
        };
        tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| failed(format!("no answer within {} s", TIMEOUT.as_secs())))?
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

fn found_trace(trace: &Value) -> Result<FoundTrace, QueryError> {
    let id = trace["traceID"].as_str().unwrap_or_default();
    // Tempo leaves leading zeros out.
    let trace_id = TraceId::from_hex(&format!("{id:0>32}")).ok_or_else(|| QueryError::Answer(format!("the trace id {id:?}")))?;
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
    let id = span["spanID"].as_str().unwrap_or_default();
    let number = u64::from_str_radix(id, 16).ok().and_then(SpanId::from_u64);
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
        span: number.ok_or_else(|| QueryError::Answer(format!("the span id {id:?}")))?,
        name: span["name"].as_str().unwrap_or_default().to_owned(),
        start_unix_nanos: span["startTimeUnixNano"].as_str().and_then(|nanos| nanos.parse().ok()).unwrap_or(0),
        attributes: attributes.collect(),
    })
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

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
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

    #[test]
    fn a_base_that_is_no_http_url_is_refused() {
        for bad in ["tempo:3200", "https://tempo", "", "http://"] {
            assert!(matches!(QueryClient::new(bad, &[]), Err(QueryError::Url(_))), "{bad}");
        }
    }
}
