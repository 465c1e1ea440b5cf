//! What a newcomer does by the README: Tempo with the shipped settings, this server beside it, `sessionfold demo`, and a look.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use sessionfold::model::ids::Tenant;
use sessionfold::tempo::query::search::Window;

use crate::support::server::{Place, SESSIONS, Server};
use crate::support::tempo::Tempo;

async fn sessionfold(arguments: Vec<String>) -> Output {
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(env!("CARGO_BIN_EXE_sessionfold")).env_clear().args(&arguments).stdin(Stdio::null()).output().unwrap()
    });
    ran.await.unwrap()
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn demo(server: &Server, tempo: Option<&Tempo>) -> String {
    let mut arguments: Vec<String> =
        ["demo", "--url", &format!("http://{}", server.otlp_http), "--http", &format!("http://{}", server.http)].map(str::to_owned).into();
    arguments.extend(tempo.iter().flat_map(|tempo| ["--tempo-query".to_owned(), tempo.query_url()]));
    let output = sessionfold(arguments).await;
    assert!(output.status.success(), "{}", words(&output));
    words(&output)
}

/// All sessions of the API, and those that TraceQL finds in the last day.
async fn sessions(server: &Server, tempo: &Tempo) -> (BTreeSet<String>, BTreeSet<String>) {
    let page = server.json(&format!("{SESSIONS}?limit=100")).await;
    let shown = page["results"].as_array().unwrap().iter().map(|session| session["session_id"].as_str().unwrap().to_owned());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let window = Window { start: now - 24 * 3600, end: now };
    let query = "{ span.sessionfold.run.cost != nil } | select(span.sessionfold.session_id)";
    let found = tempo.query_client().search(&Tenant::default(), query, window, 5_000, 100).await.unwrap();
    let found = found.iter().flat_map(|trace| &trace.spans).filter_map(|span| span.text("sessionfold.session_id")).map(str::to_owned);
    (shown.collect(), found.collect())
}

/// Right after the demo, without waiting for anything: verify itself waits for what Tempo does not show yet.
async fn everything_agrees(server: &Server, tempo: &Tempo) {
    let verified = sessionfold(vec![
        "verify".into(),
        "--http".into(),
        server.http.to_string(),
        "--tempo-query".into(),
        tempo.query_url(),
        "--since".into(),
        "all".into(),
        "--grace".into(),
        "0s".into(),
        // The machine may be busy.
        "--wait".into(),
        "4m".into(),
    ])
    .await;
    let said = words(&verified);
    assert!(verified.status.success() && said.contains("runs of 60 sessions") && said.contains("they agree"), "{said}");
    let (shown, found) = sessions(server, tempo).await;
    assert_eq!((shown.len(), &shown), (60, &found));
}

#[tokio::test]
async fn after_the_readmes_steps_verify_agrees_and_tempo_finds_every_session() {
    let mut tempo = Tempo::as_shipped();
    tempo.start().await;
    // As docker-compose.yml starts it.
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).argument("--tempo-query").argument(&tempo.query_url());
    let server = place.start().await;
    // From the host, where nothing names Tempo.
    demo(&server, None).await;
    everything_agrees(&server, &tempo).await;
}

#[tokio::test]
async fn with_tempos_own_defaults_the_demo_is_of_the_time_that_search_shows() {
    let mut tempo = Tempo::prepare(&[("TEMPO_SLACK", "2m"), ("TEMPO_END_CUTOFF", "30s")]);
    tempo.start().await;
    let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint()).argument("--tempo-query").argument(&tempo.query_url());
    let server = place.start().await;
    let said = demo(&server, Some(&tempo)).await;
    assert!(said.contains("the conversations are of the last 1m"), "{said}");
    everything_agrees(&server, &tempo).await;
}
