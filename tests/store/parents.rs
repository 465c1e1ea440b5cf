//! Runs that were started in others, as the SDK tells it over HTTP.

use bytes::Bytes;
use sessionfold::conventions::posts::workflow_id;
use sessionfold::model::ids::RunId;
use sessionfold::model::report::EventKind;
use sessionfold::store::RunPost;

use super::house::{House, Tuning};

fn start(house: &House, run: RunId, agent: &str, parent: Option<RunId>) {
    let parent = parent.map_or(String::new(), |parent| format!(r#","parent_workflow_id":"{}""#, workflow_id(parent)));
    let body = format!(r#"{{"agent_name":"{agent}","session_id":"s"{parent}}}"#);
    house.advance(1_000);
    house.post("default", RunPost { kind: EventKind::Start, run: Some(run), body: body.into() });
}

fn complete(house: &House, run: RunId) {
    house.advance(1_000);
    house.post("default", RunPost { kind: EventKind::Complete, run: Some(run), body: Bytes::from_static(br#"{"status":"success"}"#) });
}

/// Two agents overlap in one process (`asyncio.gather`, threads, any web server); the SDK then names the first of them as the parent of
/// every run that the process starts later.
#[test]
fn a_run_that_had_ended_is_nobodys_parent() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        let mut house = House::new(tuning);
        let [outer, inner, later] = [1, 2, 3].map(RunId::mint);
        start(&house, outer, "outer", None);
        start(&house, inner, "inner", Some(outer));
        complete(&house, inner);
        complete(&house, outer);
        house.wait_folded();
        house.settle_if_restless();
        start(&house, later, "later", Some(outer));
        house.wait_folded();
        let parents = |house: &House| house.runs("default").iter().map(|run| (run.agent.to_string(), run.parent)).collect::<Vec<_>>();
        let expected = [("outer".to_owned(), None), ("inner".to_owned(), Some(outer)), ("later".to_owned(), None)];
        assert_eq!(parents(&house), expected);
        house.crash();
        assert_eq!(parents(&house), expected, "after a crash");
        let view = house.run("default", outer).unwrap();
        assert_eq!(view.children.iter().map(|child| child.id).collect::<Vec<_>>(), [inner]);
        assert_eq!(house.run("default", inner).unwrap().parent.map(|parent| parent.id), Some(outer));
    }
}

/// Many runs at once: the first one's work is over, the SDK names it as the parent of the next, and only then its `complete/` arrives.
#[test]
fn a_run_whose_work_had_ended_is_nobodys_parent_though_it_says_so_later() {
    const MILLISECOND: u64 = 1_000_000;
    let mut house = House::new(Tuning::default());
    let [outer, inner, later] = [1, 2, 3].map(RunId::mint);
    start(&house, outer, "outer", None);
    start(&house, inner, "inner", Some(outer));
    complete(&house, inner);
    house.advance(5 * MILLISECOND);
    start(&house, later, "later", Some(outer));
    let spans = br#"{"spans":[{"name":"outer.default","kind":"agent","status":"ok","duration_ms":2,"position":0}]}"#;
    house.post("default", RunPost { kind: EventKind::Spans, run: Some(outer), body: Bytes::from_static(spans) });
    complete(&house, outer);
    house.wait_folded();
    let relatives = |house: &House, run| {
        let view = house.run("default", run).unwrap();
        (view.parent.map(|parent| parent.id), view.children.iter().map(|child| child.id).collect::<Vec<_>>())
    };
    for what in ["before a crash", "after it"] {
        assert_eq!(relatives(&house, outer), (None, vec![inner]), "{what}");
        assert_eq!(relatives(&house, inner), (Some(outer), vec![]), "{what}");
        assert_eq!(relatives(&house, later), (None, vec![]), "{what}");
        house.crash();
    }
}
