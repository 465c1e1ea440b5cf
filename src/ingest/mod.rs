//! Layer 6: the doors that traces come in by: OTLP over gRPC and over HTTP, on one router, and the Waxell SDK's own HTTP path (`observe`).
//!
//! - A request is answered with success only after the store says that it is durable.
//! - A span that is not well formed is taken out and named in a partial success; the rest of its request is kept, byte for byte.
//! - Bodies are read under three limits: bytes of one request (on the wire and decompressed), bytes of all requests in flight, and time.
//!   Nothing waits: what does not fit is refused at once (the table is in [`refusal`]).
//! - Logs and metrics are turned away in a way that keeps an SDK quiet: a success that rejects every record and says why.
//! - Never decodes spans into objects, never looks into an attribute, never forwards.

mod admission;
mod body;
mod count;
mod encoding;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod grpc;
mod http;
mod metrics;
mod notices;
pub mod observe;
mod peer;
mod posts;
mod receiver;
pub mod refusal;
mod reply;
mod screen;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

pub use admission::{Admission, Permit};
pub use encoding::Coding;
pub use metrics::{Metrics, ReasonLabels, RequestLabels, SignalLabels};
pub use notices::Notices;
pub use peer::{Answering, Peer, Whole};
pub use receiver::{InstanceMark, Options, Receiver};

/// What kind of telemetry a request carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// The routes of every signal, gRPC and HTTP alike: `/v1/{traces,logs,metrics}`, with and without a trailing slash, and the `Export`
/// methods of the three OTLP services. It has no fallback, so it can be merged into another router.
pub fn router(receiver: Receiver) -> Router {
    let mut router = Router::new();
    for signal in [Signal::Traces, Signal::Logs, Signal::Metrics] {
        let over_http = move |State(receiver): State<Receiver>, request: Request| http::export(receiver, signal, request);
        let over_grpc = move |State(receiver): State<Receiver>, request: Request| grpc::export(receiver, signal, request);
        let path = format!("/v1/{}", signal.as_str());
        router = router.route(&path, any(over_http)).route(&format!("{path}/"), any(over_http)).route(signal.grpc_path(), any(over_grpc));
    }
    router.with_state(receiver)
}

/// [`router`] for a port that serves nothing else: what is not OTLP is told what is.
pub fn otlp_router(receiver: Receiver) -> Router {
    router(receiver).fallback(unknown)
}

/// The answer to a path that is not ours, in the language of whoever asked.
pub async fn unknown(request: Request) -> Response {
    if grpc::is_grpc(request.headers()) {
        return grpc::unimplemented(request.uri().path());
    }
    let text = format!(
        "nothing is served at {}: this port takes OTLP, over HTTP as POST /v1/traces and over gRPC\n",
        request.uri().path().chars().take(200).collect::<String>().escape_debug()
    );
    (::http::StatusCode::NOT_FOUND, text).into_response()
}

// === impl Signal ===

impl Signal {
    /// The label in metrics, and the last part of the HTTP path.
    fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }

    fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }
}
