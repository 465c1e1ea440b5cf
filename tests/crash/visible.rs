//! What was acknowledged is soon to be seen.

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
