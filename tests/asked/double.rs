//! A stand-in for Tempo's query API, over HTTP and without streaming. It knows as much TraceQL as the reader asks in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use regex::Regex;
use serde_json::{Value, json};
use sessionfold::tempo::query::{QueryClient, QueryOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::spans::{SECOND, Tell, request, span};

/// A run of as many spans, in one second. Its spans are numbered from 1, which is the run's own.
#[derive(Clone)]
pub(crate) struct Trace {
    pub(crate) id: u128,
    /// Since 1970.
    pub(crate) second: u64,
    pub(crate) n_spans: u64,
}

/// What it refuses. The defaults refuse nothing.
#[derive(Clone)]
pub(crate) struct Limits {
    /// Spans of an answer; above it the querier's answer is "larger than the max".
    pub(crate) spans: usize,
    /// The same of an answer that only names traces.
    pub(crate) traces: usize,
    /// `max_result_limit`.
    pub(crate) limit: usize,
    /// `max_spans_per_span_set`.
    pub(crate) spans_per_set: usize,
    /// `max_duration`, in seconds.
    pub(crate) seconds: u64,
    /// A longer search is not done before Tempo's own time-out.
    pub(crate) slow_seconds: u64,
    /// Spans of a trace that is asked for by its id.
    pub(crate) whole: u64,
    /// Whoever asks for spans of this trace is refused, however few.
    pub(crate) poisoned: Option<u128>,
    pub(crate) hidden: Hidden,
    /// So many traces that are asked for by their ids are not found, since they are just on their way to disk.
    pub(crate) n_cut: usize,
}

/// Whether search shows nothing, of traces that are found by their ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    No,
    Always,
    /// Until the first trace was given by its id.
    AtFirst,
}

pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    running: CancellationToken,
}

struct State {
    traces: Vec<Trace>,
    limits: Limits,
    /// Every path with its query that was answered with success, and how many were not.
    asked: Mutex<(Vec<String>, usize)>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            spans: usize::MAX,
            traces: usize::MAX,
            limit: 262_144,
            spans_per_set: 100,
            seconds: 168 * 3600,
            slow_seconds: u64::MAX,
            whole: u64::MAX,
            poisoned: None,
            hidden: Hidden::No,
            n_cut: 0,
        }
    }
}

// === impl Double ===

impl Double {
    pub(crate) async fn start(traces: Vec<Trace>, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { traces, limits, asked: Mutex::default() });
        let running = CancellationToken::new();
        let (served, ending) = (state.clone(), running.clone());
        tokio::spawn(async move {
            loop {
                let socket = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = ending.cancelled() => return,
                };
                let (state, ending) = (served.clone(), ending.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let state = state.clone();
                        async move { Ok::<_, std::convert::Infallible>(state.answer(&request)) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                    tokio::select! {
                        // Whoever speaks HTTP/2 to it is cut off, as by a Tempo that does not stream.
                        _ = connection => {}
                        () = ending.cancelled() => {}
                    }
                });
            }
        });
        Self { address, state, running }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> QueryClient {
        let timeout = std::time::Duration::from_secs(20);
        QueryClient::new(&QueryOptions { url: self.url(), ca: None, headers: Vec::new(), send_tenant: false, timeout }).unwrap()
    }

    /// How many questions were answered, and how many refused.
    pub(crate) fn n_asked(&self) -> (usize, usize) {
        let asked = self.state.asked.lock().unwrap();
        (asked.0.len(), asked.1)
    }

    /// How many traces were given by their ids.
    pub(crate) fn n_by_id(&self) -> usize {
        self.state.n_by_id()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.running.cancel();
    }
}

// === impl State ===

impl State {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let uri = request.uri();
        let answered = match uri.path() {
            "/api/search" => self.search(&parameters(uri.query().unwrap_or_default())),
            "/status/config" => Ok("ingestion_time_range_slack: 24h0m0s\n".into()),
            "/api/v2/search/tags" => Ok(json!({ "scopes": [] }).to_string().into()),
            path => match path.strip_prefix("/api/traces/") {
                Some(id) => self.whole(u128::from_str_radix(id, 16).unwrap()),
                None => Err((404, "no such path".to_owned())),
            },
        };
        let mut asked = self.asked.lock().unwrap();
        let (status, body) = match answered {
            Ok(body) => {
                asked.0.push(uri.to_string());
                (200, body)
            }
            Err((status, words)) => {
                asked.1 += 1;
                (status, words.into())
            }
        };
        Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Full::new(body)).unwrap()
    }

    fn n_by_id(&self) -> usize {
        self.asked.lock().unwrap().0.iter().filter(|path| path.starts_with("/api/traces/")).count()
    }

    fn whole(&self, id: u128) -> Result<Bytes, (u16, String)> {
        if self.asked.lock().unwrap().1 < self.limits.n_cut {
            return Err((404, String::new()));
        }
        let trace = self.traces.iter().find(|trace| trace.id == id).ok_or((404, String::new()))?;
        if trace.n_spans > self.limits.whole {
            return Err((422, format!("trace exceeds max size (max bytes: {})", self.limits.whole)));
        }
        Ok(request(trace.numbers().map(|number| trace.span(number))))
    }

    fn search(&self, asked: &BTreeMap<String, String>) -> Result<Bytes, (u16, String)> {
        let number = |key: &str| asked[key].parse::<u64>().unwrap();
        let (start, end, limit) = (number("start"), number("end"), number("limit") as usize);
        let limits = &self.limits;
        if limit > limits.limit {
            return Err((400, format!("limit {limit} exceeds max limit {}", limits.limit)));
        }
        if number("spss") as usize > limits.spans_per_set {
            return Err((400, format!("spans per span set exceeds {}. received {}", limits.spans_per_set, asked["spss"])));
        }
        if end - start > limits.seconds {
            return Err((400, format!("range specified by start and end exceeds {}s. received start={start} end={end}", limits.seconds)));
        }
        if end - start > limits.slow_seconds {
            return Err((504, "context deadline exceeded".to_owned()));
        }
        if limits.hidden == Hidden::Always || limits.hidden == Hidden::AtFirst && self.n_by_id() == 0 {
            return Ok(json!({ "traces": [] }).to_string().into());
        }
        let query = Query::read(&asked["q"]);
        let mut found = Vec::new();
        let mut n_spans = 0;
        for trace in self.traces.iter().filter(|trace| (start..end).contains(&trace.second)) {
            let numbers: Vec<u64> = trace.numbers().filter(|number| query.matches(trace.id, *number)).collect();
            if numbers.is_empty() || !query.takes(numbers.len()) {
                continue;
            }
            if query.is_for_spans && limits.poisoned == Some(trace.id) {
                return Err((500, "response larger than the max (99999999 vs 16777216)".to_owned()));
            }
            if found.len() == limit {
                break;
            }
            if query.is_for_spans {
                n_spans += numbers.len();
            }
            found.push(trace.found(&numbers, query.is_for_spans));
        }
        if n_spans > limits.spans || found.len() > limits.traces {
            return Err((500, format!("response larger than the max ({n_spans} vs {})", limits.spans)));
        }
        Ok(json!({ "traces": found }).to_string().into())
    }
}

/// What is understood of a query.
struct Query {
    trace: Option<u128>,
    trace_like: Option<Regex>,
    span_like: Option<Regex>,
    is_for_spans: bool,
    at_most: usize,
    more_than: usize,
}

// === impl Query ===

impl Query {
    fn read(text: &str) -> Self {
        let after = |mark: &str| {
            let rest = &text[text.find(mark)? + mark.len()..];
            Some(rest[..rest.find(['"', ' ']).unwrap_or(rest.len())].to_owned())
        };
        // Anchored, and on text without leading zeros.
        let like = |mark: &str| after(mark).map(|expression| Regex::new(&format!("^(?:{expression})$")).unwrap());
        Self {
            trace: after("trace:id = \"").map(|id| u128::from_str_radix(&id, 16).unwrap()),
            trace_like: like("trace:id =~ \""),
            span_like: like("span:id =~ \""),
            is_for_spans: text.contains("by(span:id)"),
            at_most: after("count() <= ").map_or(usize::MAX, |count| count.parse().unwrap()),
            more_than: after("count() > ").map_or(0, |count| count.parse().unwrap()),
        }
    }

    fn matches(&self, trace: u128, span: u64) -> bool {
        self.trace.is_none_or(|wanted| wanted == trace)
            && self.trace_like.as_ref().is_none_or(|like| like.is_match(&format!("{trace:x}")))
            && self.span_like.as_ref().is_none_or(|like| like.is_match(&format!("{span:016x}")))
    }

    fn takes(&self, n: usize) -> bool {
        n <= self.at_most && n > self.more_than
    }
}

// === impl Trace ===

impl Trace {
    fn numbers(&self) -> impl Iterator<Item = u64> + use<> {
        1..=self.n_spans
    }

    /// Its stamps: the run's own span tells of every call, which used a token each.
    fn stamps(&self, number: u64) -> Vec<(&'static str, Value)> {
        let session = ("sessionfold.session_id", json!({ "stringValue": "s" }));
        let run = ("sessionfold.run_id", json!({ "stringValue": (self.id as u64).to_string() }));
        let int = |key: &'static str, value: u64| (key, json!({ "intValue": value.to_string() }));
        let mut stamps = vec![session, run];
        if number == 1 {
            stamps.push(("sessionfold.run.cost", json!({ "doubleValue": 0.0 })));
            stamps.push(int("sessionfold.run.tokens", self.n_spans - 1));
        } else {
            stamps.push(int("sessionfold.tokens", 1));
        }
        stamps
    }

    fn span(&self, number: u64) -> opentelemetry_proto::tonic::trace::v1::Span {
        let start = self.second * SECOND;
        let bare = span(self.id, number, u64::from(number != 1)).between(start, start);
        self.stamps(number).into_iter().fold(bare, |span, (key, value)| match &value {
            _ if value["stringValue"].is_string() => span.with(key, value["stringValue"].as_str().unwrap()),
            _ if value["doubleValue"].is_f64() => span.with(key, value["doubleValue"].as_f64().unwrap()),
            _ => span.with(key, value["intValue"].as_str().unwrap().parse::<i64>().unwrap()),
        })
    }

    fn found(&self, numbers: &[u64], is_for_spans: bool) -> Value {
        let set = |numbers: &[u64]| {
            let spans: Vec<Value> = numbers.iter().map(|number| self.found_span(*number)).collect();
            spans
        };
        let sets: Vec<Value> = if is_for_spans {
            numbers.iter().map(|number| json!({ "spans": set(&[*number]), "matched": 1 })).collect()
        } else {
            vec![json!({ "spans": set(&numbers[..1]), "matched": numbers.len() })]
        };
        json!({ "traceID": format!("{:x}", self.id), "spanSets": sets })
    }

    fn found_span(&self, number: u64) -> Value {
        let attributes: Vec<Value> = self.stamps(number).into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        json!({
            "spanID": format!("{number:016x}"),
            "name": "work",
            "startTimeUnixNano": (self.second * SECOND).to_string(),
            "durationNanos": "0",
            "attributes": attributes,
        })
    }
}

fn parameters(query: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), decoded(value))).collect()
}

/// How many spans an encoded request has.
pub(crate) fn n_spans(request: &[u8]) -> usize {
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).map(|scope| scope.spans.len()).sum()
}
