//! What a failed export means: whether Tempo has the spans, and what to do next. It is decided here and nowhere else.
//!
//! | answer | failure, and what follows |
//! |---|---|
//! | no connection, stream refused, `UNAVAILABLE` | refused: nothing was stored, again after a back-off |
//! | `RESOURCE_EXHAUSTED` | refused: again after its RetryInfo, else after a back-off |
//! | `RESOURCE_EXHAUSTED` "larger than max", "exceeds ingestion limit" | too large: split (Tempo adds a RetryInfo to the second, though it never heals) |
//! | timeout, connection lost after sending, `CANCELLED`, `ABORTED`, ... | unknown: Tempo may have it |
//! | `INVALID_ARGUMENT`, `INTERNAL` with a message about unmarshalling | bad data |
//! | no or wrong tenant, credentials, service, or our own instance | misconfigured: nothing is wrong with the data, retried slowly without end |
//! | any other code | doubtful: the specification says not to retry, yet nothing says that the data is to blame |
//!
//! The codes and texts were measured on a real Tempo 3 (`docs/tempo.md`).

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why a request was not accepted, by what has to be done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Certainly not stored. `after`: how long the receiver asks to be left alone.
    Refused { cause: Cause, after: Option<Duration> },
    /// Whether it was stored is not known.
    Unknown(Cause),
    /// Waiting does not help: a person has to change something.
    Misconfigured(Cause),
    /// The request is too large, whatever is in it.
    TooLarge,
    /// Something in the request is unacceptable.
    BadData,
    /// Refused for good, without a reason.
    Doubtful,
}

/// Why a request has to be sent again; a label of metrics and the key by which warnings are counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    Unreachable,
    Unavailable,
    RateLimited,
    Timeout,
    ConnectionLost,
    Aborted,
    NoTenant,
    BadTenant,
    Unauthenticated,
    PermissionDenied,
    NotOtlp,
    OwnInstance,
    ServerError,
}

/// No receiver is believed when it asks for more than this.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(300);

/// Judges a failed call.
pub fn classify(status: &Status) -> Failure {
    if let Some(failure) = classify_transport(status) {
        return failure;
    }
    let text = status.message().to_ascii_lowercase();
    let after = || status.get_details_retry_info().and_then(|info| info.retry_delay).map(|delay| delay.min(MAX_RETRY_DELAY));
    match status.code() {
        Code::Unavailable if text.contains("no org id") => Failure::Misconfigured(Cause::NoTenant),
        Code::Unavailable if is_gateway_doubt(&text) => Failure::Unknown(Cause::ConnectionLost),
        Code::Unavailable => Failure::Refused { cause: Cause::Unavailable, after: after() },
        Code::ResourceExhausted if text.contains("larger than max") || text.contains("exceeds ingestion limit") => Failure::TooLarge,
        Code::ResourceExhausted => Failure::Refused { cause: Cause::RateLimited, after: after() },
        Code::InvalidArgument if text.contains("tenant") || text.contains("org id") => Failure::Misconfigured(Cause::BadTenant),
        Code::InvalidArgument => Failure::BadData,
        Code::Internal if text.contains("unmarshal") || text.contains("proto:") => Failure::BadData,
        Code::Unauthenticated => Failure::Misconfigured(Cause::Unauthenticated),
        Code::PermissionDenied => Failure::Misconfigured(Cause::PermissionDenied),
        Code::FailedPrecondition if text.contains("sessionfold") => Failure::Misconfigured(Cause::OwnInstance),
        Code::Unimplemented | Code::NotFound => Failure::Misconfigured(Cause::NotOtlp),
        Code::DeadlineExceeded => Failure::Unknown(Cause::Timeout),
        Code::Cancelled | Code::Aborted | Code::OutOfRange | Code::DataLoss => Failure::Unknown(Cause::Aborted),
        _ => Failure::Doubtful,
    }
}

/// Failures that no server answered; they have a source.
fn classify_transport(status: &Status) -> Option<Failure> {
    let mut next = status.source();
    next?;
    while let Some(error) = next {
        if error.is::<tonic::ConnectError>() {
            return Some(Failure::Refused { cause: Cause::Unreachable, after: None });
        }
        // hyper calls a request canceled that it never began to send.
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return Some(Failure::Refused { cause: Cause::Unreachable, after: None });
        }
        next = error.source();
    }
    // Of the ways a stream can end, only REFUSED_STREAM promises that nothing was done with it, and only it becomes this code and text.
    if status.code() == Code::Unavailable && status.message().starts_with("h2 protocol error") {
        return Some(Failure::Refused { cause: Cause::Unavailable, after: None });
    }
    Some(Failure::Unknown(Cause::ConnectionLost))
}

/// Proxies answer for a server that they lost, perhaps after it had read the request.
fn is_gateway_doubt(text: &str) -> bool {
    let gateway = text.contains("grpc-status header missing") && (text.contains("502") || text.contains("504"));
    gateway || text.contains("disconnect/reset") || text.contains("upstream request timeout")
}

// === impl Cause ===

impl Cause {
    /// A label for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::Aborted => "aborted",
            Self::NoTenant => "no_tenant",
            Self::BadTenant => "bad_tenant",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotOtlp => "not_otlp",
            Self::OwnInstance => "own_instance",
            Self::ServerError => "server_error",
        }
    }

    /// Whether Tempo as a whole is away, and not only closed to one tenant or one batch.
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::Unavailable | Self::Timeout | Self::ConnectionLost | Self::Aborted)
    }

    /// What a person can do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Unreachable => "is Tempo running, and is this its OTLP gRPC port",
            Self::Unavailable | Self::Aborted | Self::ServerError => "see Tempo's own log",
            Self::RateLimited => "raise Tempo's overrides.defaults.ingestion.rate_limit_bytes and burst_size_bytes if it lasts",
            Self::Timeout | Self::ConnectionLost => {
                "spans that Tempo may already have are sent again later, so that it can merge the copies"
            }
            Self::NoTenant => "this Tempo is multi-tenant: set the header X-Scope-OrgID in forward.headers",
            Self::BadTenant => "Tempo does not accept this tenant: check X-Scope-OrgID in forward.headers and the tenants of the keys",
            Self::Unauthenticated | Self::PermissionDenied => "set the credentials in forward.headers, for instance Authorization",
            Self::NotOtlp => "this is not an OTLP gRPC receiver of traces: Tempo's is on port 4317 by default",
            Self::OwnInstance => "the address leads back to this server",
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn check(code: Code, message: &str, expected: Failure) {
        assert_eq!(classify(&Status::new(code, message)), expected, "{code:?} {message}");
    }

    #[test]
    fn the_answers_of_a_real_tempo_are_understood() {
        let limited =
            "RATE_LIMITED: ingestion rate limit (local: 15 bytes/s, global: 0 bytes/s, burst: 20 bytes) exceeded while adding 9 bytes";
        let burst =
            "RATE_LIMITED: batch size (346029 bytes) exceeds ingestion limit (local: 15 bytes/s, global: 0 bytes/s, burst: 20 bytes)";
        let details = || ErrorDetails::with_retry_info(Some(Duration::from_secs(5)));
        let with_info = |text: &str| classify(&Status::with_error_details(Code::ResourceExhausted, text, details()));
        assert_eq!(with_info(limited), Failure::Refused { cause: Cause::RateLimited, after: Some(Duration::from_secs(5)) });
        assert_eq!(with_info(burst), Failure::TooLarge);
        check(Code::ResourceExhausted, "grpc: received message larger than max (4301013 vs. 4194304)", Failure::TooLarge);
        check(Code::Internal, "grpc: error unmarshalling request: unmarshal: invalid TraceID length", Failure::BadData);
        check(Code::InvalidArgument, "trace ids must be 128 bit, received 64 bits", Failure::BadData);
        check(Code::Unavailable, "no org id", Failure::Misconfigured(Cause::NoTenant));
        check(Code::InvalidArgument, "tenant ID 'a|b' contains unsupported character '|'", Failure::Misconfigured(Cause::BadTenant));
        check(Code::Unavailable, "error pushing to live store", Failure::Refused { cause: Cause::Unavailable, after: None });
    }

    #[test]
    fn no_code_alone_makes_data_bad_but_invalid_argument() {
        for number in 1..=16 {
            let code = Code::from_i32(number);
            let failure = classify(&Status::new(code, ""));
            assert_eq!(failure == Failure::BadData, code == Code::InvalidArgument, "{code:?}");
        }
    }

    #[test]
    fn a_receiver_cannot_ask_to_wait_for_ever() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(1_000_000)));
        let status = Status::with_error_details(Code::Unavailable, "later", details);
        assert_eq!(classify(&status), Failure::Refused { cause: Cause::Unavailable, after: Some(MAX_RETRY_DELAY) });
    }

    #[test]
    fn a_gateway_that_lost_its_server_leaves_doubt() {
        let lost = Failure::Unknown(Cause::ConnectionLost);
        check(Code::Unavailable, "upstream connect error or disconnect/reset before headers. reset reason: connection termination", lost);
        check(Code::Unavailable, "grpc-status header missing, mapped from HTTP status code 504", lost);
        let refused = Failure::Refused { cause: Cause::Unavailable, after: None };
        check(Code::Unavailable, "grpc-status header missing, mapped from HTTP status code 503", refused);
    }
}
