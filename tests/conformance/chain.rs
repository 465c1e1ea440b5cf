//! From requests to sessions, without a server: what the store does, in its simplest form.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use sessionfold::conventions::{Conventions, Sources, Strings, extract, sources};
use sessionfold::fold::{Counting, Folded, Rules, Telling, TraceFacts, TraceLimit, explain, fold, may_be_retold};
use sessionfold::model::facts::SpanFact;
use sessionfold::model::ids::TraceId;
use sessionfold::model::run::Run;
use sessionfold::model::time::UnixNanos;
use sessionfold::model::usage::{Call, Cost, CostSource, NanoUsd, RatesUsed, UsageTotal};
use sessionfold::wire::otlp::resource_spans;

/// 2026-12-01, after everything that was recorded.
const RECEIVED_AT: UnixNanos = UnixNanos(1_796_083_200_000_000_000);

/// What a session comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Session {
    pub run_count: usize,
    /// In the order of each agent's first run, ties by name.
    pub agents: Vec<String>,
    pub tokens: u64,
    pub cost_nanos: u64,
    pub users: BTreeSet<String>,
}

/// All that was received, by trace.
#[derive(Default)]
pub(crate) struct Received {
    traces: BTreeMap<TraceId, TraceFacts>,
    conventions: Conventions,
    strings: Strings,
}

impl Received {
    pub fn of<B: AsRef<[u8]>>(requests: impl IntoIterator<Item = B>) -> Self {
        let mut received = Self::default();
        for request in requests {
            received.take(request.as_ref());
        }
        received
    }

    fn take(&mut self, request: &[u8]) {
        for resource_spans in resource_spans(request) {
            let resource_spans = resource_spans.expect("the request is well formed");
            let resource = self.conventions.resource(resource_spans.attributes().map(Result::unwrap));
            for scope_spans in resource_spans.scope_spans() {
                let scope_spans = scope_spans.unwrap();
                let scope = self.conventions.scope(scope_spans.scope_name, &mut self.strings);
                for span in scope_spans.spans() {
                    let span = span.unwrap();
                    let extracted = extract(&span, &scope, &resource, RECEIVED_AT, &mut self.strings).expect("its ids are valid");
                    check_sources(&extracted.fact, &sources(&span, &scope, &resource));
                    self.traces.entry(extracted.trace).or_default().join(extracted.fact, TraceLimit { max_spans: 10_000 });
                }
            }
        }
    }

    /// Every trace, folded.
    pub fn folded(&self) -> Vec<Folded> {
        self.folded_at(&price)
    }

    fn folded_at(&self, price: &Price<'_>) -> Vec<Folded> {
        let rules = Rules { price, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO };
        self.traces.iter().map(|(trace, facts)| fold(*trace, facts, &[], &rules)).collect()
    }

    /// What is explained of every trace is what was folded, and adds up to it.
    fn check_explained(&self, name: &str) {
        let rules = Rules { price: &price, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO };
        for (trace, facts) in &self.traces {
            let explained = explain(*trace, facts, &[], &rules);
            assert_eq!(explained.folded, fold(*trace, facts, &[], &rules), "{name}");
            for (at, run) in explained.folded.runs.iter().enumerate() {
                let [mut counted, mut left_out] = [UsageTotal::default(); 2];
                let own = explained.folded.verdicts.iter().zip(&explained.spans).filter(|(verdict, _)| verdict.run == Some(at));
                for (reason, usage) in own.filter_map(|(_, reason)| Some((reason, reason.usage?))) {
                    match reason.counting {
                        Counting::Counts(cost, _) => counted.add_call(&usage, cost),
                        Counting::LeftOut(cost, _) => left_out.add_call(&usage, Some(Cost::emitted(cost))),
                        Counting::Nothing(_) => {}
                    }
                }
                let unpriced_calls = run.usage.unpriced_calls;
                assert_eq!((run.usage, run.suppressed), (UsageTotal { unpriced_calls, ..counted }, left_out), "{name}, {:?}", run.key);
            }
        }
    }

    /// Every run of every trace, in the order of their starts.
    pub fn runs(&self) -> Vec<Run> {
        self.runs_at(&price)
    }

    pub fn runs_at(&self, price: &Price<'_>) -> Vec<Run> {
        let folded = self.folded_at(price);
        let mut runs: Vec<Run> = folded.iter().flat_map(|folded| folded.runs.clone()).collect();
        let tellings = |run: &Run| {
            let of_trace = folded.iter().zip(self.traces.values()).find(|(folded, _)| folded.runs.iter().any(|known| known.id == run.id));
            of_trace.map_or_else(Vec::new, |(folded, facts)| Telling::all_of(run, facts, folded))
        };
        let retelling: Vec<(&Run, Vec<Telling>)> =
            folded.iter().flat_map(|folded| &folded.runs).filter(|run| run.is_retelling).map(|run| (run, tellings(run))).collect();
        // Other traces of a session can tell of all the calls of a run.
        runs.retain(|run| {
            let mut calls = if may_be_retold(run) { tellings(run) } else { Vec::new() };
            let n_calls = calls.len();
            for (_, outer) in retelling.iter().filter(|(other, _)| other.session == run.session && other.key.trace != run.key.trace) {
                calls.retain(|call| !outer.iter().any(|outer| call.is_retold_by(outer)));
            }
            n_calls == 0 || !calls.is_empty()
        });
        runs.sort_by_key(|run| (run.started_at, run.key));
        runs
    }

    pub fn sessions(&self) -> BTreeMap<String, Session> {
        let mut runs = self.runs();
        runs.sort_by_key(|run| (run.started_at, run.agent.clone()));
        let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
        for run in runs {
            let Some(id) = run.session else { continue };
            let session = sessions.entry(id.as_str().to_owned()).or_default();
            session.run_count += 1;
            session.tokens += run.usage.tokens;
            session.cost_nanos += run.usage.cost.0;
            session.users.extend(run.user.map(|user| user.to_string()));
            let agent = run.agent.to_string();
            if !agent.is_empty() && !session.agents.contains(&agent) {
                session.agents.push(agent);
            }
        }
        sessions
    }
}

/// What a span is said to be, and every number that is read of it, has its reason; and nothing else has.
fn check_sources(fact: &SpanFact, sources: &Sources) {
    assert_eq!(sources.kind, fact.kind, "{fact:?}");
    let usage = fact.call.as_deref().map(|call| call.usage).unwrap_or_default();
    let is_told = |question: &str| sources.answers.iter().any(|answer| answer.question == question && !answer.key.is_empty());
    let numbers = [
        ("input tokens", usage.input_tokens),
        ("output tokens", usage.output_tokens),
        ("cached tokens", usage.cache_read_tokens),
        ("cache writes", usage.cache_write_tokens),
        ("reasoning tokens", usage.reasoning_tokens),
        ("cost", usage.cost.map(|cost| cost.0)),
    ];
    for (question, number) in numbers {
        assert_eq!(number.is_some(), is_told(question), "{question} of {fact:?}: {sources:?}");
    }
    assert_eq!(fact.session().or(fact.resource_session()).is_some(), is_told("session"), "{fact:?}: {sources:?}");
}

pub(crate) type Price<'a> = dyn Fn(&Call, UnixNanos) -> Option<Cost> + 'a;

/// Round prices of one model that no dialect states a cost for: 1 and 2 micro-dollars a token.
fn price(call: &Call, _: UnixNanos) -> Option<Cost> {
    let usage = &call.usage;
    let nanos = usage.input_tokens.unwrap_or(0) * 1_000 + usage.output_tokens.unwrap_or(0) * 2_000;
    (&*call.model == "priced-model").then_some(Cost { amount: NanoUsd(nanos), source: CostSource::Table, rates: RatesUsed::default() })
}

/// The same spans in other requests: one span a request, shuffled, `times` over.
pub(crate) fn one_by_one(requests: &[Vec<u8>], seed: u64, times: usize) -> Vec<Vec<u8>> {
    let mut single = Vec::new();
    for request in requests {
        for resource_spans in ExportTraceServiceRequest::decode(&request[..]).expect("the request is well formed").resource_spans {
            for scope_spans in &resource_spans.scope_spans {
                for span in &scope_spans.spans {
                    let mut only = resource_spans.clone();
                    let mut scope = scope_spans.clone();
                    scope.spans = vec![span.clone()];
                    only.scope_spans = vec![scope];
                    single.push(ExportTraceServiceRequest { resource_spans: vec![only] }.encode_to_vec());
                }
            }
        }
    }
    let mut arrivals: Vec<Vec<u8>> = single.iter().cycle().take(single.len() * times).cloned().collect();
    let mut state = seed;
    for at in (1..arrivals.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        arrivals.swap(at, (state >> 33) as usize % (at + 1));
    }
    arrivals
}

/// Receives `requests` in every way that must make no difference, checks that it makes none, and returns what was received.
pub(crate) fn receive_in_every_way(name: &str, requests: &[Vec<u8>]) -> Received {
    receive_shuffled(name, requests, &[1, 2, 3])
}

/// The same, with a shuffle for each seed.
pub(crate) fn receive_shuffled(name: &str, requests: &[Vec<u8>], seeds: &[u64]) -> Received {
    let as_sent = Received::of(requests);
    let expected = as_sent.folded();
    as_sent.check_explained(name);
    for &seed in seeds {
        for times in [1, 3] {
            let received = Received::of(one_by_one(requests, seed, times));
            assert_eq!(received.folded(), expected, "{name}: shuffled with seed {seed}, each span {times} times");
        }
    }
    as_sent
}
