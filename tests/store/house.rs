//! A store on a real journal in a directory of its own, with a clock that stands still until a test moves it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags};
use sessionfold::fold::TraceLimit;
use sessionfold::journal::{self, Journal};
use sessionfold::model::Str;
use sessionfold::model::ids::{RunId, SessionId, Tenant};
use sessionfold::model::note::NoteChange;
use sessionfold::model::query::{AgentQuery, SessionQuery, UserQuery, UserSort};
use sessionfold::model::run::Run;
use sessionfold::model::session::{AgentSummary, Page, SessionSummary};
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::store::local::{LocalStore, OpenError, Options, Running, SqliteLimits};
use sessionfold::store::sums::Sums;
use sessionfold::store::view::{RunQuery, RunView};
use sessionfold::store::{AcceptError, NoteError, RunPage, RunPost, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::spans::{SECOND, TEN};

/// How long anything may take on a busy machine before the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long that it does not happen within a test.
pub const NEVER: Duration = Duration::from_secs(1_000_000);

/// What tests choose of [`Options`]. The default never writes a checkpoint of itself, never sweeps and keeps every trace in memory.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub checkpoint_interval: Duration,
    pub max_changes: usize,
    pub sweep_interval: Duration,
    pub open_trace_idle: Duration,
    pub open_trace_bytes: usize,
    pub max_trace_spans: usize,
    pub run_timeout: Nanos,
    pub idle_after: Nanos,
    pub max_age: Option<Nanos>,
    pub max_lag: Duration,
    pub max_index_bytes: Option<u64>,
}

pub struct House {
    dir: TempDir,
    pub tuning: Tuning,
    /// The time that has passed, as nanoseconds since the Unix epoch.
    clock: Arc<AtomicU64>,
    /// How far the wall clock is ahead of it, because somebody set it.
    ahead: Arc<AtomicI64>,
    runtime: Runtime,
    open: Option<Open>,
}

struct Open {
    journal: Journal,
    store: LocalStore,
    running: Running,
}

// === impl Tuning ===

impl Default for Tuning {
    fn default() -> Self {
        Self {
            checkpoint_interval: NEVER,
            max_changes: usize::MAX / 4,
            sweep_interval: NEVER,
            open_trace_idle: NEVER,
            open_trace_bytes: usize::MAX,
            max_trace_spans: 50_000,
            run_timeout: Nanos(u64::MAX),
            idle_after: Nanos(u64::MAX),
            max_age: None,
            max_lag: NEVER,
            max_index_bytes: None,
        }
    }
}

impl Tuning {
    /// Everything goes to disk at once and leaves memory as soon as it is there.
    pub fn restless() -> Self {
        Self {
            checkpoint_interval: Duration::ZERO,
            sweep_interval: Duration::ZERO,
            open_trace_idle: Duration::ZERO,
            open_trace_bytes: 0,
            ..Self::default()
        }
    }
}

// === impl House ===

impl House {
    pub fn new(tuning: Tuning) -> Self {
        let mut house = Self::closed(tuning);
        house.open().unwrap();
        house
    }

    /// An empty directory; nothing is opened yet.
    pub fn closed(tuning: Tuning) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let clock = Arc::new(AtomicU64::new(TEN));
        Self { dir: scratch(), tuning, clock, ahead: Arc::default(), runtime, open: None }
    }

    pub fn now(&self) -> UnixNanos {
        UnixNanos(self.clock.load(Ordering::SeqCst))
    }

    pub fn advance(&self, nanos: u64) {
        self.clock.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock, that far ahead of the time that has passed.
    pub fn set_clock_ahead(&self, nanos: i64) {
        self.ahead.store(nanos, Ordering::SeqCst);
    }

    pub fn store(&self) -> &LocalStore {
        &self.opened().store
    }

    pub fn journal(&self) -> &Journal {
        &self.opened().journal
    }

    pub fn database(&self) -> PathBuf {
        self.dir.path().join("index.sqlite")
    }

    // --- life ---

    pub fn open(&mut self) -> Result<(), OpenError> {
        let options = journal::Options { segment_bytes: 1 << 16, ..journal::Options::default() };
        let journal = self.open_journal(&options);
        let (clock, steady, ahead) = (self.clock.clone(), self.clock.clone(), self.ahead.clone());
        let Tuning { checkpoint_interval, max_changes, sweep_interval, open_trace_idle, open_trace_bytes, .. } = self.tuning;
        let options = Options {
            database: self.database(),
            clock: Arc::new(move || UnixNanos(clock.load(Ordering::SeqCst).saturating_add_signed(ahead.load(Ordering::SeqCst)))),
            steady: Arc::new(move || Nanos(steady.load(Ordering::SeqCst))),
            max_lag: self.tuning.max_lag,
            price: Arc::new(|_, _| None),
            conventions: Arc::default(),
            checkpoint_interval,
            max_changes,
            sweep_interval,
            open_trace_idle,
            open_trace_bytes,
            trace_limit: TraceLimit { max_spans: self.tuning.max_trace_spans },
            keep_verdicts: true,
            run_timeout: self.tuning.run_timeout,
            idle_after: self.tuning.idle_after,
            max_age: self.tuning.max_age,
            max_index_bytes: self.tuning.max_index_bytes,
            sqlite: SqliteLimits::default(),
        };
        let (store, running) = LocalStore::open(journal.clone(), options)?;
        self.runtime.block_on(store.note_opened());
        self.open = Some(Open { journal, store, running });
        Ok(())
    }

    /// Other tests start processes, and between fork and exec such a process holds every lock of this one.
    fn open_journal(&self, options: &journal::Options) -> Journal {
        let began = Instant::now();
        loop {
            match Journal::open(&self.dir.path().join("journal"), options.clone()) {
                Ok((journal, _)) => return journal,
                Err(journal::OpenError::Locked { .. }) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// As a drained stop: a last checkpoint is written.
    pub fn stop(&mut self) {
        let Some(Open { journal, running, .. }) = self.open.take() else { return };
        journal.close();
        running.stop();
    }

    pub fn reopen(&mut self) {
        self.stop();
        self.open().unwrap();
    }

    /// As after a kill: what the disk has at this moment, the database as of its last checkpoint, is all that is left.
    pub fn crash(&mut self) {
        let left = scratch();
        let db = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        db.busy_timeout(PATIENCE).unwrap();
        db.execute("VACUUM INTO ?1", [left.path().join("index.sqlite").to_str().unwrap()]).unwrap();
        drop(db);
        std::fs::create_dir(left.path().join("journal")).unwrap();
        for entry in std::fs::read_dir(self.dir.path().join("journal")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, left.path().join("journal").join(path.file_name().unwrap())).unwrap();
        }
        self.stop();
        self.dir = left;
        self.open().unwrap();
    }

    // --- what is done to it ---

    pub fn send(&self, tenant: &str, request: Bytes) {
        self.try_send(tenant, request).unwrap();
    }

    pub fn try_send(&self, tenant: &str, request: Bytes) -> Result<(), AcceptError> {
        self.runtime.block_on(self.store().accept_spans(&self::tenant(tenant), request))
    }

    /// What a rebuild brings back.
    pub fn restore(&self, tenant: &str, request: Bytes) -> Result<(), AcceptError> {
        self.runtime.block_on(self.store().restore_spans(&self::tenant(tenant), request))
    }

    /// One POST of the SDK.
    pub fn post(&self, tenant: &str, post: RunPost) {
        self.runtime.block_on(self.store().accept_post(&self::tenant(tenant), post)).unwrap();
    }

    /// The answer to a post did not reach the SDK.
    pub fn unanswered(&self, tenant: &str, post: RunPost) {
        self.unanswered_since(tenant, post, UnixNanos::ZERO);
    }

    /// The same, of a post that came no earlier than that.
    pub fn unanswered_since(&self, tenant: &str, post: RunPost, since: UnixNanos) {
        self.runtime.block_on(self.store().unanswered(&self::tenant(tenant), post, since));
    }

    /// Sends, and waits until the index has it.
    pub fn fold(&self, tenant: &str, request: Bytes) {
        self.send(tenant, request);
        self.wait_folded();
    }

    pub fn delete(&self, tenant: &str, session: &str) -> Option<u64> {
        self.try_delete(tenant, session).unwrap()
    }

    pub fn try_delete(&self, tenant: &str, session: &str) -> Result<Option<u64>, AcceptError> {
        let (tenant, session) = (self::tenant(tenant), SessionId::new(session).unwrap());
        let delete = self.store().delete_session(&tenant, &session);
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, delete).await.unwrap() })
    }

    /// Whether there is such a session.
    pub fn note(&self, tenant: &str, session: &str, change: NoteChange) -> Result<bool, NoteError> {
        let (tenant, session) = (self::tenant(tenant), SessionId::new(session).unwrap());
        let note = self.store().change_note(&tenant, &session, change);
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, note).await.unwrap() }).map(|noted| noted.is_some())
    }

    pub fn wait_folded(&self) {
        let end = self.journal().end();
        let is_shown = || self.store().folded() >= end && self.store().metrics().waiting_traces() == 0;
        self.until("the fold has caught up", is_shown);
    }

    /// Wakes the fold thread, and returns after a whole turn of it.
    pub fn tick(&self) {
        for _ in 0..2 {
            self.fold("tick", Bytes::new());
        }
    }

    /// Until all that was sent is on disk and swept; with [`Tuning::restless`] every trace has left memory then.
    pub fn settle(&self) {
        let end = self.journal().end();
        self.until("a checkpoint covers it", || {
            self.tick();
            self.store().checkpointed() >= end
        });
        self.tick();
        self.tick();
    }

    /// [`Self::settle`] where the tuning lets it.
    pub fn settle_if_restless(&self) {
        if self.tuning.checkpoint_interval.is_zero() {
            self.settle();
        }
    }

    pub fn not_ready(&self) -> Option<String> {
        self.store().not_ready()
    }

    /// The journal's files are lost.
    pub fn remove_journal(&self) {
        assert!(self.open.is_none());
        std::fs::remove_dir_all(self.dir.path().join("journal")).unwrap();
    }

    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "never: {what}; {:?}", self.store().not_ready());
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    // --- what it shows ---

    pub fn list(&self, tenant: &str, query: &SessionQuery) -> Page<SessionSummary> {
        self.store().sessions(&self::tenant(tenant), query).unwrap()
    }

    /// The ids of all sessions, and how many runs each has.
    pub fn sessions(&self, tenant: &str) -> Vec<(String, u64)> {
        let page = self.list(tenant, &SessionQuery { limit: 10_000, ..SessionQuery::default() });
        let mut sessions: Vec<_> = page.items.iter().map(|item| (item.id.as_str().to_owned(), item.run_count)).collect();
        sessions.sort();
        sessions
    }

    pub fn detail(&self, tenant: &str, session: &str) -> Option<(SessionSummary, Vec<Run>)> {
        let id = SessionId::new(session).unwrap();
        let detail = self.store().session(&self::tenant(tenant), &id, RunPage::default()).unwrap()?;
        Some((detail.summary, detail.runs.map(Result::unwrap).collect()))
    }

    /// Every run, those without a session too, in the order they started.
    pub fn runs(&self, tenant: &str) -> Vec<Run> {
        let mut runs = Vec::new();
        self.store().runs(&self::tenant(tenant), &RunQuery::default(), &mut |run| runs.push(run.clone())).unwrap();
        runs.sort_by_key(|run| (run.started_at, run.id));
        runs
    }

    /// Sums since some moments, which are those over the runs.
    pub fn check_sums(&self, tenant: &str) {
        let runs = self.runs(tenant);
        for start in [0, TEN, TEN + 7 * 60 * SECOND, TEN + 20 * 60 * SECOND, TEN + 45 * 60 * SECOND, TEN + 100 * 60 * SECOND] {
            let mut expected = Sums::default();
            runs.iter().filter(|run| run.last_activity.0 >= start).for_each(|run| expected.add(run));
            let sums = self.store().sums(&self::tenant(tenant), UnixNanos(start)).unwrap().expect("they are kept");
            assert_eq!(sums, expected, "{tenant} since {start}");
        }
        crate::store::series::check(self, tenant, &runs);
        for sort in UserSort::ALL {
            for (descending, search, offset) in [(false, None, 0), (true, None, 0), (true, Some("u1"), 0), (false, None, 1)] {
                let query = UserQuery { search: search.map(str::to_owned), sort, descending, limit: 2, offset };
                // After a start they may still be being added up.
                let mut page = None;
                self.until("users are kept", || {
                    page = self.store().users(&self::tenant(tenant), &query).unwrap();
                    page.is_some()
                });
                let page = page.unwrap();
                assert_eq!(page, users(&runs, &query), "{tenant}, {query:?}");
            }
        }
    }

    pub fn run(&self, tenant: &str, id: RunId) -> Option<RunView> {
        self.store().run(&self::tenant(tenant), id).unwrap()
    }

    pub fn agents(&self, tenant: &str) -> Vec<AgentSummary> {
        self.store().agents(&self::tenant(tenant), &AgentQuery::default()).unwrap().items
    }

    /// Looks into the database as an operator does.
    pub fn count_rows(&self, query: &str) -> i64 {
        let db = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        db.query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// One number of the metrics page.
    pub fn metric(&self, name: &str) -> f64 {
        let mut registry = prometheus_client::registry::Registry::default();
        self.store().metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    fn opened(&self) -> &Open {
        self.open.as_ref().expect("the house is open")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A page of users from all runs.
fn users(runs: &[Run], query: &UserQuery) -> Page<Str> {
    let mut by_user: BTreeMap<&Str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        run.user.iter().for_each(|user| by_user.entry(user).or_default().push(run));
    }
    by_user.retain(|user, _| query.search.as_ref().is_none_or(|search| user.contains(search)));
    let sum = |runs: &[&Run], value: fn(&Run) -> u64| runs.iter().map(|run| value(run)).fold(0, u64::wrapping_add);
    let key = |runs: &[&Run]| match query.sort {
        UserSort::LastSeen => runs.iter().map(|run| run.last_activity.0).max().unwrap(),
        UserSort::FirstSeen => runs.iter().map(|run| run.started_at.0).min().unwrap(),
        UserSort::RunCount => runs.len() as u64,
        UserSort::TotalCost => sum(runs, |run| run.usage.cost.0),
        UserSort::TotalTokens => sum(runs, |run| run.usage.tokens),
        UserSort::TotalDuration => sum(runs, |run| run.duration().map_or(0, |length| length.0)),
        UserSort::UserId => 0,
    };
    let mut ordered: Vec<(u64, &Str)> = by_user.iter().map(|(user, runs)| (key(runs), *user)).collect();
    if query.descending {
        ordered.sort_by(|a, b| if query.sort == UserSort::UserId { b.1.cmp(a.1) } else { b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)) });
    }
    if !query.descending {
        ordered.sort();
    }
    let items = ordered.iter().skip(query.offset).take(query.limit).map(|(_, user)| (*user).clone()).collect();
    Page { items, count: ordered.len() as u64 }
}

pub fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

/// In memory where there is such a place: these tests do not lose power.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}
