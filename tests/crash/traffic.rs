//! Random agents' traces, cut into requests as exporters do: children before parents, pieces apart, some twice.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::Span;
use sessionfold::model::time::UnixNanos;

use crate::store::truth::Truth;
use crate::support::dice::Dice;
use crate::support::server::RemoteServer;
use crate::support::spans::{MILLI, SECOND, Tell, agent, chat, request, span};

/// The session of the runs by which a test finds out whether a request is there.
pub const MARKS: &str = "marks";

/// A request that bears a run of its own in [`MARKS`].
#[derive(Clone)]
pub struct Marked {
    /// The trace of its mark, as the API shows it.
    pub mark: String,
    pub body: Bytes,
}

pub struct Traffic {
    dice: Dice,
    n_traces: u128,
    n_requests: u128,
    base: u64,
    /// Spans that wait to be sent.
    pool: Vec<Span>,
    repeated: VecDeque<Marked>,
}

/// What became of the requests of some clients.
#[derive(Default)]
pub struct Outcome {
    pub acked: Vec<Marked>,
    pub in_flight: Vec<Marked>,
}

// === impl Traffic ===

impl Traffic {
    pub fn new(seed: u64) -> Self {
        let base = now().0 - 3600 * SECOND;
        Self { dice: Dice::new(seed), n_traces: u128::from(seed) << 64, n_requests: 0, base, pool: Vec::new(), repeated: VecDeque::new() }
    }

    pub fn next(&mut self) -> Marked {
        if self.dice.one_in(12)
            && let Some(again) = self.repeated.pop_front()
        {
            return again;
        }
        while self.pool.len() < 40 {
            self.grow();
        }
        self.n_requests += 1;
        let mark = (1 << 127) + self.n_requests;
        let at = self.base + self.n_requests as u64 * MILLI;
        let mut spans = vec![agent(mark, 1, 0, "marker").session(MARKS).between(at, at + MILLI)];
        for _ in 0..1 + self.dice.below(6) {
            let at = self.dice.below(self.pool.len() as u64) as usize;
            spans.push(self.pool.swap_remove(at));
        }
        self.dice.shuffle(&mut spans);
        let marked = Marked { mark: format!("{mark:032x}"), body: request(spans) };
        self.repeated.push_back(marked.clone());
        marked
    }

    /// One trace more: an agent with calls, tools, perhaps an agent within.
    fn grow(&mut self) {
        self.n_traces += 1;
        let (trace, dice) = (self.n_traces, &mut self.dice);
        let session = format!("session-{}", dice.below(20));
        let start = self.base + dice.below(3000) * SECOND;
        let name = *dice.pick(&["planner", "writer", "critic"]);
        self.pool.push(agent(trace, 1, 0, name).session(&session).between(start, start + 30 * SECOND));
        let mut above = 1;
        for number in 2..3 + dice.below(6) {
            let at = start + number * SECOND;
            let mut made = match dice.below(5) {
                0 => span(trace, number, above),
                1 => {
                    let inner = agent(trace, number, above, "helper");
                    above = number;
                    if dice.one_in(2) { inner.session(&format!("session-{}", dice.below(20))) } else { inner }
                }
                _ => chat(trace, number, above, (dice.below(900) as i64, dice.below(90) as i64), dice.below(5000) as u32),
            };
            if dice.one_in(10) {
                made = made.failed();
            }
            self.pool.push(made.between(at, at + SECOND));
        }
    }
}

// === sending ===

/// Lets `n_clients` send as fast as they can until `stop` says so or the server is gone.
pub async fn storm(server: &RemoteServer, traffic: &Arc<Mutex<Traffic>>, n_clients: usize, stop: impl Future<Output = ()>) -> Outcome {
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let over = tokio_util::sync::CancellationToken::new();
    let clients: Vec<_> = (0..n_clients)
        .map(|_| {
            let (server, traffic, outcome, over) = (server.clone(), traffic.clone(), outcome.clone(), over.clone());
            tokio::spawn(async move {
                while !over.is_cancelled() {
                    let marked = traffic.lock().unwrap().next();
                    match server.send(marked.body.clone()).await {
                        Ok(()) => outcome.lock().unwrap().acked.push(marked),
                        Err(_) => return outcome.lock().unwrap().in_flight.push(marked),
                    }
                }
            })
        })
        .collect();
    stop.await;
    over.cancel();
    for client in clients {
        client.await.unwrap();
    }
    Arc::into_inner(outcome).unwrap().into_inner().unwrap()
}

pub fn take_all(truth: &mut Truth, requests: &[Marked]) {
    requests.iter().for_each(|marked| truth.take(&marked.body, now()));
}

pub fn now() -> UnixNanos {
    UnixNanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64)
}
