//! Whatever a program of the SDK does, and whatever of it is lost, repeated or late on either path: the store shows the truth, or what the
//! path that is left can know of it, and never the sum of both.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use sessionfold::model::ids::RunId;
use sessionfold::model::report::EventKind;
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::store::RunPost;

use super::house::{House, Tuning};
use crate::support::dice::Dice;
use crate::support::posts::{agent_span, call_span, complete, export, post};
use crate::support::spans::{MILLI, SECOND, TEN, Tell};

/// What a run tells of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Paths {
    Both,
    /// Not sampled, or killed.
    Posts,
    /// Without a control plane.
    Spans,
}

/// A run as the program made it.
#[derive(Debug)]
struct Made {
    /// As the server would have given it.
    run: RunId,
    paths: Paths,
    parent: Option<usize>,
    trace: u128,
    span: u64,
    calls: Vec<Made1>,
    fails: bool,
    loses_completion: bool,
    loses_agent_span: bool,
}

/// Calls alike: how many there were, and how many of them each telling has.
#[derive(Debug)]
struct Made1 {
    tokens: (i64, i64),
    micro_dollars: u32,
    n: usize,
    n_posted: usize,
    n_framework: usize,
    n_spans: usize,
    has_echoes: bool,
}

#[derive(Clone, Debug)]
enum Act {
    Post(RunPost),
    /// Taken, and its sender did not hear of it.
    Lost(RunPost),
    Spans(bytes::Bytes),
    Settle,
    Crash,
}

/// What is shown of a run, or must be.
type Shown = (String, String, RunStatus, u64, u64, u64);

fn program(dice: &mut Dice) -> Vec<Made> {
    let n_runs = 1 + dice.below(4) as usize;
    let mut made: Vec<Made> = Vec::new();
    for at in 0..n_runs {
        let paths = *dice.pick(&[Paths::Both, Paths::Both, Paths::Both, Paths::Posts, Paths::Spans]);
        // Only an agent whose own span comes, or that says where it stood, can hold others.
        let parents: Vec<usize> = (0..at).filter(|parent| made[*parent].paths == Paths::Both).collect();
        let parent = (!parents.is_empty() && dice.one_in(2)).then(|| *dice.pick(&parents));
        let trace = parent.map_or(at as u128 + 1, |parent| made[parent].trace);
        let is_lossy = dice.one_in(3);
        let loses_completion = paths != Paths::Spans && is_lossy && dice.one_in(2);
        let mut calls = Vec::new();
        for number in 0..dice.below(4) {
            let n = 1 + usize::from(dice.one_in(3));
            let told = |dice: &mut Dice, is: bool| if !is { 0 } else { n - usize::from(is_lossy && dice.one_in(3)) };
            let has_framework = paths != Paths::Spans && dice.one_in(4);
            calls.push(Made1 {
                // No two kinds of calls of a program are alike.
                tokens: (1 + (at as i64) * 100 + number as i64, 7),
                micro_dollars: 10 + number as u32,
                n,
                n_posted: told(dice, paths != Paths::Spans),
                n_framework: told(dice, has_framework),
                n_spans: told(dice, paths != Paths::Posts),
                has_echoes: dice.one_in(4),
            });
        }
        made.push(Made {
            run: RunId::mint(dice.roll()),
            paths,
            parent,
            trace,
            span: 1_000 * (at as u64 + 1),
            calls,
            fails: dice.one_in(3),
            loses_completion,
            loses_agent_span: paths == Paths::Posts || paths == Paths::Both && is_lossy && !loses_completion && dice.one_in(2),
        });
    }
    made
}

/// What one run posts, in order. Bodies differ, as two posts of the SDK mostly do.
fn posts_of(at: usize, made: &[Made], dice: &mut Dice) -> Vec<RunPost> {
    let this = &made[at];
    if this.paths == Paths::Spans {
        return Vec::new();
    }
    let mut start = json!({ "agent_name": format!("agent-{at}"), "session_id": format!("s{}", at % 2), "n": at });
    if let Some(parent) = this.parent {
        start["parent_workflow_id"] = json!(format!("wf-{}", made[parent].run));
    }
    let mut records = Vec::new();
    for call in &this.calls {
        let cost = f64::from(call.micro_dollars) / 1e6;
        let record = |task: &str| json!({ "model": "m-2024-08-06", "tokens_in": call.tokens.0, "tokens_out": call.tokens.1, "cost": cost, "task": task });
        records.extend((0..call.n_posted).map(|_| record("chat.completions")));
        records.extend((0..call.n_framework).map(|_| record("langchain.ChatOpenAI")));
    }
    dice.shuffle(&mut records);
    let mut posts = vec![post(this.run, EventKind::Start, &start)];
    for (n, some) in records.chunks(1 + dice.below(3) as usize).enumerate() {
        posts.push(post(this.run, EventKind::LlmCalls, &json!({ "calls": some, "n": n })));
    }
    if dice.one_in(2) {
        posts.push(post(this.run, EventKind::Steps, &json!({ "steps": [{ "step_name": "think" }] })));
    }
    if !this.loses_completion {
        let place = (this.paths == Paths::Both || dice.one_in(2)).then_some((this.trace, this.span));
        let completion = complete(this.run, if this.fails { "error" } else { "success" }, place);
        // Some calls come after the end.
        let end = 1 + dice.below(posts.len() as u64) as usize;
        posts.insert(end, completion);
    }
    posts
}

fn spans_of(at: usize, made: &[Made], dice: &mut Dice) -> Vec<bytes::Bytes> {
    let this = &made[at];
    if this.paths == Paths::Posts {
        return Vec::new();
    }
    let (start, end) = (TEN + at as u64 * SECOND, TEN + (1_000 - at as u64) * SECOND);
    let mut spans = Vec::new();
    let mut number = this.span;
    for call in &this.calls {
        let used = ("m", call.tokens.0, call.tokens.1, call.micro_dollars);
        for n in 0..call.n_spans {
            // Long before and after the next one, so that an echo is nobody else's.
            let began = start + (n as u64 + 1) * 20 * SECOND;
            number += 1;
            spans.push(call_span((this.trace, number), this.span, used, false).between(began, began + SECOND));
            if call.has_echoes {
                number += 1;
                let after = began + SECOND + MILLI;
                spans.push(call_span((this.trace, number), this.span, used, true).between(after, after + 1_000));
            }
        }
    }
    if !this.loses_agent_span {
        let run = this.run.to_string();
        let run = (this.paths == Paths::Both).then_some(run.as_str());
        let parent = this.parent.map_or(0, |parent| made[parent].span);
        let agent = agent_span((this.trace, this.span), parent, &format!("agent-{at}"), &format!("s{}", at % 2), run);
        spans.push(if this.fails { agent.failed() } else { agent }.between(start, end));
    }
    dice.shuffle(&mut spans);
    let mut requests = Vec::new();
    while !spans.is_empty() {
        let n = 1 + dice.below(spans.len() as u64) as usize;
        requests.push(export(spans.drain(..n)));
    }
    requests
}

/// Everything that happens, in one of the orders in which it can.
fn acts(made: &[Made], dice: &mut Dice) -> Vec<Act> {
    let mut posts: Vec<Vec<RunPost>> = (0..made.len()).map(|at| posts_of(at, made, dice)).collect();
    let mut acts: Vec<Act> = Vec::new();
    // Posts of a run keep their order, and a run starts after the one that holds it.
    posts.iter_mut().for_each(|posts| posts.reverse());
    let mut started = vec![false; made.len()];
    while posts.iter().any(|posts| !posts.is_empty()) {
        let at = dice.below(made.len() as u64) as usize;
        let Some(post) = posts[at].last().cloned() else { continue };
        // What holds others does not end before they start.
        let holds = made.iter().enumerate().any(|(inner, made)| made.parent == Some(at) && made.paths != Paths::Spans && !started[inner]);
        if made[at].parent.is_some_and(|parent| !started[parent]) || post.kind == EventKind::Complete && holds {
            continue;
        }
        posts[at].pop();
        if dice.one_in(6) && post.kind != EventKind::Start {
            acts.push(Act::Lost(post.clone()));
        } else if dice.one_in(6) && post.kind == EventKind::Start {
            // The server minted a run, the agent never heard of it.
            acts.push(Act::Lost(RunPost { run: Some(RunId::mint(dice.roll())), ..post.clone() }));
        }
        started[at] = true;
        acts.push(Act::Post(post));
    }
    for at in 0..made.len() {
        let requests = spans_of(at, made, dice);
        let n_copies = 1 + usize::from(dice.one_in(3));
        for request in (0..n_copies).flat_map(|_| requests.clone()) {
            // The id that a span bears was given before.
            let start = acts.iter().position(|act| matches!(act, Act::Post(post) if post.run == Some(made[at].run)));
            let from = start.map_or(0, |start| start + 1) as u64;
            acts.insert((from + dice.below(acts.len() as u64 - from + 1)) as usize, Act::Spans(request));
        }
    }
    for _ in 0..dice.below(4) {
        let act = if dice.one_in(2) { Act::Crash } else { Act::Settle };
        acts.insert(dice.below(acts.len() as u64 + 1) as usize, act);
    }
    acts
}

fn act(house: &mut House, act: &Act) {
    match act {
        Act::Post(post) => house.post("acme", post.clone()),
        Act::Lost(post) => {
            house.post("acme", post.clone());
            house.unanswered("acme", post.clone());
        }
        Act::Spans(request) => house.send("acme", request.clone()),
        Act::Settle => house.settle_if_restless(),
        Act::Crash => {
            house.wait_folded();
            house.crash();
        }
    }
    house.advance(SECOND / 10);
}

/// What can be known of a run from what is told of it.
fn known(at: usize, this: &Made) -> Shown {
    let (mut n_calls, mut tokens, mut nanos) = (0, 0, 0);
    for call in &this.calls {
        let (reported, spanned) = (call.n_posted.max(call.n_framework), call.n_spans);
        let n = match (reported, spanned) {
            (0, n) | (n, 0) => n,
            (a, b) => a.min(b),
        } as u64;
        assert!(n as usize <= call.n, "never more than there were");
        n_calls += n;
        tokens += n * (call.tokens.0 + call.tokens.1) as u64;
        nanos += n * u64::from(call.micro_dollars) * 1_000;
    }
    let ended = if this.fails { RunStatus::Error } else { RunStatus::Success };
    let is_over = this.paths == Paths::Spans || !this.loses_completion || !this.loses_agent_span;
    (format!("agent-{at}"), format!("s{}", at % 2), if is_over { ended } else { RunStatus::Running }, n_calls, tokens, nanos)
}

fn shown(run: &Run) -> Shown {
    let session = run.session.as_ref().map_or("", |session| session.as_str());
    (run.agent.to_string(), session.to_owned(), run.status, run.usage.calls, run.usage.tokens, run.usage.cost.0)
}

fn check(house: &House, of: &[Made], when: &str) {
    house.wait_folded();
    house.tick();
    let runs = house.runs("acme");
    let mut found: Vec<Shown> = runs.iter().map(shown).collect();
    let mut expected: Vec<Shown> = of.iter().enumerate().map(|(at, made)| known(at, made)).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{when}");
    let mut sessions: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for (_, session, _, _, tokens, nanos) in expected {
        let sum = sessions.entry(session).or_default();
        *sum = (sum.0 + 1, sum.1 + tokens, sum.2 + nanos);
    }
    for (session, (n_runs, tokens, nanos)) in sessions {
        let (summary, runs) = house.detail("acme", &session).unwrap();
        let totals = (summary.run_count, summary.total_tokens, summary.total_cost.0, runs.len() as u64);
        assert_eq!(totals, (n_runs, tokens, nanos, n_runs), "{when}: {session}");
    }
    // Each can be opened by its number, and those that were given one are shown by it.
    for made in of.iter().filter(|made| made.paths != Paths::Spans) {
        let view = house.run("acme", made.run).unwrap();
        assert_eq!(view.calls.iter().map(|call| call.usage.tokens()).sum::<u64>(), view.run.usage.tokens, "{when}");
        // Only runs on both paths hold others.
        assert_eq!(view.run.parent, made.parent.map(|parent| of[parent].run), "{when}: the parent");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_program_is_shown_as_it_was_or_as_the_path_that_is_left_knows_it(seed: u64, is_restless: bool) {
        let mut dice = Dice::new(seed);
        let made = program(&mut dice);
        let acts = acts(&made, &mut dice);
        let mut house = House::new(if is_restless { Tuning::restless() } else { Tuning::default() });
        for next in &acts {
            act(&mut house, next);
        }
        check(&house, &made, "at the end");
        house.settle_if_restless();
        house.crash();
        check(&house, &made, "after a crash");
        house.reopen();
        check(&house, &made, "after a restart");
    }
}
