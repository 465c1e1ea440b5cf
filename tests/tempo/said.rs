//! A phrase is found in a real Tempo, whatever it holds and however its dialect keeps it.

use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::support::server::{Place, SESSIONS, Server, until};
use crate::support::spans::{SECOND, Tell, agent, chat, request};
use crate::support::tempo::Tempo;

/// A turn: an agent and its call of a model, ended a while ago.
fn turn(trace: u128, minutes_ago: u64) -> [Span; 2] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let start = (now - minutes_ago * 60) * SECOND;
    let session = format!("shop-{}", trace as u64);
    [agent(trace, 1, 0, "seller").session(&session), chat(trace, 2, 1, (10, 2), 3)].map(|span| span.between(start, start + SECOND))
}

fn id(n: u64) -> u128 {
    u128::from(n) << 64 | u128::from(n)
}

async fn page(server: &Server, path: &str) -> String {
    let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.get(format!("http://{}{path}", server.http).parse().unwrap()).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn what_was_said_is_found_in_tempo_where_the_journal_has_it_no_more() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let sending = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint());
    let asking = Place::new().argument("--tempo-query").argument(&tempo.query_url());
    let (sender, asked) = (sending.start().await, asking.start().await);
    let messages = json!([{"role": "user", "parts": [{"type": "text", "content": "Is the \"Blue\" kettle 50% (off)\\?\nOr für tea?"}]}]);
    // As Python writes it.
    let messages = messages.to_string().replace('ü', "\\u00fc");
    let told: [&dyn Fn(Span) -> Span; 4] = [
        &|span| span.with("gen_ai.input.messages", &*messages).with("gen_ai.output.messages", "It whistles."),
        &|span| span.with("llm.input_messages.0.message.role", "user").with("llm.input_messages.0.message.content", "A carafe?"),
        &|span| span.with("genkit:output", "Two of brass."),
        &|mut span| {
            let content = Span::default().with("content", "Are there urns?").attributes;
            span.events = vec![Event { name: "gen_ai.user.message".into(), attributes: content, ..Default::default() }];
            span
        },
    ];
    for (n, tell) in (1..).zip(told) {
        // The oldest lies beyond the first part of time that is looked at.
        let [agent, call] = turn(id(n), if n == 2 { 100 } else { n });
        asked.send(request([agent.clone(), call.clone()])).await.unwrap();
        sender.send(request([agent, tell(call)])).await.unwrap();
    }
    until("the sessions are there", async || asked.json(SESSIONS).await["count"] == 4).await;
    for (phrase, speaker, n) in [
        ("it WHISTLES", "answered", 1),
        ("the \"blue\" kettle 50% (off)\\?", "asked", 1),
        ("or für tea", "asked", 1),
        ("a carafe", "asked", 2),
        ("of brass", "answered", 3),
        ("there urns", "asked", 4),
    ] {
        let path = format!("/search?q={}", utf8_percent_encode(phrase, NON_ALPHANUMERIC));
        let (speaker, link) = (format!("<span class=\"kind\">{speaker}</span>"), format!("/sessions/shop-{n}?view=conversation#turn-1"));
        tempo
            .until(phrase, async || {
                let page = page(&asked, &path).await;
                page.contains("1 run. ") && page.contains(&speaker) && page.contains(&link)
            })
            .await;
    }
    let nothing = page(&asked, "/search?q=samovar").await;
    assert!(nothing.contains("Nobody said that") && nothing.contains("all that is known here."), "{nothing}");
}
