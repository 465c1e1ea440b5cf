//! The one table of refusals: what each means over HTTP and over gRPC, whether it is worth retrying, and what it is called in metrics.
//!
//! - HTTP: only 429, 502, 503 and 504 are retryable (OTLP 1.x, "Retryable Response Codes"). Of these we use 503, always with
//!   `Retry-After`: released exporters that drop a batch on 429 are still in use (OpenTelemetry's for Python until 2026), and all of them
//!   retry 503. 429 is for those alone who keep sending wrong keys.
//! - gRPC: what may be retried is `UNAVAILABLE` with a `RetryInfo`. What will never succeed is never `RESOURCE_EXHAUSTED` or
//!   `OUT_OF_RANGE`, which some exporters retry whatever the details say: a request that is too large is `INVALID_ARGUMENT`. Wrong keys
//!   are `RESOURCE_EXHAUSTED` with a `RetryInfo`, once an address has sent too many.
//! - A message names what the sender can change. It never carries the server's paths or its inner errors.

use std::time::Duration;

use http::StatusCode;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::encoding::Coding;
use crate::auth::Denied;
use crate::store::AcceptError;
use crate::wire::otlp::Malformed;
use crate::wire::otlp::json::InvalidJson;

/// Why a whole request was not taken. Nothing of it was kept.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("a valid key is needed, as `X-Wax-Key` or as `Authorization: Bearer`")]
    Unauthenticated,
    #[error("this key may not send data: it lacks the right `ingest`")]
    Forbidden,
    #[error("too many wrong keys came from this address, and this is another one: wait, then send a right one")]
    WrongKeys(Duration),
    #[error(
        "this request was exported by this very sessionfold, or came through it: the Tempo address that spans are forwarded to leads back to where they came from"
    )]
    Loop,
    #[error("send OTLP with POST")]
    Method,
    #[error("unsupported content type {0:?}: send application/x-protobuf or application/json, or gRPC over HTTP/2 as application/grpc")]
    MediaType(String),
    #[error(
        "this is gRPC, sent to the path of OTLP over HTTP: let the exporter speak gRPC to the address alone, without a path, or let it speak HTTP (http/protobuf) and send application/x-protobuf or application/json"
    )]
    GrpcOverHttp,
    #[error(
        "this path is a gRPC method, and this is not gRPC: OTLP over HTTP is POST /v1/traces; if the exporter speaks HTTP, set its endpoint to that"
    )]
    NotGrpc,
    #[error("unsupported content type {0:?}: what is posted here is application/json")]
    NotJson(String),
    #[error("unsupported content encoding {0:?}: send gzip, zstd, deflate or identity, one at a time")]
    Encoding(String),
    #[error("the body is not valid {coding}: {problem}")]
    Corrupt { coding: Coding, problem: String },
    #[error("the body ended early or broke off")]
    Interrupted,
    #[error("no byte of the body came for too long")]
    Slow,
    #[error(
        "the body is JSON, and its content type says that it is protobuf: send it as application/json, or let the exporter write protobuf"
    )]
    JsonAsProtobuf,
    #[error("the body is protobuf, and its content type says that it is JSON: send it as application/x-protobuf")]
    ProtobufAsJson,
    #[error(
        "the body is {0}, and Content-Encoding does not say so, or it is compressed twice: send it once compressed, with Content-Encoding: {0}"
    )]
    Undeclared(Coding),
    #[error("{0}")]
    Framing(&'static str),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    InvalidJson(#[from] InvalidJson),
    #[error("the request is larger than {limit_bytes} bytes{}: send smaller batches", if *.decompressed { " after decompression" } else { "" })]
    TooLarge { limit_bytes: usize, decompressed: bool },
    #[error("too much data is being received at this moment: send it again later")]
    Overloaded,
    #[error("the journal is full, because Tempo does not take data or the disk has no room: send it again later")]
    JournalFull,
    #[error("the index is too far behind to show soon what came now: send it again in {} s", .0.as_secs())]
    IndexBehind(Duration),
    #[error("the service is unavailable: send it again later")]
    Unavailable,
    #[error("sessionfold failed to process this request")]
    Internal,
}

/// One row of the table.
struct Row {
    /// The label `outcome` of `sessionfold_receive_requests_total`.
    reason: &'static str,
    http: u16,
    grpc: Code,
    /// When to try again; `None`: never, these bytes will not be taken.
    retry_after: Option<Duration>,
}

/// Long enough for requests in flight to become durable.
const OVERLOADED_RETRY: Duration = Duration::from_secs(1);
/// Long enough for Tempo to take a batch or a retention pass to end, short enough that an exporter (10 s by default) still has time.
const FULL_RETRY: Duration = Duration::from_secs(5);
/// Long enough for a restart.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(2);

// === impl Refusal ===

impl Refusal {
    #[rustfmt::skip]
    fn row(&self) -> Row {
        let row = |reason, http, grpc, retry_after| Row { reason, http, grpc, retry_after };
        match self {
            Self::Unauthenticated => row("unauthenticated", 401, Code::Unauthenticated,    None),
            Self::Forbidden       => row("forbidden",       403, Code::PermissionDenied,   None),
            Self::WrongKeys(wait) => row("wrong_keys",      429, Code::ResourceExhausted,  Some(Duration::from_secs(wait.as_secs() + 1))),
            Self::Loop            => row("loop",            400, Code::FailedPrecondition, None),
            Self::Method          => row("method",          405, Code::Unimplemented,      None),
            Self::MediaType(_)    => row("content_type",    415, Code::Unimplemented,      None),
            Self::GrpcOverHttp    => row("grpc_over_http",  415, Code::Unimplemented,      None),
            Self::NotGrpc         => row("not_grpc",        415, Code::Unimplemented,      None),
            Self::NotJson(_)      => row("content_type",    415, Code::Unimplemented,      None),
            Self::Encoding(_)     => row("encoding",        415, Code::Unimplemented,      None),
            Self::Corrupt { .. }  => row("corrupt",         400, Code::InvalidArgument,    None),
            Self::JsonAsProtobuf  => row("json_as_protobuf", 400, Code::InvalidArgument,   None),
            Self::ProtobufAsJson  => row("protobuf_as_json", 400, Code::InvalidArgument,   None),
            Self::Undeclared(_)   => row("undeclared_coding", 400, Code::InvalidArgument,  None),
            Self::Interrupted     => row("interrupted",     400, Code::Cancelled,          None),
            Self::Slow            => row("slow_body",       408, Code::DeadlineExceeded,   None),
            Self::Framing(_)      => row("framing",         400, Code::InvalidArgument,    None),
            Self::Malformed(_)    => row("malformed",       400, Code::InvalidArgument,    None),
            Self::InvalidJson(_)  => row("malformed",       400, Code::InvalidArgument,    None),
            Self::TooLarge { .. } => row("too_large",       413, Code::InvalidArgument,    None),
            Self::Overloaded      => row("overloaded",      503, Code::Unavailable,        Some(OVERLOADED_RETRY)),
            Self::JournalFull     => row("journal_full",    503, Code::Unavailable,        Some(FULL_RETRY)),
            Self::IndexBehind(at) => row("index_behind",    503, Code::Unavailable,        Some(*at)),
            Self::Unavailable     => row("unavailable",     503, Code::Unavailable,        Some(UNAVAILABLE_RETRY)),
            Self::Internal        => row("internal",        500, Code::Internal,           None),
        }
    }

    pub fn reason(&self) -> &'static str {
        self.row().reason
    }

    pub fn http_status(&self) -> StatusCode {
        StatusCode::from_u16(self.row().http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// `None`: permanent.
    pub fn retry_after(&self) -> Option<Duration> {
        self.row().retry_after
    }

    /// The status as gRPC sends it, with `RetryInfo` where a retry is worth it and `BadRequest` where the bytes are at fault.
    pub fn to_status(&self) -> Status {
        let row = self.row();
        let message = self.to_string();
        let details = match row.retry_after {
            Some(delay) => ErrorDetails::with_retry_info(Some(delay)),
            None if row.http == 400 => ErrorDetails::with_bad_request_violation("body", message.clone()),
            None => {
                let bare = tonic_types::Status { code: row.grpc as i32, message: message.clone(), details: Vec::new() };
                return Status::with_details(row.grpc, message, bare.encode_to_vec().into());
            }
        };
        Status::with_error_details(row.grpc, message, details)
    }

    /// The encoded `google.rpc.Status`: the body of an OTLP/HTTP protobuf refusal.
    pub fn to_protobuf(&self) -> Vec<u8> {
        self.to_status().details().to_vec()
    }

    /// The same `google.rpc.Status` in protobuf's JSON mapping.
    pub fn to_json(&self) -> Vec<u8> {
        let row = self.row();
        let message = self.to_string();
        let details = match row.retry_after {
            Some(delay) => serde_json::json!([{
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", delay.as_secs()),
            }]),
            None if row.http == 400 => serde_json::json!([{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{ "field": "body", "description": message }],
            }]),
            None => serde_json::json!([]),
        };
        serde_json::json!({ "code": row.grpc as i32, "message": message, "details": details }).to_string().into_bytes()
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing => Self::Unauthenticated,
            Denied::WrongRight => Self::Forbidden,
            Denied::Slowed(wait) => Self::WrongKeys(wait),
        }
    }
}

impl From<AcceptError> for Refusal {
    /// The store's own words are for the log.
    fn from(error: AcceptError) -> Self {
        match error {
            // In whole seconds, as `Retry-After` is.
            AcceptError::Behind { retry_after } => Self::IndexBehind(Duration::from_secs(retry_after.as_secs().max(1))),
            AcceptError::Full(_) => Self::JournalFull,
            AcceptError::Unavailable(_) => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Refusal> {
        vec![
            Refusal::Unauthenticated,
            Refusal::Forbidden,
            Refusal::WrongKeys(Duration::from_millis(5_500)),
            Refusal::Loop,
            Refusal::Method,
            Refusal::MediaType("text/plain".into()),
            Refusal::GrpcOverHttp,
            Refusal::NotGrpc,
            Refusal::NotJson("text/plain".into()),
            Refusal::JsonAsProtobuf,
            Refusal::ProtobufAsJson,
            Refusal::Undeclared(Coding::Gzip),
            Refusal::Encoding("br".into()),
            Refusal::Corrupt { coding: Coding::Gzip, problem: "x".into() },
            Refusal::Interrupted,
            Refusal::Slow,
            Refusal::Framing("x"),
            Refusal::Malformed(Malformed { offset: 7, what: "x" }),
            Refusal::InvalidJson(InvalidJson("x".into())),
            Refusal::TooLarge { limit_bytes: 5, decompressed: true },
            Refusal::Overloaded,
            Refusal::JournalFull,
            Refusal::IndexBehind(Duration::from_secs(7)),
            Refusal::Unavailable,
            Refusal::Internal,
        ]
    }

    #[test]
    fn a_permanent_refusal_is_retried_by_nobody_and_a_retryable_one_says_when() {
        for refusal in all() {
            let (http, grpc) = (refusal.http_status().as_u16(), refusal.to_status().code());
            assert_eq!(refusal.retry_after().is_some(), [429, 502, 503, 504].contains(&http), "{refusal:?}");
            let expected = if matches!(refusal, Refusal::WrongKeys(_)) { Code::ResourceExhausted } else { Code::Unavailable };
            assert_eq!(refusal.retry_after().is_some(), grpc == expected, "{refusal:?}");
            let retried_anyway = [Code::ResourceExhausted, Code::OutOfRange, Code::Aborted, Code::DataLoss, Code::Unknown, Code::Ok];
            assert!(refusal.retry_after().is_some() || !retried_anyway.contains(&grpc), "{refusal:?}");
            let delay = refusal.to_status().get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(delay, refusal.retry_after(), "{refusal:?}");
        }
    }

    #[test]
    fn both_bodies_say_the_same() {
        for refusal in all() {
            let status = tonic_types::Status::decode(refusal.to_protobuf().as_slice()).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&refusal.to_json()).unwrap();
            assert_eq!((json["code"].as_i64(), json["message"].as_str()), (Some(status.code.into()), Some(status.message.as_str())));
            assert_eq!(json["details"].as_array().map(Vec::len), Some(status.details.len()), "{refusal:?}");
            for (detail, any) in json["details"].as_array().unwrap().iter().zip(&status.details) {
                assert_eq!(detail["@type"].as_str(), Some(any.type_url.as_str()));
            }
        }
        assert!(Refusal::Malformed(Malformed { offset: 7, what: "x" }).to_string().contains("byte 7"));
    }
}
