//! Layer 6: the doors that traces come in by: OTLP over gRPC and over HTTP, on one router, and the Waxell SDK's own HTTP path (`observe`).
//!
//! - A request is answered with success only after the store says that it is durable.
//! - A span that is not well formed is taken out and named in a partial success; the rest of its request is kept, byte for byte, but for
//!   text that is not UTF-8, which is repaired.
//! - Bodies are read under three limits: bytes of one request (on the wire and decompressed), bytes of all requests in flight, and time.
//!   Nothing waits: what does not fit is refused at once (the table is in [`refusal`]).
//! - Logs of coding agents become spans (`conventions::agents`). Logs of strangers, and metrics, are turned away in a way that keeps an SDK
//!   quiet: a success that rejects every record and says why.
//! - Never decodes spans into objects, never looks into an attribute, never forwards.

mod admission;
mod agent_metrics;
mod anywhere;
mod body;

mod encoding;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod grpc;
mod http;
mod metrics;
mod mistaken;
mod noticed;
pub mod observe;
mod peer;
mod posts;
mod receiver;
pub mod refusal;
mod reply;
mod screen;
mod told;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::any;

pub use admission::{Admission, Permit};
pub use anywhere::{anywhere, intake, is_export, unknown_page};
pub use encoding::Coding;
pub use metrics::{Metrics, ReasonLabels, RequestLabels, SignalLabels, UnitLabels};
pub use peer::{Answering, Peer, Whole};
pub use receiver::{InstanceMark, Options, Receiver};

use self::screen::Format;
use crate::wire::otlp::json::misplaced::{Misplaced, misplaced};
use crate::wire::otlp::signal::{Records, records};

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
    for signal in Signal::ALL {
        let over_http = move |State(receiver): State<Receiver>, request: Request| http::export(receiver, Some(signal), request);
        let over_grpc = move |State(receiver): State<Receiver>, request: Request| grpc::export(receiver, signal, request);
        let path = signal.http_path();
        router = router.route(path, any(over_http)).route(&format!("{path}/"), any(over_http)).route(signal.grpc_path(), any(over_grpc));
    }
    router.with_state(receiver)
}

/// [`router`] for a port that serves nothing else, below any path: what is not OTLP is told what is.
pub fn otlp_router(receiver: Receiver) -> Router {
    let served = router(receiver.clone()).fallback(anywhere::unknown);
    anywhere(receiver.clone(), intake(receiver), served)
}

// === impl Signal ===

impl Signal {
    const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// The signal that a path of HTTP ends in, whatever stands before it.
    fn of_path(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        Self::ALL.into_iter().find(|signal| path.ends_with(signal.http_path()))
    }

    /// What a decoded body holds; spans, where it does not say.
    fn of_body(body: &[u8], format: Format) -> Self {
        match format {
            Format::Protobuf => match records(body) {
                Ok(Some(Records::Logs)) => Self::Logs,
                Ok(Some(Records::Metrics)) => Self::Metrics,
                Ok(Some(Records::Spans) | None) | Err(_) => Self::Traces,
            },
            Format::Json => match misplaced(body) {
                Some(Misplaced::Logs) => Self::Logs,
                Some(Misplaced::Metrics) => Self::Metrics,
                _ => Self::Traces,
            },
        }
    }

    /// The label in metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }

    fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
            Self::Metrics => "/v1/metrics",
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
