//! `sessionfold demo`: traffic to look at, sent to a running server, and its removal.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{fail, print_line};
use crate::clock;
use crate::demo::client::{Client, ClientError, Door};
use crate::demo::traffic::{self, PREFIX, Plan, SESSIONS_MAX};
use crate::demo::{clean, send};

/// Long enough for a talk, short enough to be left running by mistake.
const LIVE_MAX: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, Args)]
pub(super) struct DemoArgs {
    /// The server's OTLP HTTP address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4318")]
    url: String,
    /// The server's API
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    http: String,
    /// How many conversations of the last days to send
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=SESSIONS_MAX))]
    sessions: u64,
    /// The same number gives the same conversations; what --clean removed stays removed, so take another then [default: a new one]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Then go on for this long with conversations that happen now, for instance 30s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_live)]
    live: Duration,
    /// Remove every session whose id begins with demo-, and send nothing
    #[arg(long)]
    clean: bool,
    /// An API key, where the server wants one
    #[arg(long, value_name = "KEY", env = "SESSIONFOLD_KEY", hide_env_values = true)]
    key: Option<String>,
}

pub(super) fn run(args: &DemoArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    let done = runtime.block_on(async { if args.clean { remove(args).await } else { show(args).await } });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(&problem),
    }
}

async fn show(args: &DemoArgs) -> Result<(), String> {
    let client = Client::new(&args.url, Door::Otlp, args.key.as_deref()).map_err(|error| error.to_string())?;
    let api = Client::new(&args.http, Door::Api, args.key.as_deref()).map_err(|error| error.to_string())?;
    let seed = match args.seed {
        Some(seed) => seed,
        // Small enough to be typed again.
        None => u64::from(getrandom::u32().map_err(|error| format!("cannot draw a random number: {error}"))? % 1_000_000),
    };
    let now = clock::now();
    let traffic = traffic::make(&Plan { sessions: args.sessions, seed, now, live: args.live });
    let n_sessions = traffic.truth.len();
    let n_runs: usize = traffic.truth.values().map(|session| session.runs.len()).sum();
    // The one with most to see.
    let example = traffic.truth.iter().max_by_key(|(_, session)| (session.agents().len(), session.last_activity()));
    let example = example.map(|(id, _)| id.clone());
    if !args.live.is_zero() {
        eprintln!("the last conversations are sent as they happen, for {} s", args.live.as_secs());
    }
    let sent = send::send(&client, traffic.parcels).await.map_err(|error| error.to_string())?;
    print_line(&format!(
        "sent {n_sessions} session{} ({n_runs} runs, {} spans) to {}; seed {seed}",
        if n_sessions == 1 { "" } else { "s" },
        sent.spans,
        client.base()
    ));
    if sent.rejected > 0 {
        return Err(format!("the server rejected {} of the spans; its log says why", sent.rejected));
    }
    let list = format!("{}/api/v1/observability/sessions/", api.base());
    print_line(&format!("\n  in a browser      {}/?search={PREFIX}", api.base()));
    print_line(&format!("  the sessions      curl '{list}?search={PREFIX}'"));
    if let Some(example) = example {
        print_line(&format!("  one conversation  curl {list}{example}/"));
    }
    print_line(&format!("  tidy up           sessionfold demo --clean{}", other_address(args)));
    Ok(())
}

async fn remove(args: &DemoArgs) -> Result<(), String> {
    let removed = async {
        let api = Client::new(&args.http, Door::Api, args.key.as_deref())?;
        Ok::<_, ClientError>((clean::clean(&api).await?, api))
    };
    let (removed, api) = removed.await.map_err(|error| error.to_string())?;
    match removed {
        0 => print_line(&format!("no session of {} begins with {PREFIX}", api.base())),
        _ => print_line(&format!(
            "removed {removed} sessions from {}\nwhat Tempo was sent of them stays there until its own retention removes it",
            api.base()
        )),
    }
    Ok(())
}

/// What has to be said again for `--clean` to find the same server.
fn other_address(args: &DemoArgs) -> String {
    if args.http == "http://127.0.0.1:8080" { String::new() } else { format!(" --http {}", args.http) }
}

fn parse_live(text: &str) -> Result<Duration, String> {
    let live = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if live > LIVE_MAX {
        return Err("at most 1h".into());
    }
    Ok(live)
}
