//! `sessionfold verify`: does Tempo hold what the index shows?
//!
//! - Run by run: that it is there once, with the same session, cost, tokens and error; down to the spans where it is not.
//! - It reads only: the running server over its API, or its data directory while no server runs; and Tempo by search and by id.
//! - What Tempo cannot show yet, and what has not ended, is left out and counted.

mod compare;
mod difference;
mod index;
mod print;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use self::compare::{Asked, Comparison, compare};
use self::index::Index;
use super::progress::bar;
use super::since::{self, Since};
use super::{EXIT_UNKNOWN, Settings, fail, query_client, refuse};
use crate::app;
use crate::clock;
use crate::config::Config;
use crate::model::ids::Tenant;
use crate::telemetry::stderr;
use crate::tempo::query::search::Window;
use crate::tempo::query::{QueryClient, QueryError};
use crate::tempo::tls::Trust;
use crate::tempo::{probe, stamped};

#[derive(Clone, Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Only this session, over all time
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only runs that were active in this time before now, for instance 2h or 7d, or since a date; `all` for everything the index has
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = since::parse)]
    since: Since,
    /// Leave out runs that ended less than this ago: Tempo shows a span some seconds after it took it
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Ask again for as long as this where Tempo has runs that its search does not show yet
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    wait: Duration,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// An API key, where the server wants one
    #[arg(long, value_name = "KEY", env = "SESSIONFOLD_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The tenant towards Tempo, and in the data directory
    #[arg(long, value_name = "NAME", default_value = Tenant::DEFAULT)]
    tenant: String,
}

/// Tempo polls for new blocks every half minute at best.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Longer than traces are held by default (`forward.hold`).
const FORWARDING_MAX: Duration = Duration::from_secs(10);

/// What is compared.
pub(super) struct Scope {
    pub(super) session: Option<String>,
    /// Nanoseconds since 1970; runs that were active at or after it.
    pub(super) start: Option<u64>,
    /// Runs that ended after this are too young.
    pub(super) young: u64,
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum VerifyError {
    #[error(transparent)]
    Tempo(#[from] QueryError),
    #[error("cannot read the index: {0}")]
    Index(String),
}

pub(super) fn run(args: &VerifyArgs, config: &Config) -> ExitCode {
    if config.forward.tempo_query.is_empty() {
        return refuse("verify needs Tempo's HTTP API: --tempo-query http://tempo:3200");
    }
    let Some(tenant) = Tenant::new(&args.tenant) else { return refuse(&format!("{:?} is no tenant", args.tenant)) };
    let client = match query_client(config, &config.forward.tempo_query, &tenant) {
        Ok(client) => client,
        Err(error) => return refuse(&error.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(verify(args, config, &tenant, &client)) {
        Ok(comparison) => {
            let tempo = &config.forward.tempo_query;
            if args.json {
                print::json(tempo, &comparison)
            } else {
                print::text(tempo, &comparison)
            }
            match (comparison.differences.is_empty(), comparison.unread.is_empty()) {
                (true, true) => ExitCode::SUCCESS,
                (true, false) => ExitCode::from(EXIT_UNKNOWN),
                (false, _) => ExitCode::from(super::EXIT_FAILURE),
            }
        }
        Err(error) => {
            stderr::error(&error.to_string());
            ExitCode::from(EXIT_UNKNOWN)
        }
    }
}

async fn verify(args: &VerifyArgs, config: &Config, tenant: &Tenant, client: &QueryClient) -> Result<Comparison, VerifyError> {
    // Nobody else says whether something came too late for search; where Tempo does not, that stays open.
    let slack = probe::settings(&config.forward.tempo_query, &Trust::file_or_system(app::tempo_ca(config)))
        .await
        .ok()
        .and_then(|settings| settings.slack);
    let index = Index::find(config, args.key.as_deref(), tenant).await?;
    let began = Instant::now();
    // What was sent just now is held until its traces have settled. Under steady load something always waits; then young runs are left out anyway.
    while index.is_forwarding().await && began.elapsed() < args.wait.min(FORWARDING_MAX) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    loop {
        let comparison = once(args, &index, tenant, client, slack).await?;
        let n_waited_for = comparison.n_not_shown_yet();
        if n_waited_for == 0 || began.elapsed() + AGAIN_AFTER > args.wait {
            return Ok(comparison);
        }
        eprintln!(
            "sessionfold: tempo has {n_waited_for} runs that its search does not show yet; asking again in {} s",
            AGAIN_AFTER.as_secs()
        );
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn once(
    args: &VerifyArgs,
    index: &Index,
    tenant: &Tenant,
    client: &QueryClient,
    slack: Option<Duration>,
) -> Result<Comparison, VerifyError> {
    let now = clock::now().0;
    let back = |by: Duration| now.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX));
    let start = args.since.start(now).filter(|_| args.session.is_none());
    let scope = Scope { session: args.session.clone(), start, young: back(args.grace) };
    let (runs, sessions) = index.runs(&scope).await?;
    // Whole runs, also those that began before the range; and what Tempo alone may have, up to now.
    let first = runs.iter().map(|run| run.started_at).filter(|at| *at > 0).min().into_iter().chain(scope.start).min().unwrap_or(now);
    let range = Window { start: first / 1_000_000_000, end: now / 1_000_000_000 + 1 };
    let bar = bar("reading tempo", range.end - range.start);
    let held = stamped::read(client, tenant, args.session.as_deref(), range, |seconds| bar.set_position(seconds)).await?;
    bar.finish_and_clear();
    let asked = Asked { index, client, tenant, scope: &scope, in_time: slack.map(back) };
    compare(&asked, &runs, &sessions, held).await
}
