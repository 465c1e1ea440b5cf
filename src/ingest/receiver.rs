//! What every door does with a request, whatever language it came in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use prometheus_client::registry::Registry;

use super::Signal;
use super::admission::Admission;
use super::agent_metrics;
use super::anywhere;
use super::body::{self, Held};
use super::encoding::Coding;
use super::metrics::{Metrics, ReasonLabels, RecordLabels, RequestLabels, SignalLabels, UnitLabels};
use super::noticed::Noticed;
use super::refusal::Refusal;
use super::reply::Taken;
use super::screen::{self, Format, Screened};
use super::told;
use crate::auth::{self, Authenticator, Right};
use crate::bounds::lanes::{Lane, Undone};
use crate::conventions::agents::Told;
use crate::log_limiter::LogLimiter;
use crate::model::ids::Tenant;
use crate::model::via::Via;
use crate::store::Store;
use crate::wire::otlp::{self, inspect::Limits};

/// The limits of the doors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Bytes of one request, on the wire and again decompressed. OTLP recommends 20 MiB; a batch of 8192 spans with prompts in them is
    /// 27 MB, and refusing it would lose it. 64 MiB, the default, is also where OpenTelemetry's Python exporters stop by themselves.
    pub max_request_bytes: usize,
    /// Bytes of all requests held at once, over all doors.
    pub max_inflight_bytes: u64,
    /// Levels of arrays and maps inside one attribute. Decoders that follow us give up at 100 nested messages, and a level of map is three.
    pub max_depth: u32,
    /// How long a body may take to arrive. Exporters give up after 10 s by default.
    pub body_timeout: Duration,
    /// Whether what was said to coding agents and by them is kept.
    pub keep_content: bool,
}

/// What our own exports carry, so that they are known when they come back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstanceMark {
    /// Names the instance that exports.
    pub header: HeaderName,
    /// Names those that the spans came through before it.
    pub via_header: HeaderName,
    pub id: String,
}

/// The receivers' shared state; a clone is another handle to the same.
#[derive(Clone)]
pub struct Receiver {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    auth: Arc<Authenticator>,
    options: Options,
    /// `None`: nothing is forwarded, so nothing can come back.
    instance: Option<InstanceMark>,
    admission: Admission,
    metrics: Metrics,
    /// Where large bodies are decompressed and screened: as many at a time as there are cores, so that bombs take turns.
    screening: Lane,
    /// Where runs are looked up that a post is about.
    lookups: Lane,
    /// When which cause was last logged.
    log_limiter: LogLimiter,
    /// Whether the one WARN about each signal that is not stored was written.
    logs_warned: AtomicBool,
    metrics_warned: AtomicBool,
    agent_metrics_noted: AtomicBool,
}

/// Bodies up to these sizes are screened where they are, in about 0.1 ms; larger ones on a blocking thread. Protobuf is checked at some
/// GB/s, JSON is parsed at a tenth of that, and what is compressed may grow a thousandfold.
const INLINE_PROTOBUF_BYTES: usize = 128 << 10;
const INLINE_JSON_BYTES: usize = 16 << 10;
pub(super) const INLINE_COMPRESSED_BYTES: usize = 8 << 10;

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            max_request_bytes: 64 << 20,
            max_inflight_bytes: 256 << 20,
            max_depth: 30,
            body_timeout: Duration::from_secs(60),
            keep_content: false,
        }
    }
}

// === impl Receiver ===

impl Receiver {
    pub fn new(store: Arc<dyn Store>, auth: Arc<Authenticator>, options: Options, instance: Option<InstanceMark>) -> Self {
        let shared = Shared {
            store,
            auth,
            options,
            instance,
            admission: Admission::new(options.max_inflight_bytes),
            screening: screening_lane(),
            lookups: Lane::new(LOOKUPS_AT_ONCE, SCREENING_WAITING, SCREENING_PATIENCE),
            metrics: Metrics::default(),
            log_limiter: LogLimiter::default(),
            logs_warned: AtomicBool::new(false),
            metrics_warned: AtomicBool::new(false),
            agent_metrics_noted: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Registers the metrics under `sessionfold_receive_`; `registry` must have no prefix of its own.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.shared.metrics.register(&self.shared.admission, registry);
    }

    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The bytes in flight, shared with other doors that take bodies.
    pub fn admission(&self) -> &Admission {
        &self.shared.admission
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    pub(super) fn log_limiter(&self) -> &LogLimiter {
        &self.shared.log_limiter
    }

    pub(super) fn max_request_bytes(&self) -> usize {
        self.shared.options.max_request_bytes
    }

    /// Undoes the coding of a large body when its turn has come.
    pub(super) async fn decode(&self, held: Held, coding: Coding) -> Result<Held, Refusal> {
        let max_bytes = self.max_request_bytes();
        compute(&self.shared.screening, coding, Format::Json, held, move |held| screen::decode(held, coding, max_bytes)).await
    }

    /// Looks something up in the store.
    pub(super) async fn look_up<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        self.shared.lookups.run(work).await.map_err(refused)
    }

    /// Who sends, if they may and are not ourselves.
    pub(super) fn sender(&self, parts: &Parts) -> Result<Tenant, Refusal> {
        let headers = &parts.headers;
        let tenant = self.shared.auth.from_headers(headers, auth::peer(&parts.extensions), Right::Ingest)?;
        self.via(headers)?;
        Ok(tenant)
    }

    /// Through which instances a request came; refused if we are one of them.
    pub(super) fn via(&self, headers: &HeaderMap) -> Result<Via, Refusal> {
        let Some(mark) = &self.shared.instance else { return Ok(Via::default()) };
        let lists = headers.get_all(&mark.via_header).iter().chain(headers.get_all(&mark.header).iter());
        let via = Via::parse(lists.map(|list| list.to_str().unwrap_or("?"))).map_err(|_| Refusal::Loop)?;
        if via.contains(&mark.id) { Err(Refusal::Loop) } else { Ok(via) }
    }

    /// Reads a body; `overhead_bytes` of framing do not count against the limit of a request.
    pub(super) async fn read(&self, body: &mut Body, overhead_bytes: usize) -> Result<Held, Refusal> {
        let Options { max_request_bytes, body_timeout, .. } = self.shared.options;
        let max_bytes = max_request_bytes.saturating_add(overhead_bytes);
        let held = body::read(body, max_bytes, &self.shared.admission, body_timeout).await.map_err(|refusal| match refusal {
            Refusal::TooLarge { decompressed, .. } => Refusal::TooLarge { limit_bytes: max_request_bytes, decompressed },
            refusal => refusal,
        })?;
        self.shared.metrics.body_bytes.inc_by(held.bytes.len() as u64);
        Ok(held)
    }

    /// Takes a request; returns once everything good in it is durable.
    pub(super) async fn take(
        &self,
        signal: Signal,
        (tenant, via): (&Tenant, Via),
        held: Held,
        coding: Coding,
        format: Format,
    ) -> Result<Taken, Refusal> {
        match signal {
            Signal::Traces => self.take_spans((tenant, via), held, coding, format).await,
            Signal::Logs => self.take_logs(tenant, held, coding, format).await,
            Signal::Metrics => self.turn_away_metrics(held, coding, format).await,
        }
    }

    /// Counts an answer, and logs a refusal once in a while.
    pub(super) fn record(&self, signal: Signal, transport: &'static str, arrived: Instant, answer: &Result<Taken, Refusal>) {
        let outcome = match answer {
            Ok(taken) => {
                if signal == Signal::Traces {
                    self.shared.metrics.took(transport, taken.coding, arrived.elapsed());
                }
                taken.outcome()
            }
            Err(refusal) => refusal.reason(),
        };
        self.shared.metrics.requests.get_or_create(&RequestLabels { signal: signal.as_str(), transport, outcome }).inc();
        let Err(refusal) = answer else { return };
        if matches!(refusal, Refusal::JournalFull | Refusal::IndexBehind(_) | Refusal::Unavailable) {
            return; // Written about in the store's own words.
        }
        if let Some(n_requests) = self.shared.log_limiter.due(outcome, 1, Instant::now()) {
            let signal = signal.as_str();
            tracing::warn!(signal, transport, reason = outcome, n_requests, error = %refusal, "OTLP requests were refused");
        }
    }

    async fn take_spans(&self, (tenant, via): (&Tenant, Via), held: Held, coding: Coding, format: Format) -> Result<Taken, Refusal> {
        let Options { max_request_bytes, max_depth, .. } = self.shared.options;
        let screened = compute(&self.shared.screening, coding, format, held, move |held| {
            screen::screen(screen::decode(held, coding, max_request_bytes)?, format, Limits { max_depth })
        });
        let Screened { held, n_accepted, rejected, noticed } = screened.await?;
        if n_accepted > 0 {
            self.shared.store.accept_spans_via(tenant, held.bytes.clone(), via).await.map_err(|error| self.not_accepted(error))?;
            self.shared.metrics.spans_accepted.inc_by(n_accepted);
        }
        for (fault, n_spans) in &rejected.by_fault {
            let reason = fault.as_str();
            self.shared.metrics.spans_rejected.get_or_create(&ReasonLabels { reason }).inc_by(*n_spans);
            if let Some(n_spans) = self.shared.log_limiter.due(reason, *n_spans, Instant::now()) {
                tracing::warn!(reason, n_spans, trace_id = rejected.first.trace_id, "spans were rejected");
            }
        }
        self.note(&noticed);
        let n_rejected = rejected.n_spans();
        let n_spans = n_accepted + n_rejected;
        let mut said = noticed.warnings(n_spans);
        said.extend(rejected.message(n_spans));
        Ok(Taken { n_rejected, message: said.join("; "), is_misplaced: noticed.misplaced.is_some(), coding })
    }

    /// Counts what was odd about a request that was taken, and logs it once in a while.
    fn note(&self, noticed: &Noticed) {
        let metrics = &self.shared.metrics;
        for (breakage, n_texts) in &noticed.repaired {
            let reason = breakage.as_str();
            metrics.texts_repaired.get_or_create(&ReasonLabels { reason }).inc_by(*n_texts);
            if let Some(n_texts) = self.shared.log_limiter.due(reason, *n_texts, Instant::now()) {
                tracing::warn!(
                    reason,
                    n_texts,
                    first = noticed.first_repaired,
                    "text that cannot be read was repaired, and its spans were kept"
                );
            }
        }
        for (unit, n_spans) in &noticed.by_time_unit {
            let (unit, n_spans) = (unit.as_str(), *n_spans as u64);
            metrics.spans_in_other_unit.get_or_create(&UnitLabels { unit }).inc_by(n_spans);
            if let Some(n_spans) = self.shared.log_limiter.due(unit, n_spans, Instant::now()) {
                tracing::warn!(unit, n_spans, "times of spans look like another unit than nanoseconds: their sender has to be corrected");
            }
        }
        if let Some(what) = &noticed.misplaced
            && let Some(n_requests) = self.shared.log_limiter.due("misplaced", 1, Instant::now())
        {
            tracing::warn!(what = what.as_str(), n_requests, "what was sent to /v1/traces holds no traces");
        }
    }

    /// Counts what was sent to a path that is nobody's, and logs it once in a while.
    pub(super) fn record_lost(&self, transport: &'static str, path: &str) {
        const OUTCOME: &str = "unknown_path";
        self.shared.metrics.requests.get_or_create(&RequestLabels { signal: "unknown", transport, outcome: OUTCOME }).inc();
        if let Some(n_requests) = self.shared.log_limiter.due(OUTCOME, 1, Instant::now()) {
            let path = anywhere::shown(path);
            tracing::warn!(path, transport, n_requests, "requests came to a path that is nobody's: OTLP over HTTP is POST /v1/traces");
        }
    }

    /// The store's own words go to the log; the sender gets ours.
    pub(super) fn not_accepted(&self, error: crate::store::AcceptError) -> Refusal {
        let words = error.to_string();
        let refusal = Refusal::from(error);
        if let Some(n_requests) = self.shared.log_limiter.due(refusal.reason(), 1, Instant::now()) {
            tracing::warn!(reason = refusal.reason(), n_requests, error = words, "the store did not take what was sent");
        }
        refusal
    }

    /// What coding agents tell becomes spans; all else is rejected with no error that an SDK would repeat or shout about.
    async fn take_logs(&self, tenant: &Tenant, held: Held, coding: Coding, format: Format) -> Result<Taken, Refusal> {
        let Options { max_request_bytes, keep_content, .. } = self.shared.options;
        let name = tenant.as_str().to_owned();
        let telling = compute(&self.shared.screening, coding, format, held, move |held| {
            told::tell(screen::decode(held, coding, max_request_bytes)?, format, &name, keep_content)
        });
        let (Told { spans, unforwarded, n_taken, n_noise, n_strange }, _held) = telling.await?;
        if !spans.is_empty() {
            self.shared.store.accept_spans(tenant, spans.into()).await.map_err(|error| self.not_accepted(error))?;
        }
        if !unforwarded.is_empty() {
            self.shared.store.accept_unforwarded(tenant, unforwarded.into()).await.map_err(|error| self.not_accepted(error))?;
        }
        for (outcome, n_records) in [("told", n_taken), ("noise", n_noise)] {
            self.shared.metrics.agent_records.get_or_create(&RecordLabels { outcome }).inc_by(n_records);
        }
        if n_strange == 0 {
            return Ok(Taken { coding, ..Taken::default() });
        }
        Ok(self.turned_away(Signal::Logs, n_strange, coding))
    }

    /// What coding agents count is in their logs and spans already; what others count is rejected.
    async fn turn_away_metrics(&self, held: Held, coding: Coding, format: Format) -> Result<Taken, Refusal> {
        let max_bytes = self.shared.options.max_request_bytes;
        let counting = compute(&self.shared.screening, coding, format, held, move |held| {
            let bytes = screen::decode(held, coding, max_bytes)?.bytes;
            Ok(match format {
                Format::Protobuf => (otlp::metrics::points(&bytes)?, agent_metrics::is_of_coding_agents(&bytes)),
                Format::Json => (otlp::metrics::points_json(&bytes)?, agent_metrics::is_of_coding_agents_json(&bytes)),
            })
        });
        let (n_points, is_of_coding_agents) = counting.await?;
        if n_points == 0 {
            return Ok(Taken { coding, ..Taken::default() });
        }
        if is_of_coding_agents {
            if !self.shared.agent_metrics_noted.swap(true, Ordering::Relaxed) {
                tracing::info!("metrics of a coding agent are taken and not kept: its logs and spans tell the same, exactly");
            }
            return Ok(Taken { coding, ..Taken::default() });
        }
        Ok(self.turned_away(Signal::Metrics, n_points, coding))
    }

    fn turned_away(&self, signal: Signal, n_rejected: u64, coding: Coding) -> Taken {
        let name = signal.as_str();
        self.shared.metrics.records_rejected.get_or_create(&SignalLabels { signal: name }).inc_by(n_rejected);
        let warned = if signal == Signal::Logs { &self.shared.logs_warned } else { &self.shared.metrics_warned };
        if !warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(signal = name, "sessionfold stores traces, and logs of coding agents: what else is sent is dropped and counted");
        }
        let message = format!("sessionfold stores traces, and logs of coding agents: {n_rejected} records of {name} were dropped");
        Taken { n_rejected, message, coding, ..Taken::default() }
    }
}

/// Large bodies wait here for a core no longer than exporters wait for their answer (10 s by default), less the time the rest may take.
const SCREENING_PATIENCE: Duration = Duration::from_secs(5);
/// Bodies that wait; how many bytes they have is bounded by `max_inflight_bytes`.
const SCREENING_WAITING: usize = 4_096;

/// Each has a connection to the database.
const LOOKUPS_AT_ONCE: usize = 4;

fn screening_lane() -> Lane {
    let n_cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Lane::new(n_cores.div_ceil(2), SCREENING_WAITING, SCREENING_PATIENCE)
}

/// Runs work on a body here if it is small, else on a blocking thread when its turn has come.
async fn compute<T: Send + 'static>(
    lane: &Lane,
    coding: Coding,
    format: Format,
    held: Held,
    work: impl FnOnce(Held) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let inline_bytes = match (coding, format) {
        (Coding::Identity, Format::Protobuf) => INLINE_PROTOBUF_BYTES,
        (Coding::Identity, Format::Json) => INLINE_JSON_BYTES,
        _ => INLINE_COMPRESSED_BYTES,
    };
    if held.bytes.len() <= inline_bytes {
        return work(held);
    }
    lane.run(move || work(held)).await.unwrap_or_else(|undone| Err(refused(undone)))
}

fn refused(undone: Undone) -> Refusal {
    match undone {
        Undone::Busy => Refusal::Overloaded,
        Undone::Panicked => Refusal::Internal,
    }
}
