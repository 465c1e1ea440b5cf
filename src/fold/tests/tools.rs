//! Which tools runs called, how often, how often they failed, and for how long.

use super::build::*;
use crate::fold::{Folded, Rules, fold};
use crate::model::facts::{SpanFact, SpanKind, SpanStatus};
use crate::model::ids::{RunId, SpanKey};
use crate::model::logs;
use crate::model::report::{Completion, ReportedSpan, RunReport, Step};
use crate::model::run::RunStatus;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::TOOLS_OF_RUN_MAX;

fn bot() -> SpanFact {
    agent(1, "bot").session("s")
}

/// A call of the given tool that took so many milliseconds.
fn tool(number: u64, parent: u64, name: &str, millis: u64) -> SpanFact {
    span(number).kind(SpanKind::Tool).under(parent).named(name).at(100, 100 + millis)
}

/// Of each tool its name, how often it was called, how often they failed, and for how many milliseconds.
fn tools(folded: &Folded, span: u64) -> Vec<(String, u64, u64, u64)> {
    let told = |usage: &crate::model::tool::ToolUsage| {
        let calls = &usage.calls;
        (usage.tool.to_string(), calls.n_calls, calls.n_errors, calls.total.0 / 1_000_000)
    };
    run(folded, span).tools.iter().map(told).collect()
}

fn named(name: &str, calls: u64, errors: u64, millis: u64) -> (String, u64, u64, u64) {
    (name.to_owned(), calls, errors, millis)
}

#[test]
fn a_run_sums_its_calls_by_the_name_of_the_tool() {
    let nested = [agent(10, "helper").under(3), tool(11, 10, "search", 7)];
    let own = [bot(), tool(2, 1, "search", 30), tool(3, 1, "book", 500), tool(4, 1, "search", 50).failed(), chat(5, 1, 0, (1, 1))];
    let folded = folded(own.into_iter().chain(nested));
    assert_eq!(tools(&folded, 1), [named("book", 1, 0, 500), named("search", 2, 1, 80)]);
    assert_eq!(tools(&folded, 10), [named("search", 1, 0, 7)], "what an agent calls within a tool is its own");
    let durations = &run(&folded, 1).tools[1].calls.durations;
    assert_eq!(durations.count(), 2);
    assert!(durations.quantile(950).unwrap().0.abs_diff(50_000_000) <= 2_500_000);
    assert_eq!(run(&super::build::folded([bot(), chat(2, 1, 0, (1, 1))]), 1).tools, []);
}

#[test]
fn layers_of_one_call_are_one_call() {
    let of = |spans: Vec<SpanFact>| tools(&folded(spans), 1);
    let layers = || vec![bot(), tool(2, 1, "search", 30), tool(3, 2, "search", 20)];
    assert_eq!(of(layers()), [named("search", 1, 0, 30)]);
    let mut failed = layers();
    failed[2] = failed[2].clone().failed();
    assert_eq!(of(failed.clone()), [named("search", 1, 1, 30)], "a layer says that it failed");
    failed[1] = failed[1].clone().failed();
    assert_eq!(of(failed), [named("search", 1, 1, 30)], "and so does another");
    let other = vec![bot(), tool(2, 1, "search", 30), tool(3, 2, "fetch", 20), tool(4, 3, "search", 10)];
    assert_eq!(of(other), [named("fetch", 1, 0, 20), named("search", 2, 0, 40)], "a tool that calls another");
}

#[test]
fn a_call_goes_on_until_its_span_has_ended() {
    let going_on = SpanFact { end: UnixNanos::ZERO, ..tool(2, 1, "search", 0) };
    let folded = folded([bot(), going_on]);
    assert_eq!(tools(&folded, 1), [named("search", 1, 0, 0)]);
    assert_eq!(run(&folded, 1).tools[0].calls.mean(), None);
}

#[test]
fn what_a_log_event_tells_beside_a_span_is_no_call() {
    let beside = format!("{}.claude-code{}", logs::SCOPE, logs::BESIDE_SPANS);
    let folded = folded([bot(), tool(2, 1, "Bash", 30), tool(3, 1, "Bash", 31).scope(&beside).failed()]);
    assert_eq!(tools(&folded, 1), [named("Bash", 1, 0, 30)]);
}

#[test]
fn of_a_run_with_very_many_tools_some_are_kept_together() {
    let spans = (0..200).map(|n| tool(2 + n, 1, &format!("tool-{n:03}"), 1));
    let folded = folded(std::iter::once(bot()).chain(spans));
    let tools = tools(&folded, 1);
    assert_eq!(tools.len(), TOOLS_OF_RUN_MAX);
    assert_eq!(tools[0], named("", 200 - (TOOLS_OF_RUN_MAX as u64 - 1), 0, 200 - (TOOLS_OF_RUN_MAX as u64 - 1)));
    assert_eq!(tools[1].0, "tool-000");
}

#[test]
fn of_what_a_report_and_spans_tell_the_side_with_more_calls_stands() {
    let reported = |name: &str, is_error, millis: Option<u64>| ReportedSpan {
        name: name.into(),
        kind: "tool".into(),
        is_error,
        duration: millis.map(|millis| Nanos(millis * 1_000_000)),
        position: 1,
        offset: None,
        parent_position: None,
    };
    let mut report = RunReport::new(RunId::mint(5), ms(0));
    report.claims = vec![SpanKey { trace: trace(), span: id(1) }];
    report.completion = Some(Completion { at: ms(2000), status: RunStatus::Success, trace: None, span: None, result: None, error: None });
    report.spans = vec![reported("search", false, Some(12)), reported("search", true, None), reported("book", false, Some(1))];
    let with = |spans: Vec<SpanFact>| {
        let rules = Rules { price: &|_, _| None, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO };
        fold(trace(), &facts_of(spans), &[&report], &rules)
    };
    let told = [named("book", 1, 0, 1), named("search", 2, 1, 12)];
    assert_eq!(tools(&with(vec![bot(), tool(2, 1, "search", 30)]), 1), told);
    let unset = SpanFact { status: SpanStatus::Unset, ..tool(4, 1, "search", 30).failed_of("no such page") };
    let spans = vec![bot(), tool(2, 1, "search", 30), tool(3, 1, "search", 30), unset];
    assert_eq!(tools(&with(spans), 1), [named("search", 3, 1, 90)]);
    assert_eq!(with(vec![]).runs[0].tools.len(), 2, "without any span");
    let moments = [tool(2, 1, "search", 0), tool(3, 1, "search", 0), tool(4, 1, "book", 0)];
    assert_eq!(tools(&with([bot()].into_iter().chain(moments).collect()), 1), told, "the report knows how long they took");
}

#[test]
fn steps_tell_of_tools_where_no_span_was_posted_of_any() {
    let mut report = RunReport::new(RunId::mint(5), ms(0));
    report.claims = vec![SpanKey { trace: trace(), span: id(1) }];
    let step = |name: &str| Step { at: ms(1), name: name.into(), position: None, output: None };
    report.steps = vec![step("tool:search"), step("think"), step("tool:search")];
    let rules = Rules { price: &|_, _| None, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO };
    assert_eq!(tools(&fold(trace(), &facts_of([bot()]), &[&report], &rules), 1), [named("search", 2, 0, 0)]);
}
