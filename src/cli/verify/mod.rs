//! `sessionfold verify`: does Tempo hold what the index shows?
//!
//! - Run by run: that it is there once, with the same session, cost, tokens and error; down to the spans where it is not.
//! - It reads only: the running server over its API, or its data directory while no server runs; and Tempo by search and by id.
//! - What Tempo cannot show yet, and what has not ended, is left out and counted.

mod compare;
mod difference;
mod explain;
mod index;
mod print;

use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::TryStreamExt;

use self::compare::{Comparison, compare};
use self::difference::Cause;
use self::explain::{Asked, Why, newest_first};
use self::index::{Index, IndexedRun};
use super::progress::bar;
use super::since::{self, Since};
use super::{EXIT_UNKNOWN, Settings, fail, query_client, refuse};
use crate::app;
use crate::clock;
use crate::config::Config;
use crate::model::ids::Tenant;
use crate::telemetry::stderr;
use crate::tempo::probe;
use crate::tempo::query::search::Window;
use crate::tempo::query::{QueryClient, QueryError};
use crate::tempo::recover::stamped::{self, Held};
use crate::tempo::tls::Trust;

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

/// A trace on its way from Tempo's memory to its disk is found neither by search nor by its id; of a burst that takes some seconds (measured).
const CUT: Duration = Duration::from_secs(5);

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
    let verifying = Verifying { args, tenant, client, index, slack, began: Instant::now() };
    // What was sent just now is held until its traces have settled. Under steady load something always waits; then young runs are left out anyway.
    while verifying.index.is_forwarding().await && verifying.began.elapsed() < args.wait.min(FORWARDING_MAX) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    loop {
        if let Some(comparison) = verifying.once().await? {
            return Ok(comparison);
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

struct Verifying<'a> {
    args: &'a VerifyArgs,
    tenant: &'a Tenant,
    client: &'a QueryClient,
    index: Index,
    /// How much later than it begins a span may arrive; `None` where Tempo does not say.
    slack: Option<Duration>,
    began: Instant,
}

// === impl Verifying ===

impl Verifying<'_> {
    /// `None` if Tempo has something that its search does not show yet, and there is time to ask again.
    async fn once(&self) -> Result<Option<Comparison>, VerifyError> {
        let now = clock::now().0;
        let back = |by: Duration| now.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX));
        let start = self.args.since.start(now).filter(|_| self.args.session.is_none());
        let scope = Scope { session: self.args.session.clone(), start, young: back(self.args.grace) };
        let (runs, sessions) = self.index.runs(&scope).await?;
        let held = self.held(&scope, &runs, now).await?;
        let (mut comparison, mut suspects) = compare(&scope, &runs, &sessions, held);
        newest_first(&mut suspects);
        let asked = Asked { index: &self.index, client: self.client, tenant: self.tenant, in_time: self.slack.map(back) };
        let mut absent = Vec::new();
        let mut reasons = pin!(asked.reasons(&suspects));
        while let Some((suspect, why)) = reasons.try_next().await? {
            match why {
                Why::Known(Cause::NotShownYet, _) if self.can_wait() => {
                    say_again(suspects.len());
                    return Ok(None);
                }
                Why::Known(Cause::TraceDropped, _) => absent.extend(suspect.run.trace),
                _ => {}
            }
            comparison.note(suspect, why);
        }
        if !absent.is_empty() && self.can_wait() {
            tokio::time::sleep(CUT).await;
            if asked.has_one_of(&absent).await? {
                say_again(suspects.len());
                return Ok(None);
            }
        }
        comparison.sort();
        Ok(Some(comparison))
    }

    fn can_wait(&self) -> bool {
        self.began.elapsed() + AGAIN_AFTER <= self.args.wait
    }

    /// What Tempo's search shows of everything that is compared.
    async fn held(&self, scope: &Scope, runs: &[IndexedRun], now: u64) -> Result<Held, VerifyError> {
        // Whole runs, also those that began before the range; and what Tempo alone may have, up to now.
        let first = runs.iter().map(|run| run.started_at).filter(|at| *at > 0).min().into_iter().chain(scope.start).min().unwrap_or(now);
        let range = Window { start: first / 1_000_000_000, end: now / 1_000_000_000 + 1 };
        let bar = bar("reading tempo", range.end - range.start);
        let held = stamped::read(self.client, self.tenant, scope.session.as_deref(), range, |seconds| bar.set_position(seconds)).await?;
        bar.finish_and_clear();
        Ok(held)
    }
}

fn say_again(n_runs: usize) {
    eprintln!(
        "sessionfold: tempo has runs that its search does not show yet, perhaps all of {n_runs} that differ; asking again in {} s",
        AGAIN_AFTER.as_secs()
    );
}
