//! Why runs failed is kept with them: over restarts, and after the spans that say it.

use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use rusqlite::Connection;

use super::house::{House, Tuning, tenant};
use crate::support::spans::{MILLI, SECOND, TEN, Tell, agent, chat, request, span};
use sessionfold::model::query::SessionQuery;
use sessionfold::store::Store;

fn failed_of(mut span: Span, why: &str) -> Span {
    span.status = Some(Status { code: 2, message: why.to_owned() });
    span
}

fn tool(trace: u128, number: u64, parent: u64) -> Span {
    span(trace, number, parent).with("gen_ai.operation.name", "execute_tool").with("gen_ai.tool.name", "search")
}

/// A run with two tools that failed and a call that did.
fn failed_run(trace: u128, session: &str, why: &str) -> Vec<Span> {
    let start = TEN + trace as u64 * SECOND;
    vec![
        agent(trace, 1, 0, "bot").session(session).between(start, start + 100 * MILLI).failed(),
        failed_of(chat(trace, 2, 1, (3, 4), 5), why).between(start, start + 90 * MILLI),
        tool(trace, 3, 1).failed().between(start, start + 10 * MILLI),
        // As the Waxell SDK tells it.
        tool(trace, 4, 1).with("error.message", "no such order").between(start, start + 20 * MILLI),
        tool(trace, 5, 1),
    ]
}

/// The reason and the failed tools of each run of a session, and the session's.
fn shown(house: &House, session: &str) -> (Vec<(Option<String>, u32)>, u64) {
    let (summary, runs) = house.detail("acme", session).unwrap();
    let why = runs.iter().map(|run| (run.error.as_ref().map(|error| error.to_string()), run.tool_errors));
    (why.collect(), summary.tool_errors)
}

/// Why each session failed last, in the order of their ids.
fn last_errors(house: &House) -> Vec<Option<String>> {
    let mut page = house.list("acme", &SessionQuery::default());
    page.items.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    let errors = house.store().last_errors(&tenant("acme"), &page.items).unwrap();
    errors.into_iter().map(|error| error.map(|error| error.to_string())).collect()
}

#[test]
fn a_reason_survives_restarts_whether_its_trace_is_in_memory_or_on_disk() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        let mut house = House::new(tuning);
        house.fold("acme", request(failed_run(1, "s", "Error code: 429")));
        let expected = (vec![(Some("Error code: 429".to_owned()), 2)], 2);
        assert_eq!(shown(&house, "s"), expected);
        house.settle_if_restless();
        house.crash();
        assert_eq!(shown(&house, "s"), expected);
        house.reopen();
        assert_eq!(shown(&house, "s"), expected);
        // The trace is folded again, from the facts on disk, when another span of it comes.
        let after = TEN + SECOND + 95 * MILLI;
        house.fold("acme", request([failed_of(tool(1, 6, 1), "late").between(after, after)]));
        assert_eq!(shown(&house, "s"), (vec![(Some("late".to_owned()), 3)], 3), "it ended after the call");
        assert_eq!(house.list("acme", &SessionQuery::default()).items[0].tool_errors, 3);
    }
}

#[test]
fn the_newest_failed_run_says_why_a_session_failed_from_memory_and_from_disk() {
    let mut house = House::new(Tuning::default());
    house.fold("acme", request(failed_run(1, "a", "first")));
    house.fold("acme", request(failed_run(5, "b", "of b")));
    house.fold("acme", request([agent(9, 1, 0, "bot").session("c")]));
    let of = |why: &[Option<&str>]| why.iter().map(|why| why.map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(last_errors(&house), of(&[Some("first"), Some("of b"), None]));
    house.reopen();
    assert_eq!(last_errors(&house), of(&[Some("first"), Some("of b"), None]));
    // One older, one newer than what lies on disk.
    house.fold("acme", request(failed_run(3, "b", "older")));
    house.fold(
        "acme",
        request(failed_run(3, "a", "newer").into_iter().map(|mut span| {
            span.trace_id = 33_u128.to_be_bytes().to_vec();
            span
        })),
    );
    assert_eq!(last_errors(&house), of(&[Some("newer"), Some("of b"), None]));
    // What lies on disk is out of date.
    house.fold("acme", request([agent(5, 1, 0, "bot").session("b").between(TEN + 5 * SECOND, TEN + 6 * SECOND)]));
    assert_eq!(last_errors(&house), of(&[Some("newer"), Some("older"), None]));
    house.delete("acme", "b");
    assert_eq!(last_errors(&house), of(&[Some("newer"), None]));
}

/// As an index of a version that knew of neither.
#[test]
fn an_index_without_reasons_opens_as_it_is_and_learns_them_from_what_comes() {
    let mut house = House::new(Tuning::default());
    house.fold("acme", request([agent(1, 1, 0, "bot").session("s").failed(), tool(1, 3, 1)]));
    house.stop();
    let db = Connection::open(house.database()).unwrap();
    db.execute_batch("ALTER TABLE sessions DROP COLUMN tool_errors").unwrap();
    drop(db);
    house.open().unwrap();
    assert_eq!(shown(&house, "s"), (vec![(None, 0)], 0));
    assert_eq!(last_errors(&house), [None]);
    house.fold("acme", request([failed_of(tool(1, 4, 1), "no such order")]));
    let expected = (vec![(Some("no such order".to_owned()), 1)], 1);
    assert_eq!(shown(&house, "s"), expected);
    house.reopen();
    assert_eq!((shown(&house, "s"), last_errors(&house)), (expected, vec![Some("no such order".to_owned())]));
}

#[test]
fn a_run_shows_its_reason_when_it_is_opened_and_each_span_its_own() {
    let house = House::new(Tuning::default());
    house.fold("acme", request(failed_run(1, "s", "Error code: 429")));
    let run = house.detail("acme", "s").unwrap().1.remove(0);
    let view = house.run("acme", run.id).unwrap();
    assert_eq!((view.error.as_deref(), view.run.error.as_deref()), (Some("Error code: 429"), Some("Error code: 429")));
    let mut spans: Vec<_> = view.spans.iter().map(|span| (span.span.to_u64(), span.failure.as_deref(), span.has_failed())).collect();
    spans.sort_unstable();
    let why = [(1, None, true), (2, Some("Error code: 429"), true), (3, None, true), (4, Some("no such order"), true), (5, None, false)];
    assert_eq!(spans, why);
}
