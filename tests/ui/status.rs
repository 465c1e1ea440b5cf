//! The status of a real server, and who sees what of it.

use http::{Method, StatusCode};
use serde_json::Value;

use super::{Visitor, place, run, send, shows};
use crate::support::server::{SESSIONS, Server, until};
use crate::support::spans::request;

const PATH: &str = "/api/v1/status/";
const READER: &str = "wax_sk_reader_0123456789";
const OTHER: &str = "wax_sk_other_01234567890";

async fn json(server: &Server, key: &str) -> Value {
    server.client().with_key(key).json(PATH).await
}

#[tokio::test]
async fn it_tells_what_is_running_how_much_there_is_and_how_far_it_has_come() {
    let place = place();
    let server = place.start().await;
    send(&server, run(1, "s", "planner", 0)).await;
    shows(&server, 1).await;
    let mut status = Value::Null;
    until("it is all folded", async || {
        status = server.json(PATH).await;
        status["fold"]["lag_bytes"] == 0 && status["counts"]["sessions"] == 1
    })
    .await;
    assert_eq!(status["scope"], "server");
    // The machine of a test may be near its own limits.
    let machine = ["disk", "memory", "file_descriptors"];
    let warnings = status["warnings"].as_array().unwrap();
    assert!(warnings.iter().all(|warning| machine.contains(&warning["about"].as_str().unwrap())), "{status}");
    assert_eq!(status["status"] == "ok", warnings.is_empty());
    assert_eq!(status["server"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["server"]["http"], server.http.to_string());
    assert_eq!((&status["server"]["ready"], &status["journal"]["stopped"]), (&true.into(), &false.into()));
    assert_eq!(status["fold"]["position"], status["journal"]["end_position"]);
    assert_eq!(status["retention"]["oldest_session_at"], "2026-02-07T10:00:02Z");
    assert_eq!((&status["tempo"]["forwarding"], &status["counts"]["tenants"]), (&false.into(), &1.into()));
    assert!(status["journal"]["oldest_at"].is_string() && status["journal"]["used_bytes"].as_u64() > Some(100), "{status}");
    assert!(status["process"]["resident_bytes"].as_u64() > Some(1 << 20), "{status}");
    assert!(status["counts"]["connections"].as_u64() >= Some(1), "{status}");
    let visitor = Visitor::of(&server);
    let page = visitor.get("/status").await;
    for text in ["What to look at", "Journal on disk", "data-key=\"fold.lag_bytes\"", "File system of the data directory"] {
        page.says(text);
    }
    let program = visitor.send(Method::GET, "/status", &[("accept", "application/json")], "").await;
    assert_eq!(program.header("content-type"), "application/json");
    visitor.get("/sessions").await.says("href=\"/status\"");
}

#[tokio::test]
async fn tempo_that_is_away_and_a_misspelled_variable_are_warned_of_with_what_to_do() {
    let place = place().set("forward.tempo", "127.0.0.1:9").set("forward.gzipp", "true");
    let server = place.start().await;
    send(&server, run(1, "s", "planner", 0)).await;
    let mut warnings = Value::Null;
    until("both are warned of", async || {
        warnings = server.json(PATH).await["warnings"].clone();
        warnings.as_array().is_some_and(|found| found.iter().any(|it| it["about"] == "tempo"))
    })
    .await;
    let text = warnings.to_string();
    for words in
        ["Tempo does not answer", "sessionfold check --tempo", "SESSIONFOLD_FORWARD_GZIPP", "did you mean SESSIONFOLD_FORWARD_GZIP?"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let page = Visitor::of(&server).get("/status").await;
    page.says("did you mean SESSIONFOLD_FORWARD_GZIP?");
    page.says("127.0.0.1:9");
}

fn keys(other: &str) -> String {
    format!(
        "[auth]\nkeys = [\n{{ key = \"{READER}\", tenant = \"acme\", rights = [\"read\", \"ingest\"] }},\n\
         {{ key = \"{OTHER}\", tenant = \"{other}\", rights = [\"read\", \"ingest\"] }},\n]\n"
    )
}

#[tokio::test]
async fn a_tenant_sees_nothing_of_what_another_has() {
    let place = place().config(&keys("globex")).set("forward.tempo", "127.0.0.1:9").set("forward.gzipp", "true");
    let server = place.start().await;
    for (key, trace, session) in [(READER, 1, "ours"), (OTHER, 2, "theirs-1"), (OTHER, 3, "theirs-2")] {
        server.client().with_key(key).send(request(run(trace, session, "planner", trace as u64 * 100))).await.unwrap();
    }
    let others = server.client().with_key(OTHER);
    until("all are there", async || others.json(SESSIONS).await["count"] == 2).await;
    until("ours is there", async || server.client().with_key(READER).json(SESSIONS).await["count"] == 1).await;
    let (ours, theirs) = (json(&server, READER).await, json(&server, OTHER).await);
    assert_eq!((&ours["scope"], &ours["counts"]["sessions"], &theirs["counts"]["sessions"]), (&"tenant".into(), &1.into(), &2.into()));
    assert_eq!(ours["retention"]["oldest_session_at"], "2026-02-07T10:01:42Z");
    assert_eq!(theirs["retention"]["oldest_session_at"], "2026-02-07T10:03:22Z");
    for key in ["tenants", "open_traces", "connections"] {
        assert!(ours["counts"][key].is_null(), "{key}: {ours}");
    }
    // Addresses and names of variables are the operator's.
    for words in ["globex", "127.0.0.1", "GZIPP", "theirs"] {
        assert!(!ours.to_string().contains(words), "{words}: {ours}");
    }
    let visitor = Visitor::of(&server);
    let page = visitor.send(Method::GET, "/status", &[("x-wax-key", READER)], "").await;
    page.says("several tenants");
    assert!(!page.text.contains("globex") && !page.text.contains("127.0.0.1:9"));
    assert_eq!(visitor.get("/status").await.header("location"), "/login?next=%2Fstatus");
    assert_eq!(visitor.get(PATH).await.status, StatusCode::UNAUTHORIZED);
    let program = visitor.send(Method::GET, "/status", &[("accept", "application/json")], "").await;
    assert_eq!((program.status, program.header("content-type")), (StatusCode::UNAUTHORIZED, "application/json"));
}

#[tokio::test]
async fn keys_of_one_tenant_show_the_whole() {
    let place = place().config(&keys("acme"));
    let server = place.start().await;
    let status = json(&server, READER).await;
    assert_eq!((&status["scope"], &status["server"]["http"]), (&"server".into(), &server.http.to_string().into()));
}
