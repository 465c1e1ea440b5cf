//! Sends the parcels when they are due, some at a time.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{Client, ClientError};
use super::progress;
use super::traffic::Parcel;

/// Requests under way at one time.
const AT_A_TIME: usize = 4;
/// A server that is busy is asked again, so often, unless it names another delay.
const TRIES: u32 = 6;
const RETRY_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// What became of the spans.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    pub spans: u64,
    /// Taken out by the server, which said so.
    pub rejected: u64,
}

/// Sends all parcels; the first failure that no retry mends ends it.
pub async fn send(client: &Client, parcels: Vec<Parcel>) -> Result<Sent, ClientError> {
    let start = Instant::now();
    let bar = progress::bar("sending spans", parcels.iter().map(|parcel| parcel.n_spans).sum());
    let mut answers = stream::iter(parcels)
        .map(async |parcel| {
            sleep_until(start + parcel.due).await;
            Ok(Sent { spans: parcel.n_spans, rejected: deliver(client, &parcel).await? })
        })
        .buffered(AT_A_TIME);
    let mut sent = Sent::default();
    while let Some(answer) = answers.next().await {
        let Sent { spans, rejected } = answer?;
        sent.spans += spans;
        sent.rejected += rejected;
        bar.inc(spans);
    }
    bar.finish_and_clear();
    Ok(sent)
}

/// The number of spans the server did not want.
async fn deliver(client: &Client, parcel: &Parcel) -> Result<u64, ClientError> {
    let mut tries = 1;
    loop {
        let answer = client.post_traces(parcel.body.clone()).await?;
        let is_busy = matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if is_busy && tries < TRIES {
            tries += 1;
            sleep(answer.retry_after.unwrap_or(RETRY_AFTER).min(RETRY_AFTER_MAX)).await;
            continue;
        }
        let body = client.expect_ok("/v1/traces", answer)?;
        let response = ExportTraceServiceResponse::decode(body).map_err(|error| client.unreadable("/v1/traces", error))?;
        return Ok(response.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)));
    }
}
