//! The router table: every page, and the only place where one is routed. The menu is `MENU` in `frame.rs`.
//!
//! Who may see a page stands in its handler's arguments: with `Visitor` only those who may read.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, Method, header};

use super::refusal::Refusal;
use super::visitor::PageContext;
use super::{Ui, api_page, assets, compare, groups, list, login, overview, run, search, session, start, status, theme, tool, trace};

/// One line of the table.
pub struct Route {
    /// As the router writes it.
    pub path: &'static str,
    serve: fn() -> MethodRouter<Arc<Ui>>,
}

pub const ROUTES: &[Route] = &[
    Route { path: "/", serve: || get(start::show) },
    Route { path: "/sessions", serve: || get(list::show) },
    Route { path: "/sessions/", serve: || get(list::move_here) },
    Route {
        path: "/sessions/{*session_id}",
        serve: || get(session::show).post(session::keep_note).layer(DefaultBodyLimit::max(session::NOTE_BODY_MAX_BYTES)),
    },
    Route { path: "/agents", serve: || get(groups::agents) },
    Route { path: "/models", serve: || get(groups::models) },
    Route { path: "/tools", serve: || get(groups::tools) },
    Route { path: "/tools/{*tool_name}", serve: || get(tool::show) },
    Route { path: "/users", serve: || get(groups::users) },
    Route { path: "/overview", serve: || get(overview::show) },
    Route { path: "/compare", serve: || get(compare::show) },
    Route { path: "/runs/{run_id}", serve: || get(run::show) },
    Route { path: "/runs/{run_id}/explain", serve: || get(run::explain::show) },
    Route { path: "/traces/{trace_id}", serve: || get(trace::show) },
    Route { path: "/traces/{trace_id}/explain", serve: || get(trace::explain::show) },
    Route { path: "/search", serve: || get(search::show) },
    Route { path: "/status", serve: || get(status::show) },
    Route { path: "/api", serve: || get(api_page::move_here) },
    Route { path: "/api/", serve: || get(api_page::show) },
    Route { path: "/login", serve: || get(login::show).post(login::enter) },
    Route { path: "/logout", serve: || post(login::leave) },
    Route { path: "/theme", serve: || get(theme::set) },
    Route { path: "/assets/{hash}/{name}", serve: || get(assets::show) },
    Route { path: "/favicon.ico", serve: || get(assets::icon) },
];

/// Only what this server sends is run, drawn or submitted to; the page is in nobody's frame. Images of a conversation stand in its page.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

pub(super) fn build(ui: Arc<Ui>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let protect = middleware::from_fn_with_state((Arc::clone(&ui), route.path), protect);
        router = router.route(route.path, (route.serve)().layer(protect));
    }
    router.with_state(ui)
}

/// Gives every answer the headers that all pages have. What may be kept by the browser has said so itself.
/// A refusal becomes a page here.
/// Counts and times it, too.
async fn protect(State((ui, route)): State<(Arc<Ui>, &'static str)>, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let context = PageContext::new(&ui, request.headers(), request.uri());
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = refusal.page(&context);
    }
    dress(&mut response);
    ui.metrics.answered(route, response.status(), arrived.elapsed());
    response
}

/// The page for a path that is nobody's; `None` for whoever does not ask for a page.
pub fn unknown(ui: &Ui, request: &Request) -> Option<Response> {
    let arrived = Instant::now();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let accepts = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !is_read || !accepts.contains("text/html") {
        return None;
    }
    let mut response = Refusal::NoPage.page(&PageContext::new(ui, request.headers(), request.uri()));
    dress(&mut response);
    ui.metrics.answered("unknown", response.status(), arrived.elapsed());
    Some(response)
}

fn dress(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
