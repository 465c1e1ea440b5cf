//! A server on a free port in front of a store that records, waits or refuses; and clients.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus_client::registry::Registry;
use prost::Message;
use sessionfold::auth::Authenticator;
use sessionfold::ingest::{self, InstanceMark, Options, Receiver};
use sessionfold::model::ids::{RunId, SessionId, Tenant, TraceId};
use sessionfold::model::note::NoteChange;
use sessionfold::model::query::{AgentQuery, SessionQuery};
use sessionfold::model::question::Question;
use sessionfold::model::reason::Reason;
use sessionfold::model::run::Run;
use sessionfold::model::session::{AgentSummary, Page, SessionSummary};
use sessionfold::model::time::UnixNanos;
use sessionfold::server::{self, Limits};
use sessionfold::store::explain::{ExplainQuery, Explanation, Orphans, OrphansQuery};
use sessionfold::store::overview::Overview;
use sessionfold::store::raw::RawSpans;
use sessionfold::store::said::{Heard, Looked};
use sessionfold::store::view::{RunQuery, RunView, TraceView};
use sessionfold::store::{AcceptError, FoldLag, NoteError, RunPage, RunPost, SessionDetail, Store, StoreError};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const INSTANCE: &str = "3f1d9a";

/// A store that keeps what it is given, once it is let to.
pub struct Recorder {
    accepted: Mutex<Vec<(Tenant, Bytes)>>,
    posts: Mutex<Vec<(Tenant, RunPost)>>,
    unanswered: Mutex<Vec<(Tenant, RunPost)>>,
    refusal: Mutex<Option<AcceptError>>,
    /// One permit an answer; endless unless [`Recorder::hold`] was called.
    gate: Semaphore,
    /// One permit for each request that came as far as the store.
    arrived: Semaphore,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            accepted: Mutex::default(),
            posts: Mutex::default(),
            unanswered: Mutex::default(),
            refusal: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS / 2),
            arrived: Semaphore::new(0),
        }
    }
}

impl Recorder {
    /// Requests now wait until they are let go.
    pub fn hold(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    pub fn let_go(&self, n: usize) {
        self.gate.add_permits(n);
    }

    pub async fn arrived(&self, n: u32) {
        self.arrived.acquire_many(n).await.unwrap().forget();
    }

    pub fn refuse(&self, error: Option<AcceptError>) {
        *self.refusal.lock().unwrap() = error;
    }

    pub fn accepted(&self) -> Vec<(Tenant, Bytes)> {
        self.accepted.lock().unwrap().clone()
    }

    pub fn posts(&self) -> Vec<(Tenant, RunPost)> {
        self.posts.lock().unwrap().clone()
    }

    /// Posts whose answers were lost.
    pub fn unanswered_posts(&self) -> Vec<(Tenant, RunPost)> {
        self.unanswered.lock().unwrap().clone()
    }

    /// The one request that was accepted.
    pub fn only(&self) -> Bytes {
        let accepted = self.accepted();
        assert_eq!(accepted.len(), 1);
        accepted[0].1.clone()
    }
}

impl Store for Recorder {
    fn lag(&self) -> FoldLag {
        FoldLag::default()
    }

    fn accept_spans(&self, tenant: &Tenant, request: Bytes) -> BoxFuture<'_, Result<(), AcceptError>> {
        let tenant = tenant.clone();
        Box::pin(async move {
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            if let Some(error) = self.refusal.lock().unwrap().clone() {
                return Err(error);
            }
            self.accepted.lock().unwrap().push((tenant, request));
            Ok(())
        })
    }

    fn accept_unforwarded(&self, tenant: &Tenant, request: Bytes) -> BoxFuture<'_, Result<(), AcceptError>> {
        self.accept_spans(tenant, request)
    }

    fn accept_post(&self, tenant: &Tenant, post: RunPost) -> BoxFuture<'_, Result<(), AcceptError>> {
        let tenant = tenant.clone();
        Box::pin(async move {
            self.arrived.add_permits(1);
            self.gate.acquire().await.unwrap().forget();
            if let Some(error) = self.refusal.lock().unwrap().clone() {
                return Err(error);
            }
            self.posts.lock().unwrap().push((tenant, post));
            Ok(())
        })
    }

    fn unanswered(&self, tenant: &Tenant, post: RunPost, _: UnixNanos) -> BoxFuture<'_, ()> {
        let tenant = tenant.clone();
        Box::pin(async move { self.unanswered.lock().unwrap().push((tenant, post)) })
    }

    fn run(&self, _: &Tenant, _: RunId) -> Result<Option<RunView>, StoreError> {
        Err(unreadable())
    }

    fn explain(&self, _: &Tenant, _: &ExplainQuery<'_>) -> Result<Option<Explanation>, StoreError> {
        Ok(None)
    }

    fn orphans(&self, _: &Tenant, _: &OrphansQuery<'_>) -> Result<Option<Orphans>, StoreError> {
        Ok(None)
    }

    fn find_run(&self, _: &Tenant, _: &str) -> Result<Option<RunId>, StoreError> {
        Err(unreadable())
    }

    fn trace(&self, _: &Tenant, _: TraceId) -> Result<Option<TraceView>, StoreError> {
        Err(unreadable())
    }

    fn runs(&self, _: &Tenant, _: &RunQuery, _: &mut dyn FnMut(&Run)) -> Result<(), StoreError> {
        Err(unreadable())
    }

    fn delete_session(&self, _: &Tenant, _: &SessionId) -> BoxFuture<'_, Result<Option<u64>, AcceptError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn change_note(&self, _: &Tenant, _: &SessionId, _: NoteChange) -> BoxFuture<'_, Result<Option<SessionSummary>, NoteError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn sessions(&self, _: &Tenant, _: &SessionQuery) -> Result<Page<SessionSummary>, StoreError> {
        Err(unreadable())
    }

    fn first_questions(&self, _: &Tenant, _: &[&SessionId]) -> Result<Vec<Option<Question>>, StoreError> {
        Err(unreadable())
    }

    fn last_errors(&self, _: &Tenant, _: &[SessionSummary]) -> Result<Vec<Option<Reason>>, StoreError> {
        Err(unreadable())
    }

    fn session(&self, _: &Tenant, _: &SessionId, _: RunPage) -> Result<Option<SessionDetail>, StoreError> {
        Err(unreadable())
    }

    fn agents(&self, _: &Tenant, _: &AgentQuery) -> Result<Page<AgentSummary>, StoreError> {
        Err(unreadable())
    }

    fn overview(&self, _: &Tenant) -> Result<Overview, StoreError> {
        Ok(Overview::default())
    }

    fn search_said(&self, _: &Tenant, _: &str, _: &mut dyn FnMut(Heard) -> ControlFlow<()>) -> Result<Looked, StoreError> {
        Ok(Looked::default())
    }

    fn raw_spans(&self, _: &Tenant, _: &[TraceId]) -> Result<RawSpans, StoreError> {
        Ok(RawSpans::default())
    }

    fn not_ready(&self) -> Option<String> {
        None
    }
}

fn unreadable() -> StoreError {
    StoreError { doing: "read a store that only records".into(), source: "not built".into() }
}

/// A running server.
pub struct Door {
    pub address: SocketAddr,
    pub store: Arc<Recorder>,
    pub receiver: Receiver,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<()>,
    registry: Registry,
}

pub async fn open() -> Door {
    open_with(Authenticator::off(), Options::default(), Limits::default()).await
}

pub async fn open_with(auth: Authenticator, options: Options, limits: Limits) -> Door {
    open_doors(auth, options, limits, ingest::otlp_router).await
}

/// The door of the SDK's HTTP path.
pub async fn open_observe(auth: Authenticator, options: Options, public_url: Option<&str>) -> Door {
    let public_url = public_url.map(str::to_owned);
    open_doors(auth, options, Limits::default(), |receiver| ingest::observe::router(receiver, public_url, false)).await
}

async fn open_doors(auth: Authenticator, options: Options, limits: Limits, router: impl FnOnce(Receiver) -> axum::Router) -> Door {
    let store = Arc::new(Recorder::default());
    let [header, via_header] = ["x-sessionfold-instance", "x-sessionfold-via"].map(HeaderName::from_static);
    let mark = InstanceMark { header, via_header, id: INSTANCE.to_owned() };
    let receiver = Receiver::new(store.clone(), Arc::new(auth), options, Some(mark));
    let mut registry = Registry::default();
    receiver.register_metrics(&mut registry);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server::serve(listener, router(receiver.clone()), shutdown.clone(), limits));
    Door { address, store, receiver, shutdown, serving, registry }
}

/// What came back, with its trailers.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Door {
    /// The value of one line of `/metrics`.
    #[track_caller]
    pub fn metric(&self, line: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or_else(|| panic!("no {line} in\n{text}"))
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        self.send("POST", path, headers, body, false).await
    }

    /// One message in a gRPC frame, over HTTP/2, without a gRPC client: what one would never send can be sent.
    pub async fn call(&self, path: &str, headers: &[(&str, &str)], frame: impl Into<Bytes>) -> Answer {
        let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, frame, true).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>, http2: bool) -> Answer {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body: collected.to_bytes(), trailers }
    }

    /// Stops the server and waits until it is gone.
    pub async fn close(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(20), self.serving).await.expect("the server did not stop").unwrap();
    }
}

impl Answer {
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// The `google.rpc.Status` of a protobuf refusal.
    pub fn rpc_status(&self) -> tonic_types::Status {
        assert_eq!(self.header("content-type"), "application/x-protobuf");
        tonic_types::Status::decode(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn partial(&self) -> Option<(i64, String)> {
        let response = ExportTraceServiceResponse::decode(self.body.clone()).unwrap();
        response.partial_success.map(|partial| (partial.rejected_spans, partial.error_message))
    }

    /// The code of a gRPC answer, wherever it stands.
    #[track_caller]
    pub fn grpc(&self) -> tonic::Code {
        assert_eq!(self.status, 200);
        assert_eq!(self.header("content-type"), "application/grpc");
        let code = self.headers.get("grpc-status").or_else(|| self.trailers.get("grpc-status")).expect("no grpc-status");
        tonic::Code::from_bytes(code.as_bytes())
    }

    pub fn grpc_message(&self) -> String {
        let message = self.headers.get("grpc-message").map(|message| message.as_bytes()).unwrap_or_default();
        percent_encoding::percent_decode(message).decode_utf8_lossy().into_owned()
    }
}

pub const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
pub const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

pub fn span(trace_id: &[u8], span_id: &[u8], name: &str) -> Span {
    Span { trace_id: trace_id.to_vec(), span_id: span_id.to_vec(), name: name.into(), ..Default::default() }
}

pub fn good(n: u8) -> Span {
    span(&[n; 16], &[n; 8], "chat")
}

pub fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..Default::default() }] }
}

pub fn encoded(spans: Vec<Span>) -> Vec<u8> {
    request(spans).encode_to_vec()
}

/// `bytes` with its only `from` replaced.
pub fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

pub fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::from(&[flag][..]);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed.freeze()
}

pub fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

pub fn bare_deflate(body: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(body, 1).unwrap()
}
