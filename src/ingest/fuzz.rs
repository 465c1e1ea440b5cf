//! Bodies of fuzz targets: what must hold for any body of any request, and for any address below the SDK's path.

use bytes::Bytes;
use http::Method;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

use super::admission::Admission;
use super::body::Held;
use super::encoding::Coding;
use super::screen::{Format, decode, screen};
use super::told;
use super::{agent_metrics, grpc, observe};
use crate::conventions::agents;
use crate::model::time::UnixNanos;
use crate::wire::otlp;
use crate::wire::otlp::inspect::{Limits, inspect};

/// Enough for what a fuzzer sends, and little enough that a bomb meets it.
const MAX_BYTES: usize = 1 << 20;
const INFLIGHT_MAX_BYTES: u64 = 4 << 20;
const LIMITS: Limits = Limits { max_depth: 30 };

/// Any body in any frame and coding: refused, or what is kept of it can be decoded by anyone, within the limits, and is paid for until
/// it is dropped.
///
/// The first byte says how it came: two bits for the coding, one for JSON, one for a gRPC frame around it.
pub fn check_body(bytes: &[u8]) {
    let Some((how, body)) = bytes.split_first() else {
        return;
    };
    let mut coding = [Coding::Identity, Coding::Gzip, Coding::Deflate, Coding::Zstd][usize::from(how & 3)];
    let format = if how & 4 == 0 { Format::Protobuf } else { Format::Json };
    let mut body = Bytes::copy_from_slice(body);
    if how & 8 != 0 {
        match grpc::unframe(&mut body) {
            Ok(true) => {}
            Ok(false) => coding = Coding::Identity,
            Err(_) => return,
        }
    }
    let admission = Admission::new(INFLIGHT_MAX_BYTES);
    let Ok(permit) = admission.admit(body.len()) else {
        return;
    };
    let held = decode(Held { bytes: body, permit }, coding, MAX_BYTES);
    if let Ok(held) = held {
        assert!(coding == Coding::Identity || held.bytes.len() <= MAX_BYTES);
        if let Ok(screened) = screen(held, format, LIMITS) {
            let kept = &screened.held.bytes;
            ExportTraceServiceRequest::decode(kept.clone()).expect("what is kept can be decoded");
            let again = inspect(kept, LIMITS).expect("what is kept is well formed");
            assert_eq!((again.faults.len(), again.n_broken_texts), (0, 0));
            assert_eq!(again.n_spans as u64, screened.n_accepted);
            assert_eq!(admission.inflight_bytes(), kept.len() as u64);
        }
    }
    assert_eq!(admission.inflight_bytes(), 0);
}

/// Any metrics: counted or refused.
pub fn check_count(bytes: &[u8]) {
    // A point takes two bytes at least: its key and its length.
    if let Ok(counted) = otlp::metrics::points(bytes) {
        assert!(counted <= bytes.len() as u64 / 2);
    }
    if let Ok(counted) = otlp::metrics::points_json(bytes) {
        assert!(counted <= bytes.len() as u64);
    }
    let _ = (agent_metrics::is_of_coding_agents(bytes), agent_metrics::is_of_coding_agents_json(bytes));
}

/// Any logs: told or refused, and nothing of the bytes in flight is left behind.
pub fn check_logs(bytes: &[u8]) {
    for format in [Format::Protobuf, Format::Json] {
        let admission = Admission::new(INFLIGHT_MAX_BYTES);
        let Ok(permit) = admission.admit(bytes.len()) else { return };
        let held = Held { bytes: Bytes::copy_from_slice(bytes), permit };
        if let Ok((told, held)) = told::tell(held, format, "acme", bytes.len().is_multiple_of(2)) {
            agents::fuzz::check(&held.bytes, &told);
        }
        assert_eq!(admission.inflight_bytes(), 0);
    }
}

/// Any address and body below the path of the Waxell SDK: it has a name among those of the metrics, and an agent's name is bounded.
///
/// The first line is the address, the rest is the body.
pub fn check_observe(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (address, body) = bytes.split_at(end);
    let address = String::from_utf8_lossy(address);
    for method in [Method::GET, Method::POST] {
        let name = observe::route::Route::of(&method, &address).name();
        assert!(!name.is_empty() && name.len() < 32);
    }
    let body = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
    let (agent, date) = observe::route::agent_and_date(&body, UnixNanos(1_700_000_000_000_000_000));
    assert!(agent.len() <= 256 && date.len() <= 256);
}
