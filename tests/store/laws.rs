//! Whatever comes, in whatever order, and however often the store forgets, is stopped or is killed: it shows the truth.

use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use sessionfold::model::ids::SessionId;
use sessionfold::model::query::{SessionQuery, Sort, SortField, StatusFilter};
use sessionfold::model::time::{Nanos, UnixNanos};

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
    prop_oneof![3 => Just(Tuning::restless()), 2 => Just(silent), 1 => Just(few), 1 => Just(busy), 1 => Just(Tuning::default())]
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
        self.truths.iter_mut().for_each(|truth| truth.silent_since = silent_since);
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
    queries.extend([StatusFilter::Running, StatusFilter::Error].map(|status| SessionQuery { status: Some(status), ..all() }));
    queries.push(SessionQuery { agent: Some("a1".into()), ..all() });
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
                Step::Check => {
                    house.tick();
                    agree(&house);
                }
            }
        }
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
        for query in queries() {
            assert_eq!(house.list(tenant, &query), truth::list(&sessions, &query), "{tenant}, {query:?}");
        }
    }
}
