//! The query side of a stand-in for Tempo: says by trace id what it holds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use sessionfold::tempo::query::{QueryClient, QueryOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Ends with its connections when it is dropped.
pub(crate) struct Holder {
    pub(crate) address: SocketAddr,
    n_asked: Arc<AtomicUsize>,
    running: CancellationToken,
}

// === impl Holder ===

impl Holder {
    /// Answers with the spans that `held` gives for a trace.
    pub(crate) async fn start(held: impl Fn(u128) -> Vec<Span> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (n_asked, running, held) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new(), Arc::new(held));
        let (counter, end) = (n_asked.clone(), running.clone());
        tokio::spawn(async move {
            while let Some(Ok((socket, _))) = end.run_until_cancelled(listener.accept()).await {
                let (held, counter, end) = (held.clone(), counter.clone(), end.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| {
                        let answer = answer(request.uri().path(), &*held, &counter);
                        async move { Ok::<_, std::convert::Infallible>(answer) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                    let _ = end.run_until_cancelled(connection).await;
                });
            }
        });
        Self { address, n_asked, running }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> QueryClient {
        let timeout = Duration::from_secs(5);
        QueryClient::new(&QueryOptions { url: self.url(), ca: None, headers: Vec::new(), send_tenant: false, timeout }).unwrap()
    }

    /// How many traces were asked for.
    pub(crate) fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::SeqCst)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.running.cancel();
    }
}

fn answer(path: &str, held: &dyn Fn(u128) -> Vec<Span>, n_asked: &AtomicUsize) -> Response<Full<Bytes>> {
    let Some(trace) = path.strip_prefix("/api/traces/") else {
        let status = if path == "/ready" { 200 } else { 404 };
        return Response::builder().status(status).body(Full::default()).unwrap();
    };
    n_asked.fetch_add(1, Ordering::SeqCst);
    let spans = held(u128::from_str_radix(trace, 16).unwrap());
    if spans.is_empty() {
        return Response::builder().status(404).body(Full::default()).unwrap();
    }
    let scope = ScopeSpans { spans, ..Default::default() };
    let trace = ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..Default::default() }] };
    Response::new(Full::new(trace.encode_to_vec().into()))
}
