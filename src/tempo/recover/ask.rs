//! Asks Tempo which spans of a trace it holds, before spans are sent that it may have already.
//!
//! - By trace id: that finds what Tempo acknowledged within milliseconds, where search needs seconds.
//! - Bounded: so many traces at a time, for so long. What stays unknown is for the caller to decide.
//! - Time counts only while Tempo takes spans: as long as it is away nothing can be sent, so nothing is lost by waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::stamped::{Role, Stamped};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::model::logs;
use crate::tempo::drain::{Drain, Pause};
use crate::tempo::link::client::Client;
use crate::tempo::link::segmented::SegmentedBytes;
use crate::tempo::metrics::ForwardMetrics;
use crate::tempo::options::AskLimits;
use crate::tempo::query::{QueryClient, QueryError};
use crate::wire::otlp;

/// What Tempo holds of one trace.
#[derive(Clone, Debug, Default)]
pub(in crate::tempo) struct Holdings {
    spans: FxHashSet<SpanId>,
    /// What its stamps come to, by the run and session that they name.
    pub(in crate::tempo) sums: Vec<Sums>,
    /// The own span of each run that has one.
    pub(in crate::tempo) own_spans: HashMap<String, SpanId>,
    /// Runs that a span of ours stands for.
    pub(in crate::tempo) synthetic: Vec<String>,
}

/// Sums of stamps; money in nano-dollars.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::tempo) struct Sums {
    pub(in crate::tempo) run_id: Option<String>,
    pub(in crate::tempo) session: Option<String>,
    pub(in crate::tempo) cost: i64,
    pub(in crate::tempo) tokens: i64,
    pub(in crate::tempo) run_cost: i64,
    pub(in crate::tempo) run_tokens: i64,
    pub(in crate::tempo) run_calls: i64,
}

/// What was found out; traces that are not in it stay unknown.
pub(in crate::tempo) type Answers = FxHashMap<TraceId, Arc<Holdings>>;

pub(in crate::tempo) struct Asker {
    query: QueryClient,
    export: Client,
    limits: AskLimits,
    slots: Semaphore,
    drain: Drain,
    metrics: ForwardMetrics,
}

/// The wait before a question is asked again.
const AGAIN: Duration = Duration::from_secs(1);

// === impl Asker ===

impl Asker {
    pub(in crate::tempo) fn new(query: QueryClient, export: Client, limits: AskLimits, drain: Drain, metrics: ForwardMetrics) -> Self {
        Self { query, export, limits, slots: Semaphore::new(limits.at_once.max(1)), drain, metrics }
    }

    pub(in crate::tempo) fn max_traces(&self) -> usize {
        self.limits.traces
    }

    /// Asks for each of these traces, as far as the limits let it. Ends early when the forwarder has to.
    pub(in crate::tempo) async fn ask(&self, tenant: &Tenant, traces: &[TraceId]) -> Answers {
        let Some(deadline) = self.until_ready(tenant).await else { return Answers::default() };
        let mut questions: Vec<BoxFuture<'_, _>> = Vec::new();
        for trace in traces.iter().take(self.limits.traces) {
            questions.push(Box::pin(self.one(tenant, *trace, deadline)));
        }
        let mut answers = stream::iter(questions).buffer_unordered(self.limits.at_once.max(1));
        let mut known = Answers::default();
        while let Some(answer) = answers.next().await {
            known.extend(answer);
        }
        known
    }

    /// Waits until Tempo's query API is ready; gives until when questions may be asked. `None`: it never was, although spans are taken.
    async fn until_ready(&self, tenant: &Tenant) -> Option<Instant> {
        let mut deadline = Instant::now() + self.limits.time;
        loop {
            if self.query.is_ready().await {
                return Some(deadline);
            }
            if self.export.export(SegmentedBytes::default(), tenant).await.is_err() {
                deadline = Instant::now() + self.limits.time;
            }
            if Instant::now() >= deadline || self.drain.is_draining() || self.drain.pause(AGAIN).await == Pause::Stop {
                return None;
            }
        }
    }

    async fn one(&self, tenant: &Tenant, trace: TraceId, deadline: Instant) -> Option<(TraceId, Arc<Holdings>)> {
        loop {
            let answer = {
                let _slot = self.slots.acquire().await.expect("the semaphore is never closed");
                if self.drain.is_draining() || Instant::now() >= deadline {
                    return None;
                }
                self.query.trace(tenant, trace).await
            };
            let again = match answer.and_then(|found| found.map_or(Ok(Holdings::default()), |bytes| Holdings::of(&bytes))) {
                Ok(holdings) => {
                    self.metrics.asked_traces.inc();
                    return Some((trace, Arc::new(holdings)));
                }
                Err(QueryError::Request(_) | QueryError::Timeout(_) | QueryError::GaveUp(_)) => true,
                Err(QueryError::Refused { status, .. }) => status >= 500 || status == 429,
                Err(_) => false,
            };
            if !again || Instant::now() + AGAIN >= deadline || self.drain.pause(AGAIN).await == Pause::Stop {
                return None;
            }
        }
    }
}

// === impl Holdings ===

impl Holdings {
    pub(in crate::tempo) fn holds(&self, span: SpanId) -> bool {
        self.spans.contains(&span)
    }

    pub(in crate::tempo) fn spans(&self) -> impl Iterator<Item = SpanId> {
        self.spans.iter().copied()
    }

    /// Of an encoded trace.
    pub(in crate::tempo) fn of(trace: &Bytes) -> Result<Self, QueryError> {
        let malformed = |error: otlp::Malformed| QueryError::Answer(error.to_string());
        let mut holdings = Self::default();
        for resource in otlp::resource_spans(trace) {
            for scope in resource.map_err(malformed)?.scope_spans() {
                let scope = scope.map_err(malformed)?;
                for span in scope.spans() {
                    holdings.add(&span.map_err(malformed)?, logs::is_turn(scope.scope_name));
                }
            }
        }
        Ok(holdings)
    }

    /// A span that is there twice is one that Tempo has not merged yet. A turn's span is one of ours and yet the own span of its run.
    fn add(&mut self, span: &otlp::Span<'_>, is_turn: bool) {
        let Some(id) = SpanId::from_bytes(span.span_id).filter(|id| self.spans.insert(*id)) else { return };
        let Some(stamped) = Stamped::of_span(span) else { return };
        match (stamped.role, &stamped.run_id) {
            (Role::OfSender, Some(run)) if stamped.is_run => {
                self.own_spans.insert(run.clone(), id);
                self.synthetic.extend(is_turn.then(|| run.clone()));
            }
            (Role::Synthetic, Some(run)) => self.synthetic.push(run.clone()),
            _ => {}
        }
        let Stamped { run_id, session, cost, tokens, run_cost, run_tokens, run_calls, .. } = stamped;
        let at = self.sums.iter().position(|sums| sums.run_id == run_id && sums.session == session).unwrap_or_else(|| {
            self.sums.push(Sums { run_id, session, ..Sums::default() });
            self.sums.len() - 1
        });
        let Some(sums) = self.sums.get_mut(at) else { return };
        sums.cost += cost;
        sums.tokens += tokens.unwrap_or(0);
        sums.run_cost += run_cost;
        sums.run_tokens += run_tokens;
        sums.run_calls += run_calls;
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value::{DoubleValue, StringValue};
    use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;
    use crate::tempo::keys::{RUN_COST, RUN_ID};

    /// What Tempo answers that has one run, whose span has this scope.
    fn held(scope: &str) -> Holdings {
        let attribute =
            |key: &str, value| KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() };
        let attributes = vec![attribute(RUN_ID, StringValue("7".into())), attribute(RUN_COST, DoubleValue(0.5))];
        let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "invoke_agent".into(), attributes, ..Span::default() };
        let scope = Some(InstrumentationScope { name: scope.to_owned(), ..InstrumentationScope::default() });
        let scope_spans = vec![ScopeSpans { scope, spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        Holdings::of(&ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()).unwrap()
    }

    #[test]
    fn a_turn_is_known_as_told_of_by_us_and_a_senders_run_is_not() {
        let own_span = HashMap::from([("7".to_owned(), SpanId::from_bytes(&[2; 8]).unwrap())]);
        let turn = held("sessionfold.logs.codex.turn");
        assert_eq!((&turn.own_spans, &turn.synthetic[..]), (&own_span, &["7".to_owned()][..]));
        assert_eq!(turn.sums[0].run_cost, 500_000_000);
        for scope in ["app", "my.turn", "sessionfold.logs.codex"] {
            let of_sender = held(scope);
            assert_eq!((&of_sender.own_spans, of_sender.synthetic.len()), (&own_span, 0), "{scope}");
        }
    }
}
