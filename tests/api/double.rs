//! A store out of a list of runs: everything is computed anew for every question, in the plainest way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use sessionfold::model::Str;
use sessionfold::model::ids::{RunId, RunKey, SessionId, SpanId, Tenant, TraceId};
use sessionfold::model::note::{Note, NoteChange};
use sessionfold::model::query::{AgentQuery, SessionQuery, SortField, StatusFilter};
use sessionfold::model::question::Question;
use sessionfold::model::reason::Reason;
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::session::{AgentSummary, Page, SessionSummary};
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::model::usage::{ModelUsage, NanoUsd, UsageTotal};
use sessionfold::store::explain::{ExplainQuery, Explanation, Orphans, OrphansQuery};
use sessionfold::store::overview::Overview;
use sessionfold::store::raw::RawSpans;
use sessionfold::store::said::{Heard, Looked};
use sessionfold::store::view::{RunQuery, RunView, TraceView};
use sessionfold::store::{AcceptError, FoldLag, NoteError, RunPage, RunPost, SessionDetail, Store, StoreError};
use tokio::sync::mpsc;

/// 2026-02-07T10:00:00Z
pub const TEN: u64 = 1_770_458_400_000_000_000;
pub const MILLI: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MILLI;

#[derive(Default)]
pub struct Double {
    pub runs: Mutex<Vec<(Tenant, Run)>>,
    pub not_ready: Option<String>,
    /// What is noted of sessions.
    pub notes: Mutex<BTreeMap<(Tenant, SessionId), Note>>,
    /// What a deletion or a note is refused with.
    pub refusal: Option<AcceptError>,
    /// Every read fails.
    pub is_broken: bool,
    /// Every read panics.
    pub is_panicking: bool,
    /// Where set, every session has this many runs more, made as they are read.
    pub endless: Option<Endless>,
}

/// Runs that are made as they are read.
#[derive(Clone)]
pub struct Endless {
    pub n_runs: u64,
    pub end: End,
    /// How many have been read.
    pub n_read: Arc<AtomicU64>,
    /// Hears when the reading is over, however it ended.
    pub over: mpsc::UnboundedSender<()>,
}

/// What comes after the last of the endless runs.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Ordinary,
    Error,
    Panic,
}

struct EndlessRuns {
    endless: Endless,
    next: u64,
}

/// A run of `agent` that starts `at` nanoseconds after [`TEN`], lasts a second and used nothing.
pub fn run(session: &str, agent: &str, at: u64) -> Run {
    let key = RunKey { trace: TraceId::from_hex("abcdef1234567890abcdef1234567890").unwrap(), span: SpanId::from_u64(at + 1).unwrap() };
    let started_at = UnixNanos(TEN + at);
    let completed_at = started_at.plus(Nanos(SECOND));
    Run {
        key,
        id: RunId::derive(key),
        session: SessionId::new(session),
        agent: agent.into(),
        workflow: "default".into(),
        user: None,
        user_group: None,
        parent: None,
        started_at,
        completed_at: Some(completed_at),
        last_activity: completed_at,
        status: RunStatus::Success,
        error: None,
        tool_errors: 0,
        usage: UsageTotal::default(),
        suppressed: UsageTotal::default(),
        models: Vec::new(),
        tools: Vec::new(),
        question: None,
        n_spans: 1,
        is_provisional: false,
        is_future: false,
        is_truncated: false,
        is_reported: false,
        is_untraced: false,
        is_agentless: false,
        is_turn: false,
        is_retelling: false,
        scores: Vec::new(),
    }
}

pub fn lasting(mut run: Run, nanos: u64) -> Run {
    run.completed_at = Some(run.started_at.plus(Nanos(nanos)));
    run.last_activity = run.started_at.plus(Nanos(nanos));
    run
}

pub fn running(mut run: Run, newest_span: u64) -> Run {
    run.completed_at = None;
    run.status = RunStatus::Running;
    run.last_activity = UnixNanos(TEN + newest_span);
    run
}

pub fn failed(mut run: Run) -> Run {
    run.status = RunStatus::Error;
    run
}

pub fn by_user(mut run: Run, user: &str, group: Option<&str>) -> Run {
    run.user = Some(user.into());
    run.user_group = group.map(Str::from);
    run
}

/// One call more, of a model; without a cost its price is not known.
pub fn using(mut run: Run, model: &str, tokens: (u64, u64), cost: Option<u64>) -> Run {
    let total = UsageTotal {
        calls: 1,
        tokens: tokens.0 + tokens.1,
        input_tokens: tokens.0,
        output_tokens: tokens.1,
        cost: NanoUsd(cost.unwrap_or(0)),
        unpriced_calls: u64::from(cost.is_none()),
        emitted_calls: u64::from(cost.is_some()),
        ..UsageTotal::default()
    };
    run.usage.add(&total);
    run.models.push(ModelUsage { model: model.into(), provider: "openai".into(), total });
    run
}

// === impl Double ===

impl Double {
    pub fn new(runs: impl IntoIterator<Item = Run>) -> Self {
        let runs = runs.into_iter().map(|run| (Tenant::default(), run)).collect();
        Self { runs: Mutex::new(runs), ..Self::default() }
    }

    /// The runs of a session, as the detail has them.
    fn runs_of(&self, tenant: &Tenant, id: &SessionId) -> Vec<Run> {
        let runs = self.runs.lock().unwrap();
        let mut runs: Vec<Run> =
            runs.iter().filter(|(owner, run)| owner == tenant && run.session.as_ref() == Some(id)).map(|(_, run)| run.clone()).collect();
        runs.sort_by_key(|run| (run.started_at, run.id));
        runs
    }

    fn all(&self, tenant: &Tenant) -> Vec<(SessionSummary, Vec<Run>)> {
        let mut ids: Vec<SessionId> = {
            let runs = self.runs.lock().unwrap();
            runs.iter().filter(|(owner, _)| owner == tenant).filter_map(|(_, run)| run.session.clone()).collect()
        };
        ids.sort();
        ids.dedup();
        ids.into_iter()
            .map(|id| (id.clone(), self.runs_of(tenant, &id)))
            .map(|(id, runs)| (self.noted(tenant, summary(id, &runs)), runs))
            .collect()
    }

    fn noted(&self, tenant: &Tenant, summary: SessionSummary) -> SessionSummary {
        let note = self.notes.lock().unwrap().get(&(tenant.clone(), summary.id.clone())).cloned().map(Arc::new);
        SessionSummary { note, ..summary }
    }

    fn check(&self) -> Result<(), StoreError> {
        assert!(!self.is_panicking, "the store double was told to panic");
        if self.is_broken {
            return Err(broken());
        }
        Ok(())
    }
}

impl Store for Double {
    fn lag(&self) -> FoldLag {
        FoldLag::default()
    }

    fn accept_spans(&self, _: &Tenant, _: Bytes) -> BoxFuture<'_, Result<(), AcceptError>> {
        Box::pin(ready(Ok(())))
    }

    fn accept_unforwarded(&self, _: &Tenant, _: Bytes) -> BoxFuture<'_, Result<(), AcceptError>> {
        Box::pin(ready(Ok(())))
    }

    fn accept_post(&self, _: &Tenant, _: RunPost) -> BoxFuture<'_, Result<(), AcceptError>> {
        Box::pin(ready(Ok(())))
    }

    fn unanswered(&self, _: &Tenant, _: RunPost, _: UnixNanos) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    fn delete_session(&self, tenant: &Tenant, id: &SessionId) -> BoxFuture<'_, Result<Option<u64>, AcceptError>> {
        if let Some(refusal) = &self.refusal {
            return Box::pin(ready(Err(refusal.clone())));
        }
        let mut runs = self.runs.lock().unwrap();
        let n_before = runs.len();
        runs.retain(|(owner, run)| owner != tenant || run.session.as_ref() != Some(id));
        let n_deleted = (n_before - runs.len()) as u64;
        Box::pin(ready(Ok((n_deleted > 0).then_some(n_deleted))))
    }

    fn change_note(&self, tenant: &Tenant, id: &SessionId, change: NoteChange) -> BoxFuture<'_, Result<Option<SessionSummary>, NoteError>> {
        if let Some(refusal) = &self.refusal {
            return Box::pin(ready(Err(refusal.clone().into())));
        }
        let runs = self.runs_of(tenant, id);
        if runs.is_empty() {
            return Box::pin(ready(Ok(None)));
        }
        let key = (tenant.clone(), id.clone());
        let mut notes = self.notes.lock().unwrap();
        let before = notes.remove(&key);
        let after = change.applied(before.as_ref(), UnixNanos(TEN));
        if after.as_ref().is_some_and(|note| note.text.as_str() == "one too many") {
            return Box::pin(ready(Err(NoteError::TooMany)));
        }
        notes.extend(after.map(|note| (key, note)));
        drop(notes);
        Box::pin(ready(Ok(Some(self.noted(tenant, summary(id.clone(), &runs))))))
    }

    fn run(&self, tenant: &Tenant, id: RunId) -> Result<Option<RunView>, StoreError> {
        self.check()?;
        let runs = self.runs.lock().unwrap();
        Ok(runs.iter().find(|(owner, run)| owner == tenant && run.id == id).map(|(_, run)| RunView::bare(run.clone())))
    }

    fn explain(&self, tenant: &Tenant, query: &ExplainQuery<'_>) -> Result<Option<Explanation>, StoreError> {
        Ok(self.run(tenant, query.run)?.map(|view| Explanation::bare(view.run)))
    }

    fn orphans(&self, _: &Tenant, _: &OrphansQuery<'_>) -> Result<Option<Orphans>, StoreError> {
        Ok(None)
    }

    fn find_run(&self, tenant: &Tenant, text: &str) -> Result<Option<RunId>, StoreError> {
        let run = text.parse().ok().and_then(RunId::new);
        Ok(run.map(|run| self.run(tenant, run)).transpose()?.flatten().map(|view| view.run.id))
    }

    fn trace(&self, _: &Tenant, _: TraceId) -> Result<Option<TraceView>, StoreError> {
        self.check().map(|()| None)
    }

    fn runs(&self, tenant: &Tenant, query: &RunQuery, each: &mut dyn FnMut(&Run)) -> Result<(), StoreError> {
        self.check()?;
        let runs = self.runs.lock().unwrap();
        runs.iter().filter(|(owner, run)| owner == tenant && query.matches(run)).for_each(|(_, run)| each(run));
        Ok(())
    }

    fn sessions(&self, tenant: &Tenant, query: &SessionQuery) -> Result<Page<SessionSummary>, StoreError> {
        self.check()?;
        let mut found: Vec<SessionSummary> =
            self.all(tenant).into_iter().filter(|(summary, runs)| is_meant(query, summary, runs)).map(|(summary, _)| summary).collect();
        found.sort_by(|a, b| {
            let order = match query.sort.field {
                SortField::LastActivity => a.last_activity.cmp(&b.last_activity),
                SortField::FirstRun => a.first_run.cmp(&b.first_run),
                SortField::RunCount => a.run_count.cmp(&b.run_count),
                SortField::TotalCost => a.total_cost.cmp(&b.total_cost),
                SortField::TotalTokens => a.total_tokens.cmp(&b.total_tokens),
                SortField::TotalDuration => a.total_duration.cmp(&b.total_duration),
                SortField::SessionId => a.id.cmp(&b.id),
            };
            let order = if query.sort.descending { order.reverse() } else { order };
            order.then(a.id.cmp(&b.id))
        });
        let count = found.len() as u64;
        Ok(Page { items: found.into_iter().skip(query.offset).take(query.limit).collect(), count })
    }

    fn first_questions(&self, tenant: &Tenant, sessions: &[&SessionId]) -> Result<Vec<Option<Question>>, StoreError> {
        let runs = self.runs.lock().unwrap();
        let first = |id: &&SessionId| {
            let of_session = runs.iter().filter(|(of, run)| of == tenant && run.session.as_ref() == Some(*id)).map(|(_, run)| run);
            of_session
                .filter(|run| run.question.is_some())
                .min_by_key(|run| run.started_at)
                .and_then(|run| Question::of(run.question.as_deref()?))
        };
        Ok(sessions.iter().map(first).collect())
    }

    fn last_errors(&self, tenant: &Tenant, sessions: &[SessionSummary]) -> Result<Vec<Option<Reason>>, StoreError> {
        let runs = self.runs.lock().unwrap();
        let error = |session: &SessionSummary| {
            let of_session = runs.iter().filter(|(of, run)| of == tenant && run.session.as_ref() == Some(&session.id));
            let failed = of_session.map(|(_, run)| run).filter(|run| run.status == RunStatus::Error);
            failed.max_by_key(|run| run.started_at).and_then(|run| run.error.clone())
        };
        Ok(sessions.iter().map(error).collect())
    }

    fn session(&self, tenant: &Tenant, id: &SessionId, page: RunPage) -> Result<Option<SessionDetail>, StoreError> {
        self.check()?;
        let runs = self.runs_of(tenant, id);
        if runs.is_empty() {
            return Ok(None);
        }
        let summary = self.noted(tenant, summary(id.clone(), &runs));
        let limit = usize::try_from(page.limit.unwrap_or(u64::MAX)).unwrap();
        let offset = usize::try_from(page.offset).unwrap();
        let endless = self.endless.clone().map(|endless| EndlessRuns { endless, next: 0 });
        let runs = runs.into_iter().map(Ok).chain(endless.into_iter().flatten());
        Ok(Some(SessionDetail { summary, runs: Box::new(runs.skip(offset).take(limit)) }))
    }

    fn agents(&self, tenant: &Tenant, query: &AgentQuery) -> Result<Page<AgentSummary>, StoreError> {
        self.check()?;
        let runs: Vec<Run> = self.all(tenant).into_iter().flat_map(|(_, runs)| runs).filter(|run| !run.agent.is_empty()).collect();
        let mut names: Vec<Str> = runs.iter().map(|run| run.agent.clone()).collect();
        names.sort();
        names.dedup();
        let summary = |name: Str| {
            let runs: Vec<&Run> = runs.iter().filter(|run| run.agent == name).collect();
            let last_activity = runs.iter().map(|run| run.last_activity).max().unwrap();
            AgentSummary { name, run_count: runs.len() as u64, last_activity }
        };
        let count = names.len() as u64;
        Ok(Page { items: names.into_iter().skip(query.offset).take(query.limit).map(summary).collect(), count })
    }

    fn overview(&self, _: &Tenant) -> Result<Overview, StoreError> {
        Ok(Overview::default())
    }

    fn search_said(&self, _: &Tenant, _: &str, _: &mut dyn FnMut(Heard) -> ControlFlow<()>) -> Result<Looked, StoreError> {
        Ok(Looked::default())
    }

    fn raw_spans(&self, _: &Tenant, _: &[TraceId]) -> Result<RawSpans, StoreError> {
        Ok(RawSpans::default())
    }

    fn not_ready(&self) -> Option<String> {
        self.not_ready.clone()
    }
}

impl Iterator for EndlessRuns {
    type Item = Result<Run, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.endless.n_runs {
            return match self.endless.end {
                End::Ordinary => None,
                End::Error => Some(Err(broken())),
                End::Panic => panic!("the store double was told to panic"),
            };
        }
        self.next += 1;
        self.endless.n_read.fetch_add(1, Ordering::Relaxed);
        Some(Ok(run("endless", "chat-agent", self.next * SECOND)))
    }
}

impl Drop for EndlessRuns {
    fn drop(&mut self) {
        let _ = self.endless.over.send(());
    }
}

fn broken() -> StoreError {
    StoreError { doing: "read the double".to_owned(), source: "secret of the disk".into() }
}

fn summary(id: SessionId, runs: &[Run]) -> SessionSummary {
    let mut first_runs: Vec<(UnixNanos, Str)> =
        runs.iter().filter(|run| !run.agent.is_empty()).map(|run| (run.started_at, run.agent.clone())).collect();
    first_runs.sort();
    let mut agents: Vec<Str> = Vec::new();
    for (_, agent) in first_runs {
        if !agents.contains(&agent) {
            agents.push(agent);
        }
    }
    let n_with = |status| runs.iter().filter(|run| run.status == status).count() as u64;
    SessionSummary {
        id,
        note: None,
        run_count: runs.len() as u64,
        first_run: runs.iter().map(|run| run.started_at).min().unwrap(),
        last_activity: runs.iter().map(|run| run.last_activity).max().unwrap(),
        total_duration: Nanos(runs.iter().filter_map(Run::duration).map(|length| length.0).sum()),
        total_cost: NanoUsd(runs.iter().map(|run| run.usage.cost.0).sum()),
        total_tokens: runs.iter().map(|run| run.usage.tokens).sum(),
        agents,
        error_count: n_with(RunStatus::Error),
        tool_errors: runs.iter().map(|run| u64::from(run.tool_errors)).sum(),
        running_count: n_with(RunStatus::Running),
        unpriced_calls: runs.iter().map(|run| run.usage.unpriced_calls).sum(),
    }
}

fn is_meant(query: &SessionQuery, summary: &SessionSummary, runs: &[Run]) -> bool {
    let lower = |text: &str| text.to_ascii_lowercase();
    let overlaps = |run: &Run| {
        query.end.is_none_or(|end| run.started_at <= end)
            && query.start.is_none_or(|start| run.completed_at.unwrap_or(run.last_activity) >= start)
    };
    let has_status = |run: &Run| match query.status {
        None => true,
        Some(StatusFilter::Running) => run.status == RunStatus::Running,
        Some(StatusFilter::Error) => run.status == RunStatus::Error,
        Some(StatusFilter::ToolError) => run.tool_errors > 0,
    };
    query.search.as_ref().is_none_or(|search| lower(summary.id.as_str()).contains(&lower(search)))
        && query.session_id.as_ref().is_none_or(|id| *id == summary.id)
        && query.agent.as_ref().is_none_or(|agent| runs.iter().any(|run| *run.agent == **agent))
        && query.user.as_ref().is_none_or(|user| runs.iter().any(|run| run.user.as_deref() == Some(user)))
        && query.bookmarked.is_none_or(|wanted| summary.note.as_ref().is_some_and(|note| note.is_bookmarked) == wanted)
        && runs.iter().any(has_status)
        && runs.iter().any(overlaps)
}
