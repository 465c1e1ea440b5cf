//! The door of the Waxell SDK's HTTP path: `/api/v1/observe/` (`docs/sdk.md`).
//!
//! - What is told of a run is a journal record before it is answered; the body is kept as it came and never refused for what is in it.
//! - The SDK shows every answer that is no 2xx as a warning in its user's log, and waits and tries again on a 5xx. So what it may do without
//!   is answered with an empty success, and where nothing can be taken it hears 429, which it does not repeat.
//! - Everything is allowed: there are no policies here.
//! - What is posted must be `application/json`, as the SDK says: a page of another site can send any other type without asking first.
//! - Every answer is a JSON object. The slash at the end of a path may be missing.

mod answers;
pub(super) mod route;

use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};

use self::route::Route;
use super::body::Held;
use super::encoding::Coding;
use super::peer::Peer;
use super::receiver::{INLINE_COMPRESSED_BYTES, Receiver};
use super::refusal::Refusal;
use super::screen;
use crate::conventions::posts;
use crate::model::ids::{RunId, Tenant};
use crate::model::report::EventKind;
use crate::params::base::Base;
use crate::store::RunPost;

/// What the handlers share.
#[derive(Clone)]
struct Observe {
    receiver: Receiver,
    /// Where users reach this server; without it the request's own headers tell.
    public_url: Option<String>,
    /// Whether it is reached over https where no header says so.
    is_tls: bool,
}

/// Everything under `/api/v1/observe/` that no other door has a route for, and what the SDK posts under `/api/v1/observability/`.
pub fn router(receiver: Receiver, public_url: Option<String>, is_tls: bool) -> Router {
    let state = Observe { receiver, public_url, is_tls };
    Router::new()
        .route("/api/v1/observe/{*rest}", any(serve))
        .route("/api/v1/observability/runs/{run}/memory/{*rest}", any(serve))
        .with_state(state)
}

async fn serve(State(observe): State<Observe>, request: Request) -> Response {
    let arrived = Instant::now();
    let route = Route::of(request.method(), request.uri().path());
    // One that is not known is refused, and a refusal is not timed.
    let coding = Coding::from_headers(request.headers().get_all(http::header::CONTENT_ENCODING)).unwrap_or_default();
    let answer = observe.answer(&route, request).await;
    observe.receiver.record_post(route.name(), coding, arrived, &answer);
    match answer {
        Ok(answer) => answer,
        Err(refusal) => answers::refused(&refusal),
    }
}

impl Observe {
    async fn answer(&self, route: &Route, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let tenant = self.receiver.sender(&parts)?;
        if parts.method == Method::POST {
            needs_json(&parts.headers)?;
        }
        let request = Request::from_parts(parts, body);
        match *route {
            Route::Config => {
                let base = Base::asked(self.public_url.as_deref(), request.headers(), request.uri(), self.is_tls);
                Ok(answers::config(base.as_str(), &tenant))
            }
            Route::PolicyCheck => Ok(answers::policy_check()),
            Route::PolicyManifest => Ok(answers::policy_manifest()),
            Route::PromptGuard => Ok(answers::prompt_guard()),
            Route::LlmConfig => Ok(answers::llm_config(&tenant)),
            Route::Prompt => Ok(answers::no_prompts()),
            Route::Start => self.start(&tenant, request).await,
            Route::Daily => self.daily(&tenant, request).await,
            Route::Run(kind, run) => {
                self.post(&tenant, kind, Some(run), request).await?;
                Ok(answers::taken(kind, run))
            }
            Route::Tenant(name) => {
                self.post(&tenant, EventKind::Other, None, request).await?;
                Ok(answers::noted(name))
            }
            // An empty id: its start failed, and the SDK tells of its calls by another way.
            Route::Quiet => Ok(answers::empty()),
            Route::Unknown => Ok(if *request.method() == Method::POST { answers::empty() } else { answers::not_found() }),
        }
    }

    async fn start(&self, tenant: &Tenant, request: Request) -> Result<Response, Refusal> {
        let run = mint()?;
        let started_at = self.receiver.now();
        self.post(tenant, EventKind::Start, Some(run), request).await?;
        Ok(answers::started(run, started_at))
    }

    /// The same agent on the same day has one run.
    async fn daily(&self, tenant: &Tenant, request: Request) -> Result<Response, Refusal> {
        let peer = peer(&request);
        let held = self.body(request).await?;
        let now = self.receiver.now();
        let (agent, date) = route::agent_and_date(&held.bytes, now);
        let name = format!("{}\0{agent}\0{date}", tenant.as_str());
        let run = RunId::mint(posts::digest(EventKind::Daily, name.as_bytes()));
        let known = self.receiver.run_started_at(tenant, run).await?;
        if known.is_none() {
            self.receiver.take_post(tenant, RunPost { kind: EventKind::Daily, run: Some(run), body: held.bytes.clone() }, &peer).await?;
        }
        Ok(answers::daily(run, known.unwrap_or(now), &date, known.is_none()))
    }

    async fn post(&self, tenant: &Tenant, kind: EventKind, run: Option<RunId>, request: Request) -> Result<(), Refusal> {
        // Held until it is durable: what is in flight is paid for.
        let peer = peer(&request);
        let held = self.body(request).await?;
        self.receiver.take_post(tenant, RunPost { kind, run, body: held.bytes.clone() }, &peer).await
    }

    async fn body(&self, request: Request) -> Result<Held, Refusal> {
        let (parts, mut body) = request.into_parts();
        let coding = Coding::from_headers(parts.headers.get_all(http::header::CONTENT_ENCODING))?;
        let held = self.receiver.read(&mut body, 0).await?;
        let max_bytes = self.receiver.max_request_bytes();
        if coding == Coding::Identity || held.bytes.len() <= INLINE_COMPRESSED_BYTES {
            return screen::decode(held, coding, max_bytes);
        }
        self.receiver.decode(held, coding).await
    }
}

/// Who waits for the answer.
fn peer(request: &Request) -> Peer {
    request.extensions().get::<Peer>().cloned().unwrap_or_default()
}

fn needs_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let sent = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
    let name = sent.split(';').next().unwrap_or_default().trim();
    if name.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Refusal::NotJson(sent.chars().take(100).collect())) }
}

fn mint() -> Result<RunId, Refusal> {
    getrandom::u64().map(RunId::mint).map_err(|error| {
        tracing::error!(%error, "the system provides no random numbers: a run could not be started");
        Refusal::Internal
    })
}

/// The status of a refusal here: where nothing can be taken now, one that the SDK does not repeat.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::JournalFull | Refusal::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        other => other.http_status(),
    }
}
