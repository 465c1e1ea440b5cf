//! How fast a backlog drains once Tempo is back, by how many runs the index holds: `cargo bench --bench drain -- --help`.
//!
//! For each size: an index with so many runs; a server whose Tempo is away; a backlog of which every trace has left memory; then a receiver at
//! Tempo's address that takes everything. What is printed is the spans a second from its first request to its last.

#![allow(clippy::print_stdout)] // What it measured is what it is for.

#[path = "../load/mod.rs"]
mod load;
mod server;
#[allow(dead_code)] // The pipeline uses the rest.
#[path = "../pipeline/sink.rs"]
mod sink;
#[path = "../usage/mod.rs"]
mod usage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;

use load::connection::{Target, Transport};
use load::plan::{Disorder, Plan, Source};
use load::post::{Pace, post};
use load::run::World;
use load::shape::{SPANS_PER_RUN, Shape};
use server::{Failure, Server};
use sink::Sink;

/// Of the prompts and answers in spans of the SDK's usual size.
const CONTENT_BYTES: usize = 105;
const RUNS_PER_SESSION: u64 = 5;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(1200);

#[derive(Parser)]
#[command(about = "Spans a second that a backlog drains with, for indexes of several sizes")]
struct Args {
    /// Runs in the index
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000, 1_000_000])]
    runs: Vec<u64>,
    /// Runs that wait for Tempo beside them
    #[arg(long, default_value_t = 50_000)]
    backlog: u64,
    /// Spans of a request
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Spread the spans of a run over many requests
    #[arg(long)]
    shuffled: bool,
    /// The server
    #[arg(long, env = "SESSIONFOLD_BIN", default_value = env!("CARGO_BIN_EXE_sessionfold"))]
    bin: PathBuf,
    /// Say which threads of the server used the CPU
    #[arg(long)]
    threads: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    println!("{} cores, shared by server and receiver; a backlog of {} runs", std::thread::available_parallelism()?, args.backlog);
    println!("{:>12} {:>12} {:>10} {:>12} {:>9}", "runs", "spans/s", "seconds", "CPU s/M", "peak MiB");
    let mut rates = Vec::new();
    for runs in &args.runs {
        rates.push(measure(&args, *runs)?);
    }
    if let (Some(first), Some(last)) = (rates.first(), rates.last()) {
        println!("the last rate is {:.2} of the first", last / first);
    }
    Ok(())
}

fn measure(args: &Args, runs: u64) -> Result<f64, Failure> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let filling = Server::start(&args.bin, &data, None)?;
    send(&filling, runs, 2_048, 1, Disorder::default())?;
    filling.wait_for_sessions(runs.div_ceil(RUNS_PER_SESSION), PATIENCE)?;
    filling.stop()?;
    server::call_forwarded(&data)?;

    let tempo = server::free_port()?;
    let server = Server::start(&args.bin, &data, Some(tempo))?;
    let disorder = Disorder { shuffle: args.shuffled.then_some(7), ..Disorder::default() };
    send(&server, args.backlog, args.batch, 2, disorder)?;
    server.wait_until_evicted(PATIENCE)?;

    let sink = Sink::start_at(tempo)?;
    let spans = args.backlog * SPANS_PER_RUN as u64;
    if !sink.wait_for(1, 0, Duration::from_secs(120)) {
        return Err("nothing was forwarded".into());
    }
    let (began, before, threads) = (Instant::now(), usage::cpu_seconds(server.pid())?, usage::threads(server.pid())?);
    // What the first request held was not waited for.
    let first = sink.spans();
    if !sink.wait_for(spans, 0, PATIENCE) {
        return Err(format!("the receiver got {} of {spans} spans", sink.spans()).into());
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), usage::cpu_seconds(server.pid())? - before);
    let n_spans = (spans - first) as f64;
    let (rate, cpu_per_million) = (n_spans / seconds, cpu * 1e6 / n_spans);
    println!("{runs:>12} {rate:>12.0} {seconds:>10.1} {cpu_per_million:>12.1} {:>9.0}", usage::rss_mib(server.pid())?.1);
    if args.threads {
        for (name, now) in usage::threads(server.pid())? {
            let used = now - threads.get(&name).unwrap_or(&0.0);
            if used > 0.05 {
                println!("    {name:<16} {used:>10.2} s");
            }
        }
    }
    server.stop()?;
    Ok(rate)
}

/// All of it acknowledged, or a failure.
fn send(server: &Server, runs: u64, batch: usize, seed: u64, disorder: Disorder) -> Result<(), Failure> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    const SPREAD: u64 = 600_000_000_000;
    let world = World {
        seed,
        sessions: runs.div_ceil(RUNS_PER_SESSION),
        runs_per_session: RUNS_PER_SESSION,
        epoch: now - SPREAD,
        step: SPREAD / runs.max(1),
    };
    let source = Source::new(Plan::new(world, disorder), Arc::new(Shape::new(CONTENT_BYTES)), batch, true);
    let target = Target { transport: Transport::Grpc, addr: server.grpc, key: None };
    let pace = Pace { rate: None, duration: PATIENCE, connections: 2, in_flight: 4 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (report, _) = tokio::task::LocalSet::new().block_on(&runtime, post(&target, source, pace));
    let wanted = world.runs() * SPANS_PER_RUN as u64;
    if report.spans != wanted || report.rejected > 0 {
        return Err(format!("{} of {wanted} spans were acknowledged: {:?}", report.spans, report.errors).into());
    }
    Ok(())
}
