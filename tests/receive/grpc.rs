//! OTLP over gRPC: a real client, and frames that no client would send.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use sessionfold::auth::Authenticator;
use sessionfold::ingest::Options;
use sessionfold::server::Limits;
use sessionfold::store::AcceptError;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use super::harness::*;

/// Protobuf messages as generated clients send them.
struct Messages<T, U>(std::marker::PhantomData<(T, U)>);

impl<T, U> Default for Messages<T, U> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<T: Message + 'static, U: Message + Default + 'static> Codec for Messages<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<T: Message, U> Encoder for Messages<T, U> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out).map_err(|error| Status::internal(error.to_string()))
    }
}

impl<T, U: Message + Default> Decoder for Messages<T, U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

async fn connect(door: &Door) -> Channel {
    Endpoint::from_shared(format!("http://{}", door.address)).unwrap().connect().await.unwrap()
}

pub async fn unary<T, U>(door: &Door, path: &'static str, coding: Option<CompressionEncoding>, request: T) -> Result<Response<U>, Status>
where
    T: Message + 'static,
    U: Message + Default + 'static,
{
    let mut client = tonic::client::Grpc::new(connect(door).await);
    if let Some(coding) = coding {
        client = client.send_compressed(coding);
    }
    client.ready().await.unwrap();
    client.unary(Request::new(request), http::uri::PathAndQuery::from_static(path), Messages::<T, U>::default()).await
}

async fn export(
    door: &Door,
    coding: Option<CompressionEncoding>,
    request: ExportTraceServiceRequest,
) -> Result<ExportTraceServiceResponse, Status> {
    unary(door, TRACES, coding, request).await.map(Response::into_inner)
}

#[tokio::test]
async fn a_grpc_client_exports_in_every_coding() {
    let codings = [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Deflate), Some(CompressionEncoding::Zstd)];
    for sent in [request(vec![good(1)]), request((1..=200).cycle().take(20_000).map(good).collect())] {
        for coding in codings {
            let door = open().await;
            let answer = export(&door, coding, sent.clone()).await.unwrap();
            assert_eq!(answer, ExportTraceServiceResponse { partial_success: None });
            assert_eq!(door.store.only(), sent.encode_to_vec(), "{coding:?}");
            assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
            door.close().await;
        }
    }
}

#[tokio::test]
async fn one_connection_carries_many_concurrent_exports() {
    let door = open().await;
    let channel = connect(&door).await;
    let exports = (1..=200u8).map(|n| {
        let mut client = tonic::client::Grpc::new(channel.clone());
        tokio::spawn(async move {
            client.ready().await.unwrap();
            let codec = Messages::<ExportTraceServiceRequest, ExportTraceServiceResponse>::default();
            client.unary(Request::new(request(vec![good(n)])), http::uri::PathAndQuery::from_static(TRACES), codec).await.map(drop)
        })
    });
    for export in exports.collect::<Vec<_>>() {
        export.await.unwrap().unwrap();
    }
    let mut accepted: Vec<_> = door.store.accepted().into_iter().map(|(_, bytes)| bytes).collect();
    accepted.sort();
    assert_eq!(accepted, (1..=200).map(|n| encoded(vec![good(n)])).collect::<Vec<_>>());
}

#[tokio::test]
async fn bad_spans_are_a_partial_success_over_grpc_too() {
    let door = open().await;
    let partial = export(&door, None, request(vec![good(1), span(&[0; 16], &[1; 8], "x")])).await.unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.starts_with("1 of 2 spans rejected: trace_id_zero (1)"), "{}", partial.error_message);
    assert_eq!(door.store.only(), encoded(vec![good(1)]));
}

#[tokio::test]
async fn logs_and_metrics_are_all_rejected_with_an_ok() {
    let door = open().await;
    let scope = ScopeLogs { log_records: vec![LogRecord::default(); 2], ..Default::default() };
    let logs = ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..Default::default() }] };
    let answer: ExportLogsServiceResponse = unary(&door, LOGS, None, logs).await.unwrap().into_inner();
    assert_eq!(answer.partial_success.unwrap().rejected_log_records, 2);
    let path = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let answer: ExportMetricsServiceResponse = unary(&door, path, None, ExportMetricsServiceRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.partial_success, None);
}

#[tokio::test]
async fn a_retryable_refusal_carries_retry_info_and_a_permanent_one_does_not() {
    let door = open().await;
    for (error, seconds) in [(AcceptError::Full("x".into()), 5), (AcceptError::Unavailable("x".into()), 2)] {
        door.store.refuse(Some(error));
        let status = export(&door, None, request(vec![good(1)])).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(seconds)));
    }
    let answer = door.call(TRACES, &[("x-sessionfold-instance", INSTANCE)], frame(0, &encoded(vec![good(1)]))).await;
    assert_eq!(answer.grpc(), Code::FailedPrecondition);
    assert!(Status::from_header_map(&answer.headers).unwrap().get_details_retry_info().is_none());
}

#[tokio::test]
async fn frames_that_no_client_would_send_are_answered() {
    let door = open().await;
    let body = encoded(vec![good(1)]);
    let check = async |headers: &[(&str, &str)], sent: bytes::Bytes, code, part: &str| {
        let answer = door.call(TRACES, headers, sent).await;
        assert_eq!((answer.grpc(), answer.grpc_message().contains(part)), (code, true), "{}", answer.grpc_message());
    };
    let bad = Code::InvalidArgument;
    check(&[], bytes::Bytes::new(), bad, "before its message").await;
    check(&[], frame(0, &body).slice(..20), bad, "shorter").await;
    check(&[], [frame(0, &body), frame(0, &body)].concat().into(), bad, "unary").await;
    check(&[], frame(2, &body), bad, "flag").await;
    check(&[], frame(1, &body), bad, "grpc-encoding").await;
    check(&[("grpc-encoding", "gzip")], frame(1, &body), bad, "gzip").await;
    check(&[("grpc-encoding", "snappy")], frame(1, &body), Code::Unimplemented, "snappy").await;
    check(&[], frame(0, b"garbage"), bad, "at byte ").await;
    check(&[], frame(0, &body[..body.len() - 1]), bad, "at byte ").await;
    assert!(door.store.accepted().is_empty());
    // A coding that is named and not used is no fault.
    check(&[("grpc-encoding", "gzip")], frame(0, &body), Code::Ok, "").await;
    let answer = door.call(TRACES, &[("grpc-encoding", "br")], frame(1, &body)).await;
    assert_eq!(answer.header("grpc-accept-encoding"), "gzip,zstd,deflate,identity");
}

#[tokio::test]
async fn a_message_over_the_limit_is_a_permanent_refusal_however_it_is_packed() {
    let options = Options { max_request_bytes: 100_000, ..Options::default() };
    let door = open_with(Authenticator::off(), options, Limits::default()).await;
    let big = vec![0; 3_000_000];
    let (gz, zl, zs) = (gzip(&big), zlib(&big), zstd(&big));
    for (headers, flag, sent) in [
        (&[][..], 0, &big),
        (&[("grpc-encoding", "gzip")], 1, &gz),
        (&[("grpc-encoding", "deflate")], 1, &zl),
        (&[("grpc-encoding", "zstd")], 1, &zs),
    ] {
        let answer = door.call(TRACES, headers, frame(flag, sent)).await;
        assert_eq!(answer.grpc(), Code::InvalidArgument);
        assert!(answer.grpc_message().contains("larger than 100000 bytes"), "{}", answer.grpc_message());
    }
    assert_eq!(door.metric("sessionfold_receive_requests_total{signal=\"traces\",transport=\"grpc\",outcome=\"too_large\"}"), 4);
    assert_eq!(door.metric("sessionfold_receive_inflight_bytes"), 0);
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_passes() {
    let body = encoded(vec![span(&[1; 16], &[1; 8], &"x".repeat(50_000))]);
    let options = Options { max_request_bytes: body.len(), ..Options::default() };
    let door = open_with(Authenticator::off(), options, Limits::default()).await;
    assert_eq!(door.call(TRACES, &[], frame(0, &body)).await.grpc(), Code::Ok);
    assert_eq!(door.call(TRACES, &[("grpc-encoding", "gzip")], frame(1, &gzip(&body))).await.grpc(), Code::Ok);
    assert_eq!(door.post("/v1/traces", &[PROTOBUF], body).await.status, 200);
}

#[tokio::test]
async fn grpc_and_http_are_told_apart_on_one_port() {
    let door = open().await;
    export(&door, None, request(vec![good(1)])).await.unwrap();
    assert_eq!(door.post("/v1/traces", &[PROTOBUF], encoded(vec![good(2)])).await.status, 200);
    // OTLP/HTTP over HTTP/2 is allowed too.
    assert_eq!(door.send("POST", "/v1/traces", &[PROTOBUF], encoded(vec![good(3)]), true).await.status, 200);
    assert_eq!(door.store.accepted().len(), 3);

    assert_eq!(door.post(TRACES, &[PROTOBUF], encoded(vec![good(1)])).await.status, 415);
    assert_eq!(door.send("GET", TRACES, &[], "", false).await.status, 405);
    let answer = door.post(TRACES, &[("content-type", "application/grpc")], frame(0, b"")).await;
    assert_eq!((answer.grpc(), answer.grpc_message().contains("HTTP/2")), (Code::InvalidArgument, true));
    let answer = door.call("/grpc.health.v1.Health/Check", &[], frame(0, b"")).await;
    assert_eq!(answer.grpc(), Code::Unimplemented);
}

#[tokio::test]
async fn the_answer_ends_with_a_status_that_old_clients_find() {
    let door = open().await;
    let answer = door.call(TRACES, &[], frame(0, &encoded(vec![good(1)]))).await;
    assert_eq!((answer.body.as_ref(), answer.trailers["grpc-status"].as_bytes()), (&[0u8; 5][..], &b"0"[..]));
    let refused = door.call(TRACES, &[], frame(0, b"garbage")).await;
    assert!(refused.body.is_empty() && refused.headers.contains_key("grpc-status-details-bin"));
    assert!(!MetadataMap::from_headers(refused.headers).is_empty());
}
