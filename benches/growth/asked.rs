//! What one query takes while runs stream in, and what of that is whose: its own work, the store that lets it wait, the machine.
//!
//! - Queued: a core was missing, from Linux's `schedstat` of the thread. Cores are shared by whoever asks, whoever sends and the store.
//! - Server time is the rest: the query's own CPU, and what it waited for. A list reads no disk, so what it waits for is the tenant's lock.
//! - A wait is the longer for the fold having lost its core meanwhile, which its own `schedstat` says.

use std::time::{Duration, Instant};

use super::load::random::mix;
use super::{Failure, usage};

/// How often each query is asked.
const REPETITIONS: u64 = 400;
/// The least and most between two questions, in microseconds: no multiple of what separates two requests of the stream.
const PAUSE: (u64, u64) = (2_000, 6_000);

/// Of one question, in milliseconds.
struct Sample {
    wall: f64,
    cpu: f64,
    queued: f64,
    /// How long the fold stood in the run queue meanwhile.
    fold_queued: f64,
}

/// Milliseconds that a query takes.
pub struct QueryCost {
    pub name: &'static str,
    /// Of CPU, the median.
    pub cpu: f64,
}

pub fn print_head() {
    println!("| query | CPU p50 ms | p99 | server p50 | p99 | waited p99 | without the fold's queue | queued p99 | wall p50 | p99 |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
}

/// The first question of all is not counted: figures that are kept are made by it.
pub fn asked(name: &'static str, mut ask: impl FnMut() -> Result<(), Failure>) -> Result<QueryCost, Failure> {
    let began = Instant::now();
    ask()?;
    let first = began.elapsed().as_secs_f64() * 1e3;
    let fold = usage::thread_named("fold")?;
    let mut samples = Vec::new();
    for nth in 0..REPETITIONS {
        samples.push(sample(&fold, &mut ask)?);
        std::thread::sleep(Duration::from_micros(PAUSE.0 + mix(8, nth) % (PAUSE.1 - PAUSE.0)));
    }
    let of = |part: fn(&Sample) -> f64| {
        let mut parts: Vec<f64> = samples.iter().map(part).collect();
        parts.sort_by(f64::total_cmp);
        (parts[parts.len() / 2], parts[parts.len() * 99 / 100])
    };
    let (cpu, server, wall) = (of(|sample| sample.cpu), of(Sample::server), of(|sample| sample.wall));
    let (waited, of_store, queued) = (of(Sample::waited).1, of(Sample::waited_for_store).1, of(|sample| sample.queued).1);
    let note = if first > 100.0 { format!(" (the first {first:.0})") } else { String::new() };
    println!(
        "| {name}{note} | {:.2} | {:.2} | {:.2} | {:.2} | {waited:.2} | {of_store:.2} | {queued:.2} | {:.2} | {:.2} |",
        cpu.0, cpu.1, server.0, server.1, wall.0, wall.1
    );
    Ok(QueryCost { name, cpu: cpu.0 })
}

fn sample(fold: &usage::Thread, ask: &mut impl FnMut() -> Result<(), Failure>) -> Result<Sample, Failure> {
    let asking = usage::Thread::current()?;
    let (queued, fold_queued) = (asking.queued_seconds()?, fold.queued_seconds()?);
    let (began, used) = (Instant::now(), usage::thread_cpu_seconds());
    ask()?;
    let (cpu, wall) = ((usage::thread_cpu_seconds() - used) * 1e3, began.elapsed().as_secs_f64() * 1e3);
    // Reading these is longer than the question: part of a wait in the queue can lie outside it.
    let queued = ((asking.queued_seconds()? - queued) * 1e3).min(wall - cpu);
    let fold_queued = (fold.queued_seconds()? - fold_queued) * 1e3;
    Ok(Sample { wall, cpu, queued, fold_queued })
}

// === impl Sample ===

impl Sample {
    fn server(&self) -> f64 {
        self.wall - self.queued
    }

    fn waited(&self) -> f64 {
        (self.wall - self.cpu - self.queued).max(0.0)
    }

    /// What the fold had a core for.
    fn waited_for_store(&self) -> f64 {
        (self.waited() - self.fold_queued).max(0.0)
    }
}
