//! `sessionfold rebuild`: an index from what Tempo holds.
//!
//! - It adds what the index lacks and changes nothing of what it has: reading a span twice is reading it once. So it can be broken off and
//!   started again, and run on an index that is only old.
//! - An index that is damaged, or gone while its journal goes on, is put aside and begun anew; its deletions come along.
//! - It says what Tempo could not give back.

mod bookmark;
mod print;
mod runs;
mod target;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use clap::Args;

use self::bookmark::Bookmark;
use self::runs::Runs;
use self::target::RebuildTarget;
use super::progress::bar;
use super::since::{self, Since};
use super::{EXIT_UNKNOWN, Settings, fail, query_client, refuse};
use crate::app::{self, StartError};
use crate::clock;
use crate::config::Config;
use crate::journal::Journal;
use crate::model::ids::{Tenant, TraceId};
use crate::store::{AcceptError, StoreError};
use crate::telemetry::stderr;
use crate::tempo::query::search::Window;
use crate::tempo::query::{QueryClient, QueryError};
use crate::tempo::recover::restored::{GivenBack, Restoring};
use crate::tempo::recover::scan::unread::Unread;

#[derive(Clone, Debug, Args)]
pub(super) struct RebuildArgs {
    #[command(flatten)]
    pub(super) settings: Settings,
    /// Tempo's HTTP API [default: --tempo-query]
    #[arg(long, value_name = "URL")]
    from_tempo: Option<String>,
    /// How far back to read, for instance 7d, or since a date, or `all`; Tempo itself keeps 14 days unless it is configured otherwise
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = since::parse)]
    since: Since,
    /// Put the index aside although it is sound, and begin an empty one
    #[arg(long)]
    fresh: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// The tenant towards Tempo, and in the index
    #[arg(long, value_name = "NAME", default_value = Tenant::DEFAULT)]
    tenant: String,
}

/// What was done.
#[derive(Debug, Default)]
struct Outcome {
    range: Option<Window>,
    n_traces: usize,
    n_spans: usize,
    n_reported_runs: usize,
    n_unexplained: u64,
    /// What Tempo has and could not give.
    unread: Vec<Unread>,
    is_streaming: bool,
    seconds: f64,
    index: Holdings,
}

/// What the index holds of the range afterwards.
#[derive(Debug, Default)]
struct Holdings {
    n_sessions: u64,
    n_runs: u64,
    /// Their own span is not in Tempo.
    n_provisional: u64,
    n_running: u64,
}

/// Why it ended too early.
#[derive(Debug, thiserror::Error)]
enum RebuildError {
    #[error("{0}")]
    Tempo(#[from] QueryError),
    #[error("{0}")]
    Open(#[from] StartError),
    #[error("cannot write what Tempo gave back: {0}")]
    Write(#[from] AcceptError),
    #[error("cannot write {path}: {source}")]
    Bookmark { path: String, source: std::io::Error },
    #[error("cannot read the index: {0}")]
    Index(#[from] StoreError),
    #[error("the index does not take what Tempo gave back: {0}")]
    Fold(String),
}

/// Requests are put together up to this, so that one fsync serves many traces.
const REQUEST_BYTES: usize = 4 << 20;

/// Further back nothing is looked for: more than a year of empty days would be asked for in vain.
const ALL_SECONDS: u64 = 400 * 24 * 3600;

/// How often a line of the log, which has no bar, says how far it is.
const LOG_EVERY: Duration = Duration::from_secs(10);

pub(super) fn run(args: &RebuildArgs, config: &Config) -> ExitCode {
    if let Err(problem) = crate::telemetry::init(&config.log) {
        return refuse(&problem);
    }
    let url = args.from_tempo.clone().unwrap_or_else(|| config.forward.tempo_query.clone());
    if url.is_empty() {
        return refuse("rebuild needs Tempo's HTTP API: --from-tempo http://tempo:3200");
    }
    let Some(tenant) = Tenant::new(&args.tenant) else { return refuse(&format!("{:?} is no tenant", args.tenant)) };
    let client = match query_client(config, &url, &tenant) {
        Ok(client) => client,
        Err(error) => return refuse(&error.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(rebuild(args, config, &url, &tenant, &client)) {
        Ok(outcome) => {
            if args.json {
                print::json(&url, &outcome);
            } else {
                print::text(&url, &outcome);
            }
            if outcome.unread.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNKNOWN) }
        }
        Err(error @ RebuildError::Open(_)) => {
            let is_in_use = Journal::is_in_use(&app::journal_dir(config));
            let hint = if is_in_use { "; a rebuild is made while no server runs: stop it first" } else { "" };
            fail(&format!("{error}{hint}"))
        }
        Err(error) => {
            stderr::error(&format!("{error}\nWhat was read so far is kept: the same command goes on from there."));
            ExitCode::from(EXIT_UNKNOWN)
        }
    }
}

async fn rebuild(args: &RebuildArgs, config: &Config, url: &str, tenant: &Tenant, client: &QueryClient) -> Result<Outcome, RebuildError> {
    let now = clock::now().0 / 1_000_000_000;
    let mut bookmark = Bookmark::open(&config.server.data_dir, url, tenant, args.fresh);
    let since = args.since.start(now * 1_000_000_000).map_or(now.saturating_sub(ALL_SECONDS), |start| start / 1_000_000_000).min(now);
    // Nothing is put aside for a Tempo that does not answer.
    client.resource_tags(tenant, Window { start: now.saturating_sub(60), end: now }).await?;
    let target = RebuildTarget::open(config, args.fresh && bookmark.is_new()).await?;
    if target.is_anew {
        bookmark.forget();
    }
    let range = Window { start: bookmark.begin(since), end: now + 1 };
    let began = Instant::now();
    let read = read(client, tenant, &target, &mut bookmark, range).await;
    let index = match &read {
        Ok(_) => target.holdings(tenant, range).await,
        Err(_) => Ok(Holdings::default()),
    };
    // What was taken is written also where it was broken off.
    target.close().await;
    let outcome = read?;
    bookmark.remove();
    let seconds = began.elapsed().as_secs_f64();
    Ok(Outcome { range: Some(range), seconds, index: index?, ..outcome })
}

async fn read(
    client: &QueryClient,
    tenant: &Tenant,
    target: &RebuildTarget,
    bookmark: &mut Bookmark,
    range: Window,
) -> Result<Outcome, RebuildError> {
    let conventions = target.store.conventions();
    let mut restoring = Restoring::begin(client, tenant, &conventions, range).await?;
    let mut outcome = Outcome::default();
    let mut runs = Runs::new(target.store.price(), target.store.conventions());
    // Of the last window, and of this one as far as it is read.
    let (mut traces, mut present): (HashSet<TraceId>, HashSet<TraceId>) = Default::default();
    let bar = bar("reading tempo", range.end - range.start);
    let mut logged_at = Instant::now();
    let mut next = restoring.next().await?;
    while let Some(given) = next {
        let GivenBack { window, is_last, present: of_part, traces: changed } = given;
        present.extend(of_part);
        let writing = async {
            let mut request = BytesMut::new();
            for trace in &changed {
                runs.take(trace, window.start);
                outcome.n_spans += trace.n_spans;
                request.extend_from_slice(&trace.request);
                if request.len() >= REQUEST_BYTES {
                    target.store.restore_spans(tenant, request.split().freeze()).await?;
                }
            }
            if !request.is_empty() {
                target.store.restore_spans(tenant, request.freeze()).await?;
            }
            for (run, restored) in if is_last { runs.finished(&present) } else { Vec::new() } {
                outcome.n_reported_runs += 1;
                target.store.restore_run(tenant, run, Bytes::from(restored.encode())).await?;
            }
            Ok::<(), RebuildError>(())
        };
        // Tempo looks for the next window while this one is written.
        let (written, following) = tokio::join!(writing, restoring.next());
        written?;
        if is_last {
            outcome.n_traces += present.difference(&traces).count();
            traces = std::mem::take(&mut present);
            bookmark.move_to(runs.since().unwrap_or(window.end).min(window.end))?;
            target.release();
        }
        bar.set_position(window.end - range.start);
        bar.set_message(format!("reading tempo, {} traces", outcome.n_traces));
        if bar.is_hidden() && logged_at.elapsed() >= LOG_EVERY {
            logged_at = Instant::now();
            let percent = (window.end - range.start) * 100 / (range.end - range.start).max(1);
            tracing::info!(percent, traces = outcome.n_traces, spans = outcome.n_spans, "reading tempo");
        }
        next = following?;
    }
    for (run, restored) in runs.finished(&HashSet::new()) {
        outcome.n_reported_runs += 1;
        target.store.restore_run(tenant, run, Bytes::from(restored.encode())).await?;
    }
    bar.finish_and_clear();
    outcome.n_unexplained = runs.n_unexplained;
    outcome.is_streaming = restoring.is_streaming();
    outcome.unread = restoring.unread().to_vec();
    Ok(outcome)
}
