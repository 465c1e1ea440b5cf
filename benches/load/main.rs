//! Sends load to a receiver and says how it took it: `cargo bench --bench load -- --help`.

#![allow(clippy::print_stdout)] // What it measured is what it is for.

#[path = "mod.rs"]
mod load;

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;

use load::connection::{Target, Transport};
use load::plan::{Disorder, Plan, Source};
use load::post::{Pace, Report, post};
use load::run::World;
use load::shape::Shape;
use load::truth::Truth;

#[derive(Parser)]
#[command(about = "Sends agent spans to an OTLP receiver: as fast as it goes, or at a rate")]
struct Args {
    /// Where to send
    #[arg(long, default_value = "127.0.0.1:4317")]
    addr: SocketAddr,
    #[arg(long, value_enum, default_value = "grpc")]
    transport: Transport,
    /// Sessions in all
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=20_000_000))]
    sessions: u64,
    /// Runs of each session; each run is six spans
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// Spans of one request
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    batch: u64,
    /// Spans a second; 0 is as fast as it goes
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Begin no new run after this long
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    duration: Duration,
    /// Length of each prompt and each answer, for instance 4k
    #[arg(long, default_value = "105", value_parser = parse_size)]
    content: usize,
    /// Another number gives other ids and tokens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Shuffle the spans, thousands of runs at a time
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// Percent of the spans that are sent twice
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    duplicates: u64,
    /// Percent of the runs whose root comes thousands of runs later
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100))]
    late_parents: u64,
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Requests under way on one gRPC connection
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,
    /// Write what was sent, by session, to this file
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Sent as X-Wax-Key
    #[arg(long, env = "SESSIONFOLD_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Only make the requests, to see how fast that is
    #[arg(long)]
    dry_run: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let source = source(&args)?;
    if args.dry_run {
        dry_run(source);
        return Ok(());
    }
    let key = args.key.as_deref().filter(|key| !key.is_empty()).map(http::HeaderValue::from_str).transpose()?;
    let target = Target { transport: args.transport, addr: args.addr, key };
    let rate = (args.rate > 0).then_some(args.rate);
    let pace = Pace { rate, duration: args.duration, connections: args.connections.into(), in_flight: args.in_flight.into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (report, source) = tokio::task::LocalSet::new().block_on(&runtime, post(&target, source, pace));
    let truth = &source.plan.truth;
    print(&report, truth);
    if let Some(path) = &args.truth {
        truth.write(BufWriter::new(File::create(path)?))?;
    }
    if report.lost + report.rejected > 0 {
        return Err(format!("{} spans were not acknowledged, {} were rejected", report.lost, report.rejected).into());
    }
    Ok(())
}

fn source(args: &Args) -> Result<Source, Box<dyn Error>> {
    // The newest run is about as old as the load, and all are of the last ten minutes.
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    const SPREAD: u64 = 600_000_000_000;
    let step = (SPREAD / args.sessions.saturating_mul(args.runs)).max(1);
    let world = World { seed: args.seed, sessions: args.sessions, runs_per_session: args.runs, epoch: now - SPREAD, step };
    let disorder = Disorder { shuffle: args.shuffle, duplicates: args.duplicates, late_parents: args.late_parents };
    let is_framed = args.transport == Transport::Grpc;
    Ok(Source::new(Plan::new(world, disorder), Arc::new(Shape::new(args.content)), args.batch as usize, is_framed))
}

fn dry_run(mut source: Source) {
    let start = Instant::now();
    let (mut spans, mut bytes) = (0, 0);
    for request in &mut source {
        spans += request.n_spans;
        bytes += request.bytes.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("made {spans} spans in {seconds:.2} s: {:.0} spans/s, {} bytes a span", spans as f64 / seconds, bytes as u64 / spans.max(1));
}

fn print(report: &Report, truth: &Truth) {
    let [p50, p95, p99, max] = [0.5, 0.95, 0.99, 1.0].map(|share| report.latency_ms(share));
    println!(
        "acked {} spans in {} requests, {:.1} MB, in {:.2} s: {:.0} spans/s",
        report.spans,
        report.requests,
        report.bytes as f64 / 1e6,
        report.elapsed.as_secs_f64(),
        report.spans_per_second()
    );
    println!("ack latency p50 {p50:.2} ms, p95 {p95:.2} ms, p99 {p99:.2} ms, max {max:.2} ms");
    let dollars = truth.cost_nanos() as f64 / 1e9;
    println!("truth: {} sessions, {} runs, {} tokens, ${dollars:.6}", truth.sessions(), truth.runs(), truth.tokens());
    for (reason, count) in &report.errors {
        println!("not acked at once: {count} x {reason}");
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    // Always bounded in time.
    if duration > Duration::from_secs(24 * 3600) { Err("at most 24h".into()) } else { Ok(duration) }
}

fn parse_size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.to_ascii_lowercase().strip_suffix('k') {
        Some(digits) => (digits.to_owned(), 1024),
        None => (text.to_owned(), 1),
    };
    let bytes = digits.parse::<usize>().map_err(|error| error.to_string())? * unit;
    if bytes > 1 << 20 { Err("at most 1024k".into()) } else { Ok(bytes) }
}
