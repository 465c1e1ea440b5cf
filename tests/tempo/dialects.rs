//! What real packages sent comes back from a real Tempo: `verify` agrees, and `rebuild` gives every session again.
//!
//! The recordings are those of `tests/dialects`. Their times are moved to some minutes ago, since Tempo is asked about the last hours only; how
//! the spans of a recording lie to one another stays.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::rebuild::{ALL, comes_back, everything_left, shown};
use crate::recording::{self, Recording};
use crate::support::server::Place;
use crate::support::spans::SECOND;
use crate::support::tempo::Tempo;
use crate::verify::{against, verdict};

/// The requests of a recording, so that its last span ended at `end`.
fn moved(recording: &Recording, end: u64) -> Vec<Bytes> {
    let decoded = recording.requests.iter().map(|bytes| ExportTraceServiceRequest::decode(&**bytes).unwrap());
    let mut requests: Vec<ExportTraceServiceRequest> = decoded.collect();
    let last = requests.iter_mut().flat_map(spans).map(|span| span.end_time_unix_nano.max(span.start_time_unix_nano)).max().unwrap();
    for span in requests.iter_mut().flat_map(spans) {
        for time in [&mut span.start_time_unix_nano, &mut span.end_time_unix_nano] {
            if *time > 0 {
                *time = *time + end - last;
            }
        }
    }
    requests.iter().map(|request| request.encode_to_vec().into()).collect()
}

fn spans(request: &mut ExportTraceServiceRequest) -> impl Iterator<Item = &mut Span> {
    request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans).flat_map(|scope| &mut scope.spans)
}

#[tokio::test]
async fn what_real_packages_sent_is_in_tempo_as_it_is_here_and_comes_back_from_there() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
    let recordings = recording::all();
    for recording in &recordings {
        for request in moved(recording, now - 300 * SECOND) {
            server.send(request).await.unwrap_or_else(|error| panic!("{}: {error}", recording.name));
        }
    }
    everything_left(&server).await;
    let before = shown(&server, ALL).await;
    // Some recordings are of the same program, with the same sessions.
    let truths = recordings.iter().flat_map(|recording| &recording.expected.sessions).filter(|(_, truth)| truth.known);
    let sessions: BTreeSet<&String> = truths.map(|(session, _)| session).collect();
    assert!(before.len() >= sessions.len(), "{} answers for {} sessions", before.len(), sessions.len());
    verdict(against(&server, &tempo), &[]).await;
    assert_eq!(server.terminate().await.code, Some(0));
    comes_back(&place, &tempo, &before, ALL).await;
}
