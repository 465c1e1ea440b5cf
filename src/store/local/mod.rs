//! The store of one machine: journal, fold, sessions in memory, SQLite on disk.
//!
//! ```text
//! accept_spans ─► journal ─► fold thread ─► index + recent runs (one lock per tenant) ◄─ queries
//!                               │
//!                               └─► checkpoint thread ─► SQLite (sessions, runs, traces, journal position)
//! ```
//!
//! - The acknowledgement waits for the journal alone; the fold follows within milliseconds.
//! - A crash is "last checkpoint, then the journal from its position": both hold absolute states, so a replay changes nothing.
//! - It never talks to Tempo and never learns of it.

mod disk;
mod notes;
mod options;
mod query;
mod restore;
mod state;
mod write;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use self::disk::read::{Reader, Readers, RunStream};
pub use self::disk::renew::{PutAside, begin_anew, damage};
pub use self::disk::schema::SchemaError;
pub use self::options::{Options, Price, SqliteLimits};
pub use self::query::facts::{StoreFacts, TenantFacts};
use self::state::clock::TrustedClock;
pub use self::state::clock::{Clock, SteadyClock};
use self::state::known::KnownTraces;
use self::state::lag::LagMeter;
pub use self::state::metrics::Metrics;
use self::state::tenant::{TenantCell, Tenants};
use self::state::traces::OpenTraces;
pub use self::write::fold_worker::FoldError;
pub use self::write::open::{OpenError, Running};
use super::explain::{ExplainQuery, Explanation, Orphans, OrphansQuery};
use super::overview::Overview;
use super::raw::RawSpans;
use super::said::{Heard, Looked};
use super::series::{Callers, Leading, Series, SeriesQuery};
use super::sums::Sums;
use super::view::{RunQuery, RunView, TraceView};
use super::{AcceptError, FoldLag, NoteError, RunPage, RunPost, SESSIONS_AT_ONCE, SessionDetail, Store, StoreError};
use crate::conventions::{Conventions, posts};
use crate::index::SessionNo;
use crate::journal::{self, Class, Journal, Position};
use crate::model::Str;
use crate::model::ids::{RunId, SessionId, Tenant, TraceId};
use crate::model::note::NoteChange;
use crate::model::query::{AgentQuery, SessionQuery, UserQuery};
use crate::model::question::Question;
use crate::model::reason::Reason;
use crate::model::report::EventKind;
use crate::model::run::Run;
use crate::model::scores::ScoreTotals;
use crate::model::session::{Activity, AgentSummary, Page, SessionSummary};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::via::Via;
use crate::wire::format::entry::{Entry, Event};

/// A handle to the store; clones share it.
#[derive(Clone)]
pub struct LocalStore {
    shared: Arc<Shared>,
    journal: Journal,
}

/// What the doors, the fold thread and the checkpoint thread have in common.
struct Shared {
    tenants: Tenants,
    traces: Arc<OpenTraces>,
    /// Changed by the fold thread alone.
    known: RwLock<KnownTraces>,
    readers: Arc<Readers>,
    metrics: Metrics,
    clock: TrustedClock,
    lag: LagMeter,
    max_lag: Duration,
    price: Price,
    conventions: Arc<Conventions>,
    run_timeout: Nanos,
    idle_after: Nanos,
    /// How far the fold has come; a deletion waits for its own position. Closed when the fold thread ends.
    folded: watch::Receiver<Position>,
    /// What keeps the store from its work, for `/readyz`.
    trouble: Mutex<Trouble>,
    /// The process is about to stop: what asks for readiness is told, and everything else goes on.
    is_draining: AtomicBool,
    stopping: AtomicBool,
    /// The fold has caught up once and serves: from now on it waits rather than ends.
    is_open: AtomicBool,
    /// Journal position of the last finished checkpoint: what lies before may be released.
    checkpointed: AtomicU64,
}

/// Each is set by the thread that met it.
#[derive(Default)]
struct Trouble {
    /// The fold stopped, for good.
    fold: Option<String>,
    /// The fold waits for something that it cannot read at the moment.
    reading: Option<String>,
    /// The last checkpoint could not be written; it is tried again.
    disk: Option<String>,
}

// === impl LocalStore ===

impl LocalStore {
    /// What the sessions of all tenants take in memory: the index, which grows with them.
    pub fn index_bytes(&self) -> u64 {
        self.shared.tenants.index_bytes()
    }

    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The journal before this is in the index database.
    pub fn checkpointed(&self) -> Position {
        Position(self.shared.checkpointed.load(Ordering::Acquire))
    }

    /// Called last, where the process ends: the system takes its memory back at once, and to free every trace and session one by one took
    /// as long as the rest of the stop.
    pub fn leave_memory_to_the_system(&self) {
        std::mem::forget((self.shared.traces.clone(), self.shared.tenants.all()));
    }

    /// From now on the store is not ready, so that nobody is sent here who has another place to go. It takes and answers as before.
    pub fn begin_drain(&self) {
        self.shared.is_draining.store(true, Ordering::Release);
    }

    /// How far the fold has come in the journal.
    pub fn folded(&self) -> Position {
        *self.shared.folded.borrow()
    }

    /// Notes in the journal that another process accepts from here on. Without it, posts that the last one took and did not answer
    /// would count twice when they come again. A journal without records needs no such note.
    pub async fn note_opened(&self) {
        if self.journal.end() == Position(0) {
            return;
        }
        if let Err(error) = self.append(&Tenant::default(), Event::Opened, Class::Events).await {
            tracing::warn!(%error, "the start could not be noted in the journal: a post that is repeated now may count twice");
        }
    }

    async fn append(&self, tenant: &Tenant, event: Event, class: Class) -> Result<Position, AcceptError> {
        self.append_via(tenant, Via::default(), event, class).await
    }

    async fn append_via(&self, tenant: &Tenant, via: Via, event: Event, class: Class) -> Result<Position, AcceptError> {
        let entry = Entry { tenant: tenant.clone(), received_at: self.shared.clock.wall(), via, event };
        let (head, body) = entry.encode();
        let position = self.journal.append(journal::Record { head, body }, class).await.map_err(accept_error)?;
        self.shared.lag.accepted(self.journal.end(), Instant::now());
        Ok(position)
    }

    /// Whether what a sender brings now would be visible within `max_lag`. A fold that has stopped for good refuses nobody: what comes is
    /// forwarded all the same, and the next start shows it.
    fn admit(&self, max_lag: Duration) -> Result<(), AcceptError> {
        let has_stopped = self.shared.folded.has_changed().is_err();
        match self.shared.lag.refusal(self.folded(), self.journal.end(), max_lag, Instant::now()) {
            Some(retry_after) if !has_stopped => Err(AcceptError::Behind { retry_after }),
            _ => Ok(()),
        }
    }

    /// How far the fold is behind what was acknowledged.
    pub fn lag(&self) -> FoldLag {
        self.shared.lag.lag(self.folded(), self.journal.end(), Instant::now())
    }

    async fn delete(&self, tenant: &Tenant, id: &SessionId) -> Result<Option<u64>, AcceptError> {
        // What was acknowledged before the call is part of the session, be it folded yet or not.
        if !self.has_folded(self.journal.end()).await {
            return Err(AcceptError::Unavailable("the fold has stopped; nothing was deleted".into()));
        }
        let Some(n_runs) = self.shared.summary(tenant, id).map(|summary| summary.run_count) else { return Ok(None) };
        self.append(tenant, Event::DeleteSession(id.clone()), Class::Events).await?;
        if !self.has_folded(self.journal.end()).await {
            return Err(AcceptError::Unavailable("the fold has stopped; the deletion is recorded and takes effect after a restart".into()));
        }
        Ok(Some(n_runs))
    }

    /// Waits until the fold has come as far as `end`; `false` if it has stopped before.
    async fn has_folded(&self, end: Position) -> bool {
        self.shared.folded.clone().wait_for(|folded| *folded >= end).await.is_ok()
    }
}

impl Store for LocalStore {
    fn accept_spans(&self, tenant: &Tenant, request: Bytes) -> BoxFuture<'_, Result<(), AcceptError>> {
        self.accept_spans_via(tenant, request, Via::default())
    }

    fn accept_spans_via(&self, tenant: &Tenant, request: Bytes, via: Via) -> BoxFuture<'_, Result<(), AcceptError>> {
        let tenant = tenant.clone();
        Box::pin(async move {
            self.admit(self.shared.max_lag)?;
            self.append_via(&tenant, via, Event::Spans(request), Class::Spans).await.map(|_| ())
        })
    }

    fn accept_unforwarded(&self, tenant: &Tenant, request: Bytes) -> BoxFuture<'_, Result<(), AcceptError>> {
        let tenant = tenant.clone();
        Box::pin(async move {
            self.admit(self.shared.max_lag)?;
            self.append(&tenant, Event::UnforwardedSpans(request), Class::Spans).await.map(|_| ())
        })
    }

    fn accept_post(&self, tenant: &Tenant, post: RunPost) -> BoxFuture<'_, Result<(), AcceptError>> {
        let tenant = tenant.clone();
        let event = Event::Run { kind: post.kind, run: post.run, body: post.body };
        Box::pin(async move {
            // Who posts does not come again as readily, and posts are few.
            self.admit(self.shared.max_lag * 2)?;
            self.append(&tenant, event, Class::Events).await.map(|_| ())
        })
    }

    fn unanswered(&self, tenant: &Tenant, post: RunPost, since: UnixNanos) -> BoxFuture<'_, ()> {
        let tenant = tenant.clone();
        let note = posts::note_of(posts::digest(post.kind, &post.body), since);
        let event = Event::Run { kind: EventKind::Unanswered, run: post.run, body: note.to_vec().into() };
        Box::pin(async move {
            // If it cannot be noted, nothing can be taken either, and the repetition will be refused.
            let _ = self.append(&tenant, event, Class::Events).await;
        })
    }

    fn delete_session(&self, tenant: &Tenant, id: &SessionId) -> BoxFuture<'_, Result<Option<u64>, AcceptError>> {
        let (tenant, id) = (tenant.clone(), id.clone());
        Box::pin(async move { self.delete(&tenant, &id).await })
    }

    fn change_note(&self, tenant: &Tenant, id: &SessionId, change: NoteChange) -> BoxFuture<'_, Result<Option<SessionSummary>, NoteError>> {
        let (tenant, id) = (tenant.clone(), id.clone());
        Box::pin(async move { self.note(&tenant, &id, change).await })
    }

    fn sessions(&self, tenant: &Tenant, query: &SessionQuery) -> Result<Page<SessionSummary>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(Page { items: Vec::new(), count: 0 }) };
        self.of_window(&cell, query, |index, among, has_run_in| index.list_among(query, among, has_run_in))
    }

    fn activity(&self, tenant: &Tenant, query: &SessionQuery, n_max: usize) -> Result<Option<Activity>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        let of_user = self.sessions_of_user(&cell, query)?;
        let activity = cell.read().index.activity(query, of_user.as_deref(), n_max);
        Ok(activity)
    }

    fn each_sessions(
        &self,
        tenant: &Tenant,
        query: &SessionQuery,
        each: &mut dyn FnMut(&[SessionSummary]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(()) };
        let all = self.of_window(&cell, query, |index, among, has_run_in| index.select_all(query, among, has_run_in))?;
        for some in all.chunks(SESSIONS_AT_ONCE) {
            let summaries: Vec<SessionSummary> = {
                let state = cell.read();
                // What was deleted meanwhile is no session any more.
                some.iter().filter_map(|no| Some(state.index.row(*no)?.summary)).collect()
            };
            if each(&summaries).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last_errors(&self, tenant: &Tenant, sessions: &[SessionSummary]) -> Result<Vec<Option<Reason>>, StoreError> {
        let has_failed = sessions.iter().any(|session| session.error_count > 0);
        match self.shared.tenants.get(tenant).filter(|_| has_failed) {
            Some(cell) => self.find_last_errors(&cell, sessions),
            None => Ok(vec![None; sessions.len()]),
        }
    }

    fn first_questions(&self, tenant: &Tenant, sessions: &[&SessionId]) -> Result<Vec<Option<Question>>, StoreError> {
        match self.shared.tenants.get(tenant).filter(|_| self.shared.conventions.keep_questions()) {
            Some(cell) => self.find_first_questions(&cell, sessions),
            None => Ok(vec![None; sessions.len()]),
        }
    }

    fn session(&self, tenant: &Tenant, id: &SessionId, page: RunPage) -> Result<Option<SessionDetail>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        let reader = self.shared.reader()?;
        let state = cell.read();
        let Some(row) = state.index.find(id).and_then(|no| state.index.row(no)) else { return Ok(None) };
        let runs = RunStream::open(reader, cell.no, row.no, id.clone(), state.recent.overlay(row.no))?;
        drop(state);
        let runs = runs.skip(usize::try_from(page.offset).unwrap_or(usize::MAX));
        let limit = page.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Ok(Some(SessionDetail { summary: row.summary, runs: Box::new(runs.take(limit)) }))
    }

    fn users_of_sessions(&self, tenant: &Tenant, sessions: &[&SessionId]) -> Result<Vec<Vec<Str>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(vec![Vec::new(); sessions.len()]) };
        self.newest_users(&cell, sessions)
    }

    fn scores_of_sessions(&self, tenant: &Tenant, sessions: &[&SessionId]) -> Result<Vec<ScoreTotals>, StoreError> {
        match self.shared.tenants.get(tenant) {
            Some(cell) => self.newest_scores(&cell, sessions),
            None => Ok(sessions.iter().map(|_| ScoreTotals::default()).collect()),
        }
    }

    fn agents(&self, tenant: &Tenant, query: &AgentQuery) -> Result<Page<AgentSummary>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(Page { items: Vec::new(), count: 0 }) };
        let agents = cell.read().index.agents(query);
        Ok(agents)
    }

    fn overview(&self, tenant: &Tenant) -> Result<Overview, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(Overview::default()) };
        let n_sessionless_runs = self.count_sessionless(&cell)?;
        let seen = cell.ingest_stats.lock();
        Ok(Overview { n_spans: seen.n_spans(), n_sessionless_runs, services: seen.services() })
    }

    fn run(&self, tenant: &Tenant, id: RunId) -> Result<Option<RunView>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        self.view_run(&cell, id)
    }

    fn explain(&self, tenant: &Tenant, query: &ExplainQuery<'_>) -> Result<Option<Explanation>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        self.explain_run(&cell, query)
    }

    fn orphans(&self, tenant: &Tenant, query: &OrphansQuery<'_>) -> Result<Option<Orphans>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        self.explain_orphans(&cell, query)
    }

    fn find_run(&self, tenant: &Tenant, text: &str) -> Result<Option<RunId>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        self.find_run_by_text(&cell, text)
    }

    fn trace(&self, tenant: &Tenant, id: TraceId) -> Result<Option<TraceView>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(None) };
        self.view_trace(&cell, id)
    }

    fn runs(&self, tenant: &Tenant, query: &RunQuery, each: &mut dyn FnMut(&Run)) -> Result<(), StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(()) };
        self.each_run(&cell, std::slice::from_ref(query), each)
    }

    fn sums(&self, tenant: &Tenant, start: UnixNanos) -> Result<Option<Sums>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(Some(Sums::default())) };
        self.kept_sums(&cell, start)
    }

    fn series(&self, tenant: &Tenant, query: &SeriesQuery) -> Result<Option<Series>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(Some(Series::empty(&query.rounded(Nanos(1))))) };
        self.series_of(&cell, query)
    }

    fn has_runs(&self, tenant: &Tenant, window: Range<UnixNanos>, n_least: u64) -> bool {
        self.shared.tenants.get(tenant).is_some_and(|cell| query::series::has_runs(&cell, window, n_least))
    }

    fn leading(&self, tenant: &Tenant, query: &SeriesQuery, limit: usize) -> Result<Leading, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else {
            return Ok(Leading { users: Some(Vec::new()), is_complete: true, ..Leading::default() });
        };
        self.leading_runs(&cell, query, limit)
    }

    fn callers(&self, tenant: &Tenant, query: &SeriesQuery, limit: usize) -> Result<Callers, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(Callers { is_complete: true, ..Callers::default() }) };
        self.callers_of(&cell, query, limit)
    }

    fn users(&self, tenant: &Tenant, query: &UserQuery) -> Result<Option<Page<Str>>, StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(Some(Page { items: Vec::new(), count: 0 })) };
        self.kept_users(&cell, query)
    }

    fn runs_of_users(&self, tenant: &Tenant, users: &[Str], each: &mut dyn FnMut(&Run)) -> Result<(), StoreError> {
        let Some(cell) = self.shared.tenants.get(tenant) else { return Ok(()) };
        self.each_run(&cell, &RunQuery::of_users(users), each)
    }

    fn raw_spans(&self, tenant: &Tenant, traces: &[TraceId]) -> Result<RawSpans, StoreError> {
        self.find_raw(tenant, traces)
    }

    fn search_said(&self, tenant: &Tenant, phrase: &str, each: &mut dyn FnMut(Heard) -> ControlFlow<()>) -> Result<Looked, StoreError> {
        Ok(self.find_said(tenant, phrase, each))
    }

    fn lag(&self) -> FoldLag {
        LocalStore::lag(self)
    }

    fn not_ready(&self) -> Option<String> {
        if self.shared.is_draining.load(Ordering::Acquire) {
            return Some("stopping".into());
        }
        if let Some(trouble) = self.journal.trouble() {
            return Some(trouble);
        }
        let trouble = self.shared.trouble.lock();
        trouble.fold.clone().or_else(|| trouble.reading.clone()).or_else(|| trouble.disk.clone())
    }
}

// === impl Shared ===

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn summary(&self, tenant: &Tenant, id: &SessionId) -> Option<SessionSummary> {
        let cell = self.tenants.get(tenant)?;
        let state = cell.read();
        Some(state.index.row(state.index.find(id)?)?.summary)
    }

    /// All runs of a session, from one state; `None` if there is no such session.
    fn session_runs(&self, cell: &TenantCell, no: SessionNo) -> Result<Option<Vec<Run>>, StoreError> {
        let reader = self.own_reader()?;
        let state = cell.read();
        let Some(row) = state.index.row(no) else { return Ok(None) };
        let stream = RunStream::open(reader, cell.no, no, row.summary.id, state.recent.overlay(no))?;
        drop(state);
        stream.collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// A connection for the fold or the forwarder, which must not wait for those that readers have.
    fn own_reader(&self) -> Result<Reader, StoreError> {
        self.readers.take_own().map_err(|error| store_error("open the index database", error))
    }

    fn reader(&self) -> Result<Reader, StoreError> {
        self.readers.take().map_err(|error| store_error("open the index database", error))
    }
}

fn store_error(doing: &str, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError { doing: doing.to_owned(), source: Box::new(source) }
}

fn accept_error(error: journal::AppendError) -> AcceptError {
    match error {
        journal::AppendError::Full { .. } | journal::AppendError::NoSpace => AcceptError::Full(error.to_string()),
        other => AcceptError::Unavailable(other.to_string()),
    }
}
