//! Doors below any path: exporters put a path of their own before `/v1/traces`, and some have none at all.
//!
//! - Whoever is told to send to us instead of to somebody else goes on sending to the path that the other has: `/api/public/otel/v1/traces`
//!   (Langfuse), `/api/v1/private/otel/v1/traces` (Opik), `/otlp/v1/traces` (Grafana Cloud), `/` (Phoenix without a path).
//! - Only what is posted: what a port serves to readers below such a path stays.
//! - What was sent to a path that is nobody's is counted, and logged once in a while: an agent's own log seldom shows it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{HeaderMap, Method, StatusCode, Uri};
use tower::ServiceExt;

use super::Signal;
use super::http::Media;
use super::receiver::Receiver;
use super::{grpc, http as over_http};

/// A mark on the answer to a path that is nobody's and that may have been meant for a door.
#[derive(Clone, Copy)]
pub(super) struct Lost;

struct Doors {
    receiver: Receiver,
    intake: Router,
}

/// Takes OTLP over HTTP at every path: the signal is the path's last part, and what the body holds where it names none.
pub fn intake(receiver: Receiver) -> Router {
    async fn serve(State(receiver): State<Receiver>, request: Request) -> Response {
        over_http::export(receiver, Signal::of_path(request.uri().path()), request).await
    }
    Router::new().fallback(serve).with_state(receiver)
}

/// All that a port serves, with the doors of `intake` below any path.
pub fn anywhere(receiver: Receiver, intake: Router, served: Router) -> Router {
    served.layer(middleware::from_fn_with_state(Arc::new(Doors { receiver, intake }), serve))
}

/// Whether a request is an export over HTTP, or a browser asks whether it may send one.
pub fn is_export(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let path = uri.path();
    if method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return path == "/" || Signal::of_path(path).is_some();
    }
    method == Method::POST && (Signal::of_path(path).is_some() || path == "/" && Media::of(headers).is_some())
}

async fn serve(State(doors): State<Arc<Doors>>, request: Request, next: Next) -> Response {
    if is_export(request.method(), request.uri(), request.headers()) {
        return match doors.intake.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    let uri = request.uri().clone();
    let is_grpc = grpc::is_grpc(request.headers());
    let media = Media::of(request.headers()).filter(|_| request.method() == Method::POST);
    let response = next.run(request).await;
    // What another door has no path for, too, if it was sent as OTLP is.
    let is_lost = response.extensions().get::<Lost>().is_some() || media.is_some() && response.status() == StatusCode::NOT_FOUND;
    if is_lost {
        let transport = if is_grpc { "grpc" } else { media.map_or("http", Media::transport) };
        doors.receiver.record_lost(transport, uri.path());
    }
    response
}

/// The answer to a path that is nobody's, on a port that serves nothing but OTLP.
pub(super) async fn unknown(request: Request) -> Response {
    let words = "this port takes OTLP, over HTTP as POST /v1/traces or /v1/logs (below any path) and over gRPC";
    lost(&request, words)
}

/// The answer to a path that is nobody's, on the port of the pages and the API.
pub async fn unknown_page(request: Request) -> Response {
    let words = "the pages begin at /, the API is described at /api/openapi.yaml, and traces are taken as OTLP over HTTP: POST /v1/traces (below any path)";
    let mut response = lost(&request, words);
    if request.method() != Method::POST {
        // A mistyped page.
        response.extensions_mut().remove::<Lost>();
    }
    response
}

/// In the language of whoever asked.
fn lost(request: &Request, words: &str) -> Response {
    let mut response = if grpc::is_grpc(request.headers()) {
        grpc::unimplemented(request.uri().path())
    } else {
        let text = format!("nothing is served at {}: {words}\n", shown(request.uri().path()));
        (StatusCode::NOT_FOUND, text).into_response()
    };
    response.extensions_mut().insert(Lost);
    response
}

/// A path as it may be repeated.
pub(super) fn shown(path: &str) -> String {
    path.chars().take(200).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    fn takes(method: Method, path: &str, content_type: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        is_export(&method, &Uri::try_from(path).unwrap(), &headers)
    }

    #[test]
    fn what_is_posted_to_a_path_that_ends_so_is_an_export_and_nothing_else_is() {
        for path in [
            "/v1/traces",
            "/v1/traces/",
            "/api/public/otel/v1/traces",
            "/otel/v1/traces?x=1",
            "/api/v1/private/otel/v1/traces/",
            "//v1/traces",
            "/v1/traces/v1/traces",
            "/otlp/v1/logs",
            "/otlp/v1/metrics/",
        ] {
            assert!(takes(Method::POST, path, "text/plain"), "{path}");
            assert!(!takes(Method::GET, path, "application/json"), "{path}");
            assert!(!takes(Method::OPTIONS, path, "application/json"), "no browser asks: {path}");
        }
        for path in ["/v1/trace", "/v1/traces/x", "/xv1/traces", "/api/v2/spans", "/login", "/v1/tracesx", "/v1/traces//"] {
            assert!(!takes(Method::POST, path, "application/json"), "{path}");
        }
        for content_type in ["application/x-protobuf", "application/protobuf", "application/json; charset=utf-8"] {
            assert!(takes(Method::POST, "/", content_type));
            assert!(!takes(Method::PUT, "/", content_type));
        }
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/grpc"] {
            assert!(!takes(Method::POST, "/", content_type));
        }
        let asks = HeaderMap::from_iter([(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"))]);
        for (path, expect) in [("/", true), ("/otel/v1/traces", true), ("/login", false)] {
            assert_eq!(is_export(&Method::OPTIONS, &Uri::from_static(path), &asks), expect);
        }
    }
}
