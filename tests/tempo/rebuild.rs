//! `sessionfold rebuild` gives back the index that was lost.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message;
use serde_json::{Value, json};

use crate::support::server::{Place, SESSIONS, Server, until};
use crate::support::spans::{MILLI, SECOND, Tell, agent, chat, request, request_of, span};
use crate::support::tempo::Tempo;
use crate::tool::plan::{Disorder, Plan, Source};
use crate::tool::run::World;
use crate::tool::shape::Shape;

fn nanos_now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

/// All that can be had in addition to what the API shows by default.
pub const ALL: &str = "usage,users,models,errors";

/// Everything the API shows: the pages of the list and every session.
pub async fn shown(server: &Server, include: &str) -> Vec<Value> {
    let mut shown = Vec::new();
    for offset in (0..).step_by(100) {
        let page = server.json(&format!("{SESSIONS}?limit=100&sort=session_id&offset={offset}&include={include}")).await;
        let results = page["results"].as_array().unwrap().clone();
        if results.is_empty() {
            return shown;
        }
        shown.push(page);
        for session in results {
            let id = utf8_percent_encode(session["session_id"].as_str().unwrap(), NON_ALPHANUMERIC).to_string();
            shown.push(server.json(&format!("{SESSIONS}{id}/?include={include}")).await);
        }
    }
    unreachable!()
}

fn command(place: &Place, tempo: &Tempo, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessionfold"));
    command.env_clear().args(["rebuild", "--json", "--from-tempo", &tempo.query_url(), "--data-dir"]).arg(place.data());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the command to its end; what it printed.
async fn rebuild(place: &Place, tempo: &Tempo, arguments: &[&str]) -> (Value, String) {
    let mut command = command(place, tempo, arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    (serde_json::from_slice(&output.stdout).unwrap(), errors)
}

/// Rebuilds into an empty directory until the API shows what it showed, since Tempo's search lags; gives what was said last.
pub async fn comes_back(place: &Place, tempo: &Tempo, before: &[Value], include: &str) -> Value {
    let began = Instant::now();
    loop {
        std::fs::remove_dir_all(place.data()).unwrap();
        let (said, _) = rebuild(place, tempo, &["--since", "22h"]).await;
        let server = place.start().await;
        let after = shown(&server, include).await;
        assert_eq!(server.terminate().await.code, Some(0));
        if after == before {
            return said;
        }
        if began.elapsed() > Duration::from_secs(60) {
            assert_eq!(before.len(), after.len(), "{said}");
            let differing: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
            panic!("{said}: {} of {} answers differ, such as\n{}\n{}", differing.len(), before.len(), differing[0].0, differing[0].1);
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
}

pub async fn everything_left(server: &Server) {
    until("everything is with tempo", async || {
        let text = server.get("/metrics").await.text;
        text.lines().any(|line| line == "sessionfold_forward_lag_bytes 0")
    })
    .await;
}

async fn send_load(server: &Server, sessions: u64, spread: u64) {
    let epoch = nanos_now() - spread - 10 * SECOND;
    let world = World { seed: 5, sessions, runs_per_session: 5, epoch, step: spread / (sessions * 5) };
    let disorder = Disorder { shuffle: Some(4), duplicates: 20, late_parents: 33 };
    let source = Source::new(Plan::new(world, disorder), Arc::new(Shape::new(105)), 256, false);
    for request in source {
        server.send(request.bytes).await.unwrap();
    }
}

/// Traces of every shape that the fold has a rule for; ids are drawn from `first`.
fn oddities(first: u128) -> Vec<Vec<Span>> {
    let start = nanos_now() - 600 * SECOND;
    let at = |spans: Vec<Span>, from: u64, length: u64| -> Vec<Span> {
        spans.into_iter().map(|span| span.between(start + from, start + from + length)).collect()
    };
    let id = |n: u128| (first + n) << 64 | 0x00aa;
    let long = "x".repeat(500);
    vec![
        // Nested runs of two sessions in one trace; a model with a price; a failed run.
        at(
            vec![
                agent(id(1), 1, 0, "planner").session("nested"),
                chat(id(1), 2, 1, (100, 20), 300),
                agent(id(1), 3, 1, "searcher").session("other").failed(),
                span(id(1), 4, 3)
                    .with("gen_ai.operation.name", "chat")
                    .with("gen_ai.request.model", "gpt-4o")
                    .with("gen_ai.provider.name", "openai")
                    .with("gen_ai.usage.input_tokens", 1_000_i64)
                    .with("gen_ai.usage.output_tokens", 10_i64),
            ],
            0,
            SECOND,
        ),
        // An unknown price; ids and names that need care.
        at(
            vec![
                agent(id(2), 1, 0, "агент \"x\"\n").with("waxell.session_id", &*format!("a/b \"{long}\" 💬")).with("waxell.user_id", "ü/1"),
                span(id(2), 2, 1)
                    .with("waxell.span_type", "llm_call")
                    .with("waxell.llm.model", "nobody-knows")
                    .with("waxell.llm.total_tokens", 77_i64),
            ],
            2 * SECOND,
            SECOND,
        ),
        // The root never comes: a provisional run. And a child whose parent is missing.
        at(vec![chat(id(3), 2, 1, (5, 5), 50).session("rootless")], 4 * SECOND, SECOND),
        at(vec![agent(id(4), 1, 0, "planner").session("gap"), chat(id(4), 9, 8, (7, 7), 70)], 6 * SECOND, SECOND),
        // A length of nothing, an end before the start, and a trace of more spans than Tempo returns of a trace.
        vec![agent(id(5), 1, 0, "swift").session("odd").between(start, start), chat(id(5), 2, 1, (1, 2), 3).between(start, start - SECOND)],
        at(
            std::iter::once(agent(id(6), 1, 0, "busy").session("large"))
                .chain((2..300).map(|n| chat(id(6), n, 1, (n as i64, 1), 10)))
                .collect(),
            8 * SECOND,
            SECOND,
        ),
        // Other dialects, with numbers as text.
        at(
            vec![
                span(id(7), 1, 0).with("openinference.span.kind", "AGENT").with("session.id", "dialects").with("agent.name", "phoenix"),
                span(id(7), 2, 1)
                    .with("openinference.span.kind", "LLM")
                    .with("llm.model_name", "m")
                    .with("llm.token_count.prompt", 12_i64)
                    .with("llm.token_count.completion", "8")
                    .with("llm.cost.total", "0.0125"),
                span(id(7), 3, 1).with("traceloop.span.kind", "tool").with("user.id", 42_i64),
            ],
            10 * SECOND,
            SECOND,
        ),
        // Nobody's.
        at(vec![span(id(8), 1, 0).with("http.method", "GET")], 12 * SECOND, SECOND),
    ]
}

/// A run whose session only the resource names.
fn resource_session() -> Bytes {
    let start = nanos_now() - 60 * SECOND;
    let spans = [agent(0x0dad << 64 | 0xaa, 1, 0, "resourceful"), chat(0x0dad << 64 | 0xaa, 2, 1, (3, 1), 40)];
    let spans: Vec<Span> = spans.into_iter().map(|span| span.between(start, start + SECOND)).collect();
    let mut request = ExportTraceServiceRequest::decode(request(spans)).unwrap();
    let attributes = span(1, 1, 0).with("session.id", "of the resource").with("service.name", "resourceful").attributes;
    request.resource_spans[0].resource = Some(Resource { attributes, ..Resource::default() });
    request.encode_to_vec().into()
}

/// A run that the SDK tells of over HTTP; gives its number.
async fn report(server: &Server, session: &str, calls: &[Value], complete: Value) -> String {
    let post = async |path: &str, body: Value| {
        let to = format!("http://{}/api/v1/observe/{path}", server.http);
        let headers = [("content-type", "application/json")];
        let answer = server.client().request(http::Method::POST, &to, &headers, body.to_string().into()).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text);
        answer.json()
    };
    let started =
        post("runs/start/", json!({ "agent_name": "caller", "workflow_name": "calling", "user_id": "u/1", "session_id": session })).await;
    let run = started["run_id"].as_str().unwrap().to_owned();
    if !calls.is_empty() {
        post(&format!("runs/{run}/llm-calls/"), json!({ "calls": calls })).await;
    }
    post(&format!("runs/{run}/complete/"), complete).await;
    run
}

fn call(tokens: (u64, u64), cost: f64) -> Value {
    json!({ "model": "house-model", "tokens_in": tokens.0, "tokens_out": tokens.1, "cost": cost, "task": "chat.completions" })
}

#[tokio::test]
async fn an_index_that_was_lost_comes_back_as_it_was() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;
    send_load(&server, 300, 120 * SECOND).await;
    for spans in oddities(0x0bad) {
        server.send(request_of("some.scope", spans)).await.unwrap();
    }
    server.send(resource_session()).await.unwrap();
    everything_left(&server).await;
    // Late: a call after its run left, in another block of Tempo's by then, and a root after its calls.
    let start = nanos_now() - 590 * SECOND;
    let late = |span: Span| span.between(start, start + MILLI);
    server.send(request([late(chat(0x0bae << 64 | 0xaa, 30, 1, (4, 1), 100))])).await.unwrap();
    everything_left(&server).await;

    let before = shown(&server, ALL).await;
    assert_eq!(server.terminate().await.code, Some(0));
    let said = comes_back(&place, &tempo, &before, ALL).await;
    assert_eq!((&said["streaming"], &said["reported_runs"]), (&json!(true), &json!(0)), "{said}");
    // A second time adds nothing; as far back as it goes by itself, which is longer than Tempo answers at once.
    rebuild(&place, &tempo, &[]).await;
    let server = place.start().await;
    assert_eq!(shown(&server, ALL).await, before);
    // What comes after it counts once, also a repetition.
    server.send(request([late(chat(0x0bae << 64 | 0xaa, 30, 1, (4, 1), 100))])).await.unwrap();
    server.send(request([late(chat(0x0bae << 64 | 0xaa, 31, 1, (2, 1), 7))])).await.unwrap();
    let nested = async || (server.json(&format!("{SESSIONS}nested/")).await["aggregates"]["total_cost"].as_f64().unwrap() * 1e9).round();
    until("the new call counts", async || nested().await == 407_000.0).await;
}

#[tokio::test]
async fn runs_that_the_sdk_told_of_over_http_come_back_with_their_numbers_and_their_money() {
    let mut tempo = Tempo::prepare(&[("TEMPO_STREAM", "false")]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "500ms");
    let server = place.start().await;
    let start = nanos_now() - 30 * SECOND;
    let timed = |spans: Vec<Span>| -> Vec<Span> { spans.into_iter().map(|span| span.between(start, start + SECOND)).collect() };
    let named =
        |trace: u128, status: &str| json!({ "status": status, "trace_id": format!("{trace:032x}"), "root_span_id": "0000000000000001" });

    // Only over HTTP; with a trace that was never sampled; failed; without a call.
    report(&server, "http", &[call((70, 7), 0.0125), call((1, 1), 0.5)], json!({ "status": "success" })).await;
    report(&server, "http", &[call((9, 9), 0.25)], named(0xbb << 64 | 1, "success")).await;
    report(&server, "http", &[], json!({ "status": "error", "error": "killed" })).await;
    report(&server, "http", &[], json!({ "status": "blocked" })).await;
    // Both paths: the same calls; one that only HTTP tells of; one that the spans tell of twice, as echoes do.
    for (n, calls, spans) in [
        (1, vec![call((100, 20), 0.0003)], vec![(100, 20, 300)]),
        (2, vec![call((100, 20), 0.0003), call((5, 5), 0.002)], vec![(100, 20, 300)]),
        (3, vec![call((100, 20), 0.0003)], vec![(100, 20, 300), (100, 20, 300), (6, 6, 60)]),
    ] {
        let trace = (0xcc_u128 + n) << 64 | 1;
        let number = report(&server, "both", &calls, named(trace, if n == 2 { "error" } else { "success" })).await;
        let own = agent(trace, 1, 0, "caller")
            .with("waxell.session_id", "both")
            .with("waxell.workflow_name", "calling")
            .with("waxell.user_id", "u/1")
            .with("waxell.run_id", &*number);
        let own = if n == 2 { own.failed() } else { own };
        let chats = spans.iter().zip(2..).map(|((input, output, micro), n)| chat(trace, n, 1, (*input, *output), *micro));
        server.send(request(timed(chats.chain([own]).collect()))).await.unwrap();
    }
    everything_left(&server).await;
    let before = shown(&server, "users,errors").await;
    assert_eq!(server.terminate().await.code, Some(0));
    let said = comes_back(&place, &tempo, &before, "users,errors").await;
    assert_eq!(
        (&said["streaming"], &said["reported_runs"], &said["runs_with_other_sums"]),
        (&json!(false), &json!(7), &json!(0)),
        "{said}"
    );
    assert!(said["not_given_back"][0].as_str().unwrap().contains("of 7 runs that the SDK reported over HTTP"), "{said}");

    // Into the index that still has them: nothing is told twice.
    rebuild(&place, &tempo, &["--since", "1h"]).await;
    let server = place.start().await;
    assert_eq!(shown(&server, "users,errors").await, before);
}

#[tokio::test]
async fn a_rebuild_that_is_killed_goes_on_and_a_damaged_index_keeps_its_deletions_and_notes() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;
    // Over many windows.
    send_load(&server, 200, 20 * 3600 * SECOND).await;
    everything_left(&server).await;
    let first = server.json(&format!("{SESSIONS}?limit=1&sort=session_id")).await["results"][0]["session_id"].clone();
    let deleted = server.delete(&format!("{SESSIONS}{}/", first.as_str().unwrap())).await;
    assert!(deleted.status.is_success(), "{}", deleted.text);
    let second = server.json(&format!("{SESSIONS}?limit=1&sort=session_id")).await["results"][0]["session_id"].clone();
    let to = format!("http://{}{SESSIONS}{}/note/", server.http, second.as_str().unwrap());
    let body = r#"{"bookmarked":true,"note":"ticket 1234"}"#;
    assert!(server.client().request(http::Method::PUT, &to, &[], body.into()).await.unwrap().status.is_success());
    let noted = async |server: &Server| server.json(&format!("{SESSIONS}?bookmarked=true&include=note")).await;
    let note_before = noted(&server).await;
    assert_eq!(note_before["count"], 1);
    let before = shown(&server, ALL).await;
    assert_eq!(before.len(), 2 + 199, "two pages, and every session but the deleted one");
    assert_eq!(server.terminate().await.code, Some(0));

    // Pages in the middle of the database are overwritten; the deletions are read out of what is left.
    let database = place.data().join("index.sqlite");
    let db = rusqlite::Connection::open(&database).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    let sound = std::fs::read(&database).unwrap();
    let began = Instant::now();
    loop {
        let mut damaged = sound.clone();
        let middle = damaged.len() / 2 / 4096 * 4096;
        damaged[middle..middle + 16 * 4096].fill(0xa5);
        std::fs::write(&database, damaged).unwrap();
        let mut broken_off = 0;
        // Killed after its first window, and again; then it may come to its end.
        loop {
            let mut running = command(&place, &tempo, &["--since", "22h"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let bookmark = place.data().join("rebuild.json");
            let was = std::fs::read(&bookmark).ok();
            let ended = loop {
                if let Some(status) = running.try_wait().unwrap() {
                    break Some(status);
                }
                if broken_off < 4 && std::fs::read(&bookmark).ok() != was {
                    running.kill().unwrap();
                    running.wait().unwrap();
                    break None;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            };
            match ended {
                Some(status) => {
                    assert!(status.success());
                    break;
                }
                None => broken_off += 1,
            }
        }
        let server = place.start().await;
        let (after, note_after) = (shown(&server, ALL).await, noted(&server).await);
        assert_eq!(server.terminate().await.code, Some(0));
        assert!(place.data().join("index.sqlite.old").exists(), "the damaged one is kept");
        if after == before {
            assert_eq!((broken_off, &note_after), (4, &note_before));
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{} answers, not {}", after.len(), before.len());
        tokio::time::sleep(Duration::from_millis(700)).await;
    }

    // Gone, while its journal goes on: refused by the server, taken by the command.
    let server = place.start().await;
    server.send(request([agent(7 << 64 | 7, 1, 0, "x").session("new").between(nanos_now() - SECOND, nanos_now())])).await.unwrap();
    everything_left(&server).await;
    assert_eq!(server.terminate().await.code, Some(0));
    let (said, errors) = rebuild(&place, &tempo, &["--since", "22h", "--fresh"]).await;
    assert!(errors.contains("begins anew: a fresh one was asked for") && errors.contains("the 1 deleted sessions"), "{errors}");
    assert!(errors.contains("the 1 notes and bookmarks of sessions that it had are kept"), "{errors}");
    assert!(said["runs"].as_u64() >= Some(995), "{said}");
}

#[tokio::test]
async fn a_tenant_gets_back_its_own_runs() {
    let mut tempo = Tempo::prepare(&[("TEMPO_MULTITENANCY", "true")]);
    tempo.start().await;
    let keys = "[auth]\nkeys = [{ key = \"wax_sk_first_0123456789\", tenant = \"acme\" }, { key = \"wax_sk_second_0123456789\", tenant = \"globex\" }]\n";
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "500ms").config(keys);
    let server = place.start().await;
    let start = nanos_now() - 30 * SECOND;
    for (key, trace) in [("wax_sk_first_0123456789", 1_u128 << 64 | 7), ("wax_sk_second_0123456789", 2 << 64 | 7)] {
        let spans = [agent(trace, 1, 0, "planner").session("s"), chat(trace, 2, 1, (1, 1), 5)];
        let spans = spans.into_iter().map(|span| span.between(start, start + SECOND));
        server.client().with_key(key).send(request(spans)).await.unwrap();
    }
    until("both are with tempo", async || {
        let metrics = server.client().with_key("wax_sk_first_0123456789").call(http::Method::GET, "/metrics").await.text;
        metrics.contains("\nsessionfold_forward_stamped_spans_total 4\n") && metrics.contains("\nsessionfold_forward_lag_bytes 0\n")
    })
    .await;
    let mut beside = command(&place, &tempo, &["--tenant", "acme"]);
    let refused = tokio::task::spawn_blocking(move || beside.output().unwrap()).await.unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && words.contains("stop it first"), "{words}");
    assert_eq!(server.terminate().await.code, Some(0));

    let mut nobody = command(&place, &tempo, &["--since", "1h"]);
    let refused = tokio::task::spawn_blocking(move || nobody.output().unwrap()).await.unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && words.contains("name it with --tenant"), "{words}");
    let began = Instant::now();
    loop {
        std::fs::remove_dir_all(place.data()).unwrap();
        let (said, _) = rebuild(&place, &tempo, &["--since", "1h", "--tenant", "acme"]).await;
        assert!(said["runs"].as_u64() <= Some(1), "{said}");
        if said["traces"] == 1 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{said}");
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let server = place.start().await;
    for (key, n) in [("wax_sk_first_0123456789", 1), ("wax_sk_second_0123456789", 0)] {
        let list = server.client().with_key(key).json(SESSIONS).await;
        assert_eq!(list["count"], n, "{key}");
    }
}
