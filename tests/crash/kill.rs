//! kill -9 at any moment: while requests come, while a checkpoint is written, while the journal is read again.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::shown::{compare, everything, expected, marks};
use super::traffic::{Marked, Traffic, storm, take_all};
use crate::store::truth::Truth;
use crate::support::dice::Dice;
use crate::support::server::Place;

/// A seed of the clock, so that every run of the tests takes another way; a failure prints it.
fn seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 & 0xffff_ffff
}

async fn kill_again_and_again(checkpoint_interval: &str, bound: Duration) {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let place = Place::new()
        .set("fold.checkpoint_interval", checkpoint_interval)
        .set("fold.open_trace_idle", "1s")
        .set("journal.segment_bytes", "64KiB")
        .set("log.level", "warn");
    let traffic = Arc::new(Mutex::new(Traffic::new(seed)));
    let mut truth = Truth::default();
    let mut in_flight: Vec<Marked> = Vec::new();
    let (began, mut n_acked, mut round) = (Instant::now(), 0, 0);
    while round < 3 || began.elapsed() < bound {
        round += 1;
        let what = format!("seed {seed}, round {round}");
        let server = place.start().await;
        // At once: nothing may need time to appear.
        let shown = everything(&server.client()).await;
        let there = marks(&shown);
        in_flight.retain(|marked| there.contains(&marked.mark));
        take_all(&mut truth, &in_flight);
        compare(&shown, &expected(&truth), &what);

        let client = server.client();
        let lifetime = Duration::from_millis(10 + dice.below(500));
        let killed = async move {
            tokio::time::sleep(lifetime).await;
            server.kill().await;
        };
        let outcome = storm(&client, &traffic, 4, killed).await;
        n_acked += outcome.acked.len();
        take_all(&mut truth, &outcome.acked);
        in_flight = outcome.in_flight;
    }
    assert!(n_acked > 20, "seed {seed}: only {n_acked} requests in {round} rounds prove nothing");
    eprintln!("{round} kills, {n_acked} acknowledged requests, checkpoints every {checkpoint_interval}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acked_requests_survive_kill_minus_nine_once_each_and_others_are_whole_or_absent() {
    kill_again_and_again("200ms", Duration::from_secs(8)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acked_requests_survive_a_kill_while_checkpoints_are_written_all_the_time() {
    kill_again_and_again("1ms", Duration::from_secs(6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_the_journal_is_read_again_loses_nothing() {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let place = Place::new().set("fold.checkpoint_interval", "1h");
    let traffic = Arc::new(Mutex::new(Traffic::new(seed)));
    let mut truth = Truth::default();
    let server = place.start().await;
    let outcome = storm(&server.client(), &traffic, 8, tokio::time::sleep(Duration::from_secs(2))).await;
    assert!(outcome.in_flight.is_empty());
    take_all(&mut truth, &outcome.acked);
    server.kill().await;

    let place = place.set("fold.checkpoint_interval", "1ms");
    let mut n_early = 0;
    for _ in 0..12 {
        let starting = place.spawn();
        tokio::time::sleep(Duration::from_millis(5 + dice.below(120))).await;
        n_early += u32::from(!starting.kill());
    }
    assert!(n_early > 0, "seed {seed}: no kill came before the ready line");
    let server = place.start().await;
    compare(&everything(&server.client()).await, &expected(&truth), &format!("seed {seed}"));
    assert_eq!(server.terminate().await.code, Some(0));
    let server = place.start().await;
    compare(&everything(&server.client()).await, &expected(&truth), &format!("seed {seed}, after a stop"));
}

/// Whatever ends it and whatever becomes of the index, every byte of every answer is the same, ids included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_byte_identical_before_and_after_a_restart_and_without_the_index() {
    let seed = seed();
    let place = Place::new().set("fold.checkpoint_interval", "100ms");
    let traffic = Arc::new(Mutex::new(Traffic::new(seed)));
    let mut server = place.start().await;
    storm(&server.client(), &traffic, 4, tokio::time::sleep(Duration::from_millis(500))).await;
    let client = server.client();
    // The last acknowledged request becomes visible within milliseconds.
    let mut before = answers(&client).await;
    crate::support::server::until("the answers rest", async || {
        let again = answers(&client).await;
        std::mem::replace(&mut before, again.clone()) == again
    })
    .await;
    assert!(before.len() > 10);
    for way in ["kill", "stop", "kill, and no index", "stop, and no index"] {
        if way.starts_with("kill") {
            server.kill().await;
        } else {
            assert_eq!(server.terminate().await.code, Some(0));
        }
        if way.ends_with("no index") {
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(place.data().join(format!("index.sqlite{suffix}")));
            }
        }
        server = place.start().await;
        assert!(answers(&server.client()).await == before, "seed {seed}: other answers after: {way}");
    }
}

async fn answers(client: &crate::support::server::RemoteServer) -> Vec<String> {
    let include = "include=usage,users,models,errors,links";
    let mut paths = vec!["/api/v1/observability/agents/".to_owned()];
    for line in super::shown::list(client).await {
        paths.push(format!("{}{}/?{include}", crate::support::server::SESSIONS, line["session_id"].as_str().unwrap()));
    }
    for sort in ["last_activity", "-last_activity", "first_run", "-run_count", "total_cost", "-total_tokens", "total_duration"] {
        paths.push(format!("{}?sort={sort}&limit=100&{include}", crate::support::server::SESSIONS));
    }
    let mut answers = Vec::new();
    for path in paths {
        let answer = client.call(http::Method::GET, &path).await;
        // Links name the port, which is another one each time.
        let host = client.http.to_string();
        answers.push(format!("{path} {} {}", answer.status, answer.text.replace(&host, "HOST")));
    }
    answers
}
