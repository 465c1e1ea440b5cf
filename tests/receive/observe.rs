//! The door of the Waxell SDK: what it reads of each answer, what it never hears, and what becomes of what it posts.

use std::time::Duration;

use serde_json::{Value, json};
use sessionfold::auth::{Authenticator, KeyEntry, Keys, Right};
use sessionfold::ingest::Options;
use sessionfold::model::ids::{RunId, Tenant};
use sessionfold::model::report::EventKind;
use sessionfold::store::{AcceptError, RunPost};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::*;

const BASE: &str = "/api/v1/observe";

async fn observe() -> Door {
    open_observe(Authenticator::off(), Options::default(), None).await
}

async fn guarded() -> Door {
    let entry = |key: &str, right| KeyEntry { key: key.into(), tenant: Tenant::new("blue").unwrap(), rights: vec![right] };
    let keys = Keys::new(vec![entry("ingest-blue", Right::Ingest), entry("read-only", Right::Read)]).unwrap();
    open_observe(Authenticator::with_keys(keys), Options::default(), None).await
}

async fn post(door: &Door, path: &str, body: Value) -> Answer {
    door.post(&format!("{BASE}{path}"), &[JSON], body.to_string()).await
}

async fn get(door: &Door, path: &str, headers: &[(&str, &str)]) -> Answer {
    door.send("GET", &format!("{BASE}{path}"), headers, "", false).await
}

/// The run that `runs/start/` gives.
async fn started(door: &Door) -> String {
    let answer = post(door, "/runs/start/", json!({ "agent_name": "bot" })).await;
    answer.json()["run_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn config_names_the_address_that_the_sdk_used_or_the_one_that_is_configured() {
    let door = observe().await;
    let here = format!("http://{}", door.address);
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[], &here),
        (&[("x-forwarded-host", "traces.example"), ("x-forwarded-proto", "https")], "https://traces.example"),
        (&[("x-forwarded-host", "a.example:8443, inner")], "http://a.example:8443"),
        (&[("host", "box:8080")], "http://box:8080"),
    ];
    for (headers, endpoint) in cases {
        let answer = get(&door, "/config/", headers).await;
        assert_eq!((answer.status.as_u16(), answer.json()["otel_endpoint"].as_str()), (200, Some(endpoint)));
        assert_eq!(answer.json()["tenant_id"], "default");
    }
    let door = open_observe(Authenticator::off(), Options::default(), Some("https://fold.example/base/")).await;
    let answer = get(&door, "/config/", &[("x-forwarded-host", "x")]).await;
    assert_eq!(answer.json()["otel_endpoint"], "https://fold.example/base");
}

#[tokio::test]
async fn a_start_gives_ids_that_are_strings_and_no_two_are_alike() {
    let door = observe().await;
    let mut ids = std::collections::BTreeSet::new();
    for path in ["/runs/start/", "/runs/start"] {
        let answer = post(&door, path, json!({ "agent_name": "bot", "session_id": "s" })).await;
        assert_eq!(answer.status, 201);
        let body = answer.json();
        let run = RunId::from_minted(body["run_id"].as_str().unwrap()).unwrap();
        assert_eq!(body["workflow_id"], format!("wf-{run}"));
        assert!(body["started_at"].as_str().unwrap().ends_with('Z'));
        ids.insert(run);
    }
    let posts = door.store.posts();
    let given: std::collections::BTreeSet<RunId> = posts.iter().filter_map(|(_, post)| post.run).collect();
    assert_eq!((ids.len(), given), (2, ids));
    assert!(posts.iter().all(|(tenant, post)| *tenant == Tenant::default() && post.kind == EventKind::Start));
}

#[tokio::test]
async fn every_post_about_a_run_is_kept_as_it_came_and_allows_the_agent_to_go_on() {
    let door = observe().await;
    let run = started(&door).await;
    for (what, kind, status) in [
        ("llm-calls", EventKind::LlmCalls, 201),
        ("steps", EventKind::Steps, 201),
        ("spans", EventKind::Spans, 201),
        ("scores", EventKind::Scores, 201),
        ("partial", EventKind::Partial, 201),
        ("complete", EventKind::Complete, 200),
    ] {
        for (slash, body) in [("/", "{\"a\": [1,  2]}"), ("", "not JSON at all \u{1}"), ("/", ""), ("/", "[]")] {
            let answer = door.post(&format!("{BASE}/runs/{run}/{what}{slash}"), &[JSON], body).await;
            assert_eq!((answer.status.as_u16(), answer.json()["governance"]["action"].as_str()), (status, Some("allow")), "{what}");
            let (_, last) = door.store.posts().pop().unwrap();
            assert_eq!(last, RunPost { kind, run: RunId::from_minted(&run), body: body.into() });
        }
    }
    assert_eq!(post(&door, &format!("/runs/{run}/complete/"), json!({})).await.json()["run_id"], run);
    assert_eq!(door.metric("sessionfold_receive_posts_total{endpoint=\"steps\",outcome=\"accepted\"}"), 4);
}

#[tokio::test]
async fn what_the_sdk_asks_for_has_the_fields_that_it_reads() {
    let door = observe().await;
    let check = post(&door, "/policy-check/", json!({ "agent_name": "bot" })).await;
    assert_eq!((check.status.as_u16(), &check.json()["action"], &check.json()["metadata"]), (200, &json!("allow"), &json!({})));
    let manifest = get(&door, "/policy-manifest/?agent_name=bot&workflow_name=default", &[]).await.json();
    assert_eq!((&manifest["manifest_version"], &manifest["policies"]), (&json!("1"), &json!([])));
    assert!((5..=3_600).contains(&manifest["ttl_seconds"].as_u64().unwrap()));
    assert_eq!((&manifest["checkpoints"], &manifest["surfaces"]), (&json!([]), &json!({})));
    let guard = post(&door, "/prompt-guard/", json!({ "text": "x" })).await.json();
    assert_eq!((&guard["action"], &guard["violations"]), (&json!("allow"), &json!([])));
    let decision = post(&door, "/governance-decision/", json!({ "decisions": [] })).await;
    assert_eq!((decision.status.as_u16(), &decision.json()["run_found"]), (200, &json!(true)));
    assert!(post(&door, "/events/", json!({ "events": [{}] })).await.status.is_success());
    let llm = get(&door, "/llm-config/manifest/", &[]).await.json();
    assert_eq!((&llm["schema_version"], &llm["instances"]), (&json!(1), &json!([])));
    let memory = door.post("/api/v1/observability/runs/7/memory/episodic/", &[JSON], "{}").await;
    assert_eq!(memory.status, 201);
    let prompt = get(&door, "/prompts/greet/?label=x", &[]).await;
    assert_eq!(prompt.status, 404);
    assert!(prompt.text().contains("keeps no prompts"));
    let kinds: Vec<_> = door.store.posts().iter().map(|(_, post)| (post.kind, post.run)).collect();
    assert_eq!(kinds, [(EventKind::Other, None); 3]);
}

#[tokio::test]
async fn an_id_that_is_none_of_ours_is_quiet_and_so_is_what_nobody_knows() {
    let door = observe().await;
    for path in ["/runs//llm-calls/", "/runs/run_abc/steps/", "/runs/0/complete/", "/runs/9007199254740992/spans/", "/runs/1/news/"] {
        let answer = post(&door, path, json!({ "calls": [] })).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({})), "{path}");
    }
    for path in ["/news/", "/agents/bot/heartbeat/", "/runs/"] {
        assert_eq!(post(&door, path, json!({})).await.status, 200, "{path}");
    }
    assert_eq!(get(&door, "/news/", &[]).await.status, 404);
    assert!(door.store.posts().is_empty());
}

#[tokio::test]
async fn without_a_key_the_first_words_of_the_answer_say_what_to_do() {
    let door = guarded().await;
    for path in ["/config/", "/policy-manifest/"] {
        assert_eq!(get(&door, path, &[]).await.status, 401, "{path}");
    }
    for path in ["/runs/start/", "/policy-check/", "/runs/1099511627776/llm-calls/", "/news/"] {
        let answer = door.post(&format!("{BASE}{path}"), &[JSON, ("x-wax-key", "wrong")], "{}").await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        let shown: String = answer.text().chars().take(200).collect();
        assert!(shown.contains("Authentication credentials were not provided") && shown.contains("WAXELL_API_KEY"), "{shown}");
    }
    let answer = door.post(&format!("{BASE}/runs/start/"), &[JSON, ("x-wax-key", "read-only")], "{}").await;
    assert_eq!(answer.status, 403);
    assert!(answer.json()["detail"].as_str().unwrap().contains("ingest"));
    assert!(door.store.posts().is_empty());
    for key in [("x-wax-key", "ingest-blue"), ("authorization", "Bearer ingest-blue")] {
        let answer = door.send("GET", &format!("{BASE}/config/"), &[key], "", false).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["tenant_id"]), (200, &json!("blue")));
        assert_eq!(door.post(&format!("{BASE}/runs/start/"), &[JSON, key], "{}").await.status, 201);
    }
    assert!(door.store.posts().iter().all(|(tenant, _)| tenant.as_str() == "blue"));
}

#[tokio::test]
async fn a_full_journal_is_a_quota_that_the_sdk_does_not_wait_for() {
    let door = observe().await;
    door.store.refuse(Some(AcceptError::Full("it has no room".into())));
    for path in ["/runs/start/", "/runs/1099511627776/llm-calls/", "/runs/1099511627776/complete/", "/events/"] {
        let answer = post(&door, path, json!({})).await;
        assert_eq!(answer.status, 429, "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("quota"), "{path}");
    }
    // What writes nothing is answered as ever.
    assert_eq!(post(&door, "/policy-check/", json!({})).await.status, 200);
    assert_eq!(get(&door, "/config/", &[]).await.status, 200);
    door.store.refuse(None);
    assert_eq!(post(&door, "/runs/start/", json!({})).await.status, 201);
    assert!(door.store.unanswered_posts().is_empty(), "a refusal is an answer");
}

#[tokio::test]
async fn bodies_may_be_compressed_and_may_not_be_too_large() {
    let door = open_observe(Authenticator::off(), Options { max_request_bytes: 1_000, ..Options::default() }, None).await;
    let body = json!({ "agent_name": "bot" }).to_string();
    for (coding, bytes) in [("gzip", gzip(body.as_bytes())), ("deflate", zlib(body.as_bytes())), ("zstd", zstd(body.as_bytes()))] {
        assert_eq!(door.post(&format!("{BASE}/runs/start/"), &[JSON, ("content-encoding", coding)], bytes).await.status, 201, "{coding}");
    }
    assert!(door.store.posts().iter().all(|(_, post)| post.body == body));
    let large = "x".repeat(1_001);
    assert_eq!(door.post(&format!("{BASE}/runs/start/"), &[JSON], large.clone()).await.status, 413);
    let grown = gzip(large.as_bytes());
    assert_eq!(door.post(&format!("{BASE}/runs/start/"), &[JSON, ("content-encoding", "gzip")], grown).await.status, 413);
    assert_eq!(door.post(&format!("{BASE}/runs/start/"), &[JSON, ("content-encoding", "gzip")], "no gzip").await.status, 400);
    assert_eq!(door.store.posts().len(), 3);
}

#[tokio::test]
async fn a_sender_that_leaves_before_its_answer_is_noted() {
    let door = observe().await;
    let run = started(&door).await;
    door.store.arrived(1).await;
    door.store.hold();
    let body = r#"{"calls":[{"model":"m"}]}"#;
    let mut sender = TcpStream::connect(door.address).await.unwrap();
    let head = format!(
        "POST {BASE}/runs/{run}/llm-calls/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    sender.write_all(head.as_bytes()).await.unwrap();
    door.store.arrived(1).await;
    drop(sender);
    let noted = async {
        while door.store.unanswered_posts().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noted).await.unwrap();
    let noted = RunPost { kind: EventKind::LlmCalls, run: RunId::from_minted(&run), body: body.into() };
    assert_eq!(door.store.unanswered_posts(), [(Tenant::default(), noted)]);
    door.store.let_go(10);
    // One that waits hears its answer, and nothing is noted.
    assert_eq!(post(&door, &format!("/runs/{run}/steps/"), json!({})).await.status, 201);
    assert_eq!(door.store.unanswered_posts().len(), 1);
}

/// Nothing tells it from one that left, so it is noted as that; it hears its answer all the same.
#[tokio::test]
async fn a_sender_that_ends_its_side_hears_its_answer() {
    let door = observe().await;
    let run = started(&door).await;
    door.store.arrived(1).await;
    door.store.hold();
    let mut sender = TcpStream::connect(door.address).await.unwrap();
    let head =
        format!("POST {BASE}/runs/{run}/steps/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
    sender.write_all(head.as_bytes()).await.unwrap();
    sender.shutdown().await.unwrap();
    door.store.arrived(1).await;
    let noted = async {
        while door.store.unanswered_posts().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noted).await.unwrap();
    door.store.let_go(1);
    let mut answer = Vec::new();
    sender.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(door.store.unanswered_posts().len(), 1);
}
