//! What people wait for who look at an index of a million sessions: `cargo bench --bench pages -- --help`.
//!
//! The real binary, without a Tempo, so that whole spans come from its journal, of which 1 GiB is kept. Every page and answer is asked for
//! on one connection, as a browser does it, with compression. Printed are the time to the first byte, the CPU that the server took for the
//! request, the bytes on the wire, and how the figure that has a goal stands to it.

#![allow(clippy::print_stdout)] // What it measured is what it is for.

mod ask;
#[path = "../load/mod.rs"]
mod load;
#[allow(dead_code)] // The pipeline bench uses the rest.
#[path = "../pipeline/process.rs"]
mod process;
mod special;
#[path = "../usage/mod.rs"]
mod usage;
mod world;

use std::path::PathBuf;

use clap::Parser;

use ask::{Goal, Question};
use load::shape::session_id;
use process::{Failure, Receiver};

#[derive(Parser)]
#[command(about = "First byte, CPU and size of every page and of the answers behind it, at a million sessions")]
struct Args {
    /// Sessions of one run each, over 28 days
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..=20_000_000))]
    sessions: u64,
    /// Requests of each kind
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(3..=10_000))]
    requests: u64,
    /// Only those with this in their name
    #[arg(long, default_value = "")]
    only: String,
    /// The server
    #[arg(long, env = "SESSIONFOLD_BIN", default_value = env!("CARGO_BIN_EXE_sessionfold"))]
    bin: PathBuf,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let receiver = Receiver::sessionfold(&args.bin, None)?;
    world::fill(&receiver, args.sessions)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask::measure(&receiver, &questions(&args), args.requests))?;
    receiver.end()?;
    Ok(())
}

/// Goals are those that the project has set itself (`docs/performance.md`).
fn questions(args: &Args) -> Vec<Question> {
    const API: &str = "/api/v1/observability";
    let first_byte = |ms| Some(Goal::FirstByteMs(ms));
    let cpu = |ms| Some(Goal::CpuMs(ms));
    let session = session_id(args.sessions / 2);
    let user = format!("user-{}", &session["load-".len()..][..8]);
    let (talk, wide, big) = (special::TALK, special::WIDE, special::big_trace());
    let all = [
        ("overview", "/overview".to_owned(), first_byte(20.0)),
        ("overview, 24 hours", "/overview?last=24h".to_owned(), first_byte(20.0)),
        ("overview, 30 days", "/overview?last=30d".to_owned(), first_byte(20.0)),
        ("overview of one agent", "/overview?last=7d&agent=writer-agent".to_owned(), first_byte(20.0)),
        ("overview, JSON", format!("{API}/overview/"), first_byte(20.0)),
        ("list", "/sessions".to_owned(), first_byte(5.0)),
        ("list of one agent", "/sessions?agent=writer-agent".to_owned(), first_byte(5.0)),
        ("list, failed", "/sessions?status=error".to_owned(), first_byte(5.0)),
        ("list of one user", format!("/sessions?user={user}"), first_byte(5.0)),
        ("list, dearest first", "/sessions?sort=-total_cost".to_owned(), first_byte(5.0)),
        ("list, last 24 hours", "/sessions?last=24h".to_owned(), first_byte(5.0)),
        ("list from the middle", format!("/sessions?offset={}", args.sessions / 2), first_byte(5.0)),
        ("list, search", format!("/sessions?search={}", &session["load-".len()..][..6]), first_byte(5.0)),
        ("list, JSON", format!("{API}/sessions/"), first_byte(5.0)),
        ("users", "/users".to_owned(), first_byte(20.0)),
        ("users, dearest first", "/users?sort=-total_cost".to_owned(), first_byte(20.0)),
        ("users, JSON", format!("{API}/users/"), first_byte(20.0)),
        ("agents", "/agents".to_owned(), first_byte(20.0)),
        ("models", "/models".to_owned(), first_byte(20.0)),
        ("tools", "/tools?last=30d".to_owned(), first_byte(20.0)),
        ("one tool", "/tools/web_search?last=30d".to_owned(), first_byte(20.0)),
        ("costs, JSON", "/api/v1/observe/query/costs/".to_owned(), first_byte(20.0)),
        ("timeline of one run", format!("/sessions/{session}"), None),
        ("timeline of 300 runs", format!("/sessions/{wide}"), Some(Goal::Kilobytes(60.0))),
        ("conversation of 10 turns", format!("/sessions/{talk}?view=conversation"), cpu(50.0)),
        ("trace of 10,000 spans", format!("/traces/{big}"), cpu(50.0)),
        ("trace of 6 spans", format!("/traces/{}", special::talk_trace(0)), cpu(50.0)),
        ("search in what was said", "/search?q=parcel".to_owned(), None),
        ("compare two sessions", format!("/compare?a={talk}&b={wide}"), None),
        ("status", "/status".to_owned(), None),
    ];
    let wanted = all.into_iter().filter(|(name, ..)| name.contains(&args.only));
    wanted.map(|(name, path, goal)| Question { name: name.to_owned(), path, goal }).collect()
}
