//! Which module is connected to which, and with what settings.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use http::HeaderName;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::budget::Budget;
use super::listeners::{self, Wanted};
use super::reload::{Reloader, Source};
use super::retention::Keeper;
use super::status::{Sources, StatusBoard};
use super::{App, Forwarding, StartError};
use super::{answers, compress, lag, metrics, pages};
use crate::api::{self, Api, ApiMetrics, StatusSource, StreamLimits};
use crate::bounds::flights::Flights;
use crate::bounds::memory::Memory;
use crate::clock::{now, steady};
use crate::config::{self, Config};
use crate::fold::TraceLimit;
use crate::ingest::{self, InstanceMark, Receiver};

use crate::conventions::Conventions;
use crate::journal::{self, Journal};
use crate::model::time::Nanos;
use crate::prices::Prices;
use crate::server;
use crate::store::Store;
use crate::store::local::{self, LocalStore};
use crate::tempo;
use crate::tempo::link::target::Target;
use crate::tempo::options::Options as ForwardOptions;
use crate::tempo::stamp::StampOptions;
use crate::ui::{self, UiMetrics};

/// The cap of the journal where none is configured, unless the disk has less than twice that left.
const AUTOMATIC_JOURNAL_BYTES: u64 = 8 << 30;
/// Exporters send what they have every few seconds, and try again for about a minute: a root that has not come by then was lost.
const IDLE_AFTER: Nanos = Nanos::from_secs(60);
/// How often silent runs, old sessions and idle traces are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
/// Threads that hold and stamp, over all tenants, unless there are fewer cores.
const STAMP_THREADS: usize = 4;

pub(super) async fn build(config: &Config, source: Option<Source>, reload_asked: mpsc::Receiver<()>) -> Result<App, StartError> {
    let started = (Instant::now(), now());
    // Looked up once: what is bound is what was checked.
    let wanted = listeners::resolve(config).map_err(StartError::Config)?;
    let access = check_settings(config, &wanted).map_err(StartError::Config)?;
    let authenticator = &access.authenticator;
    let budget = Budget::of(config);
    tracing::info!(max_memory_mib = budget.total >> 20, "memory beside the index");
    if let Some(excess) = budget.excess() {
        tracing::warn!("{excess}");
    }
    let max_connections = super::descriptors::connections_each(budget.max_connections)?;
    let [otlp_grpc, otlp_http, http] = listeners::bind(&wanted).await?;
    let addresses = [local(&otlp_grpc)?, local(&otlp_http)?, local(&http)?];

    let data_dir = &config.server.data_dir;
    let unusable = |source| StartError::DataDir { path: data_dir.display().to_string(), source };
    std::fs::create_dir_all(data_dir).map_err(unusable)?;
    let instance = super::instance::id(data_dir).map_err(unusable)?;
    let journal = open_journal(config, data_dir)?;
    // The first line of defence against a wrong --tempo is before the replay, which may take long.
    let mut forwarding = super::forwarding::forwarder(config, &journal, &addresses, &instance).await?;
    let options = store_options(config, prices(&config.prices).map_err(StartError::Config)?, conventions(config)?);
    let opening = journal.clone();
    let opened = tokio::task::spawn_blocking(move || LocalStore::open(opening, options)).await;
    let (store, threads) = opened.map_err(|error| StartError::Config(format!("opening the index panicked: {error}")))??;
    store.note_opened().await;

    if stamps(config) {
        let verdicts = super::verdicts::StoreVerdicts::new(store.clone());
        let options = stamp_options(config);
        forwarding = forwarding.map(|it| Forwarding { forwarder: it.forwarder.stamping(Arc::new(verdicts), options), ..it });
    }

    let mut registry = Registry::default();
    store.metrics().register(&mut registry);
    if let Some(forwarding) = &forwarding {
        forwarding.metrics.register(&mut registry);
    }
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let mark = Some(instance_mark(&instance));
    let receiver = Receiver::new(shared.clone(), authenticator.clone(), ingest_options(config, &budget), mark);
    receiver.register_metrics(&mut registry);
    authenticator.metrics().register(&mut registry);
    access.gate.metrics.register(&mut registry);
    let public_url = public_url(config);
    let api_metrics = ApiMetrics::default();
    api_metrics.register(&mut registry);
    lag::register(store.clone(), &mut registry);
    let ui_metrics = UiMetrics::default();
    ui_metrics.register(&mut registry);
    let memory = Memory::new(&budget.requests);
    let answers = StreamLimits { slots: Arc::new(Semaphore::new(budget.streams)), memory: memory.clone(), ..StreamLimits::default() };
    metrics::memory(&budget, &memory, &store, &receiver, &mut registry);
    let connections: [server::Connections; 3] = Default::default();
    metrics::server(config, max_connections, &journal, &store, &connections, &mut registry);
    let board = StatusBoard::new(Sources {
        config: config.clone(),
        budget,
        memory: memory.clone(),
        max_connections,
        database: super::index_database(config),
        misspelled: config::unknown_environment(&config::environment(std::env::vars_os()).unwrap_or_default()),
        authenticator: authenticator.clone(),
        addresses,
        connections: connections.clone(),
        journal: journal.clone(),
        store: store.clone(),
        receiver: receiver.clone(),
        forwarding: forwarding.as_ref().map(|forwarding| (forwarding.forwarder.status(), forwarding.metrics.clone())),
        started,
    });
    let status: StatusSource = Arc::new(move |tenant| board.show(tenant));
    let tempo =
        pages::trace_source(config, forwarding.as_ref().map(|forwarding| forwarding.forwarder.status())).map_err(StartError::Config)?;
    let api = Arc::new(Api {
        store: shared.clone(),
        tempo: tempo.clone(),
        authenticator: authenticator.clone(),
        registry: Arc::new(registry),
        metrics: api_metrics,
        public_url: public_url.clone(),
        streams: answers.clone(),
        asked: Flights::default(),
        grafana: pages::grafana(config),
        status: status.clone(),
    });
    let no_more_requests = CancellationToken::new();
    let listening = pages::Listening { access: &access, addresses };
    let api_router = api::router(api);
    let about = pages::About { tempo, status, api: api_router.clone(), metrics: ui_metrics };
    let pages = pages::pages(config, store.clone(), listening, no_more_requests.clone(), answers.clone(), about);
    let pages = Arc::new(pages);
    let lost_pages = Arc::clone(&pages);
    let observe = ingest::observe::router(receiver.clone(), public_url, access.tls.is_some());
    let http_router = api_router
        .merge(access.for_browsers(ingest::router(receiver.clone())))
        .merge(access.for_browsers(observe))
        .merge(ui::router(pages))
        .fallback(async move |request: Request| match ui::unknown(&lost_pages, &request) {
            Some(page) => page,
            None => ingest::unknown_page(request).await,
        });
    let intake = access.for_browsers(ingest::intake(receiver.clone()));
    let http_router = compress::compressed(ingest::anywhere(receiver.clone(), intake, http_router), answers);
    let http_router = lag::announce(answers::bounded(http_router, memory.clone()), shared);
    let otlp_router = answers::bounded(access.for_browsers(ingest::otlp_router(receiver)), memory);
    let routers = [otlp_router.clone(), otlp_router, http_router];
    let doors = access.doors([otlp_grpc, otlp_http, http], routers, addresses, connections);

    Ok(App {
        addresses,
        doors,
        reloader: Reloader::new(access.clone(), config.clone(), source),
        reload_asked,
        limits: server::Limits { max_connections, drain: config.server.drain_timeout.0 / 2, ..server::Limits::default() },
        keeper: Keeper {
            journal: journal.clone(),
            raw_max_age: config.retention.raw_max_age.0,
            raw_max_bytes: config.retention.raw_max_bytes.0,
            marks: VecDeque::new(),
        },
        journal,
        store,
        threads,
        forwarding,
        drain: config.server.drain_timeout.0,
        no_more_requests,
    })
}

pub(super) fn tempo_ca(config: &Config) -> Option<&Path> {
    Some(config.forward.tempo_ca.as_path()).filter(|path| !path.as_os_str().is_empty())
}

pub(super) fn public_url(config: &Config) -> Option<String> {
    Some(config.server.public_url.clone()).filter(|url| !url.is_empty())
}

// === parts ===

/// What the settings say that no type could check; gives who may come in.
pub(super) fn check_settings(config: &Config, wanted: &Wanted) -> Result<Access, String> {
    let access = Access::new(config)?;
    listeners::check(wanted, access.authenticator.is_on(), config.server.allow_anonymous)?;
    prices(&config.prices)?;
    if !config.forward.tempo.is_empty() {
        Target::parse(&config.forward.tempo).map_err(|error| format!("--tempo: {error}"))?;
    }
    pages::query_client(config)?;
    Ok(access)
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Config(format!("a listener has no address: {error}")))
}

fn instance_mark(instance: &str) -> InstanceMark {
    let [header, via_header] = [tempo::INSTANCE_HEADER, tempo::VIA_HEADER].map(HeaderName::from_static);
    InstanceMark { header, via_header, id: instance.to_owned() }
}

pub(super) fn open_store(config: &Config, journal: Journal) -> Result<(LocalStore, local::Running), StartError> {
    let options = store_options(config, prices(&config.prices).map_err(StartError::Config)?, conventions(config)?);
    Ok(LocalStore::open(journal, options)?)
}

pub(super) fn position_path(config: &Config) -> PathBuf {
    config.server.data_dir.join("forwarded.position")
}

pub(super) fn open_journal(config: &Config, data_dir: &Path) -> Result<Journal, StartError> {
    let max_bytes = match config.journal.max_bytes.0 {
        0 => automatic_cap(data_dir, config.journal.segment_bytes.0),
        bytes => bytes,
    };
    let options =
        journal::Options { segment_bytes: config.journal.segment_bytes.0, max_bytes, tail_bytes: bytes(Budget::of(config).journal_tail) };
    let (journal, recovery) = Journal::open(&super::journal_dir(config), options)?;
    if recovery.torn_bytes > 0 {
        tracing::warn!(
            bytes = recovery.torn_bytes,
            "the last write was torn by a crash and is cut off; nothing notes that it was acknowledged"
        );
    }
    Ok(journal)
}

/// The smaller of 8 GiB and half the free space, and never less than two segments.
fn automatic_cap(data_dir: &Path, segment_bytes: u64) -> u64 {
    let free = rustix::fs::statvfs(data_dir).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    AUTOMATIC_JOURNAL_BYTES.min(free / 2).max(2 * segment_bytes)
}

/// What calls cost that state no cost.
fn conventions(config: &Config) -> Result<Conventions, StartError> {
    config.conventions.read().map_err(|error| StartError::Config(error.to_string()))
}

fn prices(prices: &config::Prices) -> Result<Prices, String> {
    if prices.overrides.as_os_str().is_empty() {
        return Ok(Prices::embedded());
    }
    Prices::with_overrides(&prices.overrides).map_err(|error| format!("prices.overrides: {error}"))
}

fn store_options(config: &Config, prices: Prices, conventions: Conventions) -> local::Options {
    let budget = Budget::of(config);
    let max_age = config.retention.max_age.nanos();
    let max_index_bytes = config.retention.max_index_bytes.0;
    local::Options {
        database: super::index_database(config),
        clock: Arc::new(now),
        steady: Arc::new(steady),
        max_lag: config.fold.max_lag.0,
        price: Arc::new(move |call, start| prices.cost(call, start)),
        conventions: Arc::new(conventions),
        checkpoint_interval: config.fold.checkpoint_interval.0,
        max_changes: budget.max_changes,
        sweep_interval: SWEEP_INTERVAL,
        open_trace_idle: config.fold.open_trace_idle.0,
        open_trace_bytes: bytes(budget.open_traces),
        trace_limit: TraceLimit { max_spans: config.limits.max_trace_spans },
        keep_verdicts: stamps(config),
        run_timeout: config.fold.run_timeout.nanos(),
        // While the forwarder holds a trace its spans are still expected.
        idle_after: IDLE_AFTER.max(config.forward.hold.nanos()),
        max_age: (max_age.0 > 0).then_some(max_age),
        max_index_bytes: (max_index_bytes > 0).then_some(max_index_bytes),
        sqlite: budget.sqlite,
    }
}

fn ingest_options(config: &Config, budget: &Budget) -> ingest::Options {
    ingest::Options {
        max_request_bytes: config.limits.max_request_bytes.bytes(),
        max_inflight_bytes: budget.inflight,
        max_depth: config.limits.max_attribute_depth,
        keep_content: config.agents.keep_content,
        ..ingest::Options::default()
    }
}

/// What the settings say about Tempo.
pub(super) fn forward_options(config: &Config) -> ForwardOptions {
    let forward = &config.forward;
    let mut options = ForwardOptions::new(&forward.tempo, "");
    options.headers = forward.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    options.ca = tempo_ca(config).map(Path::to_owned);
    let is_auth_on = config.auth.is_on();
    options.tenant_header = (forward.send_tenant || is_auth_on).then(|| "X-Scope-OrgID".to_owned());
    options.gzip = forward.gzip;
    options.batch.max_bytes = forward.max_batch_bytes.bytes();
    options.retry.request_timeout = forward.timeout.0;
    if forward.stamp {
        options.max_pending_bytes = bytes(Budget::of(config).held_spans);
    }
    options
}

fn stamps(config: &Config) -> bool {
    config.forward.stamp && !config.forward.tempo.is_empty()
}

fn stamp_options(config: &Config) -> StampOptions {
    let batch = forward_options(config).batch;
    StampOptions {
        hold: config.forward.hold.0,
        linger: batch.linger,
        batch_bytes: batch.max_bytes,
        corrections: config.forward.corrections,
        memory_bytes: bytes(Budget::of(config).sent_spans),
        threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().min(STAMP_THREADS)),
    }
}

fn bytes(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::usage::{Call, NanoUsd, Usage};

    #[test]
    fn the_store_prices_calls_by_the_table_and_the_operators_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("prices.toml");
        let price = "[[price]]\nmodel = \"llama\"\ninput_per_million_usd = 0.5\noutput_per_million_usd = 1\n";
        std::fs::write(&file, price).unwrap();
        let mut config = Config::default();
        config.prices.overrides = file;
        let options = store_options(&config, prices(&config.prices).unwrap(), Conventions::default());
        let usage = Usage { input_tokens: Some(120), output_tokens: Some(30), ..Usage::default() };
        let cost = |model: &str| {
            (options.price)(&Call { usage, model: model.into(), provider: "openai".into(), response: 0, tier: None }, now())
                .map(|cost| cost.amount)
        };
        assert_eq!(cost("gpt-4o-2024-08-06"), Some(NanoUsd(600_000)));
        assert_eq!(cost("llama"), Some(NanoUsd(90_000)));
        assert_eq!(cost("qwen"), None);
    }

    #[test]
    fn a_bad_file_of_prices_is_found_before_anything_starts() {
        let mut config = Config::default();
        config.prices.overrides = "/nowhere/prices.toml".into();
        let problem = check_settings(&config, &listeners::resolve(&config).unwrap()).err().unwrap();
        assert!(problem.contains("prices.overrides") && problem.contains("/nowhere/prices.toml"), "{problem}");
    }
}
