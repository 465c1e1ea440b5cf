//! What the index shows: of a running server over its API, else from its data directory.

use std::collections::HashSet;

use serde_json::Value;

use super::super::own_identity;
use super::{Scope, VerifyError};
use crate::app;
use crate::config::Config;
use crate::demo::client::{Client, ClientError, Door};
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, Tenant, TraceId};
use crate::model::query::{SessionQuery, Sort, SortField};
use crate::model::run::{Run, RunStatus};
use crate::model::time::UnixNanos;
use crate::params::pairs;
use crate::store::local::{LocalStore, Running};
use crate::store::{RunPage, Store};
use crate::tempo::tls::Trust;

const SESSIONS: &str = "/api/v1/observability/sessions/";
/// The metric that says how much Tempo was not sent yet, in bytes.
const LAG: &str = "sessionfold_forward_lag_bytes ";
/// Runs of a session that are asked for at one time.
const RUNS_AT_ONCE: usize = 1_000;

pub(super) enum Index {
    Server(Box<Client>),
    Data(Box<DataDir>),
}

/// The store of a server that does not run, opened as that server would.
pub(super) struct DataDir {
    store: LocalStore,
    tenant: Tenant,
    /// Ends its threads.
    running: Option<Running>,
}

/// A run as the index shows it. Money in nano-dollars, time in nanoseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct IndexedRun {
    pub(super) id: u64,
    pub(super) session: String,
    /// `None`: only posts of the SDK report it, and they name no trace.
    pub(super) trace: Option<TraceId>,
    pub(super) cost: i64,
    pub(super) tokens: i64,
    pub(super) is_running: bool,
    pub(super) is_error: bool,
    pub(super) started_at: u64,
    pub(super) completed_at: Option<u64>,
}

impl IndexedRun {
    /// Its root has not come: no span of it bears its number.
    pub(super) fn is_rootless(&self) -> bool {
        self.trace.is_some_and(|trace| RunId::derive(RunKey { trace, span: RunKey::PROVISIONAL }).get() == self.id)
    }
}

/// What the index has of one run.
pub(super) struct IndexedSpans {
    pub(super) all: HashSet<SpanId>,
    /// Of calls that count.
    pub(super) counted: HashSet<SpanId>,
}

// === impl Index ===

impl Index {
    pub(super) async fn find(config: &Config, key: Option<&str>, tenant: &Tenant) -> Result<Self, VerifyError> {
        let http = &config.server.http;
        let address = crate::cli::reach(http).map_err(|error| VerifyError::Index(format!("cannot find the address of {http}: {error}")))?;
        let is_tls = !config.server.tls_cert.as_os_str().is_empty();
        let base = format!("{}://{address}", if is_tls { "https" } else { "http" });
        // What stays on this machine needs no certificate to be believed, and an address of loopback stands in none.
        let trust = if address.ip().is_loopback() { Trust::Anybody } else { Trust::System };
        let client = Client::secured(&base, Door::Api, key, &trust, own_identity(config).as_ref())
            .map_err(|error| VerifyError::Index(error.to_string()))?;
        match client.get("/healthz").await {
            Ok(_) => return Ok(Self::Server(Box::new(client))),
            Err(ClientError::NotRunning { .. }) => {}
            Err(error) => return Err(VerifyError::Index(error.to_string())),
        }
        let config = config.clone();
        let opened =
            tokio::task::spawn_blocking(move || app::open_journal(&config).and_then(|journal| app::open_store(&config, journal))).await;
        let (store, running) = opened.map_err(|error| VerifyError::Index(error.to_string()))?.map_err(|error| {
            VerifyError::Index(format!("no server answers at {base}, and its data directory cannot be opened: {error}"))
        })?;
        Ok(Self::Data(Box::new(DataDir { store, tenant: tenant.clone(), running: Some(running) })))
    }

    /// Whether the server has something that Tempo was not sent yet; `false` where it does not say.
    pub(super) async fn is_forwarding(&self) -> bool {
        let Self::Server(client) = self else { return false };
        let Ok(body) = client.get("/metrics").await else { return false };
        let lag = String::from_utf8_lossy(&body).lines().find_map(|line| line.strip_prefix(LAG)?.trim().parse::<f64>().ok());
        lag.is_some_and(|lag| lag > 0.0)
    }

    /// The runs in the scope, and the ids of all sessions that are shown.
    pub(super) async fn runs(&self, scope: &Scope) -> Result<(Vec<IndexedRun>, HashSet<String>), VerifyError> {
        let mut runs = Vec::new();
        let mut sessions = HashSet::new();
        match self {
            Self::Server(client) => {
                sessions.extend(listed(client, scope).await?);
                for session in &sessions {
                    runs.extend(runs_of(client, session).await?);
                }
            }
            Self::Data(data) => data.read(scope, &mut runs, &mut sessions)?,
        }
        let is_wanted = |run: &IndexedRun| scope.start.is_none_or(|start| run.completed_at.unwrap_or(u64::MAX) >= start);
        runs.retain(is_wanted);
        Ok((runs, sessions))
    }

    /// The spans that the index has of a run; `None` where it cannot be asked.
    pub(super) async fn spans_of(&self, run: u64) -> Option<IndexedSpans> {
        match self {
            Self::Server(client) => {
                let body = client.get(&format!("/api/v1/observability/runs/{run}/")).await.ok()?;
                let detail: Value = serde_json::from_slice(&body).ok()?;
                let ids = |list: &Value| -> Option<HashSet<SpanId>> {
                    Some(list.as_array()?.iter().filter_map(|it| span_id(it["span_id"].as_str()?)).collect())
                };
                Some(IndexedSpans { all: ids(&detail["spans"])?, counted: ids(&detail["llm_calls"])? })
            }
            Self::Data(data) => {
                let view = data.store.run(&data.tenant, RunId::new(run)?).ok()??;
                let all = view.spans.iter().map(|span| span.span).collect();
                Some(IndexedSpans { all, counted: view.calls.iter().filter_map(|call| call.span).collect() })
            }
        }
    }
}

async fn listed(client: &Client, scope: &Scope) -> Result<Vec<String>, VerifyError> {
    if let Some(session) = &scope.session {
        return Ok(vec![session.clone()]);
    }
    let mut sessions = Vec::new();
    loop {
        let path = format!("{SESSIONS}?limit=100&sort=session_id&offset={}", sessions.len());
        let page = json(client, &path).await?;
        let results = page["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        sessions.extend(results.iter().filter_map(|session| session["session_id"].as_str().map(str::to_owned)));
        if results.len() < 100 {
            return Ok(sessions);
        }
    }
}

async fn runs_of(client: &Client, session: &str) -> Result<Vec<IndexedRun>, VerifyError> {
    let mut runs = Vec::new();
    loop {
        let path = format!("{SESSIONS}{}/?limit={RUNS_AT_ONCE}&offset={}", pairs::encode(session), runs.len());
        let detail = match json(client, &path).await {
            Ok(detail) => detail,
            // Nothing is shown of it; Tempo may hold some.
            Err(VerifyError::Index(error)) if error.contains("404") => return Ok(runs),
            Err(error) => return Err(error),
        };
        let page = detail["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
        runs.extend(page.iter().filter_map(|run| of_json(session, run)));
        if page.len() < RUNS_AT_ONCE {
            return Ok(runs);
        }
    }
}

fn of_json(session: &str, run: &Value) -> Option<IndexedRun> {
    let time = |key: &str| -> Option<u64> {
        let at = chrono::DateTime::parse_from_rfc3339(run[key].as_str()?).ok()?;
        u64::try_from(at.timestamp_nanos_opt()?).ok()
    };
    Some(IndexedRun {
        id: run["id"].as_u64()?,
        session: session.to_owned(),
        trace: run["trace_id"].as_str().and_then(TraceId::from_hex),
        cost: (run["cost"].as_f64()? * 1e9).round() as i64,
        tokens: run["tokens"].as_i64()?,
        is_running: run["status"] == "running",
        is_error: run["status"] == "error",
        started_at: time("started_at").unwrap_or(0),
        completed_at: time("completed_at"),
    })
}

async fn json(client: &Client, path: &str) -> Result<Value, VerifyError> {
    let body = client.get(path).await.map_err(|error| VerifyError::Index(error.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| VerifyError::Index(client.unreadable(path, error).to_string()))
}

fn span_id(hex: &str) -> Option<SpanId> {
    SpanId::from_u64(u64::from_str_radix(hex, 16).ok()?)
}

// === impl DataDir ===

impl DataDir {
    fn read(&self, scope: &Scope, runs: &mut Vec<IndexedRun>, sessions: &mut HashSet<String>) -> Result<(), VerifyError> {
        let failed = |error: crate::store::StoreError| VerifyError::Index(error.to_string());
        let sort = Sort { field: SortField::SessionId, descending: false };
        let mut offset = 0;
        loop {
            let session_id = scope.session.as_deref().and_then(SessionId::new);
            let query = SessionQuery { session_id, sort, limit: 100, offset, ..SessionQuery::default() };
            let page = self.store.sessions(&self.tenant, &query).map_err(failed)?;
            for session in &page.items {
                sessions.insert(session.id.as_str().to_owned());
                let detail = self.store.session(&self.tenant, &session.id, RunPage::default()).map_err(failed)?;
                for run in detail.into_iter().flat_map(|detail| detail.runs) {
                    runs.push(of_run(&session.id, &run.map_err(failed)?));
                }
            }
            offset += page.items.len();
            if page.items.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn of_run(session: &SessionId, run: &Run) -> IndexedRun {
    IndexedRun {
        id: run.id.get(),
        session: session.as_str().to_owned(),
        trace: run.trace_id(),
        cost: i64::try_from(run.usage.cost.0).unwrap_or(i64::MAX),
        tokens: i64::try_from(run.usage.tokens).unwrap_or(i64::MAX),
        is_running: run.status == RunStatus::Running,
        is_error: run.status == RunStatus::Error,
        started_at: run.started_at.0,
        completed_at: run.completed_at.map(|UnixNanos(at)| at),
    }
}
