//! A phrase that this server's journal has no more, and a Tempo has.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use regex::Regex;
use serde_json::{Value, json};

use super::{Page, Visitor, place, send, shows};
use crate::support::server::{Place, Server, until};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request, span};

/// A span as Tempo has it: trace and number, its second since 1970, and the texts of its attributes.
struct Stored {
    trace: u128,
    number: u64,
    second: u64,
    texts: Vec<(&'static str, String)>,
}

/// What is unusual about a Tempo.
#[derive(Default)]
struct Habits {
    /// It refuses to look at more at once.
    max_seconds: Option<u64>,
    /// It does not answer about times before this.
    hangs_before: u64,
    refuses: Option<(StatusCode, &'static str)>,
}

#[derive(Default)]
struct Held {
    spans: Vec<Stored>,
    /// Traces that are given whole.
    traces: HashMap<u128, Vec<Span>>,
    habits: Habits,
    /// Queries and their tenants.
    asked: Mutex<Vec<(String, String)>>,
}

type Shared = Arc<Held>;

/// Runs until the test ends.
async fn tempo(state: Held) -> (String, Shared) {
    let state = Arc::new(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/api/v2/search/tags", get(tags))
        .route("/api/search", get(search))
        .route("/api/traces/{id}", get(whole))
        .with_state(Arc::clone(&state));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (url, state)
}

type Asked = Query<BTreeMap<String, String>>;

impl Held {
    fn within(&self, asked: &Asked) -> impl Iterator<Item = &Stored> {
        let [start, end] = ["start", "end"].map(|key| asked[key].parse::<u64>().unwrap());
        self.spans.iter().filter(move |span| (start..end).contains(&span.second))
    }

    async fn refusal(&self, asked: &Asked) -> Option<Response> {
        let [start, end] = ["start", "end"].map(|key| asked[key].parse::<u64>().unwrap());
        if let Some((status, words)) = self.habits.refuses {
            return Some((status, words).into_response());
        }
        if self.habits.max_seconds.is_some_and(|max| end - start > max) {
            return Some((StatusCode::BAD_REQUEST, "range specified by start and end exceeds 1h0m0s").into_response());
        }
        if start < self.habits.hangs_before {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        None
    }
}

async fn tags(State(state): State<Shared>, asked: Asked) -> Response {
    let mut names: Vec<&str> = state.within(&asked).flat_map(|span| span.texts.iter().map(|(key, _)| *key)).collect();
    names.sort_unstable();
    names.dedup();
    let of = |scope: &str, names: Vec<&str>| json!({"name": scope, "tags": names});
    let (events, spans): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| name.starts_with("event."));
    let events = events.into_iter().map(|name| name.trim_start_matches("event.")).collect();
    Json(json!({"scopes": [of("span", spans), of("event", events), of("resource", vec!["service.name"])]})).into_response()
}

async fn search(State(state): State<Shared>, headers: HeaderMap, asked: Asked) -> Response {
    if let Some(refusal) = state.refusal(&asked).await {
        return refusal;
    }
    let query = &asked["q"];
    let tenant = headers.get("x-scope-orgid").map_or("", |tenant| tenant.to_str().unwrap());
    state.asked.lock().unwrap().push((query.clone(), tenant.to_owned()));
    // Each condition has the same expression: a string of JSON.
    let literal = &query[query.find("=~ ").unwrap() + 3..];
    let expression: String = serde_json::Deserializer::from_str(literal).into_iter().next().unwrap().unwrap();
    let expression = Regex::new(&format!("^(?:{expression})$")).unwrap();
    let conditions = query.split(" | select(").next().unwrap();
    let asks = |key: &str| {
        let (scope, name) = key.strip_prefix("event.").map_or(("span", key), |name| ("event", name));
        [format!("{scope}.{name} =~ "), format!("{scope}.\"{name}\" =~ ")].iter().any(|part| conditions.contains(part))
    };
    let found = state.within(&asked).filter(|span| span.texts.iter().any(|(key, text)| asks(key) && expression.is_match(text)));
    let found = found.map(|span| {
        // Of an event its attribute comes under its bare name.
        let texts = span.texts.iter().map(|(key, text)| (key.trim_start_matches("event."), text));
        let attributes: Vec<Value> = texts.map(|(key, text)| json!({"key": key, "value": {"stringValue": text}})).collect();
        json!({
            "traceID": format!("{:x}", span.trace),
            "spanSets": [{"spans": [{"spanID": format!("{:016x}", span.number), "attributes": attributes}], "matched": 1}],
        })
    });
    Json(json!({"traces": found.collect::<Vec<_>>()})).into_response()
}

async fn whole(State(state): State<Shared>, Path(id): Path<String>) -> Response {
    match state.traces.get(&u128::from_str_radix(&id, 16).unwrap()) {
        Some(spans) => request(spans.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A turn without what was said: an agent, a call of a model, and one of a tool.
fn turn(trace: u128, session: &str) -> [Span; 3] {
    let start = TEN + trace as u64 * SECOND;
    [
        agent(trace, 1, 0, "seller").session(session).between(start, start + SECOND),
        chat(trace, 2, 1, (10, 2), 3).between(start, start + SECOND),
        span(trace, 3, 1).with("gen_ai.operation.name", "execute_tool").with("gen_ai.tool.name", "search").between(start, start + SECOND),
    ]
}

fn stored(trace: u128, number: u64, texts: &[(&'static str, &str)]) -> Stored {
    let second = TEN / SECOND + trace as u64;
    Stored { trace, number, second, texts: texts.iter().map(|(key, text)| (*key, (*text).to_owned())).collect() }
}

fn messages(said: &[(&str, &str)]) -> String {
    let message = |(role, text): &(&str, &str)| json!({"role": role, "parts": [{"type": "text", "content": text}]});
    Value::from_iter(said.iter().map(message)).to_string()
}

async fn beside(url: &str) -> (Place, Server) {
    let place = place().argument("--tempo-query").argument(url);
    let server = place.start().await;
    for trace in 1..=4 {
        send(&server, turn(trace, if trace < 4 { "shop" } else { "gone" })).await;
    }
    shows(&server, 2).await;
    (place, server)
}

#[track_caller]
fn hit(page: &Page, speaker: &str, excerpt: &str, link: &str) {
    page.says(&format!("<span class=\"kind\">{speaker}</span>"));
    page.says(&format!("<bdi>{excerpt}</bdi>"));
    assert!(page.links().iter().any(|found| found == link), "{link}: {:?}", page.links());
}

#[tokio::test]
async fn what_the_journal_has_not_is_found_in_tempo_whatever_its_dialect_and_once() {
    let first = ("user", "Is the \"Blue\" kettle loud?");
    let asked = messages(&[("system", "You sell kettles."), first]);
    let later = messages(&[first, ("assistant", "It whistles."), ("user", "And für tea?")]);
    let cut = messages(&[("user", &"A samovar? ".repeat(300))]);
    let state = Held {
        spans: vec![
            stored(1, 2, &[("gen_ai.input.messages", &asked), ("gen_ai.output.messages", &messages(&[("assistant", "It whistles.")]))]),
            stored(2, 2, &[("gen_ai.input.messages", &later), ("gen_ai.output.messages", "Both do."), ("user.note", "a samovar")]),
            stored(2, 3, &[("genkit:input", "teapots in Delft"), ("output.value", "none but porcelain")]),
            stored(3, 2, &[("event.content", "Are there urns?"), ("gen_ai.input.messages", &cut[..2_048])]),
            stored(4, 2, &[("llm.input_messages.0.message.role", "user"), ("llm.input_messages.0.message.content", "A carafe?")]),
            stored(9, 2, &[("input.value", "a kettle of somebody else")]),
        ],
        traces: HashMap::from([(3, {
            let mut spans = turn(3, "shop");
            let asked = span(0, 0, 0).with("content", "Are there urns?").attributes;
            spans[1].events = vec![Event { name: "gen_ai.user.message".into(), attributes: asked, ..Default::default() }];
            spans.to_vec()
        })]),
        ..Held::default()
    };
    let (url, tempo) = tempo(state).await;
    let (_place, server) = beside(&url).await;
    let visitor = Visitor::of(&server);
    let find = async |phrase: &str| {
        let page = visitor.get(&format!("/search?q={}", super::encode(phrase))).await;
        page.says("Searched Tempo back to ");
        page.says("all that is known here.");
        page
    };
    let turn = |session: &str, number: u64| format!("/sessions/{session}?view=conversation#turn-{number}");
    hit(&find("THE \"blue\" kettle").await, "asked", "Is <mark>the &quot;Blue&quot; kettle</mark> loud?", &turn("shop", 1));
    hit(&find("it whistles").await, "answered", "<mark>It whistles</mark>.", &turn("shop", 1));
    hit(&find("und für tea".trim_start_matches("und ")).await, "asked", "And <mark>für tea</mark>?", &turn("shop", 2));
    hit(&find("none but").await, "from a tool", "<mark>none but</mark> porcelain", &turn("shop", 2));
    hit(&find("are there urns").await, "asked", "<mark>Are there urns</mark>?", &turn("shop", 3));
    hit(&find("a carafe").await, "asked", "<mark>A carafe</mark>?", &turn("gone", 1));
    // What was repeated, said to all, cut off, of an attribute that holds no words, and of a trace that is not known here.
    for nothing in ["you sell kettles", "a samovar", "kettle of somebody"] {
        find(nothing).await.says("Nobody said that");
    }
    find("it whistles").await.says("1 run. ");
    assert!(
        tempo.asked.lock().unwrap().iter().all(|(query, _)| query.ends_with(" with (most_recent=true)") && !query.contains("user.note"))
    );
    // What is in the journal as well is one run.
    let now = [agent(5, 1, 0, "seller").session("new"), chat(5, 2, 1, (1, 1), 1).with("gen_ai.output.messages", "It whistles.")];
    send(&server, now).await;
    shows(&server, 3).await;
    until("both are found", async || find("it whistles").await.text.contains("2 runs. ")).await;
    server.delete("/api/v1/observability/sessions/gone/").await;
    find("a carafe").await.says("Nobody said that");
}

#[tokio::test]
async fn a_tempo_that_looks_at_little_at_once_is_asked_in_parts_for_the_tenant() {
    let state = Held {
        spans: vec![stored(1, 2, &[("gen_ai.output.messages", "It whistles.")])],
        habits: Habits { max_seconds: Some(100 * 3_600), ..Habits::default() },
        ..Held::default()
    };
    let (url, tempo) = tempo(state).await;
    let place = place().argument("--tempo-query").argument(&url).set("forward.send_tenant", "true");
    let server = place.start().await;
    send(&server, turn(1, "shop")).await;
    shows(&server, 1).await;
    let page = Visitor::of(&server).get("/search?q=whistles").await;
    hit(&page, "answered", "It <mark>whistles</mark>.", "/sessions/shop?view=conversation#turn-1");
    assert!(tempo.asked.lock().unwrap().iter().all(|(_, tenant)| tenant == "default"), "{:?}", tempo.asked.lock().unwrap());
}

#[tokio::test]
async fn a_tempo_that_is_slow_refuses_or_is_away_is_said_to_be() {
    let day = 24 * 3_600;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let habits = [
        (Habits { hangs_before: now - day, ..Habits::default() }, "what lies before that would have taken too long."),
        (Habits { hangs_before: u64::MAX, ..Habits::default() }, "Tempo was asked, too, and did not answer in time."),
        (
            Habits { refuses: Some((StatusCode::TOO_MANY_REQUESTS, "job queue <full>")), ..Habits::default() },
            "Tempo could not be asked: tempo answered 429: job queue &lt;full&gt;.",
        ),
    ];
    for (habits, words) in habits {
        let recent = |hours: u64| Stored { second: now - hours * 3_600, ..stored(1, 2, &[("output.value", "nothing")]) };
        let (url, _tempo) = tempo(Held { spans: vec![recent(0), recent(30)], habits, ..Held::default() }).await;
        let (_place, server) = beside(&url).await;
        let began = std::time::Instant::now();
        let page = Visitor::of(&server).get("/search?q=whistles").await;
        page.says("Nobody said that");
        page.says(words);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
    let (_place, server) = beside("http://127.0.0.1:1").await;
    Visitor::of(&server).get("/search?q=whistles").await.says("Tempo could not be asked: cannot ask tempo: ");
}
