//! What runs were asked is kept with them, and sessions are called by what was asked first: over restarts, deletions and late runs.

use opentelemetry_proto::tonic::trace::v1::Span;

use super::house::{House, Tuning, tenant};
use crate::support::spans::{MILLI, SECOND, TEN, Tell, agent, chat, request};
use sessionfold::model::ids::SessionId;
use sessionfold::store::Store;

/// A run that was asked this, or nothing, at its second.
fn run(trace: u128, session: &str, asked: Option<&str>) -> Vec<Span> {
    let start = TEN + trace as u64 * SECOND;
    let call = chat(trace, 2, 1, (3, 4), 5).between(start, start + 90 * MILLI);
    let call = match asked {
        Some(asked) => {
            let messages = serde_json::json!([{"role": "system", "content": "Be kind."}, {"role": "user", "content": asked}]);
            call.with("gen_ai.input.messages", &*messages.to_string())
        }
        None => call,
    };
    vec![agent(trace, 1, 0, "bot").session(session).between(start, start + 100 * MILLI), call]
}

fn questions(house: &House, sessions: &[&str]) -> Vec<Option<String>> {
    let ids: Vec<SessionId> = sessions.iter().map(|id| SessionId::new(id).unwrap()).collect();
    let ids: Vec<&SessionId> = ids.iter().collect();
    let questions = house.store().first_questions(&tenant("acme"), &ids).unwrap();
    questions.into_iter().map(|question| question.map(|question| question.to_string())).collect()
}

fn of(questions: &[Option<&str>]) -> Vec<Option<String>> {
    questions.iter().map(|question| question.map(str::to_owned)).collect()
}

#[test]
fn a_session_is_called_by_the_earliest_run_that_says_what_it_was_asked_from_memory_and_from_disk() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        let mut house = House::new(tuning);
        house.fold("acme", request(run(5, "a", Some("Where is\nmy order?"))));
        house.fold("acme", request(run(7, "a", Some("And the other?"))));
        house.fold("acme", request(run(6, "b", None)));
        let all = ["a", "b", "nobody's"];
        assert_eq!(questions(&house, &all), of(&[Some("Where is my order?"), None, None]));
        house.settle_if_restless();
        house.crash();
        assert_eq!(questions(&house, &all), of(&[Some("Where is my order?"), None, None]));
        house.reopen();
        assert_eq!(questions(&house, &all), of(&[Some("Where is my order?"), None, None]));
        // Earlier than what lies on disk.
        house.fold("acme", request(run(3, "a", None)));
        house.fold("acme", request(run(4, "a", Some("Hello?"))));
        assert_eq!(questions(&house, &all), of(&[Some("Hello?"), None, None]));
        // What lies on disk is out of date: the trace is folded again, and its own span says it now.
        let start = TEN + 5 * SECOND;
        let own = agent(5, 1, 0, "bot").session("b").with("input.value", "Of b now").between(start, start + 200 * MILLI);
        house.fold("acme", request([own]));
        assert_eq!(questions(&house, &all), of(&[Some("Hello?"), Some("Of b now"), None]));
        house.delete("acme", "a");
        assert_eq!(questions(&house, &all), of(&[None, Some("Of b now"), None]));
    }
}

#[test]
fn only_the_first_few_runs_are_looked_at_and_a_checkpoint_changes_nothing() {
    let mut house = House::new(Tuning::default());
    for n in 1..=5 {
        house.fold("acme", request(run(n, "late", None)));
    }
    house.fold("acme", request(run(6, "late", Some("Too late"))));
    for n in 11..=14 {
        house.fold("acme", request(run(n, "in time", None)));
    }
    house.fold("acme", request(run(15, "in time", Some("In time"))));
    let both = ["late", "in time"];
    assert_eq!(questions(&house, &both), of(&[None, Some("In time")]));
    house.reopen();
    assert_eq!(questions(&house, &both), of(&[None, Some("In time")]));
    // One before them, in memory alone.
    house.fold("acme", request(run(10, "in time", None)));
    assert_eq!(questions(&house, &both), of(&[None, None]));
    house.reopen();
    assert_eq!(questions(&house, &both), of(&[None, None]));
}
