//! Nothing is an error where a smaller question would have been answered; and what no question gets is named.

use std::collections::{BTreeMap, HashSet};

use sessionfold::conventions::Conventions;
use sessionfold::model::ids::{Tenant, TraceId};
use sessionfold::tempo::query::QueryError;
use sessionfold::tempo::query::search::Window;
use sessionfold::tempo::recover::restored::Restoring;
use sessionfold::tempo::recover::scan::unread::Lot;
use sessionfold::tempo::recover::stamped::{self, Held};

use super::double::{Double, Limits, Trace, n_spans};

/// 2026-02-07T10:00:00Z
const START: u64 = 1_770_458_400;

/// Ids as random as those of an SDK.
fn id(n: u64) -> u128 {
    let mixed = |n: u64| {
        let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    u128::from(mixed(n + 1)) << 64 | u128::from(mixed(n + 0x9e37_79b9))
}

/// So many runs of three spans in one second, some traces around it, and one with ids as little random as can be.
fn burst(n: u64) -> Vec<Trace> {
    let in_burst = (0..n).map(|n| Trace { id: id(n), second: START + 5, n_spans: 3 });
    let around = (0..200).map(|n| Trace { id: u128::from(n + 1) << 64 | 0xbeef, second: START + n % 50 * 40, n_spans: 2 });
    in_burst.chain(around).collect()
}

const RANGE: Window = Window { start: START - 3_600, end: START + 7_200 };

async fn read(double: &Double) -> Result<Held, QueryError> {
    stamped::read(&double.client(), &Tenant::default(), None, RANGE, |_| {}).await
}

/// What was read must be every span of `traces` once.
fn assert_whole(held: &Held, traces: &[Trace]) {
    let mut expected: BTreeMap<String, u64> = traces.iter().map(|trace| (format!("{:032x}", trace.id), trace.n_spans)).collect();
    let n_expected: u64 = expected.values().sum();
    for span in &held.spans {
        *expected.get_mut(&span.trace.to_string()).unwrap() -= 1;
    }
    assert_eq!((held.spans.len() as u64, expected.values().sum::<u64>()), (n_expected, 0));
    assert!(held.unread.is_empty(), "{:?}", held.unread);
}

/// What a rebuild is given: spans by trace.
async fn restored(double: &Double) -> BTreeMap<TraceId, usize> {
    let (client, tenant) = (double.client(), Tenant::default());
    let conventions = Conventions::default();
    let mut restoring = Restoring::begin(&client, &tenant, &conventions, RANGE).await.unwrap();
    let mut spans: BTreeMap<TraceId, usize> = BTreeMap::new();
    let mut present: HashSet<TraceId> = HashSet::new();
    while let Some(given) = restoring.next().await.unwrap() {
        present.extend(given.present);
        for trace in given.traces {
            assert!(present.contains(&trace.trace));
            assert_eq!(n_spans(&trace.request), trace.n_spans);
            assert_eq!(spans.insert(trace.trace, trace.n_spans), None, "{} is given twice", trace.trace);
        }
        if given.is_last {
            present.clear();
        }
    }
    assert!(restoring.unread().is_empty(), "{:?}", restoring.unread());
    spans
}

#[tokio::test]
async fn a_second_that_is_too_much_at_every_level_is_read_to_the_end() {
    let traces = burst(1_000);
    let small = Limits { spans: 90, traces: 150, ..Limits::default() };
    let few = Limits { limit: 100, spans_per_set: 20, ..Limits::default() };
    let short = Limits { seconds: 900, ..Limits::default() };
    let slow = Limits { slow_seconds: 30, spans: 400, ..Limits::default() };
    let all = Limits { spans: 120, traces: 150, limit: 50, spans_per_set: 5, seconds: 3_000, slow_seconds: 60, ..Limits::default() };
    for (name, limits) in [("small answers", small), ("few traces", few), ("short ranges", short), ("slow", slow), ("all", all)] {
        let double = Double::start(traces.clone(), limits).await;
        let held = read(&double).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_whole(&held, &traces);
        let (n_answered, n_refused) = double.n_asked();
        assert!(n_refused < n_answered / 2 + 40, "{name}: {n_refused} refusals for {n_answered} answers");
    }
}

#[tokio::test]
async fn a_rebuild_is_given_every_trace_of_a_dense_second_once() {
    let traces = burst(700);
    let double = Double::start(traces.clone(), Limits { spans: 90, limit: 60, ..Limits::default() }).await;
    let spans = restored(&double).await;
    assert_eq!((spans.len(), spans.values().sum::<usize>()), (traces.len(), 3 * 700 + 2 * 200));
}

#[tokio::test]
async fn a_trace_that_is_too_large_to_be_given_whole_is_read_in_parts() {
    let mut traces = burst(50);
    traces.push(Trace { id: id(1 << 40), second: START + 5, n_spans: 1_700 });
    let double = Double::start(traces.clone(), Limits { whole: 1_000, spans: 60, ..Limits::default() }).await;
    assert_whole(&read(&double).await.unwrap(), &traces);
    assert_eq!(restored(&double).await.values().sum::<usize>(), 50 * 3 + 200 * 2 + 1_700);
}

#[tokio::test]
async fn a_trace_that_no_question_gets_is_named_and_everything_else_is_read() {
    let mut traces = burst(50);
    let giant = Trace { id: id(1 << 40), second: START + 5, n_spans: 1_700 };
    traces.push(giant.clone());
    let limits = Limits { whole: 1_000, poisoned: Some(giant.id), ..Limits::default() };
    let double = Double::start(traces, limits).await;
    let held = read(&double).await.unwrap();
    assert_eq!(held.spans.len(), 50 * 3 + 200 * 2);
    let trace = TraceId::from_bytes(&giant.id.to_be_bytes()).unwrap();
    assert_eq!(held.unread.iter().map(|unread| unread.what).collect::<Vec<_>>(), [Lot::Trace(trace)]);
    assert!(held.unread[0].to_string().starts_with(&format!("trace {trace}: tempo's answer would be too large")), "{}", held.unread[0]);

    // One that is small for its id and poisons every search of its second.
    let mut traces = burst(50);
    traces[7].n_spans = 9;
    let poisoned = traces[7].id;
    let double = Double::start(traces, Limits { poisoned: Some(poisoned), ..Limits::default() }).await;
    let held = read(&double).await.unwrap();
    assert_eq!(held.spans.len(), 49 * 3 + 200 * 2);
    let trace = TraceId::from_bytes(&poisoned.to_be_bytes()).unwrap();
    assert_eq!(held.unread.len(), 1);
    assert!(held.unread[0].covers(trace, (START + 5) * 1_000_000_000, (START + 6) * 1_000_000_000), "{}", held.unread[0]);
}

/// Windows around it were halved again and again, and each was refused; with a real Tempo each refusal took a second.
#[tokio::test]
async fn the_way_to_a_burst_is_short() {
    let traces: Vec<Trace> = (0..1_000).map(|n| Trace { id: id(n), second: START + 5, n_spans: 3 }).collect();
    let double = Double::start(traces.clone(), Limits { limit: 600, ..Limits::default() }).await;
    let range = Window { start: START - 86_400, end: START + 86_400 };
    let held = stamped::read(&double.client(), &Tenant::default(), None, range, |_| {}).await.unwrap();
    assert_whole(&held, &traces);
    let (n_answered, n_refused) = double.n_asked();
    assert!(n_answered + n_refused < 40, "{n_answered} answered, {n_refused} refused");
}

#[tokio::test]
async fn a_tempo_that_refuses_everything_is_an_error_in_the_end() {
    let double = Double::start(burst(50), Limits { slow_seconds: 0, ..Limits::default() }).await;
    tokio::time::pause();
    let refused = read(&double).await.unwrap_err();
    assert!(matches!(refused, QueryError::GaveUp(_)), "{refused}");
    assert!(double.n_asked().1 < 200, "{:?}", double.n_asked());
}

#[tokio::test]
async fn four_hundred_days_of_nothing_are_some_dozens_of_questions() {
    let double = Double::start(burst(1), Limits::default()).await;
    let range = Window { start: START - 400 * 86_400, end: START + 7_200 };
    let held = stamped::read(&double.client(), &Tenant::default(), None, range, |_| {}).await.unwrap();
    assert_eq!(held.spans.len(), 3 + 200 * 2);
    let (n_answered, n_refused) = double.n_asked();
    assert!(n_answered + n_refused < 200, "{n_answered} answered, {n_refused} refused");
}
