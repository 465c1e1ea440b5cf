//! Deletions, notes and tenants across kills.

use super::shown::{everything, list};
use super::traffic::now;
use crate::support::server::{Place, RemoteServer, SESSIONS, until};
use crate::support::spans::{SECOND, Tell, agent, chat, request};

async fn run_counts(client: &RemoteServer) -> Vec<(String, usize)> {
    everything(client).await.into_iter().map(|(id, (_, runs))| (id, runs.len())).collect()
}

/// By the list alone: while something still comes, the detail may know more.
async fn wait_for(client: &RemoteServer, wanted: &[(&str, u64)]) {
    let wanted: Vec<_> = wanted.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect();
    let counts = async || -> Vec<_> {
        let line = |line: serde_json::Value| (line["session_id"].as_str().unwrap().to_owned(), line["run_count"].as_u64().unwrap());
        list(client).await.into_iter().map(line).collect()
    };
    until(&format!("{wanted:?}"), async || counts().await == wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_was_answered_survives_a_kill_and_late_spans() {
    let place = Place::new().set("fold.checkpoint_interval", "1h");
    let mut server = place.start().await;
    let at = now().0 - 60 * SECOND;
    let old = || [agent(1, 1, 0, "a").session("s").between(at, at + SECOND), agent(2, 1, 0, "a").session("kept").between(at, at + SECOND)];
    server.send(request(old())).await.unwrap();
    wait_for(&server.client(), &[("kept", 1), ("s", 1)]).await;
    let answer = server.delete(&format!("{SESSIONS}s/")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["deleted_runs"]), (200, &serde_json::json!(1)), "{}", answer.text);
    // No waiting: the answer comes after the effect.
    assert_eq!(server.get(&format!("{SESSIONS}s/")).await.status.as_u16(), 404);
    for round in 0..3_u64 {
        server.kill().await;
        server = place.start().await;
        let client = server.client();
        let sum = usize::try_from(round).unwrap();
        let mut wanted = vec![("kept".to_owned(), 1)];
        wanted.extend((round > 0).then(|| ("s".to_owned(), sum)));
        assert_eq!(run_counts(&client).await, wanted, "round {round}");
        let late = chat(1, 10 + round, 1, (1, 1), 1).session("s").between(at, at + SECOND);
        server.send(request(old().into_iter().chain([late]))).await.unwrap();
        // What starts later begins the session anew; it also shows that what came before it was folded.
        let next = now().0 + SECOND;
        server.send(request([agent(10 + u128::from(round), 1, 0, "a").session("s").between(next, next + SECOND)])).await.unwrap();
        wait_for(&client, &[("kept", 1), ("s", round + 1)]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_never_see_each_other_before_and_after_kills() {
    let keys = "[auth]\nkeys = [{ key = \"wax_sk_acme\", tenant = \"acme\" }, { key = \"wax_sk_other\", tenant = \"other\" }]\n";
    let place = Place::new().config(keys).set("fold.checkpoint_interval", "20ms");
    let mut server = place.start().await;
    let at = now().0 - 60 * SECOND;
    let both = |server: &crate::support::server::Server| {
        let client = server.client();
        (client.clone().with_key("wax_sk_acme"), client.with_key("wax_sk_other"))
    };
    let spans = |name: &str, tokens| {
        [agent(1, 1, 0, name).session("s").between(at, at + SECOND), chat(1, 2, 1, (tokens, 0), 1).between(at, at + SECOND)]
    };
    let (acme, other) = both(&server);
    acme.send(request(spans("of-acme", 7))).await.unwrap();
    other.send(request(spans("of-other", 70))).await.unwrap();
    other.send(request([agent(2, 1, 0, "of-other").session("s").between(at, at + SECOND)])).await.unwrap();
    wait_for(&acme, &[("s", 1)]).await;
    wait_for(&other, &[("s", 2)]).await;
    for _ in 0..2 {
        let (acme, other) = both(&server);
        for (client, n_runs, tokens, name) in [(&acme, 1, 7, "of-acme"), (&other, 2, 70, "of-other")] {
            let detail = client.json(&format!("{SESSIONS}s/")).await;
            assert_eq!(detail["runs"].as_array().unwrap().len(), n_runs);
            assert_eq!(detail["aggregates"]["total_tokens"], tokens);
            let agents = client.json("/api/v1/observability/agents/").await;
            assert_eq!((agents["count"].as_u64(), agents["results"][0]["name"].as_str()), (Some(1), Some(name)));
        }
        assert_eq!(server.get(SESSIONS).await.status.as_u16(), 401);
        assert_eq!(server.client().with_key("wax_sk_nobody").call(http::Method::GET, SESSIONS).await.status.as_u16(), 401);
        server.kill().await;
        server = place.start().await;
    }
    let (acme, other) = both(&server);
    assert_eq!(acme.call(http::Method::DELETE, &format!("{SESSIONS}s/")).await.status.as_u16(), 200);
    assert_eq!((run_counts(&acme).await, run_counts(&other).await), (vec![], vec![("s".into(), 2)]));
    server.kill().await;
    server = place.start().await;
    let (acme, other) = both(&server);
    assert_eq!((run_counts(&acme).await, run_counts(&other).await), (vec![], vec![("s".into(), 2)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_that_was_answered_survives_a_kill_and_goes_with_its_session() {
    let place = Place::new().set("fold.checkpoint_interval", "1h");
    let mut server = place.start().await;
    let at = now().0 - 60 * SECOND;
    server.send(request([agent(1, 1, 0, "a").session("s").between(at, at + SECOND)])).await.unwrap();
    wait_for(&server.client(), &[("s", 1)]).await;
    let note = format!("{SESSIONS}s/note/");
    let body = r#"{"bookmarked":true,"note":"ticket 1234"}"#;
    let answer = server.client().request(http::Method::PUT, &format!("http://{}{note}", server.http), &[], body.into()).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    for _ in 0..2 {
        server.kill().await;
        server = place.start().await;
        assert_eq!(server.json(&note).await, answer.json());
        let list = server.json(&format!("{SESSIONS}?bookmarked=true&include=note")).await;
        assert_eq!((&list["count"], &list["results"][0]["note"]), (&1.into(), &"ticket 1234".into()));
    }
    assert_eq!(server.delete(&format!("{SESSIONS}s/")).await.status.as_u16(), 200);
    server.kill().await;
    server = place.start().await;
    assert_eq!(server.get(&note).await.status.as_u16(), 404);
}
