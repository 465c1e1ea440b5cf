//! The list: filters, sorts, pages, and ids of every kind.

use http::StatusCode;

use super::{HOSTILE, Visitor, encode, place, run, send, shows};

#[tokio::test]
async fn the_list_shows_what_the_api_shows_and_every_link_of_it_leads_somewhere() {
    let place = place();
    let server = place.start().await;
    for n in 0..60_u64 {
        send(&server, run(u128::from(n) + 1, &format!("conv-{n:02}"), if n % 2 == 0 { "even" } else { "odd" }, n * 60)).await;
    }
    shows(&server, 60).await;
    let visitor = Visitor::of(&server);
    let page = visitor.get("/sessions").await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("1–25 of 60 sessions");
    page.says("Page 1 of 3");
    page.says(">conv-59<");
    assert!(!page.text.contains(">conv-34<"));
    for column in ["session_id", "run_count", "first_run", "total_duration", "total_cost", "total_tokens"] {
        let sorted = visitor.get(&format!("/sessions?sort={column}")).await;
        sorted.says("aria-sort=\"ascending\"");
    }
    visitor.get("/sessions?sort=session_id").await.says(">conv-00<");
    let found = visitor.get("/sessions?search=CONV-1&agent=odd&status=&sort=session_id").await;
    found.says("5 sessions");
    assert!(found.links().iter().any(|link| link.starts_with("/sessions?search=CONV-1&agent=odd&sort=-session_id")), "{:?}", found.links());
    visitor.get("/sessions?offset=50").await.says("51–60 of 60 sessions");
    visitor.get("/sessions?start=2026-02-07T10:30:00Z&end=2026-02-07T10:30:01Z").await.says("1 session<");
    for link in page.links().iter().filter(|link| link.starts_with('/')) {
        let answer = visitor.get(link.split('#').next().unwrap()).await;
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{link}: {}", answer.status);
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_meant_is_named_and_the_form_keeps_the_rest() {
    let place = place();
    let server = place.start().await;
    let page = Visitor::of(&server).get("/sessions?sort=cost&search=abc").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.says("Invalid sort");
    page.says("value=\"abc\"");
}

#[tokio::test]
async fn no_session_id_breaks_a_page_or_out_of_it() {
    let place = place();
    let server = place.start().await;
    let ids = [HOSTILE, "a/b", "a/b/", "  ", "..", "nul\0byte", "line\r\nend", "100%", "+", "'\";--"];
    for (n, id) in (1..).zip(ids) {
        send(&server, run(n, id, HOSTILE, 0)).await;
    }
    shows(&server, ids.len() as u64).await;
    let visitor = Visitor::of(&server);
    let list = visitor.get("/sessions").await;
    assert!(!list.text.contains("<script>alert"), "{}", list.text);
    list.says("&lt;script&gt;alert('x')&lt;/script&gt;/a b");
    for id in ids {
        let path = format!("/sessions/{}", encode(id));
        for view in ["", "?view=conversation", "?format=csv"] {
            let page = visitor.get(&format!("{path}{view}")).await;
            assert_eq!(page.status, StatusCode::OK, "{id:?} {view}");
            assert!(!page.text.contains("<script>alert") || view == "?format=csv", "{id:?} {view}");
        }
        let found = visitor.get(&format!("/sessions?search={}", encode(id))).await;
        assert!(id.trim().is_empty() || found.links().iter().any(|link| link.starts_with("/sessions/")), "{id:?} is not found");
    }
    // A proxy may have decoded the slash.
    assert_eq!(visitor.get("/sessions/a/b").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_pasted_trace_or_run_id_lands_there() {
    let place = place();
    let server = place.start().await;
    send(&server, run(0xabc, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    let detail = server.json("/api/v1/observability/sessions/conv/").await;
    let (id, trace) = (detail["runs"][0]["id"].as_u64().unwrap(), detail["runs"][0]["trace_id"].as_str().unwrap());
    let visitor = Visitor::of(&server);
    assert_eq!(visitor.get(&format!("/sessions?search=+{trace}+")).await.header("location"), format!("/traces/{trace}"));
    assert_eq!(visitor.get(&format!("/sessions?search={id}")).await.header("location"), format!("/traces/{trace}?run={id}"));
    visitor.get("/sessions?search=12345").await.says("No session fits");
    visitor.get(&format!("/sessions?search={:032x}", 0xdef)).await.says("No session fits");
}

#[tokio::test]
async fn every_page_forbids_what_is_not_ours_and_assets_are_kept_by_their_content() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    for path in ["/sessions", "/sessions/none", "/login", "/traces/x"] {
        let page = visitor.get(path).await;
        assert!(page.header("content-security-policy").starts_with("default-src 'self';"), "{path}");
        assert!(!page.text.contains("style=\"") && !page.text.contains("<style") && !page.text.contains("onclick"), "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
    }
    let page = visitor.get("/sessions").await;
    for asset in page.links().into_iter().chain([script(&page.text)]).filter(|link| link.starts_with("/assets/")) {
        let answer = visitor.get(&asset).await;
        assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "public, max-age=31536000, immutable"), "{asset}");
        let etag = answer.header("etag").to_owned();
        let again = visitor.send(http::Method::GET, &asset, &[("if-none-match", &etag)], "").await;
        assert_eq!((again.status, again.text.len()), (StatusCode::NOT_MODIFIED, 0));
    }
}

fn script(page: &str) -> String {
    page.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_theme_is_a_cookie_and_leads_back_to_where_one_was() {
    let place = place();
    let server = place.start().await;
    let mut visitor = Visitor::of(&server);
    let answer = visitor.get("/theme?theme=dark&next=%2Fsessions%3Fsearch%3Da").await;
    assert_eq!(answer.header("location"), "/sessions?search=a");
    visitor.cookie = Some(answer.header("set-cookie").split(';').next().unwrap().to_owned());
    visitor.get("/sessions").await.says("data-theme=\"dark\"");
    assert_eq!(visitor.get("/theme?theme=dark&next=%2F%2Fevil.example").await.header("location"), "/");
}
