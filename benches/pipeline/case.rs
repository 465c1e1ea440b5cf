//! One measurement: a fresh receiver, one kind of load, what it cost.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::load::connection::{Target, Transport};
use super::load::plan::{Disorder, Plan, Source};
use super::load::post::{Pace, Report, post};
use super::load::run::World;
use super::load::shape::{SPANS_PER_RUN, Shape};
use super::process::{Failure, Receiver};
use super::reads;
use super::sink::Sink;
use super::usage;

/// No load takes longer, and nothing is waited for longer.
const LIMIT: Duration = Duration::from_secs(120);

/// What is sent.
#[derive(Clone, Copy)]
pub struct Load {
    pub transport: Transport,
    pub batch: usize,
    pub content: usize,
    pub sessions: u64,
    pub runs: u64,
    pub rate: Option<u64>,
    pub seed: u64,
}

/// What it cost.
pub struct Cost {
    /// Of a million spans.
    pub cpu_seconds: f64,
    pub spans_per_second: f64,
    pub p99_ms: f64,
    pub peak_mib: f64,
    /// CPU seconds of a million spans by thread, up to the moment when all was forwarded and listed.
    pub threads: BTreeMap<String, f64>,
}

// === impl Load ===

impl Load {
    pub fn spans(&self) -> u64 {
        self.sessions * self.runs * SPANS_PER_RUN as u64
    }

    pub fn world(&self) -> Result<World, Failure> {
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
        const SPREAD: u64 = 600_000_000_000;
        let step = SPREAD / (self.sessions * self.runs).max(1);
        Ok(World { seed: self.seed, sessions: self.sessions, runs_per_session: self.runs, epoch: now - SPREAD, step })
    }
}

/// From a receiver that is warm to one that has forwarded all, folded all, written its checkpoint and ended.
pub fn measure(start: &dyn Fn(&Sink) -> Result<Receiver, Failure>, load: &Load) -> Result<Cost, Failure> {
    let sink = Sink::start()?;
    let receiver = start(&sink)?;
    let warm_up = Load { sessions: 200, seed: 77, rate: None, ..*load };
    send(&receiver, &warm_up)?;
    drain(&receiver, &sink, 0, &warm_up, warm_up.sessions)?;
    let (cpu_before, threads_before, spans_before) = (usage::cpu_seconds(receiver.pid())?, usage::threads(receiver.pid())?, sink.spans());
    let report = send(&receiver, load)?;
    drain(&receiver, &sink, spans_before, load, load.sessions.max(warm_up.sessions))?;
    let per_million = 1e6 / load.spans() as f64;
    let threads = usage::threads(receiver.pid())?.into_iter();
    let threads = threads.map(|(name, cpu)| (cpu - threads_before.get(&name).unwrap_or(&0.0), name));
    let threads = threads.map(|(cpu, name)| (name, cpu * per_million)).collect();
    let (_, peak_mib) = usage::rss_mib(receiver.pid())?;
    let ended = receiver.end()?;
    Ok(Cost {
        cpu_seconds: (ended.cpu_seconds - cpu_before) * per_million,
        spans_per_second: report.spans_per_second(),
        p99_ms: report.latency_ms(0.99),
        peak_mib,
        threads,
    })
}

/// All of `load`; anything not acknowledged is a failure.
pub fn send(receiver: &Receiver, load: &Load) -> Result<Report, Failure> {
    let addr = match load.transport {
        Transport::Grpc => receiver.grpc,
        Transport::Http => receiver.http,
    };
    let target = Target { transport: load.transport, addr, key: None };
    let plan = Plan::new(load.world()?, Disorder::default());
    let source = Source::new(plan, Arc::new(Shape::new(load.content)), load.batch, load.transport == Transport::Grpc);
    let connections = if load.transport == Transport::Grpc { 2 } else { 8 };
    let pace = Pace { rate: load.rate, duration: LIMIT, connections, in_flight: 4 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (report, _) = tokio::task::LocalSet::new().block_on(&runtime, post(&target, source, pace));
    if report.spans != load.spans() || report.rejected > 0 {
        return Err(format!(
            "{} of {} spans were acknowledged, {} rejected: {:?}",
            report.spans,
            load.spans(),
            report.rejected,
            report.errors
        )
        .into());
    }
    Ok(report)
}

/// Waits until the sink has all of it, and the list too.
fn drain(receiver: &Receiver, sink: &Sink, before: u64, load: &Load, sessions: u64) -> Result<(), Failure> {
    if !sink.wait_for(load.spans(), before, LIMIT) {
        return Err(format!("the sink got {} of {} spans", sink.spans() - before, load.spans()).into());
    }
    let Some(api) = receiver.api else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(reads::wait_for(api, sessions))
}

/// CPU seconds in which this machine decodes and encodes a million such spans with prost, now: what other figures may be divided by.
pub fn yardstick(content: usize) -> Result<f64, Failure> {
    let load = Load { transport: Transport::Http, batch: 256, content, sessions: 1_280, runs: 1, rate: None, seed: 3 };
    let mut source = Source::new(Plan::new(load.world()?, Disorder::default()), Arc::new(Shape::new(content)), load.batch, false);
    let requests: Vec<_> = source.by_ref().collect();
    let mut seconds = Vec::new();
    for _ in 0..9 {
        let before = cpu_of_this_thread()?;
        for request in &requests {
            black_box(ExportTraceServiceRequest::decode(request.bytes.clone())?.encode_to_vec());
        }
        seconds.push((cpu_of_this_thread()? - before) * 1e6 / load.spans() as f64);
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

fn cpu_of_this_thread() -> Result<f64, Failure> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(times.split(' ').next().unwrap_or_default().parse::<f64>()? / 1e9)
}
