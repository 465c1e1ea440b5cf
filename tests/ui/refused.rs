//! A value that cannot be meant is answered with 400, wherever it stands: every page and every route of the API.

use super::{Visitor, place, run, send, shows};
use crate::support::server::SESSIONS;

/// What each route refuses. A route without a line takes nothing that could be bad, and says here why.
const REFUSED: &[(&str, &[&str])] = &[
    // Pages.
    (
        "/sessions",
        &[
            "limit=0",
            "offset=-1",
            "sort=x",
            "status=x",
            "bookmarked=x",
            "start=x",
            "end=x",
            "last=x",
            "columns=x",
            "format=x",
            "session_id=LONG",
            "search=%FF",
        ],
    ),
    ("/overview", &["last=x", "since=x", "until=x", "step=x", "limit=0", "agent=%FF", "model=%FF", "user=%FF"]),
    ("/users", &["sort=x", "offset=x", "search=%FF"]),
    ("/agents", &["sort=x", "offset=x", "last=x", "since=x", "until=x", "search=%FF"]),
    ("/models", &["sort=x", "offset=x", "last=x", "since=x", "until=x", "search=%FF"]),
    ("/tools", &["sort=x", "offset=x", "last=x", "since=x", "until=x", "search=%FF"]),
    ("/tools/{*tool_name}", &["last=x", "since=x", "until=x", "agent=%FF"]),
    ("/sessions/{*session_id}", &["limit=0", "offset=x", "sort=x", "runs=x", "open=x", "fold=x", "view=x", "format=x"]),
    ("/compare", &["", "a=LONG", "a=%FF", "a=s&search=%FF", "a=s&b=LONG", "a=s&b=%FF", "a=s&a=s&b=s"]),
    ("/traces/{trace_id}", &["kind=x", "span=x", "run=x", "open=x", "fold=x", "offset=x", "search=%FF"]),
    ("/traces/{trace_id}/explain", &["offset=x"]),
    ("/runs/{run_id}", &["kind=x", "span=x", "open=x", "fold=x", "offset=x", "search=%FF"]),
    ("/runs/{run_id}/explain", &["offset=x"]),
    ("/search", &["q=ab", "q=LONG", "q=%FF"]),
    // The API.
    (
        SESSIONS,
        &[
            "limit=0",
            "offset=-1",
            "sort=x",
            "status=x",
            "bookmarked=x",
            "start=x",
            "end=x",
            "include=x",
            "format=x",
            "session_id=LONG",
            "search=%FF",
        ],
    ),
    ("/api/v1/observability/sessions/{session_id}/", &["limit=0", "offset=x", "include=x"]),
    ("/api/v1/observability/runs/{run_id}/", &["include=x", "limit=0", "offset=x"]),
    ("/api/v1/observability/overview/", &["last=x", "since=x", "until=x", "step=x", "limit=0"]),
    ("/api/v1/observability/users/", &["sort=x", "limit=0", "offset=x", "start=x", "end=x", "search=%FF"]),
    ("/api/v1/observability/users/{user_id}/", &["limit=0", "offset=x", "start=x", "end=x"]),
    ("/api/v1/observability/agents/", &["limit=0", "offset=x"]),
    ("/api/v1/observability/tools/", &["sort=x", "limit=0", "offset=x", "last=x", "since=x", "until=x", "search=%FF"]),
    ("/api/v1/observability/tools/{tool_name}/", &["last=x", "since=x", "until=x", "agent=%FF"]),
];

/// They take no parameters, or send somewhere else whatever they are given, or read what `wax` types, where all is a window of time.
const TAKES_ANYTHING: &[&str] = &[
    "/",
    "/sessions/",
    "/status",
    "/api",
    "/api/",
    "/login",
    "/logout",
    "/theme",
    "/assets/{hash}/{name}",
    "/favicon.ico",
    "/api/v1/observability/sessions/{session_id}/note/",
    "/api/openapi.yaml",
    "/api/v1/status/",
    "/version",
    "/healthz",
    "/readyz",
    "/metrics",
];

#[tokio::test]
async fn every_route_refuses_what_cannot_be_meant() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "s", "planner", 0)).await;
    shows(&server, 1).await;
    let run = server.json(&format!("{SESSIONS}s/")).await["runs"][0].clone();
    let visitor = Visitor::of(&server);
    for (route, queries) in REFUSED {
        let path = route
            .replace("{*session_id}", "s")
            .replace("{session_id}", "s")
            .replace("{user_id}", "ada")
            .replace("{*tool_name}", "t")
            .replace("{tool_name}", "t");
        let path = path.replace("{run_id}", &run["id"].to_string()).replace("{trace_id}", run["trace_id"].as_str().unwrap());
        for query in *queries {
            let answer = visitor.get(&format!("{path}?{}", query.replace("LONG", &"x".repeat(600)))).await;
            assert_eq!(answer.status.as_u16(), 400, "{path}?{query}: {}", answer.text);
        }
    }
    let routes = sessionfold::ui::ROUTES.iter().map(|route| route.path).chain(sessionfold::api::ROUTES.iter().map(|route| route.path));
    for route in routes.filter(|route| !route.starts_with("/api/v1/observe/query/")) {
        let is_told = REFUSED.iter().any(|(told, _)| *told == route) || TAKES_ANYTHING.contains(&route);
        assert!(is_told, "{route}: what does it refuse?");
    }
}

#[tokio::test]
async fn a_text_that_is_not_looked_for_stays_in_its_field() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    for (text, words) in [("ab".to_owned(), "At least three characters"), ("x".repeat(201), "At most 200 characters")] {
        let page = visitor.get(&format!("/search?q={text}")).await;
        assert_eq!(page.status.as_u16(), 400);
        page.says(words);
        page.says(&format!("value=\"{text}\""));
    }
    assert_eq!(visitor.get("/search").await.status.as_u16(), 200);
}
