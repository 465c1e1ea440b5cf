//! TraceQL search over gRPC: the answer comes in parts, without JSON, and without the limit that Tempo has for an answer over HTTP.
//!
//! - Tempo serves it on its HTTP port too, where `stream_over_http_enabled` is set; where it does not, [`QueryError::NoStreaming`] says so.
//! - Of a trace that comes in several parts the last one stands: Tempo sends it again whenever another block adds to it.

use std::collections::HashMap;

use http::uri::PathAndQuery;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};

use super::search::{Attribute, FoundSpan, FoundTrace, MAX_ANSWER_BYTES, Window};
use super::{QueryClient, QueryError, TENANT};
use crate::model::ids::{SpanId, Tenant, TraceId};

const SEARCH: &str = "/tempopb.StreamingQuerier/Search";

/// Tempo sends at most some megabytes at a time.
const MAX_PART_BYTES: usize = 64 << 20;

/// What is read and written of Tempo's `tempopb.SearchRequest`; the numbers of the fields are Tempo's (3.0 and 3.1).
#[derive(Clone, PartialEq, prost::Message)]
struct SearchRequest {
    #[prost(uint32, tag = "4")]
    limit: u32,
    #[prost(uint32, tag = "5")]
    start: u32,
    #[prost(uint32, tag = "6")]
    end: u32,
    #[prost(string, tag = "8")]
    query: String,
    #[prost(uint32, tag = "9")]
    spans_per_span_set: u32,
}

/// Of `tempopb.SearchResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::tempo) struct SearchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::tempo) traces: Vec<Trace>,
}

/// Of `tempopb.TraceSearchMetadata`.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::tempo) struct Trace {
    #[prost(string, tag = "1")]
    trace_id: String,
    #[prost(message, repeated, tag = "7")]
    span_sets: Vec<SpanSet>,
}

/// Of `tempopb.SpanSet`.
#[derive(Clone, PartialEq, prost::Message)]
struct SpanSet {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<Span>,
    #[prost(uint32, tag = "2")]
    matched: u32,
}

/// `tempopb.Span`.
#[derive(Clone, PartialEq, prost::Message)]
struct Span {
    #[prost(string, tag = "1")]
    span_id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint64, tag = "3")]
    start_time_unix_nano: u64,
    #[prost(uint64, tag = "4")]
    duration_nanos: u64,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<KeyValue>,
}

/// What a stream is asked with; not the client of the other requests, which uses HTTP/1.1.
pub(super) type Streams = Client<HttpsConnector<HttpConnector>, tonic::body::Body>;

// === impl QueryClient ===

impl QueryClient {
    /// As [`QueryClient::search`].
    pub async fn search_stream(
        &self,
        tenant: &Tenant,
        query: &str,
        window: Window,
        limit: usize,
        spans: usize,
    ) -> Result<Vec<FoundTrace>, QueryError> {
        let seconds = |seconds: u64| u32::try_from(seconds).unwrap_or(u32::MAX);
        let request = SearchRequest {
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            start: seconds(window.start),
            end: seconds(window.end),
            query: query.to_owned(),
            spans_per_span_set: u32::try_from(spans).unwrap_or(u32::MAX),
        };
        match tokio::time::timeout(self.timeout, self.collect(tenant, request)).await {
            Ok(found) => found,
            Err(_) => Err(QueryError::Timeout(self.timeout)),
        }
    }

    async fn collect(&self, tenant: &Tenant, request: SearchRequest) -> Result<Vec<FoundTrace>, QueryError> {
        let origin = self.base.parse().map_err(|_| QueryError::Url(self.base.clone()))?;
        let mut grpc = tonic::client::Grpc::with_origin(self.streams.clone(), origin).max_decoding_message_size(MAX_PART_BYTES);
        let mut request = Request::new(request);
        *request.metadata_mut() = self.metadata(tenant);
        let codec = tonic_prost::ProstCodec::<SearchRequest, SearchResponse>::default();
        let answer = grpc.server_streaming(request, PathAndQuery::from_static(SEARCH), codec).await;
        let mut parts = answer.map_err(|status| refusal(&status))?.into_inner();
        let mut traces: HashMap<TraceId, FoundTrace> = HashMap::new();
        let mut n_bytes = 0;
        while let Some(part) = parts.message().await.map_err(|status| refusal(&status))? {
            n_bytes += part.encoded_len();
            if n_bytes > MAX_ANSWER_BYTES {
                return Err(QueryError::TooLarge(format!("more than {MAX_ANSWER_BYTES} bytes")));
            }
            for trace in part.traces {
                let found = found_trace(trace)?;
                traces.insert(found.trace, found);
            }
        }
        Ok(traces.into_values().collect())
    }

    fn metadata(&self, tenant: &Tenant) -> MetadataMap {
        let mut headers: http::HeaderMap = self.headers.iter().cloned().collect();
        if self.send_tenant
            && let Ok(tenant) = tenant.as_str().parse()
        {
            headers.insert(TENANT, tenant);
        }
        MetadataMap::from_headers(headers)
    }
}

fn refusal(status: &Status) -> QueryError {
    let words = status.message().to_owned();
    if let Some(error) = super::refusal::named(&words) {
        return error;
    }
    match status.code() {
        Code::Unimplemented => QueryError::NoStreaming(words),
        // Whoever is not spoken to in gRPC answers in another protocol.
        _ if is_of_transport(status) => QueryError::NoStreaming(status.to_string()),
        Code::InvalidArgument => QueryError::Refused { status: 400, words },
        Code::ResourceExhausted => QueryError::Refused { status: 429, words },
        Code::Unavailable => QueryError::Refused { status: 503, words },
        Code::DeadlineExceeded | Code::Cancelled => QueryError::GaveUp(words),
        _ => QueryError::Refused { status: 500, words },
    }
}

fn is_of_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
        || status.metadata().is_empty() && status.message().starts_with("grpc-status header missing")
}

/// Reads one trace of an answer.
pub(in crate::tempo) fn found_trace(trace: Trace) -> Result<FoundTrace, QueryError> {
    let Trace { trace_id, span_sets } = trace;
    let mut found = FoundTrace { trace: super::search::trace_id(&trace_id)?, matched: 0, spans: Vec::new() };
    for set in span_sets {
        found.matched += u64::from(set.matched);
        for span in set.spans {
            found.spans.push(found_span(span)?);
        }
    }
    Ok(found)
}

fn found_span(span: Span) -> Result<FoundSpan, QueryError> {
    let Span { span_id, name, start_time_unix_nano: start_unix_nanos, duration_nanos, attributes } = span;
    let attributes = attributes.into_iter().filter_map(|attribute| {
        let value = match attribute.value?.value? {
            any_value::Value::StringValue(text) => Attribute::Text(text),
            any_value::Value::IntValue(number) => Attribute::Int(number),
            any_value::Value::DoubleValue(number) => Attribute::Double(number),
            any_value::Value::BoolValue(is) => Attribute::Bool(is),
            _ => return None,
        };
        Some((attribute.key, value))
    });
    let span: SpanId = super::search::span_id(&span_id)?;
    Ok(FoundSpan { span, name, start_unix_nanos, duration_nanos, attributes: attributes.collect() })
}
