//! `GET /api/v1/observability/sessions/` and `.../agents/`.

use std::sync::Arc;

use http::StatusCode;
use sessionfold::api::{self, Api, StreamLimits};
use sessionfold::bounds::memory::{Memory, Shares};
use sessionfold::model::reason::Reason;
use sessionfold::model::run::Run;

use super::double::{Double, MILLI, SECOND, failed, lasting, run, running, using};
use super::{LIST, get, open_api, router, send};

/// The documented example: 42 sessions, of which one has five runs by two agents.
fn documented() -> Double {
    let id = "sess_a1b2c3d4e5f6g7h8";
    let mut runs = vec![
        using(lasting(run(id, "chat-agent", 0), 2_100 * MILLI), "gpt-4o", (800, 90), Some(4_500_000)),
        using(lasting(run(id, "retrieval-agent", 60 * SECOND), 350 * MILLI), "gpt-4o", (30, 0), Some(900_000)),
        using(lasting(run(id, "chat-agent", 90 * SECOND), 3_000 * MILLI), "gpt-4o", (1_000, 600), Some(6_000_000)),
        using(lasting(run(id, "chat-agent", 200 * SECOND), 4_000 * MILLI), "gpt-4o", (1_000, 500), Some(6_000_000)),
        using(lasting(run(id, "chat-agent", 329 * SECOND), 3_000 * MILLI), "gpt-4o", (400, 100), Some(6_000_000)),
    ];
    runs.extend((0..41).map(|n| run(&format!("other-{n:02}"), "chat-agent", n * SECOND)));
    Double::new(runs)
}

fn ids(prefix: &str, n: u64) -> Double {
    Double::new((0..n).map(|at| run(&format!("{prefix}{at:03}"), "a", at * SECOND)))
}

#[tokio::test]
async fn the_documented_list_comes_byte_for_byte() {
    let answer = get(&router(documented()), &format!("{LIST}?limit=10&sort=-run_count")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let first = concat!(
        r#"{"results":[{"session_id":"sess_a1b2c3d4e5f6g7h8","run_count":5,"first_run":"2026-02-07T10:00:00Z","#,
        r#""last_activity":"2026-02-07T10:05:32Z","total_duration":12.45,"total_cost":0.0234,"total_tokens":4520,"#,
        r#""agents":["chat-agent","retrieval-agent"]},"#
    );
    assert_eq!(&answer.text[..first.len()], first);
    let last = r#"],"count":42,"next":"?offset=10&limit=10","previous":null}"#;
    assert_eq!(&answer.text[answer.text.len() - last.len()..], last);
    assert_eq!(answer.ids().len(), 10);
}

#[tokio::test]
async fn both_forms_of_the_path_and_head_give_the_same() {
    let router = router(documented());
    let with = get(&router, "/api/v1/observability/sessions/?limit=1").await;
    let without = get(&router, "/api/v1/observability/sessions?limit=1").await;
    assert_eq!(with.text, without.text);
    let head = send(&router, "HEAD", "/api/v1/observability/sessions/?limit=1", &[]).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.header("content-length"), Some(with.text.len().to_string().as_str()));
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let answer = get(&router(Double::default()), LIST).await;
    assert_eq!(answer.text, r#"{"results":[],"count":0,"next":null,"previous":null}"#);
    assert_eq!(answer.header("link"), None);
    let beyond = get(&router(Double::default()), &format!("{LIST}?offset=50")).await;
    assert_eq!(beyond.text, r#"{"results":[],"count":0,"next":null,"previous":"?offset=0&limit=25"}"#);
}

#[tokio::test]
async fn the_default_page_is_the_25_most_recently_active() {
    let answer = get(&router(ids("s", 30)), LIST).await;
    let expected: Vec<String> = (5..30).rev().map(|n| format!("s{n:03}")).collect();
    assert_eq!(answer.ids(), expected);
    assert_eq!(answer.json()["next"], "?offset=25&limit=25");
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap_by_following_either_kind_of_link() {
    let router = router(ids("s", 23));
    let (mut short, mut seen) = (Some("?limit=5&sort=session_id".to_owned()), Vec::new());
    while let Some(query) = short {
        let answer = get(&router, &format!("{LIST}{query}")).await;
        seen.extend(answer.ids());
        short = answer.json()["next"].as_str().map(|next| format!("{next}&sort=session_id"));
    }
    let expected: Vec<String> = (0..23).map(|n| format!("s{n:03}")).collect();
    assert_eq!(seen, expected);

    let (mut full, mut seen) = (Some(format!("{LIST}?limit=5&sort=session_id&search=s0")), Vec::new());
    while let Some(url) = full {
        let answer = get(&router, &url).await;
        seen.extend(answer.ids());
        full = answer
            .header("link")
            .and_then(|link| link.split(", ").find_map(|one| one.strip_suffix(">; rel=\"next\"")))
            .map(|one| one[1..].to_owned());
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn previous_is_never_negative_and_past_the_end_it_is_the_last_page() {
    let router = router(ids("s", 42));
    for (query, previous, next) in [
        ("limit=10", None, Some("?offset=10&limit=10")),
        ("limit=10&offset=5", Some("?offset=0&limit=10"), Some("?offset=15&limit=10")),
        ("limit=10&offset=20", Some("?offset=10&limit=10"), Some("?offset=30&limit=10")),
        ("limit=10&offset=40", Some("?offset=30&limit=10"), None),
        ("limit=10&offset=42", Some("?offset=40&limit=10"), None),
        ("limit=10&offset=99999999999999999999", Some("?offset=40&limit=10"), None),
        ("limit=1000", None, None),
    ] {
        let answer = get(&router, &format!("{LIST}?{query}")).await;
        let body = answer.json();
        assert_eq!((body["previous"].as_str(), body["next"].as_str()), (previous, next), "{query}");
        assert_eq!(body["count"], 42, "{query}");
    }
}

#[tokio::test]
async fn the_link_header_keeps_every_filter_and_never_repeats_a_host() {
    let router = router(ids("s <\"é\">&=+%", 3));
    let query = "?limit=1&offset=1&search=s+%3C%22%C3%A9%22%3E%26%3D%2B%25&sort=-run_count&include=errors&nonsense=1";
    let links = {
        let kept = "search=s%20%3C%22%C3%A9%22%3E%26%3D%2B%25&sort=-run_count&include=errors";
        let link = |offset, rel| format!("<{LIST}?{kept}&offset={offset}&limit=1>; rel=\"{rel}\"");
        format!("{}, {}", link(2, "next"), link(0, "prev"))
    };
    for headers in [
        &[][..],
        &[("host", "127.0.0.1:8080")],
        &[("host", "evil.example")],
        &[("host", "inner:80"), ("x-forwarded-host", "traces.example.org, inner"), ("x-forwarded-proto", "https")],
        &[("host", "evil/>; rel=\"next\"")],
    ] {
        let answer = send(&router, "GET", &format!("{LIST}{query}"), headers).await;
        assert_eq!(answer.header("link"), Some(links.as_str()), "{headers:?}");
        assert_eq!(answer.header("x-sessionfold-ignored"), Some("nonsense"));
    }
}

#[tokio::test]
async fn a_configured_public_url_stands_in_links_whatever_the_request_says() {
    let store = std::sync::Arc::new(ids("s", 3));
    let api = sessionfold::api::Api { public_url: Some("https://traces.example.org/fold/".to_owned()), ..super::open_api(store) };
    let router = sessionfold::api::router(std::sync::Arc::new(api));
    let answer = send(&router, "GET", &format!("{LIST}?limit=1"), &[("host", "inner:8080")]).await;
    let link = format!("<https://traces.example.org/fold{LIST}?offset=1&limit=1>; rel=\"next\"");
    assert_eq!(answer.header("link"), Some(link.as_str()));
}

#[tokio::test]
async fn search_is_a_literal_substring_in_any_ascii_case() {
    let names = ["Sess_A", "sess%b", "100%", "a_b", "axb", "a.b", "ÉTÉ", "<script>alert(1)</script>", "مرحبا"];
    let router = router(Double::new(names.iter().zip(0..).map(|(name, at)| run(name, "a", at * SECOND))));
    for (search, found) in [
        ("SESS_", &["Sess_A"][..]),
        ("%25", &["sess%b", "100%"]),
        ("a_b", &["a_b"]),
        (".", &["a.b"]),
        ("%5E", &[]),
        ("%C3%89T", &["ÉTÉ"]),
        ("%C3%A9t", &[]),
        ("%3CSCRIPT", &["<script>alert(1)</script>"]),
        ("%D8%B1%D8%AD", &["مرحبا"]),
        ("%00", &[]),
    ] {
        let answer = get(&router, &format!("{LIST}?sort=first_run&search={search}")).await;
        assert_eq!(answer.ids(), found, "{search}");
    }
}

#[tokio::test]
async fn filters_hold_together() {
    let router = router(Double::new([
        run("old", "chat", 0),
        failed(run("old", "search", 100 * SECOND)),
        run("new", "chat", 200 * SECOND),
        running(run("live", "chat", 0), 300 * SECOND),
    ]));
    for (query, found) in [
        ("agent=chat", &["live", "new", "old"][..]),
        ("agent=cha", &[]),
        ("agent=search", &["old"]),
        ("status=error", &["old"]),
        ("status=running", &["live"]),
        ("session_id=new", &["new"]),
        ("session_id=NEW", &[]),
        ("start=2026-02-07T10:03:20Z", &["live", "new"]),
        ("start=2026-02-07T10:03:20Z&end=2026-02-07T10:04:00Z", &["live", "new"]),
        ("end=2026-02-07T10:00:00Z", &["live", "old"]),
        ("start=2026-02-07T12:01:40%2B02:00&end=2026-02-07T12:01:41+02:00", &["live", "old"]),
        ("start=2026-02-08", &[]),
        ("start=1950-01-01&end=9999-12-31", &["live", "new", "old"]),
        ("agent=search&status=running", &[]),
        ("agent=chat&search=o&status=error", &["old"]),
    ] {
        assert_eq!(get(&router, &format!("{LIST}?{query}")).await.ids(), found, "{query}");
    }
}

#[tokio::test]
async fn every_documented_sort_and_ours_orders_the_list() {
    let cheap = using(lasting(run("b", "a", 0), 9 * SECOND), "m", (1, 1), Some(1));
    let dear = using(lasting(run("a", "a", 20 * SECOND), SECOND), "m", (5, 5), Some(9));
    let router = router(Double::new([cheap, dear, run("b", "a", SECOND)]));
    for (sort, first) in [
        ("last_activity", "b"),
        ("first_run", "b"),
        ("run_count", "a"),
        ("total_cost", "b"),
        ("total_tokens", "b"),
        ("total_duration", "a"),
        ("session_id", "a"),
    ] {
        let ascending = get(&router, &format!("{LIST}?sort={sort}")).await.ids();
        let descending = get(&router, &format!("{LIST}?sort=-{sort}")).await.ids();
        assert_eq!(ascending[0], first, "{sort}");
        assert_eq!(descending[0], ascending[1], "{sort}");
    }
}

#[tokio::test]
async fn include_adds_keys_after_the_documented_ones_and_nothing_else_does() {
    let broken = Run { error: Reason::of("no such order"), tool_errors: 2, ..failed(using(run("s", "a", 0), "m", (1, 2), None)) };
    let router = router(Double::new([broken, running(run("s", "a", SECOND), SECOND)]));
    let plain = get(&router, LIST).await.text;
    let more = get(&router, &format!("{LIST}?include=errors,usage,models")).await;
    assert_eq!(more.header("x-sessionfold-ignored"), Some("include=models"));
    let added = r#""agents":["a"],"usage":{"unpriced_calls":1,"cost_is_partial":true},"errors":{"error_count":1,"running_count":1,"tool_errors":2,"last_error":"no such order"}}"#;
    assert_eq!(more.text, plain.replace(r#""agents":["a"]}"#, added));
}

#[tokio::test]
async fn agents_are_listed_with_their_runs() {
    let router = router(Double::new([run("s", "chat", 0), run("t", "chat", SECOND), run("s", "éa", 0), run("s", "", 0)]));
    let answer = get(&router, "/api/v1/observability/agents/?x=1").await;
    let expected = concat!(
        r#"{"results":[{"name":"chat","run_count":2,"last_activity":"2026-02-07T10:00:02Z"},"#,
        r#"{"name":"éa","run_count":1,"last_activity":"2026-02-07T10:00:01Z"}],"count":2}"#
    );
    assert_eq!(answer.text, expected);
    assert_eq!(answer.header("x-sessionfold-ignored"), Some("x"));
    assert_eq!(get(&router, "/api/v1/observability/agents").await.text, expected);
}

#[tokio::test]
async fn agents_come_in_pages_that_lead_to_each_other() {
    const AGENTS: &str = "/api/v1/observability/agents/";
    let router = router(Double::new((0..5).map(|at| run("s", &format!("agent-{at}"), 0))));
    let page = get(&router, &format!("{AGENTS}?limit=2&offset=2")).await;
    let json: serde_json::Value = serde_json::from_str(&page.text).unwrap();
    assert_eq!((&json["results"][0]["name"], &json["count"]), (&"agent-2".into(), &5.into()));
    assert_eq!((&json["next"], &json["previous"]), (&"?offset=4&limit=2".into(), &"?offset=0&limit=2".into()));
    let link = page.header("link").unwrap().to_owned();
    assert!(link.contains("agents/?offset=4&limit=2>; rel=\"next\"") || link.contains("agents/?limit=2&offset=4>; rel=\"next\""), "{link}");
    assert_eq!(get(&router, &format!("{AGENTS}?limit=0")).await.status, StatusCode::BAD_REQUEST);
    let whole: serde_json::Value = serde_json::from_str(&get(&router, AGENTS).await.text).unwrap();
    assert!(whole.get("next").is_none(), "a list of one page has no other");
}

#[tokio::test]
async fn what_needs_more_memory_than_questions_may_take_is_refused_with_a_time_to_come_again() {
    let store =
        Double::new((0..50).map(|at| Run { user: Some(format!("user-{at}").as_str().into()), ..run("s", &format!("agent-{at}"), 0) }));
    let shares = Shares { sums: 2_000, ..Shares::default() };
    let streams = StreamLimits { memory: Memory::new(&shares), ..StreamLimits::default() };
    let router = api::router(Arc::new(Api { streams, ..open_api(Arc::new(store)) }));
    for path in ["/api/v1/observability/users/", "/api/v1/observe/query/agents/?hours=87600", "/api/v1/observe/query/users/?hours=87600"] {
        let answer = get(&router, path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")), "{path}");
        assert!(answer.text.contains("a shorter time"), "{}", answer.text);
    }
    assert_eq!(get(&router, LIST).await.status, StatusCode::OK);
}
