//! Where a visit begins: at the overview where there is enough for it, else at the list.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};

use super::{Page, Visitor, place, send};
use crate::support::server::{SESSIONS, Server, until};
use crate::support::spans::{SECOND, Tell, agent};

const DAY: u64 = 86_400 * SECOND;

/// So many runs of ten sessions, a second apart, of which the last ended so long ago.
async fn with_runs(server: &Server, n_runs: u64, ago: u64) {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 - ago;
    let run = |n: u64| {
        let name = format!("s{}-{}", ago / DAY, n % 10);
        agent(u128::from(ago + n + 1), 1, 0, "planner").session(&name).between(end - (n + 2) * SECOND, end - n * SECOND)
    };
    let before = n_runs_of(server).await;
    send(server, (0..n_runs).map(run)).await;
    until("all runs are there", async || n_runs_of(server).await == before + n_runs).await;
}

async fn n_runs_of(server: &Server) -> u64 {
    let list = server.json(SESSIONS).await;
    list["results"].as_array().unwrap().iter().map(|session| session["run_count"].as_u64().unwrap()).sum()
}

#[track_caller]
fn leads_to(answer: &Page, status: StatusCode, to: &str) {
    assert_eq!((answer.status, answer.header("location"), answer.header("cache-control")), (status, to, "no-store"));
}

#[tokio::test]
async fn a_visit_begins_at_the_overview_once_there_is_enough_for_it() {
    let place = place();
    let server = place.start().await;
    let visitor = Visitor::of(&server);
    for path in ["/", "/?"] {
        leads_to(&visitor.get(path).await, StatusCode::SEE_OTHER, "/sessions");
    }
    // Whatever there was once, the overview would have nothing to show of the last day.
    with_runs(&server, 60, 3 * DAY).await;
    leads_to(&visitor.get("/").await, StatusCode::SEE_OTHER, "/sessions");
    with_runs(&server, 29, 0).await;
    leads_to(&visitor.get("/").await, StatusCode::SEE_OTHER, "/sessions");
    with_runs(&server, 1, 3_600 * SECOND).await;
    for method in [Method::GET, Method::HEAD] {
        leads_to(&visitor.send(method, "/", &[], "").await, StatusCode::SEE_OTHER, "/overview");
    }
    // From each of them it is one click to the other.
    for page in ["/overview", "/sessions"] {
        let links = visitor.get(page).await.links();
        assert!(links.contains(&"/overview".to_owned()) && links.contains(&"/sessions".to_owned()), "{page}: {links:?}");
    }
    server.kill().await;
    let server = place.start().await;
    leads_to(&Visitor::of(&server).get("/").await, StatusCode::SEE_OTHER, "/overview");
}

#[tokio::test]
async fn addresses_of_the_list_that_were_kept_still_lead_there() {
    let place = place();
    let server = place.start().await;
    with_runs(&server, 40, 0).await;
    let visitor = Visitor::of(&server);
    for query in ["search=a%2Fb+c&status=error", "last=24h", "format=csv", "sort=nonsense", "x=%FF", "y"] {
        for path in ["/", "/sessions/"] {
            leads_to(&visitor.get(&format!("{path}?{query}")).await, StatusCode::PERMANENT_REDIRECT, &format!("/sessions?{query}"));
        }
    }
    leads_to(&visitor.get("/sessions/").await, StatusCode::PERMANENT_REDIRECT, "/sessions");
    // A list that was open when the server became a newer one, and comes back for what has changed.
    for (path, to) in [("/", "/sessions"), ("/?search=s", "/sessions?search=s")] {
        let answer = visitor.send(Method::GET, path, &[("accept", "text/event-stream")], "").await;
        leads_to(&answer, StatusCode::PERMANENT_REDIRECT, to);
    }
}
