//! The instructions that the hot paths take for a span: what `.ci/instructions` counts under callgrind and compares with what is kept.
//!
//! `instructions PATH N` does the work of N requests of 256 spans and prints the number of spans. What two numbers of requests differ by
//! is the cost of a span; start and end drop out.

#![allow(clippy::print_stdout)] // What it did is what it is for.

#[path = "../load/mod.rs"]
mod load;

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sessionfold::fold::TraceLimit;
use sessionfold::journal::{self, Journal};
use sessionfold::model::ids::Tenant;
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::model::via::Via;
use sessionfold::store::local::{LocalStore, Options, SqliteLimits};
use sessionfold::wire::format::entry::{Entry, Event};
use sessionfold::wire::otlp::inspect::{self, inspect};

use load::plan::{Disorder, Plan, Source};
use load::run::World;
use load::shape::{SPANS_PER_RUN, Shape};

const SPANS_OF_A_REQUEST: usize = 256;
const RUNS_OF_A_SESSION: u64 = 5;
/// Of prompts and answers, as the SDK's usual spans have them.
const CONTENT_BYTES: usize = 105;
/// 2026-02-07 10:00 UTC.
const EPOCH: u64 = 1_770_458_400_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (Some(path), Some(n)) = (arguments.next(), arguments.next()) else {
        println!("usage: instructions door|store REQUESTS");
        return Ok(());
    };
    let requests = requests(n.parse()?);
    match path.as_str() {
        "load" => drop(black_box(requests)),
        "door" => requests
            .iter()
            .try_for_each(|request| inspect(request, inspect::Limits { max_depth: 32 }).map(|found| drop(black_box(found))))?,
        "store" => store(&requests)?,
        other => return Err(format!("no hot path is called {other}").into()),
    }
    println!("{}", n.parse::<usize>()? * SPANS_OF_A_REQUEST);
    Ok(())
}

fn requests(n: usize) -> Vec<Bytes> {
    let runs = (n * SPANS_OF_A_REQUEST).div_ceil(SPANS_PER_RUN) as u64;
    let sessions = runs.div_ceil(RUNS_OF_A_SESSION);
    let world = World { seed: 1, sessions, runs_per_session: RUNS_OF_A_SESSION, epoch: EPOCH, step: 1_000_000 };
    let shape = Arc::new(Shape::new(CONTENT_BYTES));
    Source::new(Plan::new(world, Disorder::default()), shape, SPANS_OF_A_REQUEST, false).take(n).map(|request| request.bytes).collect()
}

/// Journaled, folded, in the index, in the last checkpoint. One after another, as after a crash: threads that meet by chance, and wait for
/// each other, would be counted too.
fn store(requests: &[Bytes]) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let (journal, _) = Journal::open(&dir.path().join("journal"), journal::Options::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for request in requests {
        let event = Event::Spans(request.clone());
        let entry = Entry { tenant: Tenant::default(), received_at: UnixNanos(EPOCH), via: Via::default(), event };
        let (head, body) = entry.encode();
        runtime.block_on(journal.append(journal::Record { head, body }, journal::Class::Spans))?;
    }
    let (store, running) = LocalStore::open(journal.clone(), options(dir.path()))?;
    journal.close();
    running.stop();
    store.leave_memory_to_the_system();
    Ok(())
}

/// As the server has them by default with stamps, but for the clocks, which stand still, and for checkpoints: there is the last one.
fn options(dir: &Path) -> Options {
    const NEVER: Duration = Duration::from_secs(1_000_000);
    Options {
        database: dir.join("index.sqlite"),
        clock: Arc::new(|| UnixNanos(EPOCH + 3_600_000_000_000)),
        steady: Arc::new(|| Nanos(0)),
        price: Arc::new(|_, _| None),
        conventions: Arc::default(),
        checkpoint_interval: NEVER,
        max_changes: usize::MAX / 4,
        sweep_interval: NEVER,
        open_trace_idle: NEVER,
        open_trace_bytes: usize::MAX,
        trace_limit: TraceLimit { max_spans: 50_000 },
        keep_verdicts: true,
        run_timeout: Nanos(u64::MAX),
        idle_after: Nanos(u64::MAX),
        max_age: None,
        max_index_bytes: None,
        max_lag: NEVER,
        sqlite: SqliteLimits::default(),
    }
}
