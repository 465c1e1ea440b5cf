//! Layer 4: the one write path, and the trait behind which it scales.

pub mod explain;
pub mod local;
pub mod news;
pub mod overview;
pub mod raw;
pub mod said;
pub mod series;
pub mod sums;
pub mod view;

use std::ops::{ControlFlow, Range};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use self::explain::{ExplainQuery, Explanation, Orphans, OrphansQuery};
use self::overview::Overview;
use self::raw::RawSpans;
use self::said::{Heard, Looked};
use self::series::{Callers, Leading, Series, SeriesQuery};
use self::sums::Sums;
use self::view::{RunQuery, RunView, TraceView};
use crate::faults::Fault;
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
use crate::model::time::UnixNanos;
use crate::model::via::Via;

/// Runs of a session, counted from the newest, among which the failed one is looked for that says why the session failed.
pub const LAST_ERROR_RUNS: u32 = 200;
/// So many runs of a session are looked at for what was asked first.
pub const FIRST_QUESTION_RUNS: usize = 5;

/// Sessions that are shown at a time, where every one is.
const SESSIONS_AT_ONCE: usize = 128;

/// Newest runs of a session whose scores are added up for a list.
pub const SCORED_RUNS: u32 = 50;

/// What all notes of a tenant may take in memory, in bytes: about a thousand of the longest, or forty thousand short ones.
pub const NOTES_MAX_BYTES: usize = 8 << 20;

/// What the doors need of a store. Every method speaks of one tenant.
pub trait Store: Send + Sync + 'static {
    /// Takes one inspected, encoded `ExportTraceServiceRequest`; returns once it is durable.
    fn accept_spans(&self, tenant: &Tenant, request: Bytes) -> BoxFuture<'_, Result<(), AcceptError>>;

    /// The same of spans that came through other instances.
    fn accept_spans_via(&self, tenant: &Tenant, request: Bytes, _via: Via) -> BoxFuture<'_, Result<(), AcceptError>> {
        self.accept_spans(tenant, request)
    }

    /// The same of spans that are for the fold alone: Tempo gets what they tell of from elsewhere.
    fn accept_unforwarded(&self, tenant: &Tenant, request: Bytes) -> BoxFuture<'_, Result<(), AcceptError>>;

    /// Takes what the SDK posted, as it came; returns once it is durable.
    fn accept_post(&self, tenant: &Tenant, post: RunPost) -> BoxFuture<'_, Result<(), AcceptError>>;

    /// Notes that the answer to a post that was perhaps taken, no earlier than `since`, did not reach its sender: the same bytes within a
    /// minute are treated as a retry.
    fn unanswered(&self, tenant: &Tenant, post: RunPost, since: UnixNanos) -> BoxFuture<'_, ()>;

    /// Deletes what the session was, durably: its runs that started before now stay gone whatever arrives late.
    /// `Ok(None)` if there is no such session; else the number of runs removed.
    fn delete_session(&self, tenant: &Tenant, id: &SessionId) -> BoxFuture<'_, Result<Option<u64>, AcceptError>>;

    /// Changes what a person noted of a session, durably. `Ok(None)` if there is no such session; else the session as it is then, which is
    /// what whoever asks from now on is shown, too.
    fn change_note(&self, tenant: &Tenant, id: &SessionId, change: NoteChange) -> BoxFuture<'_, Result<Option<SessionSummary>, NoteError>>;

    /// One page of sessions and the exact count, from one state of the index. Blocks for at most some milliseconds.
    fn sessions(&self, tenant: &Tenant, query: &SessionQuery) -> Result<Page<SessionSummary>, StoreError>;

    /// Why the newest failed run of each of these sessions failed, in their order; `None` where it does not say, where none of the newest
    /// [`LAST_ERROR_RUNS`] of the session failed, and where the session is gone. Blocks on disk for at most some milliseconds.
    fn last_errors(&self, tenant: &Tenant, sessions: &[SessionSummary]) -> Result<Vec<Option<Reason>>, StoreError>;

    /// What was asked first in each of these sessions: of the earliest [`FIRST_QUESTION_RUNS`] runs of each, the earliest that says it. `None`
    /// where none of them does, and where questions are not kept.
    fn first_questions(&self, tenant: &Tenant, sessions: &[&SessionId]) -> Result<Vec<Option<Question>>, StoreError>;

    /// How many sessions that fit were last active when, in at most `n_max` parts of the query's range, from one state of the index; `None`
    /// where there is nothing to show, or where that is not counted. Blocks for at most some milliseconds.
    fn activity(&self, _tenant: &Tenant, _query: &SessionQuery, _n_max: usize) -> Result<Option<Activity>, StoreError> {
        Ok(None)
    }

    /// Shows every session that fits, some at a time, in the order of the query and whatever its page, until `each` breaks off. Which they are is of one
    /// state; their figures are those of the moment at which they are shown. Blocks for as long as `each` takes.
    fn each_sessions(
        &self,
        tenant: &Tenant,
        query: &SessionQuery,
        each: &mut dyn FnMut(&[SessionSummary]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let all = SessionQuery { offset: 0, limit: usize::MAX, ..query.clone() };
        _ = self.sessions(tenant, &all)?.items.chunks(SESSIONS_AT_ONCE).try_for_each(each);
        Ok(())
    }

    /// One session and its runs, from one state. Blocks on disk: call it, and drain `runs`, on a blocking thread.
    fn session(&self, tenant: &Tenant, id: &SessionId, runs: RunPage) -> Result<Option<SessionDetail>, StoreError>;

    /// Who used each of these sessions, as their newest runs say, the newest first: some names at most. Blocks on disk for some
    /// milliseconds.
    fn users_of_sessions(&self, _tenant: &Tenant, sessions: &[&SessionId]) -> Result<Vec<Vec<Str>>, StoreError> {
        Ok(vec![Vec::new(); sessions.len()])
    }

    /// How the newest [`SCORED_RUNS`] of each of these sessions were judged. Blocks on disk for some ten milliseconds.
    fn scores_of_sessions(&self, _tenant: &Tenant, sessions: &[&SessionId]) -> Result<Vec<ScoreTotals>, StoreError> {
        Ok(sessions.iter().map(|_| ScoreTotals::default()).collect())
    }

    /// One page of the agents that have a run in a session, by name, and how many there are.
    fn agents(&self, tenant: &Tenant, query: &AgentQuery) -> Result<Page<AgentSummary>, StoreError>;

    /// What the tenant has sent as a whole. Blocks on disk for at most some milliseconds.
    fn overview(&self, tenant: &Tenant) -> Result<Overview, StoreError>;

    /// One run whole, by the number it is shown by. Blocks on disk.
    fn run(&self, tenant: &Tenant, id: RunId) -> Result<Option<RunView>, StoreError>;

    /// Why a run has the figures it has. Blocks on disk.
    fn explain(&self, tenant: &Tenant, query: &ExplainQuery<'_>) -> Result<Option<Explanation>, StoreError>;

    /// Why spans of a trace are of no run. Blocks on disk.
    fn orphans(&self, tenant: &Tenant, query: &OrphansQuery<'_>) -> Result<Option<Orphans>, StoreError>;

    /// The run that a pasted text means: its number, a trace id, a workflow id, or the first twelve or more characters of one of the
    /// first two. Blocks on disk.
    fn find_run(&self, tenant: &Tenant, text: &str) -> Result<Option<RunId>, StoreError>;

    /// Everything that is kept of one trace. Blocks on disk.
    fn trace(&self, tenant: &Tenant, id: TraceId) -> Result<Option<TraceView>, StoreError>;

    /// Shows every run that the query asks for, those without a session too, in no order, from one state. Blocks on disk.
    fn runs(&self, tenant: &Tenant, query: &RunQuery, each: &mut dyn FnMut(&Run)) -> Result<(), StoreError>;

    /// What all runs come to that were active at `start` or later, those without a session too; `None` where such sums are not kept, and
    /// whoever asks adds up the runs. The first question of a process may take as long as that. Blocks on disk.
    fn sums(&self, _tenant: &Tenant, _start: UnixNanos) -> Result<Option<Sums>, StoreError> {
        Ok(None)
    }

    /// What runs come to over time. `None` while they are being added up, for seconds after the first start with an index of before. Blocks
    /// on disk for some milliseconds; with a user for as long as that one has runs.
    fn series(&self, _tenant: &Tenant, _query: &SeriesQuery) -> Result<Option<Series>, StoreError> {
        Ok(None)
    }

    /// Whether at least so many runs in sessions were last active in a window, as far as [`Self::series`] knows by heart: not while runs are
    /// being added up, nor where they are too many to be kept. The window begins with a whole bucket. Reads no disk.
    fn has_runs(&self, _tenant: &Tenant, _window: Range<UnixNanos>, _n_least: u64) -> bool {
        false
    }

    /// The runs of a series that stand out, at most `limit` in each list. Blocks on disk for some ten milliseconds.
    fn leading(&self, _tenant: &Tenant, _query: &SeriesQuery, _limit: usize) -> Result<Leading, StoreError> {
        Ok(Leading::default())
    }

    /// The runs of a series that called its tool and stand out by that, at most `limit` in each list. Blocks on disk for some ten
    /// milliseconds.
    fn callers(&self, _tenant: &Tenant, _query: &SeriesQuery, _limit: usize) -> Result<Callers, StoreError> {
        Ok(Callers { is_complete: true, ..Callers::default() })
    }

    /// One page of the users with a run, those without a session too; `None` where they are not kept, as of [`Self::sums`].
    fn users(&self, _tenant: &Tenant, _query: &UserQuery) -> Result<Option<Page<Str>>, StoreError> {
        Ok(None)
    }

    /// Shows every run of some users, in no order, from one state. Blocks on disk.
    fn runs_of_users(&self, tenant: &Tenant, users: &[Str], each: &mut dyn FnMut(&Run)) -> Result<(), StoreError> {
        RunQuery::of_users(users).iter().try_for_each(|query| self.runs(tenant, query, each))
    }

    /// The raw requests that hold spans of these traces, as far as they are still kept. Blocks on disk for at most some seconds.
    fn raw_spans(&self, tenant: &Tenant, traces: &[TraceId]) -> Result<RawSpans, StoreError>;

    /// Gives `each` what may hold the phrase, newest first, until it has enough. Blocks on disk for at most some seconds.
    fn search_said(&self, tenant: &Tenant, phrase: &str, each: &mut dyn FnMut(Heard) -> ControlFlow<()>) -> Result<Looked, StoreError>;

    /// How far what is shown is behind what was acknowledged.
    fn lag(&self) -> FoldLag;

    /// Why the store cannot take or answer now, in words for an operator; `None` when it is ready.
    fn not_ready(&self) -> Option<String>;
}

/// A POST of the SDK: what it is about, and its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunPost {
    pub kind: EventKind,
    /// `None`: it is about no run.
    pub run: Option<RunId>,
    pub body: Bytes,
}

/// Which runs of a session are wanted, in chronological order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RunPage {
    /// `None`: all of them.
    pub limit: Option<u64>,
    pub offset: u64,
}

/// A session with its runs.
pub struct SessionDetail {
    pub summary: SessionSummary,
    /// Chronological by `started_at`, ties by id; read from disk as it is drained.
    pub runs: Box<dyn Iterator<Item = Result<Run, StoreError>> + Send>,
}

/// How far the fold is behind what was acknowledged: that much is durable and not visible yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FoldLag {
    /// Journal bytes that are not folded.
    pub bytes: u64,
    /// How long the oldest of them has waited, to a tenth of a second.
    pub age: Duration,
    /// How long folding them will take at the rate of the last seconds.
    pub catch_up: Duration,
}

/// Why something was not taken. Nothing of it was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AcceptError {
    /// Worth retrying after this time: the fold is so far behind that what came now would stay invisible for too long.
    #[error("the index is too far behind; retry after {} s", retry_after.as_secs())]
    Behind { retry_after: Duration },
    /// Worth retrying later: the journal has reached its cap.
    #[error("the journal is full: {0}")]
    Full(String),
    /// Worth retrying elsewhere or later: stopping, or stopped after a failed write.
    #[error("the store is unavailable, retry later: {0}")]
    Unavailable(String),
}

/// Why a note was not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoteError {
    #[error(transparent)]
    NotAccepted(#[from] AcceptError),
    /// Worth trying again when another note was shortened or removed.
    #[error("the notes of this tenant take all the memory that they may")]
    TooMany,
}

/// A failure while reading; the text is for the log, never for a client.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}")]
pub struct StoreError {
    pub doing: String,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// As many readers as are allowed are reading, and none ended in time: worth retrying.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("all connections to the index database are in use")]
pub struct ReadersBusy;

/// Answering took longer than an answer may: worth retrying, better with a narrower question.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("more than {0:?}: too many sessions reach across this window of time")]
pub struct TookTooLong(pub Duration);

// === impl StoreError ===

impl StoreError {
    /// Whether it is worth trying again in a second.
    pub fn is_busy(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*self.source);
        while let Some(error) = cause {
            if error.is::<ReadersBusy>() || error.is::<TookTooLong>() {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Whether it is for want of something (file descriptors, memory) that the same read may find in a moment.
    pub fn is_transient(&self) -> bool {
        Fault::of(self).is_transient()
    }
}
