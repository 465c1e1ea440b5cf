//! What an agent waits for on the Waxell SDK's HTTP path: `cargo bench --bench observe -- --help`.
//!
//! Agents, each on a connection of its own, go through the four calls that every run waits for, at a fixed rate in all. Printed is how long
//! each call took, and how long an fsync of a few bytes takes on the same disk in the same run: the bound that durability sets.

#![allow(clippy::print_stdout)] // What it measured is what it is for.

#[allow(dead_code)] // The pipeline bench uses the rest.
#[path = "../pipeline/process.rs"]
mod process;
#[path = "../usage/mod.rs"]
mod usage;

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use process::{Failure, Receiver};

/// The target of the issue that asked for this path: milliseconds at the 99th percentile, at 1,000 requests a second.
const TARGET_P99_MS: f64 = 5.0;
const CALLS: [&str; 4] = ["policy-check", "start", "llm-calls", "complete"];
/// Writes that the disk is measured by.
const N_SYNCS: usize = 300;

#[derive(Parser)]
#[command(about = "Latency of the Waxell SDK's HTTP path under a fixed rate of requests")]
struct Args {
    /// Requests a second, over all agents
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Agents that run at one time
    #[arg(long, default_value_t = 50)]
    agents: u32,
    /// Seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The server; the one of this build if absent
    #[arg(long)]
    bin: Option<PathBuf>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Milliseconds, by call.
type Times = [Vec<f64>; 4];

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let bin = args.bin.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sessionfold")));
    let receiver = Receiver::sessionfold(&bin, None)?;
    let http = receiver.api.ok_or("no address of the API")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let times = runtime.block_on(drive(&args, http))?;
    let sync_ms = syncs(&std::env::temp_dir())?;
    let cpu = usage::cpu_seconds(receiver.pid())?;
    receiver.end()?;

    let n_requests: usize = times.iter().map(Vec::len).sum();
    println!(
        "{} requests in {} s by {} agents; server CPU {:.1} s per million",
        n_requests,
        args.seconds,
        args.agents,
        cpu * 1e6 / n_requests as f64
    );
    println!("{:<14} {:>8} {:>8} {:>8} {:>8}   p99 / target {TARGET_P99_MS} ms", "call", "p50 ms", "p99 ms", "max ms", "n");
    let mut all = Vec::new();
    for (call, mut times) in CALLS.iter().zip(times) {
        row(call, &mut times);
        all.extend(times);
    }
    row("all", &mut all);
    let mut sync_ms = sync_ms;
    row("fsync (disk)", &mut sync_ms);
    Ok(())
}

fn row(name: &str, times: &mut [f64]) {
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!("{name:<14} {p50:>8.2} {p99:>8.2} {max:>8.2} {:>8}   {:.2}", times.len(), p99 / TARGET_P99_MS);
}

/// Each agent makes a run, one call after another, at its share of the rate.
async fn drive(args: &Args, http: SocketAddr) -> Result<Times, Failure> {
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let pause = Duration::from_secs_f64(f64::from(args.agents) / f64::from(args.rate));
    let mut agents = tokio::task::JoinSet::new();
    for number in 0..args.agents {
        let first = pause.mul_f64(f64::from(number) / f64::from(args.agents));
        agents.spawn(async move { agent(http, number, Instant::now() + first, pause, until).await.map_err(|error| error.to_string()) });
    }
    let mut times = Times::default();
    while let Some(done) = agents.join_next().await {
        for (all, own) in times.iter_mut().zip(done??) {
            all.extend(own);
        }
    }
    Ok(times)
}

async fn agent(http: SocketAddr, number: u32, first: Instant, pause: Duration, until: Instant) -> Result<Times, Failure> {
    let stream = TcpStream::connect(http).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (mut times, mut due, mut run) = (Times::default(), first, String::new());
    for step in 0.. {
        if due >= until {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let (path, body) = request(step, number, &run);
        // From when it was due, so that a server that falls behind does not get a slower clock.
        let answer = post(&mut sender, http, &path, body).await?;
        times[step % CALLS.len()].push(due.elapsed().as_secs_f64() * 1e3);
        if CALLS[step % CALLS.len()] == "start" {
            run = answer["run_id"].as_str().ok_or("no run id")?.to_owned();
        }
        due += pause;
    }
    Ok(times)
}

fn request(step: usize, number: u32, run: &str) -> (String, String) {
    let agent = format!("agent-{}", number % 7);
    match CALLS[step % CALLS.len()] {
        "policy-check" => ("policy-check/".into(), format!(r#"{{"agent_name":"{agent}","workflow_name":"default","inputs":{{"q":"hello"}}}}"#)),
        "start" => (
            "runs/start/".into(),
            format!(
                r#"{{"agent_name":"{agent}","workflow_name":"default","inputs":{{"q":"hello"}},"metadata":{{}},"trace_id":"","session_id":"s-{number}-{}","user_id":"u-{}"}}"#,
                step / 40,
                number % 11
            ),
        ),
        "llm-calls" => (
            format!("runs/{run}/llm-calls/"),
            r#"{"calls":[{"model":"gpt-4o-2024-08-06","tokens_in":120,"tokens_out":30,"cost":0.0006,"task":"chat.completions","prompt_preview":"hello","response_preview":"hi there","status":"ok"}]}"#.into(),
        ),
        _ => (format!("runs/{run}/complete/"), r#"{"result":{"output":"hi there"},"status":"success","error":"","steps":[]}"#.into()),
    }
}

async fn post(sender: &mut SendRequest<Full<Bytes>>, http: SocketAddr, path: &str, body: String) -> Result<serde_json::Value, Failure> {
    sender.ready().await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/api/v1/observe/{path}"))
        .header(header::HOST, http.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-wax-key", "wax_sk_bench")
        .body(Full::new(Bytes::from(body)))?;
    let answer = sender.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(format!("{path}: {}", answer.status()).into());
    }
    Ok(serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?)
}

/// Milliseconds of small appends, each followed by an fsync of the data.
fn syncs(dir: &Path) -> Result<Vec<f64>, Failure> {
    let scratch = tempfile::tempdir_in(dir)?;
    let mut file = File::create(scratch.path().join("syncs"))?;
    let mut times = Vec::with_capacity(N_SYNCS);
    for _ in 0..N_SYNCS {
        let began = Instant::now();
        file.write_all(&[7; 512])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
