//! Why runs failed, and how many tools did.

use super::build::*;
use crate::fold::{Folded, Rules, fold};
use crate::model::facts::{SpanFact, SpanKind, SpanStatus};
use crate::model::ids::{RunId, SpanKey};
use crate::model::report::{Completion, ReportedSpan, RunReport};
use crate::model::run::RunStatus;
use crate::model::time::UnixNanos;

fn bot() -> SpanFact {
    agent(1, "bot").session("s")
}

/// Why the run on a span failed.
fn error(folded: &Folded, span: u64) -> Option<&str> {
    run(folded, span).error.as_deref()
}

fn tool(number: u64, parent: u64) -> SpanFact {
    span(number).kind(SpanKind::Tool).under(parent).at(100 * number, 100 * number + 50)
}

#[test]
fn what_a_runs_own_span_says_stands() {
    let folded = folded([bot().failed_of("no such order"), chat(2, 1, 0, (1, 1)).failed_of("Error code: 429")]);
    assert_eq!(error(&folded, 1), Some("no such order"));
}

#[test]
fn what_says_nothing_yields_to_what_does_and_stands_where_nothing_does() {
    let of = |own: SpanFact, inner: SpanFact| error(&folded([own, inner]), 1).map(str::to_owned);
    let call = || chat(2, 1, 0, (1, 1));
    assert_eq!(of(bot().failed_of("error"), call().failed_of("Error code: 429")).as_deref(), Some("Error code: 429"));
    assert_eq!(of(bot().failed(), call().failed_of("Error code: 429")).as_deref(), Some("Error code: 429"));
    assert_eq!(of(bot().failed_of("failed"), call().failed_of("error")).as_deref(), Some("failed"));
    assert_eq!(of(bot().failed(), call().failed_of("error")).as_deref(), Some("error"));
    assert_eq!(of(bot().failed(), call().failed()), None);
}

#[test]
fn a_run_that_did_not_fail_has_no_reason_whatever_failed_inside() {
    let folded = folded([bot(), chat(2, 1, 0, (1, 1)).failed_of("Error code: 429"), tool(3, 1).failed_of("no such order")]);
    assert_eq!((error(&folded, 1), run(&folded, 1).status), (None, RunStatus::Success));
    assert_eq!(run(&folded, 1).tool_errors, 1, "the tool failed all the same");
}

#[test]
fn a_run_dies_of_its_last_failure_and_of_none_that_something_survived() {
    let attempts = [
        tool(3, 1).failed_of("the first try"),
        tool(4, 1).failed_of("the last try"),
        // What is above it did not fail.
        span(5).kind(SpanKind::Step).under(1).at(600, 900),
        tool(6, 5).at(700, 800).failed_of("survived"),
    ];
    assert_eq!(error(&folded(attempts.into_iter().chain([bot().failed()])), 1), Some("the last try"));
}

#[test]
fn a_tool_that_failed_without_the_status_of_an_error_was_survived() {
    let told = SpanFact { status: SpanStatus::Unset, ..tool(9, 1).failed_of("no such order") };
    let of = |spans: Vec<SpanFact>| error(&folded(spans), 1).map(str::to_owned);
    assert_eq!(of(vec![bot().failed(), chat(2, 1, 0, (1, 1)).failed_of("fake 500"), told.clone()]).as_deref(), Some("fake 500"));
    assert_eq!(of(vec![bot().failed(), told]).as_deref(), Some("no such order"), "where nothing else says why");
}

#[test]
fn the_cause_stands_before_what_passed_it_on() {
    let step = |number: u64, parent: u64| span(number).kind(SpanKind::Step).under(parent).at(100, 900);
    let chain = [bot().failed(), step(2, 1).failed_of("a step failed"), step(3, 2).failed(), chat(4, 3, 200, (1, 1)).failed_of("fake 500")];
    assert_eq!(error(&folded(chain.clone()), 1), Some("fake 500"), "though a span between says nothing");
    let [bot, step, silent, call] = chain;
    let vague = SpanFact { failure: None, ..call.clone() }.failed_of("error");
    assert_eq!(error(&folded([bot, step, silent, vague]), 1), Some("a step failed"));
}

#[test]
fn a_run_whose_root_never_came_has_a_reason_too() {
    let spans = [span(2).under(99).session("s").failed_of("no such order"), chat(3, 2, 0, (1, 1))];
    let rules = Rules { price: &|_, _| None, silent_since: UnixNanos::MAX, idle_since: UnixNanos::MAX, next_turn: UnixNanos::ZERO };
    let folded = fold(trace(), &facts_of(spans), &[], &rules);
    assert_eq!((folded.runs[0].status, folded.runs[0].error.as_deref()), (RunStatus::Error, Some("no such order")));
}

#[test]
fn a_run_that_says_nothing_failed_of_the_last_run_that_failed_in_it() {
    let child = |number: u64, until: u64| agent(number, "helper").session("s").under(1).at(0, until);
    let children = [child(2, 500).failed_of("first"), child(3, 900).failed_of("last"), child(4, 950)];
    let both = folded(children.clone().into_iter().chain([bot().failed()]));
    assert_eq!([1, 2, 3, 4].map(|span| error(&both, span)), [Some("last"), Some("first"), Some("last"), None]);
    let spoken = folded(children.into_iter().chain([bot().failed_of("own")]));
    assert_eq!(error(&spoken, 1), Some("own"));
}

fn reported(status: RunStatus, error: Option<&str>) -> RunReport {
    let mut report = RunReport::new(RunId::mint(5), ms(0));
    report.claims = vec![SpanKey { trace: trace(), span: id(1) }];
    let error = error.map(Into::into);
    report.completion = Some(Completion { at: ms(2000), status, trace: None, span: None, result: None, error });
    report
}

fn with(report: &RunReport, spans: impl IntoIterator<Item = SpanFact>) -> Folded {
    let rules = Rules { price: &|_, _| None, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO };
    fold(trace(), &facts_of(spans), &[report], &rules)
}

#[test]
fn what_a_report_says_stands_before_all_spans() {
    let spans = || [bot().failed_of("span"), chat(2, 1, 0, (1, 1)).failed_of("call")];
    let long = format!("ValueError: no\n{}", "x".repeat(400));
    let of = |status, said| with(&reported(status, said), spans()).runs[0].error.as_ref().map(|error| error.to_string());
    assert_eq!(of(RunStatus::Error, Some("ValueError: no such order")).as_deref(), Some("ValueError: no such order"));
    assert!(of(RunStatus::Error, Some(&long)).is_some_and(|error| error.starts_with("ValueError: no xxx") && error.len() == 300));
    assert_eq!(of(RunStatus::Blocked, Some("Policy violation")).as_deref(), Some("Policy violation"));
    assert_eq!(of(RunStatus::Error, None).as_deref(), Some("span"));
    assert_eq!(of(RunStatus::Interrupted, None), None);
    let alone = with(&reported(RunStatus::Error, Some("no spans")), []);
    assert_eq!(alone.runs[0].error.as_deref(), Some("no spans"));
}

#[test]
fn tools_that_failed_are_counted_once_however_they_are_told_of() {
    let count = |spans: Vec<SpanFact>| run(&folded(spans), 1).tool_errors;
    assert_eq!(count(vec![bot(), tool(2, 1), chat(3, 1, 0, (1, 1)).failed()]), 0);
    assert_eq!(count(vec![bot(), tool(2, 1).failed(), tool(3, 1).failed_of("no such order"), tool(4, 1)]), 2);
    assert_eq!(count(vec![bot(), tool(2, 1).failed(), tool(3, 2).failed()]), 1, "a tool and the layer below it");
    let unset = SpanFact { status: SpanStatus::Unset, ..tool(2, 1).failed_of("no such order") };
    assert_eq!(count(vec![bot(), unset]), 1, "as the Waxell SDK tells it");
}

#[test]
fn tools_that_a_report_tells_of_are_not_added_to_those_of_spans() {
    let span = |kind: &str, is_error, position| ReportedSpan {
        name: "search".into(),
        kind: kind.into(),
        is_error,
        duration: None,
        position,
        offset: None,
        parent_position: None,
    };
    let mut report = reported(RunStatus::Success, None);
    report.spans = vec![span("agent", true, 0), span("tool", true, 1), span("tool", true, 2), span("tool", false, 3)];
    assert_eq!(with(&report, [bot(), tool(2, 1).failed()]).runs[0].tool_errors, 2);
    report.spans.clear();
    assert_eq!(with(&report, [bot(), tool(2, 1).failed()]).runs[0].tool_errors, 1);
}
