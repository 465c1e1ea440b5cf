//! Load whose runs come apart, with what of it was acknowledged.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use std::collections::BTreeSet;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::dice::Dice;
use super::server::Server;
use super::spans::{SECOND, TEN, Tell, agent, chat, request};

/// Runs whose spans come apart: a child now and then long before its root, calls long after everything else.
#[derive(Default)]
pub struct Load {
    next_trace: u64,
    /// Traces and spans that were acknowledged.
    pub acked: BTreeSet<(u128, u64)>,
    late: Vec<Span>,
}

// === impl Load ===

impl Load {
    /// Some runs, one after the other; what is refused comes later.
    pub async fn send(&mut self, server: &Server, dice: &mut Dice) {
        for _ in 0..dice.below(20) + 5 {
            self.next_trace += 1;
            let trace = u128::from(self.next_trace) << 64 | 7;
            let session = format!("s{}", self.next_trace % 5);
            let mut spans = vec![
                chat(trace, 2, 1, (100, 20), 300),
                agent(trace, 1, 0, "planner").session(&session).between(TEN, TEN + 2 * SECOND),
                chat(trace, 3, 1, (10, 2), 31),
            ];
            for _ in 0..2 {
                if dice.below(3) == 0 {
                    self.late.extend(spans.pop());
                }
            }
            if dice.below(2) == 0 {
                spans.extend(self.late.pop());
            }
            self.send_these(server, spans).await;
            tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
        }
    }

    /// Everything that was kept back.
    pub async fn send_late(&mut self, server: &Server) {
        while !self.late.is_empty() {
            let late = std::mem::take(&mut self.late);
            for spans in late.chunks(3) {
                self.send_these(server, spans.to_vec()).await;
            }
        }
    }

    async fn send_these(&mut self, server: &Server, spans: Vec<Span>) {
        match server.send(request(spans.clone())).await {
            Ok(()) => self.acked.extend(spans.iter().map(id_of)),
            Err(_) => self.late.extend(spans),
        }
    }
}

pub fn id_of(span: &Span) -> (u128, u64) {
    let trace = u128::from_be_bytes(span.trace_id.clone().try_into().unwrap());
    (trace, u64::from_be_bytes(span.span_id.clone().try_into().unwrap()))
}
