//! The router table: every route of the API, and the only place where one is added.
//!
//! - A path that ends in a slash is served without it too.
//! - What is below a session is told from the session by how its path ends (`path::is_note`).
//! - `{session_id}`, `{tool_name}` and `{user_id}` stand for all that follows, slashes included, since proxies decode `%2F` (see `path`).
//! - Who may call a route stands in its handler's arguments: with `Reader` only those who may read.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};

use tower::ServiceExt;

use super::refusal::Refusal;
use super::{Api, agents, health, metrics, note, openapi, overview, path, query, run, session, sessions, status, tools, users, version};

/// One line of the table.
pub struct Route {
    /// As documented in `docs/openapi.yaml`.
    pub path: &'static str,
    /// Its methods, as the `Allow` header lists them.
    pub allow: &'static str,
    serve: fn() -> MethodRouter<Arc<Api>>,
}

pub const ROUTES: &[Route] = &[
    Route { path: path::SESSIONS, allow: "GET, HEAD", serve: || get(sessions::list) },
    Route { path: path::SESSION, allow: "GET, HEAD, DELETE", serve: || get(session::show).delete(session::delete) },
    Route {
        path: path::NOTE,
        allow: "GET, HEAD, PUT, DELETE",
        serve: || get(note::show).put(note::put).delete(note::delete).layer(DefaultBodyLimit::max(note::BODY_MAX_BYTES)),
    },
    Route { path: path::AGENTS, allow: "GET, HEAD", serve: || get(agents::list) },
    Route { path: path::RUN, allow: "GET, HEAD", serve: || get(run::show) },
    Route { path: path::OVERVIEW, allow: "GET, HEAD", serve: || get(overview::show) },
    Route { path: path::TOOLS, allow: "GET, HEAD", serve: || get(tools::list) },
    Route { path: path::TOOL, allow: "GET, HEAD", serve: || get(tools::show) },
    Route { path: path::USERS, allow: "GET, HEAD", serve: || get(users::list) },
    Route { path: path::USER, allow: "GET, HEAD", serve: || get(users::show) },
    Route { path: "/api/v1/observe/query/sessions/", allow: "GET, HEAD", serve: || get(query::sessions::list) },
    Route { path: "/api/v1/observe/query/traces/", allow: "GET, HEAD", serve: || get(query::traces::list) },
    Route { path: "/api/v1/observe/query/traces/detail/", allow: "GET, HEAD", serve: || get(query::detail::show) },
    Route { path: "/api/v1/observe/query/runs/", allow: "GET, HEAD", serve: || get(query::overview::runs) },
    Route { path: "/api/v1/observe/query/agents/", allow: "GET, HEAD", serve: || get(query::overview::agents) },
    Route { path: "/api/v1/observe/query/models/", allow: "GET, HEAD", serve: || get(query::overview::models) },
    Route { path: "/api/v1/observe/query/costs/", allow: "GET, HEAD", serve: || get(query::overview::costs) },
    Route { path: "/api/v1/observe/query/users/", allow: "GET, HEAD", serve: || get(query::users::list) },
    Route { path: "/api/v1/observe/query/dashboard/", allow: "GET, HEAD", serve: || get(query::overview::dashboard) },
    Route { path: "/api/v1/observe/query/billing/", allow: "GET, HEAD", serve: || get(query::overview::billing) },
    Route { path: "/api/v1/observe/query/errors/", allow: "GET, HEAD", serve: || get(query::overview::errors) },
    Route { path: "/api/openapi.yaml", allow: "GET, HEAD", serve: || get(openapi::show) },
    Route { path: "/api/v1/status/", allow: "GET, HEAD", serve: || get(status::show) },
    Route { path: "/version", allow: "GET, HEAD", serve: || get(version::show) },
    Route { path: "/healthz", allow: "GET, HEAD", serve: || get(health::alive) },
    Route { path: "/readyz", allow: "GET, HEAD", serve: || get(health::ready) },
    Route { path: "/metrics", allow: "GET, HEAD", serve: || get(metrics::show) },
];

/// What is under `/api` and in no table of any door. `/api/` itself is a page.
const UNKNOWN: &[&str] = &["/api/{*rest}"];

/// The label of `UNKNOWN` in metrics.
const UNKNOWN_LABEL: &str = "unknown";

pub(super) fn build(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let mut service = route.service(&api);
        if route.path == path::SESSION
            && let Some(note) = ROUTES.iter().find(|route| route.path == path::NOTE)
        {
            service = service.layer(middleware::from_fn_with_state(note.service(&api).with_state(Arc::clone(&api)), or_note));
        }
        for pattern in route.patterns() {
            router = router.route(&pattern, service.clone());
        }
    }
    for pattern in UNKNOWN {
        let service = any(async || Refusal::NoSuchPath);
        router = router.route(pattern, service.layer(middleware::from_fn_with_state((Arc::clone(&api), UNKNOWN_LABEL), metrics::observe)));
    }
    router.with_state(api)
}

/// A session's path, or that of its note: both are below one pattern, since an id may have slashes.
async fn or_note(State(note): State<MethodRouter>, request: Request, next: Next) -> Response {
    if path::is_note(request.uri()) { note.oneshot(request).await.into_response() } else { next.run(request).await }
}

// === impl Route ===

impl Route {
    /// Its handlers, counted and timed.
    fn service(&self, api: &Arc<Api>) -> MethodRouter<Arc<Api>> {
        let allow = self.allow;
        let service = (self.serve)().fallback(move || async move { Refusal::BadMethod(allow) });
        service.layer(middleware::from_fn_with_state((Arc::clone(api), self.path), metrics::observe))
    }

    /// The same path in the router's own terms; none where another route tells it apart.
    fn patterns(&self) -> Vec<String> {
        if self.path == path::NOTE {
            return Vec::new();
        }
        for rest in ["session_id", "tool_name", "user_id"] {
            if let Some(before) = self.path.strip_suffix(&format!("{{{rest}}}/")) {
                return vec![format!("{before}{{*{rest}}}")];
            }
        }
        match self.path.strip_suffix('/') {
            Some(bare) => vec![bare.to_owned(), self.path.to_owned()],
            None => vec![self.path.to_owned()],
        }
    }
}
