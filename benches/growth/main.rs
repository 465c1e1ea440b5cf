//! How the cost of a span, of an update and of a query grows with the index and with traces: `cargo bench --bench growth -- --help`.
//!
//! - Traces: the same spans in traces of 6 to 50,000, sent in requests of six, of several traces in turn, at a steady rate.
//! - Sessions: an index of 10,000 to 5,000,000 sessions; new sessions, new runs of known sessions, queries while runs stream in, and how
//!   far the fold falls behind at up to 300,000 spans a second.
//!
//! The store runs in this process, with its journal and its checkpoints, behind no door. Costs are CPU, of the threads that do the work.

#![allow(clippy::print_stdout)] // What it measured is what it is for.

mod asked;
mod chart;
mod keeping_up;
#[path = "../load/mod.rs"]
mod load;
mod sessions;
mod spans;
mod traces;
#[path = "../usage/mod.rs"]
mod usage;
mod world;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn Error>;

#[derive(Parser)]
#[command(about = "How costs grow with the number of sessions and the size of traces")]
struct Args {
    /// Spans of a trace; none: leave this part out
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [6, 60, 600, 6_000, 50_000])]
    traces: Vec<usize>,
    /// Sessions in the index; none: leave this part out. Five million take 4 GB of memory and 6 GB of disk
    #[arg(long, value_delimiter = ',', num_args = 0.., default_values_t = [10_000, 100_000, 1_000_000])]
    sessions: Vec<u64>,
    /// Spans a second that are sent to traces; six to a request
    #[arg(long, default_value_t = 12_000)]
    rate: u64,
    /// Draw what was measured
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    println!("{} cores", std::thread::available_parallelism()?);
    let traces = traces::measure(&args.traces, args.rate)?;
    let sessions = sessions::measure(&args.sessions)?;
    if let Some(path) = &args.svg {
        std::fs::write(path, chart::draw(&traces, &sessions))?;
    }
    Ok(())
}
