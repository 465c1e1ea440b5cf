//! Queries that people already have answer the same with stamps and without. Runs where there is a real Tempo.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sessionfold::model::ids::Tenant;
use sessionfold::tempo::query::search::Window;

use crate::support::server::Place;
use crate::support::tempo::Tempo;
use crate::tool::plan::{Disorder, Plan, Source};
use crate::tool::run::World;
use crate::tool::shape::Shape;

/// On what senders wrote. Searches count traces and spans.
const QUERIES: [&str; 8] = [
    r#"{ span.waxell.span_type = "agent_execution" } | count_over_time() by (span.waxell.session_id)"#,
    r#"{ span.waxell.session_id != nil } | count_over_time()"#,
    r#"{ span.waxell.llm.cost != nil } | sum_over_time(span.waxell.llm.cost)"#,
    r#"{ span.waxell.session_id != nil } >> { span.waxell.llm.cost != nil } | sum_over_time(span.waxell.llm.cost)"#,
    r#"{ span.gen_ai.usage.input_tokens != nil } | sum_over_time(span.gen_ai.usage.input_tokens) by (span.gen_ai.request.model)"#,
    r#"{ span.waxell.agent_name != nil } | count_over_time() by (span.waxell.agent_name)"#,
    r#"{ status = error } | count_over_time()"#,
    r#"{ span.waxell.span_type = "agent_execution" }"#,
];

async fn answers(tempo: &Tempo) -> Vec<Vec<String>> {
    let client = tempo.query_client();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let window = Window { start: now - 3600, end: now + 1 };
    let mut answers = Vec::new();
    for query in QUERIES {
        let mut lines: Vec<String> = if query.contains("over_time") {
            let series = client.metric(&Tenant::default(), query, window).await.unwrap();
            series.iter().map(|series| format!("{:?} {:.9}", series.labels, series.value)).collect()
        } else {
            let found = client.search(&Tenant::default(), query, window, 5_000, 3).await.unwrap();
            found.iter().map(|trace| format!("{} {}", trace.trace, trace.matched)).collect()
        };
        lines.sort();
        answers.push(lines);
    }
    answers
}

#[tokio::test]
async fn queries_on_what_senders_wrote_answer_the_same_with_stamps_and_without() {
    let mut stamped = Tempo::prepare(&[]);
    let mut plain = Tempo::prepare(&[]);
    stamped.start().await;
    plain.start().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let world = World { seed: 9, sessions: 40, runs_per_session: 5, epoch: (now - 120) * 1_000_000_000, step: 300_000_000 };
    let disorder = Disorder { shuffle: Some(2), duplicates: 0, late_parents: 20 };
    let source = Source::new(Plan::new(world, disorder), Arc::new(Shape::new(105)), 128, false);
    let requests: Vec<_> = source.map(|request| request.bytes).collect();
    for (tempo, stamp) in [(&stamped, "true"), (&plain, "false")] {
        let place = Place::new().argument("--tempo").argument(&tempo.otlp_endpoint());
        let place = place.set("forward.hold", "500ms").set("forward.stamp", stamp);
        let server = place.start().await;
        for request in &requests {
            server.send(request.clone()).await.unwrap();
            // The roots that come late find their children gone.
            tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        }
        assert_eq!(server.terminate().await.code, Some(0));
    }
    let mut both = (answers(&stamped).await, answers(&plain).await);
    for _ in 0..40 {
        let is_whole = both.1[1].iter().any(|line| line.ends_with(" 200.000000000"));
        if is_whole && both.0 == both.1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        both = (answers(&stamped).await, answers(&plain).await);
    }
    for (query, (stamped, plain)) in QUERIES.iter().zip(both.0.iter().zip(&both.1)) {
        assert_eq!(stamped, plain, "{query}");
    }
    panic!("not all of it is there: {:?}", both.1[1]);
}
