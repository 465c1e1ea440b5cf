//! What was acknowledged is soon to be seen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::traffic::now;
use crate::support::server::{Place, SESSIONS, until};
use crate::support::spans::{SECOND, Tell, agent, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_run_is_in_the_list_within_a_tenth_of_a_second() {
    let server = Place::new().start().await;
    let at = now().0 - 60 * SECOND;
    let mut delays = Vec::new();
    for number in 0..31_u128 {
        let session = format!("s{number}");
        server.send(request([agent(number + 1, 1, 0, "a").session(&session).between(at, at + SECOND)])).await.unwrap();
        let acked = Instant::now();
        let path = format!("{SESSIONS}?session_id={session}");
        until("it is in the list", async || server.json(&path).await["count"] == 1).await;
        delays.push(acked.elapsed());
    }
    delays.sort();
    let (median, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    eprintln!("visible after {median:?} (median), {worst:?} at worst");
    assert!(median < Duration::from_millis(100), "median {median:?}");
    assert!(worst < Duration::from_secs(2), "worst {worst:?}");
}

/// Flat out, the journal takes more than the fold can: what was acknowledged was once invisible for six minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_are_slowed_before_what_they_send_stays_invisible_for_long() {
    let server = Place::new().set("fold.max_lag", "2s").start().await;
    let at = now().0 - 60 * SECOND;
    let (mut n_acked, mut n_refused, mut seen_lag) = (0_u64, 0_u64, false);
    let began = Instant::now();
    let mut trace = 0_u128;
    // The first refusal may come before anything has waited for a second, which is when answers begin to say so.
    while !(n_refused > 0 && seen_lag) && began.elapsed() < Duration::from_secs(60) {
        let sending = futures_util::future::join_all((0..8).map(|_| {
            let runs = (0..2_000).map(|_| {
                trace += 1;
                agent(trace, 1, 0, "a").session("busy").between(at, at + SECOND)
            });
            server.send(request(runs))
        }));
        // Asked all the time: whenever the machine is busy with something else, the fold may catch up.
        let is_sent = AtomicBool::new(false);
        let asking = async {
            let mut seen = false;
            while !is_sent.load(Ordering::Relaxed) {
                seen |= server.get(SESSIONS).await.index_lag.is_some();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            seen
        };
        let sending = async {
            let sent = sending.await;
            is_sent.store(true, Ordering::Relaxed);
            sent
        };
        let (sent, seen) = futures_util::future::join(sending, asking).await;
        seen_lag |= seen;
        for answer in sent {
            match answer {
                Ok(()) => n_acked += 2_000,
                Err(refused) => {
                    assert!(refused.contains("503") && refused.contains("too far behind"), "{refused}");
                    n_refused += 1;
                }
            }
        }
        seen_lag |= server.get(SESSIONS).await.index_lag.is_some();
    }
    assert!(n_refused > 0, "the fold kept up with {n_acked} runs in {:?}", began.elapsed());
    assert!(seen_lag, "no answer said that the index is behind");
    let refused_at = Instant::now();
    until("all that was acknowledged is visible", async || {
        server.json(SESSIONS).await["results"][0]["run_count"].as_u64() == Some(n_acked)
    })
    .await;
    eprintln!("{n_acked} runs acked, visible {:?} after the first refusal", refused_at.elapsed());
    // And then it takes more.
    server.send(request([agent(u128::MAX, 1, 0, "a").session("calm").between(at, at + SECOND)])).await.unwrap();
    assert_eq!(server.get(SESSIONS).await.index_lag, None);
}
