//! A stand-in for Tempo: takes OTLP gRPC, keeps the very bytes it got, and answers as the test says.
//!
//! It speaks gRPC by hand on HTTP/2, because it must also do what no gRPC server offers: hang, and cut a connection after reading the request.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
    /// The gRPC message, decompressed.
    pub(crate) message: Bytes,
    pub(crate) is_compressed: bool,
    pub(crate) reply: Reply,
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Ok,
    Partial(i64, &'static str),
    Status(Code, String),
    /// RESOURCE_EXHAUSTED or UNAVAILABLE with google.rpc.RetryInfo.
    RetryAfter(Code, String, Duration),
    /// Never answers.
    Hang,
    /// The connection ends after the request was read.
    Cut,
}

type Script = Box<dyn FnMut(&[u64], &HeaderMap) -> Reply + Send>;

/// Owns its listener and its connections; all end when it is dropped.
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    running: CancellationToken,
    changed: watch::Receiver<usize>,
}

struct State {
    script: Mutex<Script>,
    calls: Mutex<Vec<Call>>,
    n_calls: watch::Sender<usize>,
}

// === impl Double ===

impl Double {
    /// Listens on a free port. `script` is asked about each request, by the numbers of its spans and its headers.
    pub(crate) async fn start(script: impl FnMut(&[u64], &HeaderMap) -> Reply + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn start_at(address: SocketAddr, script: impl FnMut(&[u64], &HeaderMap) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (n_calls, changed) = watch::channel(0);
        let state = Arc::new(State { script: Mutex::new(Box::new(script)), calls: Mutex::default(), n_calls });
        let running = CancellationToken::new();
        tokio::spawn(listen(listener, state.clone(), running.clone()));
        Self { address, state, running, changed }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Returns once so many requests came in.
    pub(crate) async fn received(&self, n_calls: usize) {
        let mut changed = self.changed.clone();
        let waited = tokio::time::timeout(Duration::from_secs(20), changed.wait_for(|n| *n >= n_calls)).await;
        assert!(waited.is_ok(), "only {} of {n_calls} requests came", self.calls().len());
    }

    /// The numbers of the spans that were accepted, in order, with repetitions.
    pub(crate) fn accepted(&self) -> Vec<u64> {
        let calls = self.calls();
        let taken = calls.iter().filter(|call| matches!(call.reply, Reply::Ok | Reply::Partial(..)));
        taken.flat_map(|call| span_numbers(&call.message)).collect()
    }

    /// Ends listener and connections, as a killed process would.
    pub(crate) fn kill(&self) {
        self.running.cancel();
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn listen(listener: TcpListener, state: Arc<State>, running: CancellationToken) {
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = running.cancelled() => return,
        };
        let (state, cut) = (state.clone(), running.child_token());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, state.clone(), cut.clone()));
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service);
            tokio::select! {
                // A client that goes away is no error here.
                _ = connection => {}
                () = cut.cancelled() => {}
            }
        });
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::convert::Infallible>;

async fn answer(
    request: http::Request<hyper::body::Incoming>,
    state: Arc<State>,
    cut: CancellationToken,
) -> Result<Response<Body>, hyper::Error> {
    let (parts, body) = request.into_parts();
    assert_eq!(parts.uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let frame = body.collect().await?.to_bytes();
    let (is_compressed, message) = unframe(&frame);
    let reply = (state.script.lock().unwrap())(&span_numbers(&message), &parts.headers);
    let call = Call { at: Instant::now(), headers: parts.headers, message, is_compressed, reply: reply.clone() };
    state.calls.lock().unwrap().push(call);
    state.n_calls.send_modify(|n| *n += 1);
    match reply {
        Reply::Ok => Ok(taken(None)),
        Reply::Partial(rejected_spans, message) => {
            Ok(taken(Some(ExportTracePartialSuccess { rejected_spans, error_message: message.to_owned() })))
        }
        Reply::Status(code, message) => Ok(refused(Status::new(code, message))),
        Reply::RetryAfter(code, message, delay) => {
            Ok(refused(Status::with_error_details(code, message, ErrorDetails::with_retry_info(Some(delay)))))
        }
        Reply::Hang => std::future::pending().await,
        Reply::Cut => {
            cut.cancel();
            std::future::pending().await
        }
    }
}

/// The one message of a gRPC request body.
fn unframe(frame: &[u8]) -> (bool, Bytes) {
    let length = u32::from_be_bytes(frame[1..5].try_into().unwrap()) as usize;
    assert_eq!(frame.len(), 5 + length);
    if frame[0] == 0 {
        return (false, Bytes::copy_from_slice(&frame[5..]));
    }
    let mut message = Vec::new();
    flate2::read::GzDecoder::new(&frame[5..]).read_to_end(&mut message).unwrap();
    (true, message.into())
}

fn taken(partial_success: Option<ExportTracePartialSuccess>) -> Response<Body> {
    let message = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    let mut frame = BytesMut::from(&[0_u8][..]);
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let body = Full::new(frame.freeze()).with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync();
    Response::builder().header("content-type", "application/grpc").body(body).unwrap()
}

fn refused(status: Status) -> Response<Body> {
    status.into_http::<Full<Bytes>>().map(BodyExt::boxed_unsync)
}

/// The numbers of the spans of an encoded request: see [`super::bench::request`].
pub(crate) fn span_numbers(message: &[u8]) -> Vec<u64> {
    let request = ExportTraceServiceRequest::decode(message).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(|span| u64::from_be_bytes(span.span_id.try_into().unwrap())).collect()
}
