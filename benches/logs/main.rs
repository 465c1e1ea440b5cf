//! What the logs of coding agents cost beside a load of spans, and what one very long conversation costs: `cargo bench --bench logs`.
//!
//! `docs/performance.md` says how to read it. Everything runs on loopback, on free ports, in temporary directories, with a limit in time.

#![allow(clippy::print_stdout)] // What it measured is what it is for.

#[path = "../load/mod.rs"]
mod load;
#[allow(dead_code)] // The pipeline benchmark uses all of it.
#[path = "../pipeline/process.rs"]
mod process;
mod seen;
#[allow(dead_code)]
#[path = "../pipeline/sink.rs"]
mod sink;
#[path = "../usage/mod.rs"]
mod usage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;

use load::connection::{Target, Transport};
use load::logs::{ClaudeCode, Codex, RECORDS_PER_CODEX_CALL, Sums};
use load::plan::{Disorder, Plan, Source};
use load::post::{Pace, Report, Requests, post};
use load::run::World;
use load::shape::{SPANS_PER_RUN, Shape};
use process::{Failure, Receiver};
use sink::Sink;

/// Spans and records of all loads go in requests of these sizes.
const SPANS_BATCH: u64 = 256;
const RUNS_PER_SESSION: u64 = 5;
/// How many agents are being worked with at one time.
const PROCESSES: usize = 500;
/// What was sent is there after this long, or never.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of a conversation the cost of the last part is compared with that of the first.
const PARTS: u64 = 4;

#[derive(Parser)]
#[command(about = "What logs of coding agents cost beside spans, and what a conversation of thousands of calls costs")]
struct Args {
    /// How long the spans and the records are sent
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Spans a second
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    spans: u64,
    /// Log records a second, half over gRPC and half over HTTP
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    records: u64,
    /// Records of one request
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batch: u64,
    /// Calls of the conversation; each is three records
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(40..=1_000_000))]
    calls: u64,
    /// Records of the conversation a second
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    talk: u64,
    /// Leave out the load of spans and records
    #[arg(long)]
    no_load: bool,
    /// Leave out the conversation
    #[arg(long)]
    no_conversation: bool,
    /// The server
    #[arg(long, env = "SESSIONFOLD_BIN", default_value = env!("CARGO_BIN_EXE_sessionfold"))]
    bin: PathBuf,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if !args.no_load {
        beside_spans(&args)?;
    }
    if !args.no_conversation {
        conversation(&args)?;
    }
    Ok(())
}

/// The same spans without logs and with them.
fn beside_spans(args: &Args) -> Result<(), Failure> {
    let Args { seconds, spans, records, batch, .. } = args;
    println!("{spans} spans a second for {seconds} s, and beside them {records} log records a second in requests of {batch}:\n");
    println!("{:<16} {:>8} {:>14} {:>14} {:>14} {:>9}", "", "CPU s", "spans p99 ms", "gRPC p99 ms", "HTTP p99 ms", "peak MiB");
    let plain = measure(args, false)?;
    let both = measure(args, true)?;
    let n_records = args.records * args.seconds;
    println!(
        "\n{:.1} CPU seconds for a million records; a million of the spans cost {:.1}",
        (both - plain) * 1e6 / n_records as f64,
        plain * 1e6 / (args.spans * args.seconds) as f64
    );
    println!("nothing was refused, and the list has every session, run, token and nano-dollar of both\n");
    Ok(())
}

/// CPU seconds of the server, its last checkpoint included.
fn measure(args: &Args, with_logs: bool) -> Result<f64, Failure> {
    let sink = Sink::start()?;
    let receiver = Receiver::sessionfold(&args.bin, Some(sink.addr))?;
    let (grpc, http) = (receiver.grpc, receiver.http);
    let before = usage::cpu_seconds(receiver.pid())?;
    let half = args.records / 2;
    let logs = |seed, transport, addr| {
        let source = ClaudeCode::new(seed, PROCESSES, args.batch, half * args.seconds, transport == Transport::Grpc);
        send(transport, addr, source, half, args.seconds)
    };
    let (spans, by_grpc, by_http) = std::thread::scope(|scope| {
        let by_grpc = with_logs.then(|| scope.spawn(|| logs(1, Transport::Grpc, grpc).map_err(|error| error.to_string())));
        let by_http = with_logs.then(|| scope.spawn(|| logs(2, Transport::Http, http).map_err(|error| error.to_string())));
        let spans = send(Transport::Grpc, grpc, spans_of(args)?, args.spans, args.seconds)?;
        let join = |thread: Option<std::thread::ScopedJoinHandle<'_, Result<_, String>>>| {
            thread.map(|thread| thread.join().map_err(|_| "a thread failed".to_owned())?).transpose()
        };
        Ok::<_, Failure>((spans, join(by_grpc)?, join(by_http)?))
    })?;
    let (report, source) = spans;
    let truth = &source.plan.truth;
    let mut expected = Sums {
        sessions: truth.sessions(),
        runs: truth.runs(),
        tokens: truth.tokens(),
        cost_nanos: truth.cost_nanos(),
        spans: report.spans,
    };
    for (_, source) in by_grpc.iter().chain(&by_http) {
        expected.add(&source.sums);
    }
    wait_for(&receiver, &sink, &expected)?;
    let (_, peak) = usage::rss_mib(receiver.pid())?;
    let cpu = receiver.end()?.cpu_seconds - before;
    let p99 =
        |told: &Option<(Report, ClaudeCode)>| told.as_ref().map_or("-".to_owned(), |(report, _)| format!("{:.1}", report.latency_ms(0.99)));
    let name = if with_logs { "spans and logs" } else { "spans alone" };
    let of_spans = report.latency_ms(0.99);
    println!("{name:<16} {cpu:>8.1} {of_spans:>14.1} {:>14} {:>14} {peak:>9.0}", p99(&by_grpc), p99(&by_http));
    Ok(cpu)
}

fn spans_of(args: &Args) -> Result<Source, Failure> {
    let sessions = args.spans * args.seconds / (RUNS_PER_SESSION * SPANS_PER_RUN as u64);
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let spread = args.seconds * 1_000_000_000;
    let step = spread / (sessions * RUNS_PER_SESSION).max(1);
    let world = World { seed: 1, sessions, runs_per_session: RUNS_PER_SESSION, epoch: now - spread, step };
    Ok(Source::new(Plan::new(world, Disorder::default()), Arc::new(Shape::new(105)), SPANS_BATCH as usize, true))
}

/// All of it; what was not acknowledged at once is a failure.
fn send<S: Requests + 'static>(transport: Transport, addr: SocketAddr, source: S, rate: u64, seconds: u64) -> Result<(Report, S), Failure> {
    let connections = if transport == Transport::Grpc { 2 } else { 8 };
    let duration = Duration::from_secs(seconds) + PATIENCE;
    let pace = Pace { rate: Some(rate), duration, connections, in_flight: 4 };
    let target = Target { transport, addr, key: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (report, source) = tokio::task::LocalSet::new().block_on(&runtime, post(&target, source, pace));
    if report.lost + report.rejected > 0 || !report.errors.is_empty() {
        return Err(format!("{} lost, {} rejected, {:?}", report.lost, report.rejected, report.errors).into());
    }
    Ok((report, source))
}

/// Until every span is forwarded and the list has exactly what was sent.
fn wait_for(receiver: &Receiver, sink: &Sink, expected: &Sums) -> Result<(), Failure> {
    if !sink.wait_for(expected.spans, 0, PATIENCE) {
        return Err(format!("the sink got {} of {} spans", sink.spans(), expected.spans).into());
    }
    let api = receiver.api.ok_or("sessionfold has an API")?;
    seen::wait_for(api, expected, PATIENCE)
}

/// One conversation of Codex, which is one trace: what a record costs at its beginning and at its end.
fn conversation(args: &Args) -> Result<(), Failure> {
    let sink = Sink::start()?;
    let receiver = Receiver::sessionfold(&args.bin, Some(sink.addr))?;
    let mut source = Codex::new(args.batch, true);
    let calls = args.calls / PARTS;
    let n_records = calls * RECORDS_PER_CODEX_CALL;
    println!("one conversation of {} calls, {} records a second in requests of {}:\n", calls * PARTS, args.talk, args.batch);
    println!("{:<22} {:>14} {:>12} {:>10}", "calls", "CPU µs a record", "p99 ack ms", "of it fold");
    let mut costs = Vec::new();
    for part in 0..PARTS {
        let before = (usage::cpu_seconds(receiver.pid())?, usage::threads(receiver.pid())?);
        source.go_on(calls);
        let (report, back) = send(Transport::Grpc, receiver.grpc, source, args.talk, n_records / args.talk)?;
        source = back;
        wait_for(&receiver, &sink, &source.sums)?;
        let micros = |cpu: f64| cpu * 1e6 / report.spans as f64;
        let fold = |threads: &std::collections::BTreeMap<String, f64>| threads.get("fold").copied().unwrap_or_default();
        let cost = micros(usage::cpu_seconds(receiver.pid())? - before.0);
        let of_fold = micros(fold(&usage::threads(receiver.pid())?) - fold(&before.1));
        let range = format!("{} to {}", part * calls, (part + 1) * calls);
        println!("{range:<22} {cpu:>14.0} {:>12.1} {of_fold:>10.0}", report.latency_ms(0.99), cpu = cost);
        costs.push(cost);
    }
    let cpu = receiver.end()?.cpu_seconds;
    println!(
        "\n{cpu:.1} CPU seconds in all; a record of the last part cost {:.1} times one of the first",
        costs[costs.len() - 1] / costs[0]
    );
    println!("the list has every turn and token\n");
    Ok(())
}

// === impl Sums ===

impl Sums {
    fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.runs += other.runs;
        self.tokens += other.tokens;
        self.cost_nanos += other.cost_nanos;
        self.spans += other.spans;
    }
}
