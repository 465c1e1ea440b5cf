//! What coding agents tell, by logs, by spans and by both, is in a real Tempo as it is here: TraceQL sums up what the API answers, `verify`
//! agrees, and `rebuild` gives every session again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::proof::{by_http, by_traceql};
use crate::rebuild::{ALL, comes_back, everything_left, shown};
use crate::support::coding::{Recording, Request, What, move_to};
use crate::support::server::{Place, Server};
use crate::support::spans::SECOND;
use crate::support::tempo::Tempo;
use crate::verify::{against, verdict};

async fn is_the_same_in_tempo_and_comes_back(what: What) {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;
    send(&server, &of_minutes_ago(what)).await;
    everything_left(&server).await;
    is_the_same_in_tempo(&server, &tempo).await;
    // A cost that a log stated after the span had left comes back as a price, if it was the same.
    let include = if what == What::Both { "users,errors" } else { ALL };
    let before = shown(&server, include).await;
    assert_eq!(server.terminate().await.code, Some(0));
    comes_back(&place, &tempo, &before, include).await;
}

/// What was recorded, some minutes ago.
fn of_minutes_ago(what: What) -> Vec<Request> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap();
    let of_recording = |recording: &Recording| {
        let mut requests = recording.of(what);
        move_to(&mut requests, now - 300 * SECOND);
        requests
    };
    let recordings = Recording::all();
    recordings.iter().filter(|recording| recording.tells_all(what) && is_for_tempo(recording, what)).flat_map(of_recording).collect()
}

async fn send(server: &Server, requests: &[Request]) {
    for request in requests {
        let (path, body) = request.encode();
        let answer = server.post_otlp(path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

async fn is_the_same_in_tempo(server: &Server, tempo: &Tempo) {
    let here = by_http(server).await;
    assert!(here.len() > 10, "{} sessions", here.len());
    let client = tempo.query_client();
    let mut there = by_traceql(&client).await.unwrap();
    for _ in 0..60 {
        // Tempo's search lags; runs go by the API's own count, since one whose span never came is none in Tempo.
        if sums(&there) == sums(&here) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        there = by_traceql(&client).await.unwrap();
    }
    assert_eq!(sums(&there), sums(&here));
    verdict(against(server, tempo), &[]).await;
}

/// Not what was made of another recording, whose ids it has, nor what has no root, and so no run that Tempo could be told of. And of logs
/// that bear the context of spans Tempo gets those spans, or nothing.
fn is_for_tempo(recording: &Recording, what: What) -> bool {
    let is_made = ["constructed/claude-08d-killed-1", "constructed/rootless-C"].contains(&&*recording.name);
    let is_beside_spans = recording.tells_all(What::Spans) && !recording.name.starts_with("codex-");
    !is_made && (what != What::Logs || !is_beside_spans)
}

/// Cost, tokens, and the same of runs, by session.
fn sums(answers: &crate::proof::Answers) -> Vec<(&String, &[i64])> {
    answers.iter().map(|(session, answer)| (session, &answer[2..])).filter(|(_, sums)| sums.iter().any(|sum| *sum != 0)).collect()
}

#[tokio::test]
async fn logs_alone_are_the_same_in_tempo_and_come_back() {
    is_the_same_in_tempo_and_comes_back(What::Logs).await;
}

#[tokio::test]
async fn spans_alone_are_the_same_in_tempo_and_come_back() {
    is_the_same_in_tempo_and_comes_back(What::Spans).await;
}

#[tokio::test]
async fn logs_and_spans_are_the_same_in_tempo_and_come_back() {
    is_the_same_in_tempo_and_comes_back(What::Both).await;
}

/// After the kill it is Tempo alone that knows which turns were told of.
#[tokio::test]
async fn a_turn_that_was_told_of_before_a_kill_is_not_told_of_again() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let place = place.argument("--tempo-query").argument(&tempo.query_url());
    let server = place.start().await;
    let requests = of_minutes_ago(What::Logs);
    send(&server, &requests).await;
    everything_left(&server).await;
    server.kill().await;
    let server = place.start().await;
    send(&server, &requests).await;
    everything_left(&server).await;
    is_the_same_in_tempo(&server, &tempo).await;
}
