//! sessionfolds that forward to each other: a chain is fine, a circle is stopped where it closes.

use std::net::{SocketAddr, TcpListener};

use crate::forward::double::{Double, Reply, span_numbers};
use crate::support::server::{Place, Server, until};
use crate::support::spans::{Tell, agent, chat, request};

/// A port of its own for each, known before anybody starts.
fn addresses(n: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> = (0..n).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

fn place(at: SocketAddr, to: &str, hold: &str) -> Place {
    Place::new().set("otlp_grpc", &at.to_string()).argument("--tempo").argument(to).set("forward.hold", hold)
}

async fn metric(server: &Server, name: &str) -> u64 {
    let text = server.get("/metrics").await.text;
    text.lines().filter(|line| line.starts_with(name)).map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

const ACCEPTED: &str = "sessionfold_receive_spans_accepted_total";
const RETURNED: &str = "sessionfold_forward_retries_total{cause=\"own_instance\"}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_pass_a_chain_once_and_say_through_whom_they_came() {
    let tempo = Double::start(|_, _| Reply::Ok).await;
    let at = addresses(2);
    let last = place(at[1], &tempo.endpoint(), "100ms").start().await;
    let first_place = place(at[0], &at[1].to_string(), "100ms");
    let first = first_place.start().await;
    first.send(request([chat(7, 2, 1, (1, 1), 1), agent(7, 1, 0, "planner").session("s")])).await.unwrap();
    last.send(request([agent(8, 3, 0, "other").session("t")])).await.unwrap();
    until("all arrived", async || tempo.accepted().len() >= 3).await;
    let id = std::fs::read_to_string(first_place.data().join("instance.id")).unwrap();
    let calls = tempo.calls();
    let with_two = calls.iter().find(|call| span_numbers(&call.message).contains(&2)).unwrap();
    assert_eq!(with_two.headers["x-sessionfold-via"], *id);
    assert_ne!(with_two.headers["x-sessionfold-instance"], *id);
    assert_eq!(tempo.accepted().len(), 3);
}

/// Each sends to the next, and the last to the first, which was restarted while the spans were on their way.
async fn a_ring_of(n: usize) {
    let at = addresses(n);
    let mut places = Vec::new();
    for i in 0..n {
        // The last one holds what it got until the first is there again.
        places.push(place(at[i], &at[(i + 1) % n].to_string(), if i + 1 == n { "6s" } else { "50ms" }));
    }
    let mut servers = Vec::new();
    for place in &places {
        servers.push(place.start().await);
    }
    // Its parent never comes, so it is held as long as may be.
    servers[0].send(request([chat(7, 2, 1, (1, 1), 1).session("s")])).await.unwrap();
    until("it has come to the last one", async || metric(&servers[n - 1], ACCEPTED).await >= 1).await;
    let first = servers.remove(0);
    first.kill().await;
    servers.insert(0, places[0].start().await);

    until("the first one refuses what it sent in an earlier life", async || metric(&servers[n - 1], RETURNED).await >= 1).await;
    assert_eq!(metric(&servers[0], ACCEPTED).await, 0, "it took what it had sent itself");
    for server in &servers[1..] {
        assert_eq!(metric(server, ACCEPTED).await, 1, "it went round");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_forward_to_each_other_stop_the_circle() {
    a_ring_of(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_in_a_ring_stop_it_too() {
    a_ring_of(3).await;
}
