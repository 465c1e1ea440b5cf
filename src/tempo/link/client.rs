//! The gRPC client: encoded requests out, as they are, and Tempo's answers in.
//!
//! - It connects when there is something to send, and again after every loss; Tempo may come later than we do.
//! - It neither retries nor classifies failures: the lane does, by [`super::failure`].
//! - No HTTP/2 keep-alive pings: receivers built on grpc-go end connections that ping more often than every five minutes. A dead peer is found by
//!   the request timeout.

use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::segmented::SegmentedBytes;
use super::target::{self, InvalidTarget, Target};
use crate::model::ids::Tenant;
use crate::model::via::Via;
use crate::tempo::options::Options;

/// The gRPC method of `opentelemetry.proto.collector.trace.v1.TraceService/Export`.
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A handle; clones share one connection.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    /// Sent with every request: the user's headers and our instance id.
    metadata: MetadataMap,
    tenant_header: Option<MetadataKey<Ascii>>,
    gzip: bool,
    request_timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Target(#[from] InvalidTarget),
    #[error("cannot read certificates from {}: {source}", path.display())]
    Ca { path: std::path::PathBuf, source: std::io::Error },
    #[error("cannot prepare the connection to {target}: {source}")]
    Transport { target: String, source: tonic::transport::Error },
}

/// How a call ended without an acceptance.
#[derive(Debug)]
pub enum CallError {
    /// No answer in time.
    Timeout(Duration),
    Answer(Status),
}

/// Tempo took the request. What it refused of it is gone for good, says the OTLP specification.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Accepted {
    pub rejected_spans: u64,
    /// The receiver's message.
    pub message: String,
}

// === impl CallError ===

impl fmt::Display for CallError {
    /// The status, and below it what really happened, each thing once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self {
            Self::Timeout(after) => return write!(f, "no answer within {} ms", after.as_millis()),
            Self::Answer(status) => status,
        };
        let mut text = format!("{:?}: {}", status.code(), status.message());
        let mut source = std::error::Error::source(status);
        while let Some(error) = source {
            let words = error.to_string();
            if !text.contains(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            source = error.source();
        }
        f.write_str(&text)
    }
}

// === impl Client ===

impl Client {
    /// Checks everything the user wrote; connects nowhere yet. Must be called in a runtime.
    pub fn new(options: &Options) -> Result<Self, BuildError> {
        let target = Target::parse(&options.endpoint)?;
        let mut metadata = target::metadata(&options.headers)?;
        let instance_id = options.instance_id.parse().map_err(|_| InvalidTarget::HeaderValue(crate::tempo::INSTANCE_HEADER.to_owned()))?;
        metadata.insert(crate::tempo::INSTANCE_HEADER, instance_id);
        let tenant_header = options.tenant_header.as_deref().map(target::metadata_key).transpose()?;
        let channel = endpoint(&target, options)?.connect_lazy();
        Ok(Self { channel, metadata, tenant_header, gzip: options.gzip, request_timeout: options.retry.request_timeout })
    }

    /// Sends encoded requests as one; none at all asks only whether anybody answers.
    pub async fn export(&self, request: SegmentedBytes, tenant: &Tenant) -> Result<Accepted, CallError> {
        self.export_via(request, tenant, &Via::default()).await
    }

    /// The same of spans that came through other instances.
    pub(in crate::tempo) async fn export_via(&self, request: SegmentedBytes, tenant: &Tenant, via: &Via) -> Result<Accepted, CallError> {
        let mut request = Request::new(request);
        *request.metadata_mut() = self.metadata.clone();
        if let Some(header) = self.tenant_header.as_ref().filter(|_| tenant.as_str() != Tenant::DEFAULT) {
            let name: MetadataValue<Ascii> = tenant.as_str().parse().expect("a tenant's name has only letters, digits and `_.-`");
            request.metadata_mut().insert(header.clone(), name);
        }
        if !via.is_empty() {
            let list: MetadataValue<Ascii> = via.to_list().parse().expect("an id has only letters, digits, `-` and `_`");
            request.metadata_mut().insert(crate::tempo::VIA_HEADER, list);
        }
        let call = async {
            let mut grpc = tonic::client::Grpc::new(self.channel.clone()).accept_compressed(CompressionEncoding::Gzip);
            if self.gzip {
                grpc = grpc.send_compressed(CompressionEncoding::Gzip);
            }
            grpc.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
            grpc.unary(request, http::uri::PathAndQuery::from_static(EXPORT), RawCodec).await
        };
        let response = match tokio::time::timeout(self.request_timeout, call).await {
            Err(_) => return Err(CallError::Timeout(self.request_timeout)),
            Ok(Err(status)) => return Err(CallError::Answer(status)),
            Ok(Ok(response)) => response.into_inner(),
        };
        let Some(partial) = response.partial_success else {
            return Ok(Accepted::default());
        };
        Ok(Accepted { rejected_spans: u64::try_from(partial.rejected_spans).unwrap_or(0), message: partial.error_message })
    }
}

fn endpoint(target: &Target, options: &Options) -> Result<Endpoint, BuildError> {
    let failed = |source| BuildError::Transport { target: target.to_string(), source };
    let endpoint = Endpoint::from_shared(target.to_string())
        .and_then(|endpoint| endpoint.user_agent(concat!("sessionfold/", env!("CARGO_PKG_VERSION"))))
        .map_err(failed)?
        .connect_timeout(options.retry.connect_timeout)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .tcp_nodelay(true);
    if !target.is_tls() {
        return Ok(endpoint);
    }
    let tls = ClientTlsConfig::new().domain_name(target.host());
    let tls = match &options.ca {
        None => tls.with_native_roots(),
        Some(path) => {
            let pem = std::fs::read(path).map_err(|source| BuildError::Ca { path: path.clone(), source })?;
            tls.ca_certificate(Certificate::from_pem(pem))
        }
    };
    endpoint.tls_config(tls).map_err(failed)
}

// === impl RawCodec ===

/// Writes encoded requests one after the other, which is the encoding of the merged request; reads the OTLP response.
#[derive(Clone, Copy, Debug)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = SegmentedBytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = SegmentedBytes;
    type Error = Status;

    fn encode(&mut self, request: SegmentedBytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(request.len());
        request.for_each(|segment| buffer.put_slice(segment));
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<ExportTraceServiceResponse>, Status> {
        // The status says that Tempo took the request; an answer we cannot read must not make us send it again.
        Ok(Some(ExportTraceServiceResponse::decode(buffer.copy_to_bytes(buffer.remaining())).unwrap_or_default()))
    }
}
