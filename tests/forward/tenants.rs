//! Many tenants: none of them costs a thread, and one that is silent costs nothing.

use std::time::{Duration, Instant};

use http::Method;
use sessionfold::model::ids::Tenant;
use sessionfold::tempo::options::Options;

use super::bench::{Bench, eventually, quick, request};
use super::double::{Double, Reply};
use crate::support::server::{Place, SESSIONS, until};
use crate::support::spans::{Tell, agent, chat, request as spans};

/// More than tokio has blocking threads.
const TENANTS: u64 = 620;

fn tenant(n: u64) -> Tenant {
    Tenant::new(&format!("tenant-{n}")).unwrap()
}

#[tokio::test]
async fn a_tenant_for_which_nothing_comes_costs_nothing_until_something_comes_again() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let bench = Bench::start(Options { idle: Duration::from_millis(100), ..quick(&tempo.endpoint()) }).await;
    for round in 0..2 {
        for n in 0..TENANTS {
            bench.log.tenant_spans(&tenant(n), request(round * TENANTS + n..round * TENANTS + n + 1));
        }
        bench.forwarded(bench.log.end()).await;
        assert!(bench.status.n_lanes() > 0);
        eventually("the lanes end", || bench.status.n_lanes() == 0).await;
    }
    let mut accepted = tempo.accepted();
    accepted.sort_unstable();
    assert_eq!(accepted, (0..2 * TENANTS).collect::<Vec<_>>());
    assert_eq!(bench.stop().await.left_bytes, 0);
}

/// A lane that waits for Tempo is not idle, however long it takes.
#[tokio::test]
async fn a_lane_is_not_ended_while_it_has_something_to_deliver() {
    let mut n_calls = 0;
    let tempo = Double::start(move |_, _| {
        n_calls += 1;
        if n_calls < 20 { Reply::Status(tonic::Code::Unavailable, "not now".into()) } else { Reply::Ok }
    })
    .await;
    let bench = Bench::start(Options { idle: Duration::from_millis(20), ..quick(&tempo.endpoint()) }).await;
    bench.log.spans(request(1..2));
    tempo.received(5).await;
    bench.log.spans(request(2..3));
    bench.forwarded(bench.log.end()).await;
    assert_eq!(tempo.accepted(), [1, 2]);
}

fn status_of(process: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// With a thread for each tenant that was ever seen, 510 of them left none for anybody who asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_tenants_are_stamped_and_forwarded_and_everybody_is_answered_meanwhile() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let keys: String = (0..TENANTS)
        .map(|n| format!("[[auth.keys]]\nkey = \"wax_sk_tenant_{n:04}\"\ntenant = \"tenant-{n}\"\nrights = [\"ingest\", \"read\"]\n"))
        .collect();
    let place =
        Place::new().config(&keys).argument("--tempo").argument(&tempo.endpoint()).set("forward.hold", "1s").set("retention.max_age", "0s");
    let server = place.start().await;
    let client = |n: u64| server.client().with_key(&format!("wax_sk_tenant_{n:04}"));
    let mut n_threads = 0;
    let mut slowest = Duration::ZERO;
    for round in 0..2_u64 {
        for n in 0..TENANTS {
            let trace = u128::from(round * TENANTS + n + 1);
            let run = [chat(trace, 2, 1, (100, 20), 300), agent(trace, 1, 0, "planner").session("s")];
            client(n).send(spans(run)).await.unwrap();
            if n.is_multiple_of(20) {
                let began = Instant::now();
                assert_eq!(client(n).call(Method::GET, "/readyz").await.status, 200);
                let session = client(n).call(Method::GET, &format!("{SESSIONS}s/")).await;
                assert!(session.status == 200 || session.status == 404, "{}", session.status);
                slowest = slowest.max(began.elapsed());
                n_threads = n_threads.max(status_of(server.id(), "Threads:"));
            }
        }
        let n_spans = ((round + 1) * TENANTS * 2) as usize;
        until("everything is forwarded", async || tempo.accepted().len() >= n_spans).await;
        assert_eq!(tempo.accepted().len(), n_spans);
    }
    for n in [0, TENANTS / 2, TENANTS - 1] {
        let sessions = async || client(n).json(SESSIONS).await["results"][0]["run_count"] == 2;
        until("the session is shown", sessions).await;
    }
    let resident_kib = status_of(server.id(), "VmHWM:");
    eprintln!("{TENANTS} tenants: {n_threads} threads, {resident_kib} KiB, slowest answer {slowest:?}");
    assert!(n_threads < 64, "{n_threads} threads");
    assert!(resident_kib < 400 << 10, "{resident_kib} KiB");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    assert_eq!(server.terminate().await.code, Some(0));
}
