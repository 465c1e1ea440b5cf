//! What the SDK told over HTTP, as the store keeps it: over crashes, checkpoints, deletions and the years.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sessionfold::model::ids::RunId;
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::time::Nanos;
use sessionfold::store::view::RunQuery;
use sessionfold::store::{RunPost, Store};

use super::house::{House, Tuning, tenant};
use super::reports::{minted, runs};
use crate::support::posts::*;
use crate::support::spans::{SECOND, TEN, Tell};

const GPT: Used = ("gpt-4o", 120, 30, 600);
const TRACE: u128 = 0xdef;
const DAY: u64 = 24 * 3600 * SECOND;

enum Act {
    Post(RunPost),
    Spans(bytes::Bytes),
}

fn act(house: &House, act: &Act) {
    house.advance(SECOND);
    match act {
        Act::Post(post) => house.post("acme", post.clone()),
        Act::Spans(request) => house.send("acme", request.clone()),
    }
}

fn both() -> [Tuning; 2] {
    [Tuning::default(), Tuning::restless()]
}

/// A run with all that the SDK tells, one nested in it, one that the server never hears the end of, and one without a session.
fn story() -> Vec<Act> {
    let [outer, inner, killed, auto] = [1, 2, 3, 4].map(minted);
    let child = serde_json::json!({ "agent_name": "inner", "session_id": "s", "parent_workflow_id": format!("wf-{outer}") });
    vec![
        Act::Post(start(outer, "outer", "s")),
        Act::Post(post(inner, sessionfold::model::report::EventKind::Start, &child)),
        Act::Post(calls(inner, &[GPT])),
        Act::Spans(export([call_span((TRACE, 3), 2, GPT, false)])),
        Act::Post(step(inner, "think")),
        Act::Post(complete(inner, "success", Some((TRACE, 2)))),
        Act::Post(start(killed, "killed", "s")),
        Act::Post(calls(outer, &[GPT, GPT])),
        Act::Post(lasted(outer, 1_500)),
        Act::Spans(export([agent_span((TRACE, 2), 1, "inner", "s", Some(&inner.to_string()))])),
        Act::Post(score(outer, "stars", 4.5)),
        Act::Post(calls(killed, &[GPT])),
        Act::Post(complete(outer, "error", Some((TRACE, 1)))),
        Act::Post(start(auto, "auto", "")),
        Act::Spans(export([agent_span((TRACE, 1), 0, "outer", "s", Some(&outer.to_string())).between(TEN, TEN + 2 * SECOND)])),
        Act::Post(partial(outer)),
        Act::Post(complete(auto, "success", None)),
    ]
}

#[test]
fn a_crash_after_any_event_changes_nothing() {
    let story = story();
    let mut known: Vec<Vec<Run>> = Vec::new();
    let house = House::new(Tuning::default());
    for next in &story {
        act(&house, next);
        known.push(runs(&house));
    }
    let last = known.last().unwrap();
    let shown: Vec<_> = last.iter().map(|run| (&*run.agent, run.status.as_str(), run.usage.tokens, run.parent)).collect();
    let expected = [
        ("outer", "error", 300, None),
        ("inner", "success", 150, Some(minted(1))),
        ("killed", "running", 150, None),
        ("auto", "success", 0, None),
    ];
    assert_eq!(shown, expected);
    for tuning in both() {
        let mut house = House::new(tuning.clone());
        for (next, known) in story.iter().zip(&known) {
            act(&house, next);
            house.wait_folded();
            house.crash();
            assert_eq!(&runs(&house), known, "{tuning:?}");
        }
        house.settle_if_restless();
        assert_eq!(&runs(&house), last, "{tuning:?}");
        for run in last {
            let view = house.run("acme", run.id).unwrap();
            assert_eq!(&view.run, run);
            assert_eq!(view.calls.iter().map(|call| call.usage.tokens()).sum::<u64>(), run.usage.tokens);
        }
    }
}

/// The number of a run that only its spans tell of is found only once they are folded. A replay reads spans and score in one go, and took
/// the score for one of an unknown run.
#[test]
fn a_score_by_the_number_that_is_shown_stays_with_its_run_over_a_replay() {
    for tuning in both() {
        let mut house = House::new(tuning);
        house.send("acme", export([agent_span((TRACE, 1), 0, "bot", "s", None), call_span((TRACE, 2), 1, GPT, false)]));
        let shown = runs(&house)[0].id;
        house.post("acme", score(shown, "stars", 4.5));
        let scored = runs(&house);
        assert_eq!((scored.len(), scored[0].id, scored[0].scores.len(), scored[0].usage.tokens), (1, shown, 1, 150));
        house.crash();
        assert_eq!(runs(&house), scored);
        house.crash();
        assert_eq!(runs(&house), scored);
    }
}

/// LangChain's callback handler: a report that names no trace, and spans without an agent, each a trace of its own.
#[test]
fn spans_without_an_agent_are_left_out_where_a_report_without_a_trace_tells_of_them() {
    let run = minted(1);
    let spans = || export([1, 2].map(|n| call_span((TRACE + n, 1), 0, GPT, false).with("waxell.session_id", "s")));
    let posts = [start(run, "handler", "s"), calls(run, &[GPT, GPT]), complete(run, "success", None)];
    for tuning in both() {
        for spans_at in 0..=posts.len() {
            let mut house = House::new(tuning.clone());
            for at in 0..=posts.len() {
                if at == spans_at {
                    house.send("acme", spans());
                }
                if let Some(post) = posts.get(at) {
                    house.post("acme", post.clone());
                }
            }
            let check = |house: &House| {
                let runs = runs(house);
                let shown: Vec<_> = runs.iter().map(|run| (run.id, run.usage.tokens)).collect();
                assert_eq!(shown, [(run, 300)], "{spans_at}, {tuning:?}");
            };
            check(&house);
            house.crash();
            check(&house);
            house.send("acme", spans());
            check(&house);
        }
    }
}

/// A completed run that only its posts told of left nothing behind, and a late `partial/` made a new run of it; and until the next
/// checkpoint a deleted run could still be opened by its number.
#[test]
fn what_was_deleted_stays_gone_whatever_comes_late() {
    for tuning in [Tuning::default(), Tuning::restless(), Tuning { max_changes: 2, ..Tuning::default() }] {
        for place in [None, Some((TRACE, 1))] {
            for is_complete in [true, false] {
                let mut house = House::new(tuning.clone());
                let run = minted(1);
                house.post("acme", start(run, "bot", "s"));
                house.post("acme", calls(run, &[GPT]));
                if is_complete {
                    house.post("acme", complete(run, "success", place));
                }
                house.post("acme", start(minted(2), "bot", "kept"));
                assert_eq!(runs(&house).len(), 2);
                house.settle_if_restless();
                house.advance(SECOND);
                assert_eq!(house.delete("acme", "s"), Some(1));
                let what = format!("{place:?}, {is_complete}, {tuning:?}");
                let gone = |house: &House| {
                    let shown: Vec<RunId> = runs(house).iter().map(|run| run.id).collect();
                    assert_eq!(shown, [minted(2)], "{what}");
                    assert!(house.run("acme", run).is_none(), "{what}");
                    assert_eq!(house.sessions("acme"), [("kept".into(), 1)], "{what}");
                };
                gone(&house);
                let late = [partial(run), score(run, "stars", 5.0), step(run, "late"), calls(run, &[GPT]), complete(run, "success", place)];
                for late in late {
                    house.advance(SECOND);
                    house.post("acme", late);
                    gone(&house);
                }
                let spans = [agent_span((TRACE, 1), 0, "bot", "s", Some(&run.to_string())), call_span((TRACE, 2), 1, GPT, false)];
                house.send("acme", export(spans));
                gone(&house);
                house.crash();
                gone(&house);
                house.reopen();
                gone(&house);
                let is_told = house.count_rows("SELECT count(*) FROM traces WHERE instr(facts, 'a secret') > 0");
                assert_eq!(is_told, 0, "{what}: nothing that was said is kept");
                // The same id begins anew.
                house.post("acme", start(minted(3), "bot", "s"));
                assert_eq!(runs(&house).len(), 2, "{what}");
            }
        }
    }
}

/// Of the report of such a run nothing said which session it was of, so that a late post made a run without one.
#[test]
fn what_was_deleted_stays_gone_where_only_its_spans_named_the_session() {
    for tuning in both() {
        for is_started in [true, false] {
            let mut house = House::new(tuning.clone());
            let bears = minted(1).to_string();
            if is_started {
                house.post("acme", start(minted(1), "bot", ""));
            }
            house.send("acme", export([agent_span((TRACE, 1), 0, "bot", "s", is_started.then_some(&bears))]));
            let run = runs(&house)[0].id;
            house.post("acme", score(run, "stars", 4.0));
            assert_eq!(runs(&house).len(), 1);
            house.settle_if_restless();
            house.advance(SECOND);
            assert_eq!(house.delete("acme", "s"), Some(1));
            for late in [score(run, "stars", 5.0), calls(run, &[GPT]), complete(run, "success", Some((TRACE, 1)))] {
                house.post("acme", late);
                assert_eq!(runs(&house), [], "{is_started}");
            }
            house.crash();
            assert_eq!(runs(&house), [], "{is_started}");
        }
    }
}

fn aging() -> Tuning {
    Tuning { max_age: Some(Nanos(30 * DAY)), ..Tuning::restless() }
}

#[test]
fn a_report_is_kept_as_long_as_its_session_or_its_trace_lives_and_no_longer() {
    let mut house = House::new(aging());
    let [joined, alone, alive] = [1, 2, 3].map(minted);
    let told = |run, place| [start(run, "bot", "old"), calls(run, &[GPT]), complete(run, "success", place)];
    told(joined, Some((TRACE, 1))).into_iter().chain(told(alone, None)).for_each(|post| house.post("acme", post));
    house.send("acme", export([agent_span((TRACE, 1), 0, "bot", "old", Some(&joined.to_string()))]));
    house.settle();
    house.advance(20 * DAY);
    // The session lives on: all of it does.
    house.post("acme", start(alive, "bot", "old"));
    house.post("acme", complete(alive, "success", None));
    house.settle();
    house.advance(15 * DAY);
    house.settle();
    assert_eq!(runs(&house).len(), 3);
    house.crash();
    // A late post of a run that is older than all that is kept, in a session that lives.
    house.post("acme", score(joined, "stars", 5.0));
    let shown = runs(&house);
    assert_eq!(shown.iter().map(|run| run.scores.len()).sum::<usize>(), 1);
    assert_eq!(shown.iter().find(|run| run.id == joined).unwrap().usage.tokens, 150);
    for _ in 0..4 {
        house.advance(30 * DAY);
        house.settle();
    }
    assert_eq!(runs(&house), []);
    assert_eq!(house.count_rows("SELECT count(*) FROM traces WHERE tenant_no = (SELECT tenant_no FROM tenants WHERE name = 'acme')"), 0);
    assert_eq!(house.sessions("acme"), []);
}

/// A run of 300 years was believed: it led every list and its end was a negative number in the database.
#[test]
fn a_run_cannot_last_longer_than_until_its_completion_came() {
    let house = House::new(Tuning::default());
    house.post("acme", start(minted(1), "bot", "s"));
    house.post("acme", lasted(minted(1), 9_000_000_000_000));
    house.advance(5 * SECOND);
    house.post("acme", complete(minted(1), "success", None));
    let run = &runs(&house)[0];
    assert_eq!((run.completed_at.unwrap().0, run.last_activity.0), (TEN + 5 * SECOND, TEN + 5 * SECOND));
}

/// The database said where in the old journal the last process had begun; in a new journal every post lay before that, so that two calls
/// alike counted once.
#[test]
fn a_new_journal_does_not_make_repetitions_of_new_posts() {
    let mut house = House::new(Tuning::default());
    for n in 0..20 {
        house.post("acme", start(minted(n), "bot", "s"));
    }
    house.reopen();
    house.stop();
    house.remove_journal();
    house.open().unwrap();
    let run = minted(99);
    house.post("acme", start(run, "bot", "s"));
    house.post("acme", calls(run, &[GPT]));
    house.post("acme", calls(run, &[GPT]));
    runs(&house);
    assert_eq!(house.run("acme", run).unwrap().run.usage.calls, 2);
}

/// One thing that cannot be read does not lose the end of a run.
#[test]
fn a_result_that_nobody_can_read_does_not_keep_a_run_from_ending() {
    let house = House::new(Tuning::default());
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for (number, result) in (1..).zip([deep.as_str(), r#""half \ud800 a pair""#]) {
        house.post("acme", start(minted(number), "bot", "s"));
        let body = format!(r#"{{"result":{{"output":{result}}},"status":"error","error":"it broke","steps":[]}}"#);
        house.post("acme", RunPost { body: body.into(), ..complete(minted(number), "success", None) });
        runs(&house);
        let view = house.run("acme", minted(number)).unwrap();
        assert_eq!((view.run.status, view.error.as_deref()), (RunStatus::Error, Some("it broke")));
        assert!(view.result.is_some());
    }
}

#[test]
fn databases_of_earlier_formats_show_the_same_sessions_and_their_runs_are_found() {
    (1..=3).for_each(shows_the_same_after_an_upgrade);
}

fn shows_the_same_after_an_upgrade(version: u32) {
    let mut house = House::closed(Tuning { sweep_interval: Duration::ZERO, ..Tuning::default() });
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/index/version-{version}.sqlite"));
    fs::copy(fixture, house.database()).unwrap();
    house.open().unwrap();
    let check = |house: &House| {
        let page = house.list("default", &sessionfold::model::query::SessionQuery { limit: 100, ..Default::default() });
        let mut shown: Vec<_> =
            page.items.iter().map(|item| (item.id.as_str(), item.run_count, item.total_tokens, item.total_cost.0)).collect();
        shown.sort_unstable();
        let expected = [
            ("sess_child_b", 1, 10, 62_500),
            ("sess_fan", 4, 336, 65_250),
            ("sess_nested0001", 5, 851, 2_592_800),
            ("sess_nested_sync", 2, 84, 156_750),
            ("sess_nocp", 3, 1_247, 1_150_254_350),
            ("sess_parent_a", 1, 12, 75_000),
            ("session-abc123", 3, 767, 2_945_000),
        ];
        assert_eq!(shown, expected);
        let all = house.runs("default");
        assert_eq!(all.len(), 19);
        for run in &all {
            let view = house.run("default", run.id).unwrap();
            // Rows of that format do not say where a cost is from.
            let shown = |run: &Run| (run.key, run.agent.clone(), run.status, run.parent, run.usage.calls, run.usage.tokens, run.usage.cost);
            assert_eq!(shown(&view.run), shown(run));
            assert_eq!(view.calls.iter().map(|call| call.usage.tokens()).sum::<u64>(), run.usage.tokens);
        }
        for run in all.iter().filter(|run| run.user.is_some()) {
            let mut of_user = Vec::new();
            let query = RunQuery { user: run.user.clone(), ..RunQuery::default() };
            house.store().runs(&tenant("default"), &query, &mut |run| of_user.push(run.id)).unwrap();
            of_user.sort_unstable();
            let mut expected: Vec<_> = all.iter().filter(|other| other.user == run.user).map(|run| run.id).collect();
            expected.sort_unstable();
            assert_eq!(of_user, expected);
        }
        let reranker = house.run("default", RunId::new(2_445_197_582_351_828).unwrap()).unwrap();
        assert_eq!((&*reranker.run.agent, reranker.parent.map(|parent| parent.agent)), ("reranker", Some("retrieval".into())));
    };
    check(&house);
    house.reopen();
    assert_eq!(house.count_rows("SELECT user_version FROM pragma_user_version"), 4);
    check(&house);
}
