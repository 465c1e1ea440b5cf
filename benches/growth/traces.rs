//! The same spans in traces of different sizes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::Span;
use sessionfold::model::ids::SessionId;
use sessionfold::model::query::SessionQuery;
use sessionfold::store::Store;

use super::spans::{self, Root};
use super::world::{World, now};
use super::{Failure, usage};

/// At least so many spans are sent for each size, in whole traces.
const SPANS_MIN: usize = 60_000;
/// Traces that grow at the same time.
const AT_A_TIME: usize = 8;
const SPANS_OF_A_REQUEST: usize = 6;
/// A tool and the calls within it, which come before it.
const SPANS_OF_A_TOOL: usize = 5;
const TOKENS_OF_A_CALL: u64 = 1_000;
const PATIENCE: Duration = Duration::from_secs(300);

/// What a span cost, in microseconds of CPU.
pub struct TraceCost {
    pub spans: usize,
    /// Of the fold thread.
    pub fold: f64,
    /// Of everything: journal, fold, checkpoints, the stop.
    pub all: f64,
}

pub fn measure(sizes: &[usize], rate: u64) -> Result<Vec<TraceCost>, Failure> {
    if sizes.is_empty() {
        return Ok(Vec::new());
    }
    println!("\n{rate} spans a second, {AT_A_TIME} traces at a time, {SPANS_OF_A_REQUEST} spans a request\n");
    println!("| spans of a trace | fold us a span | all us a span | visible after s |\n|--:|--:|--:|--:|");
    sizes.iter().map(|spans| one_size(*spans, rate)).collect()
}

fn one_size(spans: usize, rate: u64) -> Result<TraceCost, Failure> {
    // In whole groups, so that as many traces grow at a time whatever their size.
    let n_groups = SPANS_MIN.div_ceil(spans * AT_A_TIME);
    let requests = requests(n_groups, spans);
    let n_spans = n_groups * AT_A_TIME * spans;
    let world = World::open()?;
    let pause = Duration::from_secs_f64(SPANS_OF_A_REQUEST as f64 / rate as f64);
    let (began, before) = (Instant::now(), usage::cpu_seconds(std::process::id())?);
    for (nth, request) in requests.into_iter().enumerate() {
        std::thread::sleep((pause * nth as u32).saturating_sub(began.elapsed()));
        world.send(request)?;
    }
    let sent = Instant::now();
    wait_until_shown(&world, (n_groups * AT_A_TIME - 1) as u64, spans)?;
    let visible_after = sent.elapsed().as_secs_f64();
    let fold = world.used_by_fold()?;
    world.stop();
    let cpu = usage::cpu_seconds(std::process::id())? - before;
    let of_span = |seconds: f64| seconds * 1e6 / n_spans as f64;
    let cost = TraceCost { spans, fold: of_span(fold), all: of_span(cpu) };
    println!("| {spans} | {:.1} | {:.1} | {visible_after:.2} |", cost.fold, cost.all);
    Ok(cost)
}

fn requests(n_groups: usize, spans: usize) -> Vec<Bytes> {
    let mut requests = Vec::new();
    for group in 0..n_groups {
        for from in (0..spans).step_by(SPANS_OF_A_REQUEST) {
            let until = spans.min(from + SPANS_OF_A_REQUEST);
            requests.extend((0..AT_A_TIME).map(|nth| request((group * AT_A_TIME + nth) as u64, from..until, spans)));
        }
    }
    requests
}

/// Waits until the session of the last trace has all that its calls used.
fn wait_until_shown(world: &World, trace: u64, spans: usize) -> Result<(), Failure> {
    let tokens = (0..spans - 1).filter(|nth| is_call(*nth, spans)).count() as u64 * TOKENS_OF_A_CALL;
    let query = SessionQuery { session_id: SessionId::new(&session(trace)), ..SessionQuery::default() };
    let began = Instant::now();
    while world.store.sessions(&world.tenant, &query)?.items.first().is_none_or(|session| session.total_tokens != tokens) {
        if began.elapsed() > PATIENCE {
            return Err(format!("the last trace does not show its {tokens} tokens").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Some spans of a trace: the last of all is its root, an agent with a session.
fn request(trace: u64, spans: std::ops::Range<usize>, of: usize) -> Bytes {
    let now = now();
    spans::request(spans.map(|nth| if nth + 1 == of { root(trace, nth, now) } else { child(trace, nth, of, now) }))
}

fn root(trace: u64, nth: usize, now: u64) -> Span {
    Root { session: &session(trace), agent: "planner", user: None, is_error: false, tokens: 0 }.span(trace, nth, now)
}

/// A call of a model, or the tool that it is part of.
fn child(trace: u64, nth: usize, of: usize, now: u64) -> Span {
    let span = spans::span(trace, nth, now);
    if is_call(nth, of) {
        let (parent, attributes) = (spans::span_id(tool_of(nth).min(of - 1)), spans::call(TOKENS_OF_A_CALL));
        return Span { name: "chat gpt-4o".into(), parent_span_id: parent, attributes, ..span };
    }
    Span { name: "execute_tool search".into(), parent_span_id: spans::span_id(of - 1), attributes: spans::tool("search"), ..span }
}

/// The span after so many, which holds them.
fn tool_of(nth: usize) -> usize {
    nth / SPANS_OF_A_TOOL * SPANS_OF_A_TOOL + SPANS_OF_A_TOOL - 1
}

fn is_call(nth: usize, of: usize) -> bool {
    nth != tool_of(nth) && nth + 1 < of
}

fn session(trace: u64) -> String {
    format!("conversation-{trace}")
}
