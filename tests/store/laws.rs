//! Whatever comes, in whatever order, and however often the store forgets, is stopped or is killed: it shows the truth.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use sessionfold::model::ids::{SessionId, Tenant};
use sessionfold::model::query::{SessionQuery, Sort, SortField, StatusFilter};
use sessionfold::model::time::{Nanos, UnixNanos};
use sessionfold::store::Store;

use super::house::{House, Tuning};
use super::truth::{self, Truth};
use crate::support::dice::Dice;
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request, span};

const TENANTS: [&str; 2] = ["acme", "other"];
const SESSIONS: [&str; 4] = ["s0", "s1", "s2", "s3"];
const MINUTE: u64 = 60 * SECOND;

#[derive(Clone, Debug)]
enum Step {
    /// To a tenant: (trace, span, copy).
    Send(usize, Vec<(u8, u8, u8)>),
    Delete(usize, usize),
    /// Minutes.
    Advance(u64),
    Settle,
    Reopen,
    Crash,
    Check,
}

fn any_step() -> impl Strategy<Value = Step> {
    let spans = prop::collection::vec((0..5_u8, 1..8_u8, 0..3_u8), 1..6);
    prop_oneof![
        14 => (0..2_usize, spans).prop_map(|(tenant, spans)| Step::Send(tenant, spans)),
        2 => (0..2_usize, 0..4_usize).prop_map(|(tenant, session)| Step::Delete(tenant, session)),
        2 => (1..10_u64).prop_map(Step::Advance),
        3 => Just(Step::Settle),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        3 => Just(Step::Check),
    ]
}

fn any_tuning() -> impl Strategy<Value = Tuning> {
    let few = Tuning { max_changes: 6, ..Tuning::restless() };
    let busy = Tuning { max_changes: 4, ..Tuning::default() };
    let silent = Tuning { run_timeout: Nanos(20 * MINUTE), ..Tuning::restless() };
    let idle = Tuning { idle_after: Nanos(5 * MINUTE), ..Tuning::restless() };
    let both = Tuning { idle_after: Nanos(5 * MINUTE), sweep_interval: std::time::Duration::ZERO, ..silent.clone() };
    prop_oneof![3 => Just(Tuning::restless()), 2 => Just(silent), 2 => Just(idle), 1 => Just(both), 1 => Just(few), 1 => Just(busy), 1 => Just(Tuning::default())]
}

/// A span by its numbers: `shape` decides everything else. Copies of a span differ in what they know.
fn made(shape: u64, trace: u8, number: u8, copy: u8) -> Span {
    let mut dice = Dice::new(shape ^ (u64::from(trace) << 32) ^ u64::from(number));
    dice.roll();
    let trace = u128::from(trace) + 1;
    let lower = 1 + dice.below(u64::from(number).max(2) - 1);
    let parent = match dice.below(10) {
        _ if number == 1 => u64::from(dice.one_in(8)) * 99,
        0 => 0,
        1 => 90 + dice.below(3),
        2 => 1 + dice.below(7),
        _ => lower,
    };
    let number = u64::from(number);
    let used = (1 + dice.below(1000) as i64, dice.below(100) as i64);
    let name = *dice.pick(&["a0", "a1", "a2"]);
    let is_model = number > 1 && dice.below(10) < 4;
    let is_agent = dice.below(10) < if number == 1 { 5 } else { 4 };
    let mut made = if is_model && copy != 1 {
        chat(trace, number, parent, used, 10 + copy as u32)
    } else if is_agent && !is_model {
        agent(trace, number, parent, name)
    } else if dice.one_in(8) {
        span(trace, number, parent).with("traceloop.span.kind", "workflow")
    } else {
        span(trace, number, parent)
    };
    if dice.below(100) < 35 {
        made = made.session(SESSIONS[dice.below(4) as usize]);
    }
    if dice.one_in(3) {
        made = made.with("waxell.user_id", *dice.pick(&["u0", "u1", "u2", "v"]));
    }
    let start = match dice.below(30) {
        0 => 0,
        1 => TEN + 400 * 24 * 60 * MINUTE,
        _ => TEN + dice.below(60) * MINUTE,
    };
    let end = match dice.below(20) {
        0 => start.saturating_sub(MINUTE),
        1 => 0,
        _ => start + dice.below(10) * MINUTE,
    };
    if dice.one_in(6) {
        made = made.failed();
    }
    if !is_model && !is_agent && dice.one_in(3) {
        made = made.with("openinference.span.kind", "TOOL");
        if dice.one_in(2) {
            made = made.with("tool.name", *dice.pick(&["t0", "t1"]));
        }
    }
    if dice.one_in(3) {
        made = made.with("error.message", *dice.pick(&["error", "no such order", "Error code: 429"]));
    }
    made.between(start, [end, 0, end + MINUTE][usize::from(copy)])
}

struct World {
    shape: u64,
    house: House,
    truths: [Truth; 2],
}

impl World {
    fn take(&mut self, step: Step) {
        match step {
            Step::Send(tenant, spans) => {
                let spans = spans.into_iter().map(|(trace, number, copy)| made(self.shape, trace, number, copy));
                let request = request(spans);
                self.truths[tenant].take(&request, self.house.now());
                self.house.send(TENANTS[tenant], request);
            }
            Step::Delete(tenant, session) => {
                self.house.wait_folded();
                let id = SessionId::new(SESSIONS[session]).unwrap();
                let expected = self.truths[tenant].delete(&id, self.house.now());
                assert_eq!(self.house.delete(TENANTS[tenant], SESSIONS[session]), expected);
            }
            Step::Advance(minutes) => {
                self.house.advance(minutes * MINUTE);
                self.tell_time();
            }
            Step::Settle => self.house.tick(),
            Step::Reopen => self.house.reopen(),
            Step::Crash => self.house.crash(),
            Step::Check => {
                // Time-outs are found by sweeps.
                self.house.tick();
                self.check();
            }
        }
    }

    fn tell_time(&mut self) {
        let silent_since = self.house.now().minus(self.house.tuning.run_timeout);
        let idle_since = self.house.now().minus(self.house.tuning.idle_after);
        self.truths.iter_mut().for_each(|truth| (truth.silent_since, truth.idle_since) = (silent_since, idle_since));
    }

    fn check(&self) {
        for (tenant, truth) in TENANTS.iter().zip(&self.truths) {
            let sessions = truth.sessions();
            for query in queries() {
                assert_eq!(self.house.list(tenant, &query), truth::list(&sessions, &query), "{tenant}, {query:?}");
            }
            for id in SESSIONS {
                let id = SessionId::new(id).unwrap();
                let expected = sessions.get(&id).map(|runs| (truth::summary(&id, runs), runs.clone()));
                assert_eq!(self.house.detail(tenant, id.as_str()), expected, "{tenant}, {id:?}");
            }
            assert_eq!(self.house.agents(tenant), truth::agents(&sessions), "{tenant}");
            self.check_users_of_sessions(tenant, &sessions);
            self.house.check_sums(tenant);
        }
    }
}

impl World {
    fn check_users_of_sessions(&self, tenant: &str, sessions: &truth::Sessions) {
        let ids: Vec<&SessionId> = sessions.keys().collect();
        let told = self.house.store().users_of_sessions(&Tenant::new(tenant).unwrap(), &ids).unwrap();
        for (id, users) in ids.iter().zip(told) {
            let mut expected: Vec<_> = Vec::new();
            // Runs are in the order they started; there are fewer here than are asked.
            for user in sessions[*id].iter().rev().filter_map(|run| run.user.clone()) {
                if !expected.contains(&user) {
                    expected.push(user);
                }
            }
            expected.truncate(4);
            assert_eq!(users, expected, "{tenant}, {id:?}");
        }
    }
}

/// Every order, every filter, and windows that sessions straddle.
fn queries() -> Vec<SessionQuery> {
    let all = || SessionQuery { limit: 100, ..SessionQuery::default() };
    let mut queries = vec![SessionQuery { limit: 1, offset: 1, ..SessionQuery::default() }];
    for field in SortField::ALL {
        for descending in [false, true] {
            queries.push(SessionQuery { sort: Sort { field, descending }, ..all() });
        }
    }
    queries.extend(
        [StatusFilter::Running, StatusFilter::Error, StatusFilter::ToolError].map(|status| SessionQuery { status: Some(status), ..all() }),
    );
    queries.push(SessionQuery { agent: Some("a1".into()), ..all() });
    for user in ["u0", "u2", "nobody"] {
        queries.push(SessionQuery { user: Some(user.into()), ..all() });
        let (start, end) = (Some(UnixNanos(TEN + 10 * MINUTE)), Some(UnixNanos(TEN + 12 * MINUTE)));
        queries.push(SessionQuery { user: Some(user.into()), agent: Some("a1".into()), start, end, ..all() });
        queries.push(SessionQuery { user: Some(user.into()), session_id: SessionId::new("s1"), ..all() });
    }
    queries.push(SessionQuery { search: Some("2".into()), ..all() });
    queries.push(SessionQuery { session_id: SessionId::new("s1"), ..all() });
    for start in (0..70).step_by(7) {
        let start = UnixNanos(TEN + start * MINUTE);
        queries.push(SessionQuery { start: Some(start), ..all() });
        queries.push(SessionQuery { end: Some(start), ..all() });
        queries.push(SessionQuery { start: Some(start), end: Some(UnixNanos(start.0 + 2 * MINUTE)), ..all() });
    }
    queries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_and_however_it_is_stopped_the_store_shows_the_truth(
        shape: u64,
        tuning in any_tuning(),
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let mut world = World { shape, house: House::new(tuning), truths: Default::default() };
        world.tell_time();
        for step in steps {
            world.take(step);
        }
        for last in [Step::Check, Step::Settle, Step::Check, Step::Crash, Step::Check, Step::Reopen, Step::Check] {
            world.take(last);
        }
    }
    /// What retention removes depends on when it looks, so there is no other truth than this: nothing old is shown, and all views agree.
    #[test]
    fn whatever_retention_removes_nothing_old_is_shown_and_the_views_agree(
        shape: u64,
        max_index_bytes in prop_oneof![Just(None), Just(Some(90_000))],
        run_timeout in prop_oneof![Just(Nanos(u64::MAX)), Just(Nanos(10 * MINUTE)), Just(Nanos(60 * MINUTE))],
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let tuning = Tuning { max_age: Some(Nanos(30 * MINUTE)), max_index_bytes, run_timeout, ..Tuning::restless() };
        let mut house = House::new(tuning);
        house.advance(20 * MINUTE);
        for step in steps.into_iter().chain([Step::Settle, Step::Check, Step::Crash, Step::Check]) {
            match step {
                Step::Send(tenant, spans) => {
                    let spans = spans.into_iter().map(|(trace, number, copy)| made(shape, trace, number, copy));
                    house.send(TENANTS[tenant], request(spans));
                }
                Step::Delete(tenant, session) => _ = house.delete(TENANTS[tenant], SESSIONS[session]),
                Step::Advance(minutes) => house.advance(minutes * MINUTE),
                Step::Settle => house.tick(),
                Step::Reopen => house.reopen(),
                Step::Crash => house.crash(),
                Step::Check => while !agree_at_rest(&house) {},
            }
        }
    }
}

// === no session loses what it has ===

/// Numbers of spans that hold others; those above are calls.
const N_HOLDERS: u64 = 6;
const N_SPANS: u64 = 13;

/// A span by its number, of a trace in which no two tell of one call. Each call has tokens of its own: a sum says which calls are in it.
fn told_once(shape: u64, number: u64) -> Span {
    let mut dice = Dice::new(shape ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    dice.roll();
    let is_call = number > N_HOLDERS;
    let holder = 1 + dice.below(if is_call { N_HOLDERS } else { number.max(2) - 1 });
    let parent = match dice.below(6) {
        _ if number == 1 => 0,
        0 => 0,
        1 | 2 => 90 + dice.below(3),
        _ => holder,
    };
    let name = *dice.pick(&["a0", "a1"]);
    let made = match dice.below(4) {
        _ if is_call => chat(1, number, parent, (1 << number, 0), 1),
        0 | 1 => agent(1, number, parent, name),
        2 => span(1, number, parent).with("traceloop.span.kind", *dice.pick(&["workflow", "tool"])),
        _ => span(1, number, parent),
    };
    let start = TEN + dice.below(60) * MINUTE;
    let made = made.between(start, start + dice.below(20) * MINUTE);
    match named(shape, number) {
        Some((key, session)) => made.with(key, session),
        None => made,
    }
}

/// The session that a span names, and by which key.
fn named(shape: u64, number: u64) -> Option<(&'static str, &'static str)> {
    let mut dice = Dice::new(shape.rotate_left(17) ^ number);
    dice.roll();
    let n_sessions = 1 + shape % 3;
    let session = SESSIONS[dice.below(n_sessions) as usize];
    [Some(("session.id", session)), Some(("gen_ai.conversation.id", session)), None, None][dice.below(4) as usize]
}

/// Which calls each session holds, as the sum of their tokens.
fn held(house: &House) -> BTreeMap<String, u64> {
    house.tick();
    let page = house.list("acme", &SessionQuery { limit: 100, ..SessionQuery::default() });
    page.items.iter().map(|row| (row.id.as_str().to_owned(), row.total_tokens)).collect()
}

fn check_held(shape: u64, arrived: &[u64], held: &BTreeMap<String, u64>, deleted: Option<&str>) {
    let holds = |session: &str, call: u64| held.get(session).is_some_and(|calls| calls & (1 << call) != 0);
    let calls = || arrived.iter().copied().filter(|number| *number > N_HOLDERS);
    for (call, session) in calls().filter_map(|call| Some((call, named(shape, call)?))).filter(|(_, (key, _))| *key == "session.id") {
        assert!(holds(session.1, call) || deleted == Some(session.1), "{call} names {} and is not in it: {held:?}", session.1);
    }
    let mut sessions: Vec<_> = arrived.iter().filter_map(|span| named(shape, *span)).map(|(_, session)| session).collect();
    sessions.sort_unstable();
    sessions.dedup();
    if let ([only], None) = (&sessions[..], deleted) {
        assert!(calls().all(|call| holds(only, call)), "not all of {arrived:?} is in the only session: {held:?}");
    }
    let held: Vec<u64> = held.values().copied().collect();
    assert_eq!(held.iter().sum::<u64>(), held.iter().fold(0, |all, calls| all | calls), "a call counts twice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    /// The laws of the fold, through eviction, restarts and a deletion.
    #[test]
    fn what_a_session_holds_it_keeps_and_the_only_one_of_a_trace_holds_all(
        shape: u64,
        order in Just((1..=N_SPANS).collect::<Vec<_>>()).prop_shuffle(),
        restarts in prop::collection::vec(0..8_u8, N_SPANS as usize),
        deleted in 0..3_usize,
    ) {
        let mut house = House::new(Tuning::restless());
        let mut before = 0;
        for (at, &number) in order.iter().enumerate() {
            house.fold("acme", request([told_once(shape, number)]));
            match restarts[at] {
                0 => house.reopen(),
                1 => house.crash(),
                2 => house.settle(),
                _ => {}
            }
            let held = held(&house);
            check_held(shape, &order[..=at], &held, None);
            let now = held.values().sum::<u64>();
            assert_eq!(before & !now, 0, "{number} took calls out of every session: {held:?}");
            before = now;
        }
        house.delete("acme", SESSIONS[deleted]);
        for _ in 0..2 {
            let held = held(&house);
            assert!(!held.contains_key(SESSIONS[deleted]));
            check_held(shape, &order, &held, Some(SESSIONS[deleted]));
            house.reopen();
        }
    }
}

/// `false` if retention removed something meanwhile, as it does after a checkpoint has shown how much the disk holds, and with a checkpoint
/// where runs have no session: then nothing is known.
fn agree_at_rest(house: &House) -> bool {
    house.tick();
    let runs = || TENANTS.map(|tenant| house.runs(tenant));
    let before = runs();
    let agreed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| agree(house)));
    match agreed {
        Ok(()) => true,
        Err(_) if runs() != before => false,
        Err(disagreement) => std::panic::resume_unwind(disagreement),
    }
}

fn agree(house: &House) {
    for tenant in TENANTS {
        let page = house.list(tenant, &SessionQuery { limit: 100, ..SessionQuery::default() });
        let mut sessions = truth::Sessions::new();
        for row in page.items {
            let (summary, runs) = house.detail(tenant, row.id.as_str()).unwrap();
            assert_eq!((&row, &summary), (&summary, &truth::summary(&summary.id, &runs)));
            let oldest = house.now().minus(house.tuning.max_age.unwrap());
            assert!(row.last_activity >= oldest, "{row:?} is older than {oldest:?}");
            sessions.insert(summary.id, runs);
        }
        assert_eq!(page.count as usize, sessions.len());
        assert_eq!(house.agents(tenant), truth::agents(&sessions));
        house.check_sums(tenant);
        for query in queries() {
            assert_eq!(house.list(tenant, &query), truth::list(&sessions, &query), "{tenant}, {query:?}");
        }
    }
}
