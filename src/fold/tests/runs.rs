//! Which spans are runs, whose the others are, what the runs are called, when they were.

use super::build::*;
use crate::fold::{Rules, fold};
use crate::model::facts::SpanKind;
use crate::model::ids::{RunId, RunKey};
use crate::model::run::RunStatus;
use crate::model::time::{Nanos, UnixNanos};

#[test]
fn an_agent_span_with_a_session_is_a_run_and_its_calls_are_its() {
    let folded = folded([agent(1, "chat-agent").session("s").at(100, 400), chat(2, 1, 150, (120, 30)), span(3).under(2)]);
    let [run] = &folded.runs[..] else { panic!("{:?}", folded.runs) };
    assert_eq!((run.key, run.id), (run_key(1), RunId::derive(run_key(1))));
    assert_eq!((&*run.agent, session(run), &*run.workflow), ("chat-agent", "s", "default"));
    assert_eq!((run.started_at, run.completed_at, run.last_activity), (ms(100), Some(ms(400)), ms(400)));
    assert_eq!((run.status, run.duration()), (RunStatus::Success, Some(Nanos::from_millis(300))));
    assert_eq!((run.usage.tokens, run.usage.calls, run.n_spans), (150, 1, 3));
    assert!(!run.is_provisional && !run.is_future && !run.is_truncated);
    assert!((1..=3).all(|span| owner(&folded, span) == Some(1)));
}

#[test]
fn nested_runs_are_runs_of_their_own_and_inherit_what_they_do_not_say() {
    let outer = agent(1, "outer").session("s").label(|labels| {
        labels.user = Some("u".into());
        labels.user_group = Some("g".into());
        labels.workflow = Some("w".into());
    });
    let folded = folded([
        outer,
        agent(2, "inner").run_id("1002").under(5),
        agent(3, "other").session("t").under(2),
        chat(4, 1, 0, (1, 0)),
        span(5).kind(SpanKind::Tool).under(1),
        chat(6, 2, 0, (10, 0)),
        chat(7, 3, 0, (100, 0)),
    ]);
    assert_eq!(shown(&folded), [(1, "s", 1), (2, "s", 10), (3, "t", 100)]);
    assert_eq!(run(&folded, 1).parent, None);
    assert_eq!(run(&folded, 2).parent, Some(RunId::derive(run_key(1))));
    assert_eq!(run(&folded, 3).parent, Some(RunId::derive(run_key(2))));
    for nested in [2, 3] {
        let run = run(&folded, nested);
        assert_eq!((run.user.as_deref(), run.user_group.as_deref(), &*run.workflow), (Some("u"), Some("g"), "w"));
    }
    assert_eq!(owner(&folded, 5), Some(1));
}

#[test]
fn a_framework_agent_without_ids_belongs_to_the_sdks_run_above_it() {
    let run = agent(1, "run").session("s").scope(WAXELL);
    let folded = folded([run, span(2).under(1), agent(3, "framework").under(2), chat(4, 3, 0, (5, 5))]);
    assert_eq!(shown(&folded), [(1, "s", 10)]);
    assert_eq!(&*folded.runs[0].agent, "run");
}

#[test]
fn an_agent_without_any_session_is_a_run_too() {
    let folded = folded([agent(1, "loner"), chat(2, 1, 0, (5, 5))]);
    assert_eq!(shown(&folded), [(1, "", 10)]);
}

#[test]
fn a_session_holds_for_what_is_below_it_until_another_comes() {
    let folded = folded([
        span(1).session("a"),
        agent(2, "first").under(1),
        span(3).under(1).session("b"),
        agent(4, "second").under(3).run_id("4711"),
        agent(5, "third").under(1),
    ]);
    assert_eq!(shown(&folded), [(2, "a", 0), (4, "b", 0), (5, "a", 0)]);
}

#[test]
fn a_topmost_agent_takes_the_only_session_found_below_it_before_the_next_run() {
    let below = |session: &'static str| [agent(1, "top"), span(2).under(1).session("mid"), chat(3, 2, 0, (1, 1)).session(session)];
    assert_eq!(shown(&folded(below("mid"))), [(1, "mid", 2)]);
    // A call that names another is of that one.
    assert_eq!(shown(&folded(below("other"))), [(1, "mid", 0), (3, "other", 2)]);
    // What is found below holds for nested runs that have none.
    let shared = folded([agent(1, "top"), span(2).under(1).session("mid"), agent(3, "inner").under(1).run_id("7")]);
    assert_eq!(shown(&shared), [(1, "mid", 0), (3, "mid", 0)]);
}

#[test]
fn sibling_runs_under_a_users_own_root_are_two_runs_of_one_trace() {
    let folded = folded([
        span(1).at(0, 900),
        agent(2, "a1").under(1).session("s").at(100, 300),
        agent(3, "a2").under(1).session("s").at(400, 500),
        chat(4, 2, 150, (20, 2)),
        chat(5, 3, 450, (30, 3)),
    ]);
    assert_eq!(shown(&folded), [(2, "s", 22), (3, "s", 33)]);
    assert_eq!(owner(&folded, 1), None);
    assert_eq!(run(&folded, 2).parent, None);
}

#[test]
fn a_workflow_is_a_run_only_where_no_agent_is_above_or_below_it() {
    let workflow = |number: u64| span(number).kind(SpanKind::Workflow).session("s");
    assert_eq!(shown(&folded([workflow(1), chat(2, 1, 0, (1, 1))])), [(1, "s", 2)]);
    assert_eq!(shown(&folded([span(9), workflow(1).under(9), chat(2, 1, 0, (1, 1))])), [(1, "s", 2)]);
    assert_eq!(shown(&folded([workflow(1), span(2).under(1), agent(3, "a").under(2), chat(4, 3, 0, (1, 1))])), [(3, "s", 2)]);
    assert_eq!(shown(&folded([agent(1, "a").session("s"), workflow(2).under(1), chat(3, 2, 0, (1, 1))])), [(1, "s", 2)]);
    // A workflow in a workflow is a part of it, unless it is about another session.
    assert_eq!(shown(&folded([workflow(1), workflow(2).under(1)])), [(1, "s", 0)]);
    assert_eq!(shown(&folded([workflow(1), workflow(2).under(1).session("t")])), [(1, "s", 0), (2, "t", 0)]);
    // Without any session it is a run of none.
    assert_eq!(shown(&folded([span(1).kind(SpanKind::Workflow), chat(2, 1, 0, (1, 1))])), [(1, "", 2)]);
}

#[test]
fn a_workflow_names_the_workflow_of_the_agents_below_it() {
    let workflow = span(1).kind(SpanKind::Workflow).label(|labels| labels.workflow = Some("triage".into()));
    assert_eq!(&*folded([workflow, agent(2, "a").under(1)]).runs[0].workflow, "triage");
}

#[test]
fn a_trace_with_a_session_and_no_agent_is_one_run_its_root() {
    let spans = [span(1).at(5, 800), span(2).under(1), chat(3, 2, 10, (4, 4)).session("s"), chat(4, 77, 20, (1, 1))];
    let whole = folded(spans.clone());
    assert_eq!(shown(&whole), [(1, "s", 10)]);
    assert_eq!((whole.runs[0].started_at, whole.runs[0].n_spans, &*whole.runs[0].agent), (ms(5), 4, ""));
    // While the root is missing, the run is provisional.
    let early =
        folded(spans.into_iter().skip(1).map(|span| span.label(|labels| labels.agent = labels.session.is_some().then(|| "x".into()))));
    let [run] = &early.runs[..] else { panic!("{:?}", early.runs) };
    assert_eq!(run.key, RunKey { trace: trace(), span: RunKey::PROVISIONAL });
    assert!(run.is_provisional);
    assert_eq!((run.started_at, run.completed_at, run.status), (ms(0), None, RunStatus::Running));
    assert_eq!((run.last_activity, run.usage.tokens, session(run), &*run.agent), (ms(1000), 10, "s", "x"));
}

#[test]
fn a_lone_call_with_a_session_is_a_run() {
    let mut lone = chat(1, 2, 0, (3, 3)).session("s");
    lone.parent = None;
    assert_eq!(shown(&folded([lone])), [(1, "s", 6)]);
}

#[test]
fn of_several_roots_the_earliest_is_the_run() {
    assert_eq!(shown(&folded([span(1).at(9, 10), span(2).at(3, 4), span(3).at(3, 4).session("s")])), [(2, "s", 0)]);
}

#[test]
fn two_sessions_without_agents_are_runs_of_the_spans_that_bring_them_in() {
    let folded = folded([
        span(1),
        span(2).under(1).session("a"),
        span(3).under(1).session("b"),
        chat(4, 2, 0, (1, 0)).session("a"),
        chat(5, 3, 0, (10, 0)),
        span(6).under(3).session("a"),
        chat(7, 6, 0, (100, 0)),
        chat(8, 1, 0, (1000, 0)),
    ]);
    // 8 names none: it is of what was going on, and of several that started at once the last one by its id.
    assert_eq!(shown(&folded), [(2, "a", 1), (3, "b", 10), (6, "a", 1100)]);
    assert_eq!(run(&folded, 6).parent, Some(RunId::derive(run_key(3))));
}

#[test]
fn a_trace_without_sessions_and_agents_has_no_runs() {
    let folded = folded([span(1), chat(2, 1, 0, (1, 1))]);
    assert!(folded.runs.is_empty());
    assert_eq!((verdict(&folded, 2).run, verdict(&folded, 2).counted), (None, None));
}

#[test]
fn calls_with_a_session_beside_the_agents_are_not_lost() {
    // A graph whose root carries the session; one node is an agent, another calls a model itself.
    let graph = [
        span(1).kind(SpanKind::Step).session("s"),
        agent(2, "node").under(1).session("s"),
        chat(3, 2, 0, (1, 0)).session("s"),
        span(4).kind(SpanKind::Step).under(1).session("s"),
        chat(5, 4, 0, (10, 0)).session("s"),
    ];
    let folded_graph = folded(graph.clone());
    assert_eq!(shown(&folded_graph), [(1, "s", 10), (2, "s", 1)]);
    assert_eq!(run(&folded_graph, 2).parent, Some(RunId::derive(run_key(1))));
    // Without such a call the root is no run.
    assert_eq!(shown(&folded(graph[..4].to_vec())), [(2, "s", 1)]);
    // Nor is it one for a sum that it claims of what the agent used.
    let mut claiming = graph[..4].to_vec();
    claiming[0] = claiming[0].clone().used("gpt", (1, 0));
    assert_eq!(shown(&folded(claiming)), [(2, "s", 1)]);
    // Each call brings the session in by itself: the root is the run.
    let beside = [span(1), agent(2, "a").under(1).session("s"), chat(3, 1, 0, (1, 0)).session("s"), chat(4, 1, 0, (2, 0)).session("s")];
    assert_eq!(shown(&folded(beside.clone())), [(1, "s", 3), (2, "s", 0)]);
    // Different sessions: each for itself.
    let mut differing = beside.to_vec();
    differing[3] = chat(4, 1, 0, (2, 0)).session("t");
    assert_eq!(shown(&folded(differing)), [(2, "s", 0), (3, "s", 1), (4, "t", 2)]);
    // Without a session of its own it is of the only one there is.
    assert_eq!(shown(&folded([span(1), agent(2, "a").under(1).session("s"), chat(3, 1, 0, (1, 0))])), [(2, "s", 1)]);
    // Without any session there is nothing to hold it for.
    assert_eq!(owner(&folded([span(1), agent(2, "a").under(1), chat(3, 1, 0, (1, 0))]), 3), None);
}

#[test]
fn a_lost_parent_is_replaced_by_the_run_that_was_running() {
    // What the SDK does with tools: their spans never arrive.
    let folded = folded([
        agent(1, "manual-agent").session("s").run_id("1001").at(0, 372),
        chat(2, 901, 93, (91, 9)),
        agent(3, "sub-in-tool").run_id("1002").under(902).at(247, 258),
        chat(4, 3, 248, (15, 5)),
        chat(5, 903, 250, (1, 0)),
        chat(6, 904, 500, (7, 0)),
    ]);
    // 5 started while both ran: the one that started last has it. 6 started when none ran, and is of the last one before it.
    assert_eq!(shown(&folded), [(1, "s", 100), (3, "s", 28)]);
    assert_eq!(run(&folded, 3).parent, Some(RunId::derive(run_key(1))));
}

#[test]
fn a_lost_subtree_is_placed_as_a_whole() {
    // The chain of 4 is known up to 3; that it starts while 2 runs is no reason to tear it off.
    let folded = folded([
        agent(1, "outer").session("s").at(0, 500),
        agent(2, "inner").session("s").under(1).at(100, 200),
        span(3).under(99).at(50, 300),
        chat(4, 3, 150, (1, 1)),
    ]);
    assert_eq!(owner(&folded, 4), Some(1));
}

#[test]
fn an_agent_without_ids_below_a_lost_parent_is_a_run_only_outside_every_run() {
    let inner = agent(2, "framework").under(99).at(100, 200);
    let sdks = agent(1, "run").session("s").at(0, 500).scope(WAXELL);
    assert_eq!(shown(&folded([sdks, inner.clone(), chat(3, 2, 110, (1, 1))])), [(1, "s", 2)]);
    let within = |name| folded([agent(1, name).session("s").at(0, 500), inner.clone(), chat(3, 2, 110, (1, 1))]);
    assert_eq!(shown(&within("framework")), [(1, "s", 2)]);
    // Another agent is a run, as it is where its parent is here.
    assert_eq!(shown(&within("run")), [(1, "s", 0), (2, "s", 2)]);
    let beyond = folded([agent(1, "run").session("s").at(0, 50), inner.clone(), chat(3, 2, 110, (1, 1))]);
    assert_eq!(shown(&beyond), [(1, "s", 0), (2, "s", 2)]);
    // Inside a workflow it is a run, for a workflow is not an agent that could have it as a part.
    let workflow = folded([span(1).kind(SpanKind::Workflow).session("s").at(0, 500), inner]);
    assert_eq!(shown(&workflow), [(1, "s", 0), (2, "s", 0)]);
    // A workflow inside an agent's run is no run.
    let lost_workflow = span(2).kind(SpanKind::Workflow).under(99).at(100, 200);
    assert_eq!(shown(&folded([agent(1, "run").session("s").at(0, 500), lost_workflow])), [(1, "s", 0)]);
}

#[test]
fn two_lost_runs_that_seem_to_lie_in_each_other_do_not_close_a_circle() {
    let folded = folded([
        span(1).under(91).at(10, 100),
        agent(2, "a").session("a").under(1).at(5, 100),
        span(3).under(92).at(10, 100),
        agent(4, "b").session("b").under(3).at(6, 100),
    ]);
    assert_eq!(run(&folded, 2).parent, None);
    assert_eq!(run(&folded, 4).parent, Some(RunId::derive(run_key(2))));
    assert_eq!((owner(&folded, 1), owner(&folded, 3)), (None, Some(2)));
}

#[test]
fn cycles_and_spans_that_are_their_own_parents_are_cut_and_folded() {
    let knot = folded([agent(1, "a").under(1).session("s"), chat(2, 1, 0, (1, 1))]);
    assert_eq!(shown(&knot), [(1, "s", 2)]);
    // 1 -> 2 -> 3 -> 1, and 4 hangs from 2: cut above 3, the earliest.
    let ring = folded([
        agent(1, "a").under(2).session("s").at(20, 30),
        span(2).under(3).at(10, 30).session("t"),
        agent(3, "c").under(1).at(5, 30),
        chat(4, 2, 12, (1, 1)),
    ]);
    assert_eq!(shown(&ring), [(3, "t", 2), (1, "s", 0)]);
    assert_eq!(run(&ring, 1).parent, Some(RunId::derive(run_key(3))));
}

#[test]
fn a_missing_start_is_the_earliest_childs_and_a_backward_end_is_no_time_at_all() {
    let unknown = |mut fact: crate::model::facts::SpanFact| {
        fact.start = UnixNanos::ZERO;
        fact
    };
    let started =
        folded([unknown(agent(1, "a").at(0, 900)), unknown(span(2).under(1)), chat(3, 2, 70, (1, 1)), span(4).under(1).at(80, 90)]);
    assert_eq!((started.runs[0].started_at, started.runs[0].duration()), (ms(70), Some(Nanos::from_millis(830))));
    let alone = folded([unknown(agent(1, "a").at(0, 900))]);
    assert_eq!((alone.runs[0].started_at, alone.runs[0].duration()), (ms(900), Some(Nanos::ZERO)));
    let backward = folded([agent(1, "a").at(500, 200)]);
    assert_eq!((backward.runs[0].completed_at, backward.runs[0].last_activity), (Some(ms(500)), ms(500)));
}

#[test]
fn a_run_that_has_not_ended_runs_until_it_was_silent_for_too_long() {
    let open = |mut fact: crate::model::facts::SpanFact| {
        fact.end = UnixNanos::ZERO;
        fact
    };
    let facts = facts_of([open(agent(1, "a").failed()), chat(2, 1, 300, (1, 1)), span(3).under(1).at(400, 9_000_000).future()]);
    let at = |silent_since| {
        fold(trace(), &facts, &[], &Rules { price: &|_, _| None, silent_since, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO })
            .runs
            .remove(0)
    };
    let running = at(ms(310));
    // A span dated in the far future does not keep it at the top.
    assert_eq!((running.status, running.completed_at, running.last_activity), (RunStatus::Running, None, ms(310)));
    assert_eq!(at(ms(311)).status, RunStatus::Timeout);
}

#[test]
fn a_completed_run_was_last_active_at_its_end_even_if_a_stream_was_read_later() {
    let folded = folded([agent(1, "stream-late").session("s").at(0, 11), chat(2, 1, 1, (666, 66)).at(1, 113)]);
    assert_eq!((folded.runs[0].last_activity, folded.runs[0].usage.tokens), (ms(11), 732));
}

#[test]
fn a_failed_span_is_a_failed_run_and_a_future_one_says_so() {
    let folded = folded([agent(1, "a").failed(), agent(2, "b").future(), chat(3, 2, 0, (1, 1)).failed()]);
    assert_eq!((run(&folded, 1).status, run(&folded, 2).status), (RunStatus::Error, RunStatus::Success));
    assert_eq!((run(&folded, 1).is_future, run(&folded, 2).is_future), (false, true));
}

#[test]
fn a_run_whose_root_never_came_ends_with_its_last_span_once_it_is_idle() {
    let spans = || [chat(2, 98, 100, (1, 1)).session("s").failed(), chat(3, 2, 150, (1, 1)), span(4).under(98).at(90, 300)];
    let at = |spans: Vec<crate::model::facts::SpanFact>, idle_since| {
        let rules = Rules { price: &|_, _| None, silent_since: UnixNanos::ZERO, idle_since, next_turn: UnixNanos::ZERO };
        fold(trace(), &facts_of(spans), &[], &rules).runs.remove(0)
    };
    let running = at(spans().into(), ms(300));
    assert_eq!((running.status, running.completed_at, running.last_activity), (RunStatus::Running, None, ms(300)));
    let over = at(spans().into(), ms(301));
    assert_eq!((over.status, over.started_at, over.completed_at), (RunStatus::Error, ms(90), Some(ms(300))));
    // What failed further down was dealt with there.
    let inner = [chat(2, 98, 100, (1, 1)).session("s"), chat(3, 2, 150, (1, 1)).failed()];
    assert_eq!(at(inner.into(), ms(301)).status, RunStatus::Success);
    // A clock that counts from the start of its machine does not make it begin in 1970.
    let mut odd = chat(5, 98, 0, (1, 1));
    (odd.start, odd.end) = (UnixNanos(7), UnixNanos(9));
    assert_eq!(at(spans().into_iter().chain([odd]).collect(), ms(301)).started_at, ms(90));
    // With its root it is that span's run.
    let rooted = spans().into_iter().chain([span(98).at(80, 700)]).collect();
    assert_eq!((at(rooted, ms(9000)).completed_at), Some(ms(700)));
}
