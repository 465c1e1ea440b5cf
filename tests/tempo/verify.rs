//! `sessionfold verify` finds what was made to differ, and nothing else.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;
use sessionfold::model::ids::{SpanId, Tenant, TraceId};
use sessionfold::tempo::link::client::Client;
use sessionfold::tempo::options::Options;
use sessionfold::wire::format::stored;
use sessionfold::wire::otlp::stamp::{Fate, Layout};

use crate::support::server::{Place, Server, until};
use crate::support::spans::{SECOND, Tell, agent, chat, request, span};
use crate::support::tempo::Tempo;

const N_TRACES: u128 = 24;

fn trace_id(n: u128) -> u128 {
    n << 64 | 0xbeef
}

fn nanos_now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// A run of two calls that ended some seconds ago.
fn run(n: u128) -> Vec<Span> {
    let trace = trace_id(n);
    let start = nanos_now() - 40 * SECOND;
    let spans = [
        chat(trace, 2, 1, (100 + n as i64, 20), 300),
        chat(trace, 3, 1, (10, 2), 31),
        agent(trace, 1, 0, "planner").session(&format!("conv \"{}\"", n % 4)),
    ];
    spans.into_iter().map(|span| span.between(start, start + SECOND)).collect()
}

/// The command's exit code and what it printed.
async fn verify(arguments: Vec<String>) -> (i32, Value) {
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_sessionfold"))
            .env_clear()
            .args(["verify", "--json", "--grace", "0s", "--since", "1h"])
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    });
    let output = ran.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap();
    (code, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{code}: {error}: {said}{errors}")))
}

pub fn against(server: &Server, tempo: &Tempo) -> Vec<String> {
    vec!["--http".into(), server.http.to_string(), "--tempo-query".into(), tempo.query_url()]
}

/// Waits until the command says this of the causes and spans, since Tempo's search lags.
pub async fn verdict(arguments: Vec<String>, expected: &[(&str, Option<String>, Vec<String>)]) {
    let found = async || {
        let (code, said) = verify(arguments.clone()).await;
        let differences = said["differences"].as_array().unwrap();
        let mut found: Vec<_> = differences
            .iter()
            .map(|it| {
                let spans = it["spans"].as_array().unwrap().iter().map(|span| span.as_str().unwrap().to_owned()).collect();
                (it["cause"].as_str().unwrap().to_owned(), it["trace_id"].as_str().map(str::to_owned), spans)
            })
            .collect::<Vec<(String, Option<String>, Vec<String>)>>();
        found.sort();
        found.dedup();
        assert_eq!(code, i32::from(!differences.is_empty()));
        (found, said)
    };
    let mut expected: Vec<_> = expected.iter().map(|(cause, trace, spans)| ((*cause).to_owned(), trace.clone(), spans.clone())).collect();
    expected.sort();
    let mut last = found().await;
    for _ in 0..40 {
        if last.0 == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        last = found().await;
    }
    assert_eq!(last.0, expected, "{}", last.1);
}

#[tokio::test]
async fn verify_agrees_and_then_finds_a_doubled_span_a_lost_trace_and_a_span_that_the_index_lost() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("fold.checkpoint_interval", "200ms");
    let server = place.start().await;
    for n in 1..=N_TRACES {
        server.send(request(run(n))).await.unwrap();
    }
    verdict(against(&server, &tempo), &[]).await;
    // A call after its run left: the run is told by its own span and a correction, in two blocks of Tempo's perhaps.
    let start = nanos_now() - 39 * SECOND;
    server.send(request([chat(trace_id(7), 8, 1, (3, 3), 9).between(start, start)])).await.unwrap();
    let corrected = async || server.get("/metrics").await.text.contains("\nsessionfold_forward_corrections_total 1\n");
    until("a correction left", corrected).await;
    verdict(against(&server, &tempo), &[]).await;

    // A call that Tempo was sent twice within seconds.
    let query = tempo.query_client();
    let doubled = TraceId::from_bytes(&trace_id(100).to_be_bytes()).unwrap();
    server.send(request(run(100))).await.unwrap();
    until("tempo has the trace", async || query.trace(&Tenant::default(), doubled).await.unwrap().is_some()).await;
    let bytes = query.trace(&Tenant::default(), doubled).await.unwrap().unwrap();
    let mut ids = Vec::new();
    let layout = Layout::of(&bytes, |span| ids.push(SpanId::from_bytes(span.span_id).unwrap())).unwrap();
    let call = SpanId::from_u64(2).unwrap();
    let again = layout.write(&bytes, 0, |n, _| if ids[n] == call { Fate::Keep } else { Fate::Drop });
    let direct = Client::new(&Options::new(&tempo.otlp_endpoint(), "a test")).unwrap();
    direct.export(again.into(), &Tenant::default()).await.unwrap();
    let twice = ("doubled_in_tempo", Some(doubled.to_string()), vec![call.to_string()]);
    verdict(against(&server, &tempo), std::slice::from_ref(&twice)).await;

    // A span that the index loses: its fact is taken out of the database, and the trace is folded again.
    let lost = TraceId::from_bytes(&trace_id(5).to_be_bytes()).unwrap();
    assert_eq!(server.terminate().await.code, Some(0));
    let db = rusqlite::Connection::open(place.data().join("index.sqlite")).unwrap();
    let blob: Vec<u8> = db.query_row("SELECT facts FROM traces WHERE trace_id = ?1", [lost.as_bytes()], |row| row.get(0)).unwrap();
    let mut trace = stored::decode_trace(&blob).unwrap();
    trace.facts.retain(|fact| fact.span != call);
    let blob =
        stored::encode_trace(trace.facts.iter(), trace.n_refused, &trace.runs, trace.report.as_ref(), &trace.joined, &trace.stretches);
    db.execute("UPDATE traces SET facts = ?1 WHERE trace_id = ?2", rusqlite::params![blob, lost.as_bytes()]).unwrap();
    drop(db);
    let server = place.start().await;
    let late = span(trace_id(5), 9, 1).between(nanos_now() - 40 * SECOND, nanos_now() - 39 * SECOND);
    server.send(request([late])).await.unwrap();
    let gone = ("missing_in_index", Some(lost.to_string()), vec![call.to_string()]);

    verdict(against(&server, &tempo), &[gone.clone(), twice.clone()]).await;

    // A trace that Tempo took, and lost in its memory.
    let dropped = TraceId::from_bytes(&trace_id(200).to_be_bytes()).unwrap();
    server.send(request(run(200))).await.unwrap();
    until("tempo has the trace", async || query.trace(&Tenant::default(), dropped).await.unwrap().is_some()).await;
    tempo.kill();
    tempo.start().await;
    let lost_by_tempo = ("trace_not_in_tempo", Some(dropped.to_string()), vec![]);

    verdict(against(&server, &tempo), &[lost_by_tempo.clone(), gone.clone(), twice.clone()]).await;

    // Without a server it reads the data directory.
    assert_eq!(server.terminate().await.code, Some(0));
    let closed = vec!["--http".into(), "127.0.0.1:9".into(), "--tempo-query".into(), tempo.query_url()];
    let closed = closed.into_iter().chain(["--data-dir".to_owned(), place.data().display().to_string()]).collect();
    verdict(closed, &[lost_by_tempo, gone, twice]).await;
}
