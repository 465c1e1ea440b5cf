//! What each run was asked first.

use super::build::*;
use crate::fold::{Folded, Rules, fold};
use crate::model::facts::SpanFact;
use crate::model::ids::{RunId, SpanKey};
use crate::model::report::{RunReport, Start};
use crate::model::time::UnixNanos;

const RULES: Rules<'_> =
    Rules { price: &|_, _| None, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO };

fn bot() -> SpanFact {
    agent(1, "bot").session("s")
}

fn asked(fact: SpanFact, question: &str) -> SpanFact {
    SpanFact { question: Some(Box::new(question.into())), ..fact }
}

fn question(folded: &Folded, span: u64) -> Option<String> {
    folded.runs.iter().find(|run| run.key == run_key(span)).unwrap().question.as_ref().map(|question| question.to_string())
}

#[test]
fn the_earliest_span_of_a_run_says_what_it_was_asked_and_its_own_before_all() {
    let late = asked(chat(2, 1, 50, (1, 1)), "late");
    let early = asked(chat(9, 1, 20, (1, 1)), "early");
    let silent = chat(3, 1, 10, (1, 1));
    assert_eq!(question(&folded([bot(), late.clone(), silent.clone(), early.clone()]), 1).as_deref(), Some("early"));
    assert_eq!(question(&folded([early.clone(), asked(bot(), "own"), late]), 1).as_deref(), Some("own"));
    let tie = asked(chat(4, 1, 20, (1, 1)), "of the lesser id");
    assert_eq!(question(&folded([bot(), early, tie]), 1).as_deref(), Some("of the lesser id"));
    assert_eq!(question(&folded([bot(), silent]), 1), None);
}

#[test]
fn each_run_has_its_own_question() {
    let inner = SpanFact { parent: Some(id(1)), start: ms(5), ..agent(5, "inner") };
    let spans = [bot(), inner, asked(chat(6, 5, 6, (1, 1)), "of the inner"), asked(chat(7, 1, 60, (1, 1)), "of the outer")];
    let folded = folded(spans);
    assert_eq!((question(&folded, 1).as_deref(), question(&folded, 5).as_deref()), (Some("of the outer"), Some("of the inner")));
}

#[test]
fn what_a_reported_run_was_started_with_is_asked_after_its_own_span_and_before_others() {
    let mut report = RunReport::new(RunId::mint(5), ms(0));
    report.claims = vec![SpanKey { trace: trace(), span: id(1) }];
    let with = |inputs: &str, spans: Vec<SpanFact>| {
        let mut report = report.clone();
        report.start = Some(Start {
            at: ms(0),
            agent: "bot".into(),
            workflow: "".into(),
            session: None,
            user: None,
            user_group: None,
            parent: None,
            inputs: Some(inputs.into()),
            is_auto: false,
            is_doubtful: false,
        });
        let folded = fold(trace(), &facts_of(spans), &[&report], &RULES);
        folded.runs[0].question.as_ref().map(|question| question.to_string())
    };
    let call = asked(chat(2, 1, 1, (1, 1)), "of the call");
    assert_eq!(with(r#"{"query":"of the report"}"#, vec![bot(), call.clone()]).as_deref(), Some("of the report"));
    assert_eq!(with(r#"{"query":"of the report"}"#, vec![]).as_deref(), Some("of the report"), "without any span");
    assert_eq!(with("of the report", vec![asked(bot(), "own"), call.clone()]).as_deref(), Some("own"));
    assert_eq!(with(r#"{"k":1}"#, vec![bot(), call]).as_deref(), Some("of the call"));
}
