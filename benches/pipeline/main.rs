//! What a span costs from the socket to the sink, and what a page of sessions costs: `cargo bench --bench pipeline -- --help`.
//!
//! `docs/performance.md` says how to read it. Everything runs on loopback, on free ports, in temporary directories, with a limit in time.

#![allow(clippy::print_stdout)] // What it measured is what it is for.

mod case;
#[path = "../load/mod.rs"]
mod load;
mod process;
mod reads;
mod sink;
#[path = "../usage/mod.rs"]
mod usage;

use std::path::{Path, PathBuf};

use clap::Parser;

use case::{Cost, Load};
use load::connection::Transport::{self, Grpc, Http};
use load::shape::SPANS_PER_RUN;
use process::{Failure, Receiver};
use sink::Sink;

/// Of the prompts and answers in spans of the SDK's usual size.
const SHORT: usize = 105;
const LONG: usize = 4_096;

/// Name, transport, spans of a request, length of prompts and answers, spans in all, spans a second.
type Case = (&'static str, Transport, usize, usize, u64, Option<u64>);
const CASES: &[Case] = &[
    ("gRPC b6", Grpc, 6, SHORT, 150_000, None),
    ("gRPC b256", Grpc, 256, SHORT, 600_000, None),
    ("gRPC b2048", Grpc, 2_048, SHORT, 600_000, None),
    ("gRPC b256 4K", Grpc, 256, LONG, 150_000, None),
    ("HTTP b6", Http, 6, SHORT, 150_000, None),
    ("HTTP b256", Http, 256, SHORT, 600_000, None),
    ("HTTP b2048", Http, 2_048, SHORT, 600_000, None),
    ("gRPC b256 at 20k/s", Grpc, 256, SHORT, 200_000, Some(20_000)),
    ("HTTP b256 at 20k/s", Http, 256, SHORT, 200_000, Some(20_000)),
];

/// CPU seconds per million spans of the OpenTelemetry Collector 0.153 with its batch processor on another day on such a machine.
const COLLECTOR_RECORDED: &[(&str, &str)] = &[
    ("gRPC b6", "9.5-11.9"),
    ("gRPC b256", "4.4-5.3"),
    ("gRPC b2048", "4.7-4.9"),
    ("gRPC b256 4K", "10.6-12.2"),
    ("HTTP b256", "5.8-7.3"),
];

#[derive(Parser)]
#[command(about = "CPU, memory and latency of receive + journal + fold + forward, and of the list and the detail")]
struct Args {
    /// Repetitions of each case; the median is printed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    reps: u32,
    /// Only cases with this in their name
    #[arg(long, default_value = "")]
    only: String,
    /// Also with a million sessions
    #[arg(long)]
    full: bool,
    /// Leave out the list and the detail
    #[arg(long)]
    no_reads: bool,
    /// The server
    #[arg(long, env = "SESSIONFOLD_BIN", default_value = env!("CARGO_BIN_EXE_sessionfold"))]
    bin: PathBuf,
    /// An OpenTelemetry Collector to compare with
    #[arg(long, env = "OTELCOL_BIN")]
    otelcol: Option<PathBuf>,
    /// Say which threads of the server used the CPU
    #[arg(long)]
    threads: bool,
    /// Only compare the CPU of forwarding with stamps and without
    #[arg(long)]
    stamps: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores, shared by load, server and sink; {} repetitions, medians", args.reps);
    let (short, long) = (case::yardstick(SHORT)?, case::yardstick(LONG)?);
    println!("yardstick: prost decodes and encodes a million of these spans in {short:.2} s of CPU, with 4K contents in {long:.2} s\n");
    println!("{:<20} {:>10} {:>12} {:>10} {:>9}  collector", "case", "CPU s/M", "spans/s", "p99 ack ms", "peak MiB");
    if args.stamps {
        return stamps(&args);
    }
    for case in CASES.iter().filter(|case| case.0.contains(&args.only)) {
        run(case, &args)?;
    }
    if args.otelcol.is_none() {
        println!("\n(recorded: figures of docs/performance.md, measured on another day; OTELCOL_BIN=... measures it here and now)");
    }
    if !args.no_reads {
        for sessions in if args.full { &[100_000, 1_000_000][..] } else { &[100_000] } {
            reads::measure(&args.bin, *sessions)?;
        }
    }
    Ok(())
}

/// What stamping adds to forwarding, both measured in turn.
fn stamps(args: &Args) -> Result<(), Failure> {
    println!("{:<20} {:>12} {:>12} {:>8}", "case", "stamped", "plain", "ratio");
    for &(name, transport, batch, content, spans, rate) in CASES.iter().filter(|case| case.0.contains(&args.only)) {
        const RUNS: u64 = 5;
        let load = Load { transport, batch, content, sessions: spans / (RUNS * SPANS_PER_RUN as u64), runs: RUNS, rate, seed: 1 };
        let (mut stamped, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..args.reps {
            for (costs, stamp) in [(&mut stamped, true), (&mut plain, false)] {
                costs.push(
                    case::measure(&|sink: &Sink| Receiver::sessionfold_stamping(&args.bin, Some(sink.addr), stamp), &load)?.cpu_seconds,
                );
            }
        }
        let (stamped, plain) = (median(stamped.into_iter()), median(plain.into_iter()));
        println!("{name:<20} {stamped:>12.2} {plain:>12.2} {:>8.3}", stamped / plain);
    }
    Ok(())
}

fn run(&(name, transport, batch, content, spans, rate): &Case, args: &Args) -> Result<(), Failure> {
    const RUNS: u64 = 5;
    let sessions = spans / (RUNS * SPANS_PER_RUN as u64);
    let load = Load { transport, batch, content, sessions, runs: RUNS, rate, seed: 1 };
    let ours = |sink: &Sink| Receiver::sessionfold(&args.bin, Some(sink.addr));
    let mut costs = Vec::new();
    let mut collector = Vec::new();
    // One after the other, so that whatever else the machine does meets both.
    for _ in 0..args.reps {
        costs.push(case::measure(&ours, &load)?);
        if let Some(bin) = &args.otelcol {
            collector.push(case::measure(&|sink: &Sink| Receiver::otelcol(bin as &Path, sink.addr), &load)?);
        }
    }
    let cost = |of: fn(&Cost) -> f64| median(costs.iter().map(of));
    let compared = match (collector.is_empty(), rate) {
        (true, None) => {
            COLLECTOR_RECORDED.iter().find(|(case, _)| *case == name).map_or(String::new(), |(_, cpu)| format!("{cpu} recorded"))
        }
        (true, Some(_)) => String::new(),
        (false, _) => {
            let theirs = |of: fn(&Cost) -> f64| median(collector.iter().map(of));
            let (cpu, peak, p99) = (theirs(|cost| cost.cpu_seconds), theirs(|cost| cost.peak_mib), theirs(|cost| cost.p99_ms));
            let ratio = cost(|cost| cost.cpu_seconds) / cpu;
            format!("{cpu:.2} s/M (ratio {ratio:.2}), p99 {p99:.1} ms, {peak:.0} MiB")
        }
    };
    println!(
        "{name:<20} {:>10.2} {:>12.0} {:>10.1} {:>9.0}  {compared}",
        cost(|cost| cost.cpu_seconds),
        cost(|cost| cost.spans_per_second),
        cost(|cost| cost.p99_ms),
        cost(|cost| cost.peak_mib)
    );
    if args.threads {
        for (name, _) in costs[0].threads.iter().filter(|(_, cpu)| **cpu > 0.01) {
            let cpu = median(costs.iter().map(|cost| cost.threads.get(name).copied().unwrap_or(0.0)));
            println!("    {name:<16} {cpu:>10.2}");
        }
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
