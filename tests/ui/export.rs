//! The filtered list as files, and what it is looked at with: columns, sizes, the histogram.

use http::StatusCode;

use super::{HOSTILE, Visitor, place, run, send, shows};
use crate::support::server::SESSIONS;

#[tokio::test]
async fn a_file_has_all_that_fit_in_the_order_of_the_list_and_no_formula() {
    let place = place();
    let server = place.start().await;
    for n in 0..300_u64 {
        send(&server, run(u128::from(n) + 1, &format!("conv-{n:03}"), if n % 2 == 0 { "even" } else { "=odd()" }, n * 60)).await;
    }
    send(&server, run(999, HOSTILE, HOSTILE, 0)).await;
    shows(&server, 301).await;
    let visitor = Visitor::of(&server);
    let file = visitor.get("/sessions?format=csv&search=conv&agent=%3Dodd()&sort=session_id&limit=25&offset=25").await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"sessions.csv\"");
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let ids: Vec<String> = rows.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(ids, (0..300).filter(|n| n % 2 == 1).map(|n| format!("conv-{n:03}")).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| &row[10] == "'=odd()" && &row[1] == "1" && &row[4] == "2.0"), "{:?}", rows[0]);

    let lines = visitor.get(&format!("{SESSIONS}?format=ndjson&agent=%3Dodd()&search=conv&sort=session_id&include=errors")).await;
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let parsed: Vec<serde_json::Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed.iter().map(|line| line["session_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), ids);
    // Each line is what a page has.
    let page = server.json(&format!("{SESSIONS}?agent=%3Dodd()&search=conv&sort=session_id&include=errors&limit=100")).await;
    assert_eq!(page["results"].as_array().unwrap()[..], parsed[..100]);
    // Of a window, too, in which sessions that reach across it are asked for their runs.
    let window = "start=2026-02-07T10:30:00Z&end=2026-02-07T10:40:00Z";
    let counted = server.json(&format!("{SESSIONS}?{window}")).await["count"].as_u64().unwrap();
    assert_eq!(visitor.get(&format!("{SESSIONS}?format=ndjson&{window}")).await.text.lines().count() as u64, counted);
    assert_eq!(visitor.get(&format!("{SESSIONS}?format=xml")).await.status, StatusCode::BAD_REQUEST);
    // The list links to both with its filters.
    let list = visitor.get("/sessions?search=conv&sort=session_id").await;
    assert!(list.links().contains(&"/sessions?search=conv&sort=session_id&format=csv".to_owned()), "{:?}", list.links());
    list.says(
        "/api/v1/observability/sessions/?search=conv&amp;sort=session_id&amp;include=usage,users,errors,scores,note&amp;format=ndjson",
    );
}

#[tokio::test]
async fn columns_are_chosen_in_the_address_and_remembered_by_a_cookie() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "s", "planner", 0)).await;
    shows(&server, 1).await;
    let mut visitor = Visitor::of(&server);
    let few = visitor.get("/sessions?columns=cost&columns=runs").await;
    few.says("data-label=\"Cost\"");
    assert!(!few.text.contains("data-label=\"Tokens\""));
    assert!(few.links().iter().any(|link| link.contains("columns=cost%2Cruns")), "{:?}", few.links());
    assert_eq!(visitor.get("/sessions?columns=price").await.status, StatusCode::BAD_REQUEST);
    // What the form sends comes back as an address, and is remembered.
    let kept = visitor.get("/sessions?search=s&keep=columns&columns=cost").await;
    assert_eq!(kept.header("location"), "/sessions?search=s&columns=cost");
    let cookie = kept.header("set-cookie").to_owned();
    assert!(cookie.starts_with("sessionfold_columns=cost; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly"), "{cookie}");
    visitor.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    assert!(!visitor.get("/sessions").await.text.contains("data-label=\"Tokens\""));
    visitor.get("/sessions?columns=tokens").await.says("data-label=\"Tokens\"");
    let all = ["status", "runs", "last_activity", "first_run", "duration", "cost", "tokens", "agents", "users"];
    let all = all.map(|name| format!("columns={name}")).join("&");
    let forgotten = visitor.get(&format!("/sessions?keep=columns&{all}")).await;
    assert_eq!(forgotten.header("location"), "/sessions");
    assert!(forgotten.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn the_bars_above_the_list_lead_to_the_sessions_of_their_time() {
    let place = place();
    let server = place.start().await;
    for n in 0..60_u64 {
        send(&server, run(u128::from(n) + 1, &format!("conv-{n:02}"), if n < 6 { "early" } else { "late" }, n * 600)).await;
    }
    shows(&server, 60).await;
    let visitor = Visitor::of(&server);
    let page = visitor.get("/sessions").await;
    let bars: Vec<String> = page.links().into_iter().filter(|link| link.starts_with("/sessions?start=2026")).collect();
    assert!(bars.len() > 10, "{bars:?}");
    let mut n_all = 0;
    for bar in &bars {
        let found = visitor.get(&format!("{SESSIONS}{}", bar.trim_start_matches("/sessions"))).await;
        let found: serde_json::Value = serde_json::from_str(&found.text).unwrap();
        n_all += found["count"].as_u64().unwrap();
    }
    // No run of these reaches over an edge.
    assert_eq!(n_all, 60);
    let early = visitor.get("/sessions?agent=early").await;
    assert!(early.links().iter().filter(|link| link.starts_with("/sessions?agent=early&start=2026")).count() <= 6);
    visitor.get("/sessions?agent=early&start=2026-02-07").await.says(">Any time</a>");
    // A range of one's own goes before one that moves, which a form may still send.
    visitor.get("/sessions?last=15m&start=2026-02-07").await.says("60 sessions");
}
