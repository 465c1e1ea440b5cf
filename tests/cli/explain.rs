//! `sessionfold explain` against a real server: every number with its attribute, and everything that does not count with its rule.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

use http::StatusCode;
use serde_json::Value;

use super::{FAILURE, USAGE, check_says, refused, run};
use crate::support::server::{Place, SESSIONS, Server, until};
use crate::support::spans::{MILLI, TEN, Tell, agent, chat, request, request_of};

async fn served(place: &Place) -> Server {
    let server = place.start().await;
    let bot = agent(1, 1, 0, "bot").session("conv").with("gen_ai.usage.input_tokens", 30);
    let outer = chat(1, 2, 1, (20, 5), 0).with("gen_ai.usage.cache_read_input_tokens", 4);
    let inner = chat(1, 3, 2, (20, 5), 700);
    server.send(request([bot, outer, inner])).await.unwrap();
    // Two instrumentations, side by side, in another run of the session.
    let bot = agent(2, 1, 0, "helper").session("conv").between(TEN + 5 * MILLI, TEN + 90 * MILLI);
    let one = chat(2, 2, 1, (8, 1), 10).between(TEN + 10 * MILLI, TEN + 50 * MILLI);
    server.send(request([bot, one])).await.unwrap();
    let other = chat(2, 3, 1, (8, 1), 10).between(TEN + 11 * MILLI, TEN + 49 * MILLI);
    server.send(request_of("another.instrumentation", [other])).await.unwrap();
    until("both runs are there", async || {
        // Not found until the first span is folded.
        let answer = server.get(&format!("{SESSIONS}conv/?include=usage")).await;
        answer.status == StatusCode::OK && answer.json()["runs"][1]["usage"]["suppressed"]["llm_calls"] == 1
    })
    .await;
    server
}

async fn explain(server: &Server, args: &[&str]) -> String {
    let http = format!("http://{}", server.http);
    let args: Vec<String> = ["explain", "--http", &http].iter().chain(args).map(|&arg| arg.to_owned()).collect();
    let done = tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>(), &[]));
    let output = done.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn place() -> Place {
    Place::new().set("retention.max_age", "0s").set("fold.run_timeout", "3650d")
}

#[tokio::test]
async fn a_session_is_explained_run_by_run_and_span_by_span() {
    let place = place();
    let server = served(&place).await;
    let said = explain(&server, &["conv"]).await;
    check_says(
        &said,
        &[
            " of bot, session conv\n  it is a run, since it is an agent and no agent is above it; its own span names the session\n",
            "  agent work [gen_ai.operation.name=invoke_agent; session: session.id; agent: gen_ai.agent.name]: the run; not counted, 30 tokens: it \
             is no model call, and spans below it tell what was used: its figures are a sum or a repetition of theirs (0000000000000003)\n",
            "    llm work (0000000000000002) [gen_ai.operation.name=chat]: house-model: not counted, 25 tokens: model spans below it tell of the same tokens \
             (0000000000000003)\n",
            "      llm work (0000000000000003) [gen_ai.operation.name=chat]: house-model: 20 input (gen_ai.usage.input_tokens) + 5 output \
             (gen_ai.usage.output_tokens), of that 4 cached (parts by 0000000000000002), $0.0007: the span states the cost (gen_ai.usage.cost)\n",
            "  counted    1 call, 25 tokens, $0.0007\n",
            "  left out   1 call, 25 tokens: model spans below it tell of the same tokens\n",
            "  left out   1 call, 30 tokens: it is no model call",
            "another instrumentation tells of the same call: equal tokens",
        ],
    );
    let one = explain(&server, &["conv", "--runs", "1"]).await;
    check_says(&one, &["1 run of the session more: --runs 2"]);
    assert!(!one.contains("helper"));
}

#[tokio::test]
async fn a_run_a_trace_and_json_say_the_same_and_the_sums_are_the_runs() {
    let place = place();
    let server = served(&place).await;
    let session = server.json(&format!("{SESSIONS}conv/?include=usage")).await;
    let all: Value = serde_json::from_str(&explain(&server, &["conv", "--json"]).await).unwrap();
    assert_eq!((all["what"].as_str(), all["run_count"].as_u64()), (Some("session"), Some(2)));
    for (run, explained) in session["runs"].as_array().unwrap().iter().zip(all["runs"].as_array().unwrap()) {
        let explain = &explained["explain"];
        assert_eq!((&explain["adds_up"], &explained["id"]), (&Value::Bool(true), &run["id"]));
        assert_eq!((&explain["counted"]["tokens"], &explain["counted"]["cost"]), (&run["tokens"], &run["cost"]));
        assert_eq!(explain["attributes_from"]["source"], "journal");
        let left_out: u64 = explain["left_out"].as_array().unwrap().iter().map(|of| of["tokens"].as_u64().unwrap()).sum();
        assert_eq!(Some(left_out), run["usage"]["suppressed"]["tokens"].as_u64());
    }
    let id = session["runs"][1]["id"].to_string();
    let by_run = explain(&server, &[&id]).await;
    assert_eq!(by_run, explain(&server, &[&format!("{:032x}", 2)]).await);
    check_says(&by_run, &["of helper, session conv"]);
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_to_try() {
    let place = place();
    let server = place.start().await;
    let http = format!("http://{}", server.http);
    let ask = move || refused(&["explain", "--http", &http, "no such"], &[], FAILURE);
    let said = tokio::task::spawn_blocking(ask).await.unwrap();
    check_says(&said, &["has nothing called \"no such\"", "?search=no%20such", "not be folded yet"]);
    check_says(&refused(&["explain"], &[], USAGE), &["<ID>"]);
    check_says(&refused(&["explain", "x", "--http", "127.0.0.1"], &[], USAGE), &["127.0.0.1:8080"]);
    check_says(&refused(&["explain", "x", "--http", "http://127.0.0.1:9"], &[], FAILURE), &["nothing answers", "--http"]);
    let help = String::from_utf8(run(&["explain", "--help"], &[]).stdout).unwrap();
    check_says(&help, &["$ sessionfold explain demo-support-0dd7", "left out"]);
}

/// OpenInference's LangChain and OpenAI: the spans of the first are never the current ones, so the second's begin traces of their own.
#[tokio::test]
async fn a_call_that_two_traces_of_a_session_seem_to_tell_of_is_pointed_out_in_both() {
    let place = place();
    let server = place.start().await;
    let graph = agent(1, 1, 0, "graph").session("twice").between(TEN, TEN + 90 * MILLI);
    let outer = chat(1, 2, 1, (8, 1), 10).between(TEN + 10 * MILLI, TEN + 50 * MILLI);
    server.send(request_of("langchain", [graph, outer])).await.unwrap();
    let inner = chat(2, 1, 0, (8, 1), 10).session("twice").between(TEN + 11 * MILLI, TEN + 49 * MILLI);
    server.send(request_of("openai", [inner])).await.unwrap();
    // Neither the same tokens a moment later, nor others at the same time.
    let later = chat(3, 1, 0, (8, 1), 10).session("twice").between(TEN + 60 * MILLI, TEN + 95 * MILLI);
    let others = chat(4, 1, 0, (7, 2), 10).session("twice").between(TEN + 12 * MILLI, TEN + 40 * MILLI);
    server.send(request_of("openai", [later, others])).await.unwrap();
    let are_there = async || {
        let answer = server.get(&format!("{SESSIONS}twice/")).await;
        answer.status == StatusCode::OK && answer.json()["runs"].as_array().is_some_and(|runs| runs.len() == 4)
    };
    until("all are there", are_there).await;
    let all: Value = serde_json::from_str(&explain(&server, &["twice", "--json"]).await).unwrap();
    let said = |run: &Value| {
        (run["trace_id"].as_str().unwrap().chars().last(), run["explain"]["told_elsewhere"]["scope"].as_str().map(str::to_owned))
    };
    let mut said: Vec<_> = all["runs"].as_array().unwrap().iter().map(said).collect();
    said.sort();
    let expect = [('1', Some("openai")), ('2', Some("langchain")), ('3', None), ('4', None)];
    assert_eq!(said, expect.map(|(trace, scope)| (Some(trace), scope.map(str::to_owned))));
    let text = explain(&server, &["twice"]).await;
    assert_eq!(text.matches("perhaps twice: a run in another trace of this session").count(), 2, "{text}");
}
