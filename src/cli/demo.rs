//! `sessionfold demo`: traffic to look at, sent to a running server, and its removal.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::client::{Address, ClientArgs, ServerArgs};
use super::{fail, print_line, refuse};
use crate::clock;
use crate::config::Config;
use crate::demo::client::{ClientError, Door};
use crate::demo::sights::Sights;
use crate::demo::traffic::{self, PREFIX, Plan, SESSIONS_MAX};
use crate::demo::{clean, send};
use crate::telemetry::stderr;
use crate::tempo::probe;
use crate::tempo::tls::Trust;

/// Long enough for a talk, short enough to be left running by mistake.
const LIVE_MAX: Duration = Duration::from_secs(3600);
/// A conversation takes some dozens of seconds.
const SPREAD_MIN: Duration = Duration::from_secs(60);
/// What is older is past the retention.
const SPREAD_MAX: Duration = Duration::from_secs(30 * 86_400);

#[derive(Clone, Debug, Args)]
pub(super) struct DemoArgs {
    #[command(flatten)]
    pub(super) server: ServerArgs,
    /// Where the server takes OTLP over HTTP: as with --http [default: http://127.0.0.1:4318]
    #[arg(long, alias = "url", value_name = "ADDR", env = "SESSIONFOLD_OTLP_HTTP")]
    otlp_http: Option<Address>,
    /// How many conversations of the last hours to send
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=SESSIONS_MAX))]
    sessions: u64,
    /// The same number gives the same conversations, each time under new ids [default: a number drawn at random]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How far back they go [default: 22h, or less where Tempo's search would not show it]
    #[arg(long, value_name = "TIME", value_parser = parse_spread)]
    spread: Option<Duration>,
    /// Tempo's HTTP API: what its search would not show is not sent
    #[arg(long, value_name = "URL", env = "SESSIONFOLD_TEMPO_QUERY")]
    tempo_query: Option<String>,
    /// Then go on for this long with conversations that happen now, for instance 30s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_live)]
    live: Duration,
    /// Remove every session whose id begins with demo-, and send nothing
    #[arg(long)]
    clean: bool,
    #[command(flatten)]
    client: ClientArgs,
}

/// Where both doors of the server are, and the Tempo behind it.
struct Endpoints {
    otlp: String,
    api: String,
    tempo_query: String,
}

pub(super) fn run(args: &DemoArgs, config: &Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    let endpoints = match Endpoints::of(args, config) {
        Ok(endpoints) => endpoints,
        Err(problem) => return refuse(&problem),
    };
    let done = runtime.block_on(async { if args.clean { remove(args, &endpoints).await } else { show(args, &endpoints).await } });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(&problem),
    }
}

// === impl Endpoints ===

impl Endpoints {
    /// As the flags say it, else as the server's settings do.
    fn of(args: &DemoArgs, config: &Config) -> Result<Self, String> {
        Ok(Self {
            otlp: Address::or(args.otlp_http.as_ref(), &config.server.otlp_http).url(config, "--otlp-http")?,
            api: args.server.api(config)?,
            tempo_query: args.tempo_query.clone().unwrap_or_else(|| config.forward.tempo_query.clone()),
        })
    }
}

async fn show(args: &DemoArgs, endpoints: &Endpoints) -> Result<(), String> {
    let client = args.client.client(&endpoints.otlp, Door::Otlp).map_err(|error| error.to_string())?;
    let api = args.client.client(&endpoints.api, Door::Api).map_err(|error| error.to_string())?;
    let seed = match args.seed {
        Some(seed) => seed,
        // Small enough to be typed again.
        None => u64::from(getrandom::u32().map_err(|error| format!("cannot draw a random number: {error}"))? % 1_000_000),
    };
    let now = clock::now();
    let spread = match args.spread {
        Some(spread) => spread,
        None => shown_by_tempo(&endpoints.tempo_query, &args.client.trust()).await,
    };
    let traffic = traffic::make(&Plan { sessions: args.sessions, seed, now, spread, live: args.live });
    let n_sessions = traffic.truth.len();
    let n_runs: usize = traffic.truth.values().map(|session| session.runs.len()).sum();
    let sights = Sights::of(&traffic.truth);
    if !args.live.is_zero() {
        stderr::progress(&format!("the last conversations are sent as they happen, for {} s", args.live.as_secs()));
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
    print_line(&format!("\n{}", tour(&sights, api.base(), &other_address(args, api.base()))));
    Ok(())
}

/// Where to look, one line each; `address` is what every command needs to find the server.
fn tour(sights: &Sights, base: &str, address: &str) -> String {
    let mut lines = vec![("all of them", format!("{base}/sessions?search={PREFIX}"))];
    lines.extend(sights.conversation.as_ref().map(|id| ("a conversation", format!("{base}/sessions/{id}?view=conversation"))));
    lines.extend(sights.agents.as_ref().map(|id| ("several agents", format!("{base}/sessions/{id}"))));
    lines.extend(sights.failure.as_ref().map(|id| ("a run that failed", format!("{base}/sessions/{id}"))));
    if let Some(id) = sights.conversation.as_ref().or(sights.agents.as_ref()).or(sights.failure.as_ref()) {
        lines.push(("as JSON", format!("curl {base}/api/v1/observability/sessions/{id}/")));
        lines.push(("why it costs that", format!("sessionfold explain {id}{address}")));
    }
    lines.push(("tidy up", format!("sessionfold demo --clean{address}")));
    let lines: Vec<String> = lines.into_iter().map(|(what, how)| format!("  {what:<19}{how}")).collect();
    lines.join("\n")
}

/// How far back conversations may go so that Tempo's search shows them.
async fn shown_by_tempo(tempo_query: &str, trust: &Trust) -> Duration {
    if tempo_query.is_empty() {
        return traffic::SPREAD;
    }
    match probe::settings(tempo_query, trust).await {
        Ok(settings) => {
            let spread = settings.slack.map_or(traffic::SPREAD, within);
            if spread < traffic::SPREAD {
                let slack = settings.slack.unwrap_or_default();
                eprintln!(
                    "tempo's search misses spans that began more than {} before they arrive (ingestion_time_range_slack): the \
                     conversations are of the last {}",
                    humantime::format_duration(slack),
                    humantime::format_duration(spread)
                );
            }
            spread
        }
        Err(error) => {
            eprintln!("what Tempo's search would show is not known: {error}");
            traffic::SPREAD
        }
    }
}

/// How far back may be sent what must arrive within this long of its beginning: the rest is for its way.
fn within(slack: Duration) -> Duration {
    let rest = (slack / 2).min(Duration::from_secs(2 * 3600));
    traffic::SPREAD.min(slack - rest).max(SPREAD_MIN)
}

async fn remove(args: &DemoArgs, endpoints: &Endpoints) -> Result<(), String> {
    let removed = async {
        let api = args.client.client(&endpoints.api, Door::Api)?;
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

/// What has to be said again for another command to find the same server.
fn other_address(args: &DemoArgs, api: &str) -> String {
    let http = if api == "http://127.0.0.1:8080" { String::new() } else { format!(" --http {api}") };
    http + &args.client.said()
}

fn parse_spread(text: &str) -> Result<Duration, String> {
    let spread = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (SPREAD_MIN..=SPREAD_MAX).contains(&spread) { Ok(spread) } else { Err("from 1m to 30d".into()) }
}

fn parse_live(text: &str) -> Result<Duration, String> {
    let live = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if live > LIVE_MAX {
        return Err("at most 1h".into());
    }
    Ok(live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_go_back_as_far_as_tempo_shows_them() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        assert_eq!(within(minutes(24 * 60)), minutes(22 * 60));
        assert_eq!(within(minutes(7 * 24 * 60)), minutes(22 * 60));
        assert_eq!(within(minutes(60)), minutes(30));
        assert_eq!(within(minutes(2)), minutes(1));
        assert_eq!(within(minutes(0)), SPREAD_MIN);
    }
}
