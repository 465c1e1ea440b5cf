//! The two views agree: for every session, what flat TraceQL over stamped spans sums up is what the API answers, to the last nano-dollar.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sessionfold::model::ids::Tenant;
use sessionfold::tempo::query::QueryClient;
use sessionfold::tempo::query::search::Window;

use crate::support::server::{Place, SESSIONS, Server, until};
use crate::support::tempo::Tempo;
use crate::tool::plan::{Disorder, Plan, Source};
use crate::tool::run::World;
use crate::tool::shape::Shape;

/// What is asked, by session.
const QUESTIONS: [(&str, &str); 6] = [
    ("runs", r#"{ span.sessionfold.run.cost != nil && name != "sessionfold.correction" } | count_over_time()"#),
    ("errors", r#"{ span.sessionfold.run.cost != nil && name != "sessionfold.correction" && status = error } | count_over_time()"#),
    ("cost", "{ span.sessionfold.cost != nil } | sum_over_time(span.sessionfold.cost)"),
    ("tokens", "{ span.sessionfold.tokens != nil } | sum_over_time(span.sessionfold.tokens)"),
    ("run cost", "{ span.sessionfold.run.cost != nil } | sum_over_time(span.sessionfold.run.cost)"),
    ("run tokens", "{ span.sessionfold.run.tokens != nil } | sum_over_time(span.sessionfold.run.tokens)"),
];

pub type Answers = BTreeMap<String, [i64; 6]>;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn whole(question: &str, value: f64) -> i64 {
    if question.ends_with("cost") { (value * 1e9).round() as i64 } else { value.round() as i64 }
}

pub async fn by_traceql(client: &QueryClient) -> Result<Answers, String> {
    let mut answers = Answers::new();
    let window = Window { start: now() - 3600, end: now() + 1 };
    for (n, (name, question)) in QUESTIONS.iter().enumerate() {
        let query = format!("{question} by (span.sessionfold.session_id)");
        for series in client.metric(&Tenant::default(), &query, window).await.map_err(|error| format!("{query}: {error}"))? {
            let session = series.labels.first().cloned().flatten().unwrap_or_else(|| "nil".to_owned());
            answers.entry(session).or_default()[n] = whole(name, series.value);
        }
    }
    Ok(answers)
}

pub async fn by_http(server: &Server) -> Answers {
    let mut answers = Answers::new();
    loop {
        let page = server.json(&format!("{SESSIONS}?limit=100&sort=session_id&include=errors&offset={}", answers.len())).await;
        let results = page["results"].as_array().unwrap();
        for session in results {
            let nanos = whole("cost", session["total_cost"].as_f64().unwrap());
            let tokens = session["total_tokens"].as_i64().unwrap();
            let [runs, errors] = [&session["run_count"], &session["errors"]["error_count"]].map(|count| count.as_i64().unwrap());
            answers.insert(session["session_id"].as_str().unwrap().to_owned(), [runs, errors, nanos, tokens, nanos, tokens]);
        }
        if results.is_empty() {
            return answers;
        }
    }
}

fn truth(source: &Source) -> Answers {
    let mut text = Vec::new();
    source.plan.truth.write(&mut text).unwrap();
    let truth: Value = serde_json::from_slice(&text).unwrap();
    let session = |(id, session): (&String, &Value)| {
        let [runs, errors, nanos, tokens] =
            ["run_count", "error_count", "total_cost_nanos", "total_tokens"].map(|key| session[key].as_i64().unwrap());
        (id.clone(), [runs, errors, nanos, tokens, nanos, tokens])
    };
    truth["sessions"].as_object().unwrap().iter().map(session).collect()
}

#[tokio::test]
async fn for_every_session_traceql_sums_up_what_the_api_answers_though_tempo_was_away_twice() {
    let mut tempo = Tempo::prepare(&[]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).set("forward.hold", "1s");
    let server = place.start().await;

    const SPREAD: u64 = 300_000_000_000;
    let world = World { seed: 5, sessions: 400, runs_per_session: 8, epoch: (now() - 360) * 1_000_000_000, step: SPREAD / 3200 };
    // A third of the roots comes when everything else has left: long runs.
    let disorder = Disorder { shuffle: Some(4), duplicates: 20, late_parents: 33 };
    let mut source = Source::new(Plan::new(world, disorder), Arc::new(Shape::new(105)), 256, false);
    let requests: Vec<_> = source.by_ref().map(|request| request.bytes).collect();
    let truth = truth(&source);
    for (n, request) in requests.iter().enumerate() {
        server.send(request.clone()).await.unwrap();
        let n_requests = requests.len();
        if n == n_requests / 4 || n == n_requests * 3 / 5 {
            // Time for the last batch to be acknowledged or refused, so that nothing is in doubt.
            tokio::time::sleep(Duration::from_millis(500)).await;
            tempo.stop().await;
        }
        if n == n_requests / 3 || n == n_requests * 2 / 3 {
            tempo.start().await;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    until("the API answers the truth", async || by_http(&server).await == truth).await;

    let client = tempo.query_client();
    let mut last = Answers::new();
    for _ in 0..60 {
        last = by_traceql(&client).await.unwrap();
        if last == truth {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let wrong: Vec<_> = truth.iter().filter(|(session, answer)| last.get(*session) != Some(*answer)).collect();
    let metrics = server.get("/metrics").await.text;
    let told: Vec<_> = metrics.lines().filter(|line| line.starts_with("sessionfold_forward")).collect();
    let example = wrong.first().map(|(session, answer)| (session, last.get(*session), answer));
    assert!(wrong.is_empty(), "{} of {} sessions differ, such as {example:?}\n{}", wrong.len(), truth.len(), told.join("\n"));
    assert_eq!(last, truth, "sessions that nobody sent");
    assert!(metrics.contains("sessionfold_forward_duplicate_spans_total 3"), "{}", told.join("\n"));
}
