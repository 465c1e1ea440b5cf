//! What is looked for in the journal is found from its newest end.

use std::ops::ControlFlow;

use sessionfold::model::ids::TraceId;
use sessionfold::store::Store;
use sessionfold::store::said::Heard;

use super::house::{House, Tuning, tenant};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

fn trace(number: u128) -> TraceId {
    TraceId::from_bytes(&number.to_be_bytes()).unwrap()
}

/// A look keeps 32 MiB of what it finds: what is left out is the oldest.
#[test]
fn the_newest_spans_are_found_however_much_there_is_of_older_ones() {
    let house = House::new(Tuning::default());
    let pad = "x".repeat(4 << 20);
    for number in 2..12 {
        house.send("acme", request([agent(1, number, 1, "bot").with("pad", &*pad)]));
    }
    house.send("acme", request([agent(2, 1, 0, "bot").session("new")]));
    house.wait_folded();
    let raw = house.store().raw_spans(&tenant("acme"), &[trace(1), trace(2)]).unwrap();
    assert!(raw.is_cut && raw.requests.len() < 11, "{}", raw.requests.len());
    let newest = request([agent(2, 1, 0, "bot").session("new")]);
    assert_eq!(raw.requests.last(), Some(&newest), "in the order in which they came");
}

/// Of what came long before and long after, nothing has to be looked at; what came late is found nevertheless, and in order.
#[test]
fn the_spans_of_any_time_are_found_those_that_came_late_too() {
    let house = House::new(Tuning::default());
    let pad = "x".repeat(40 << 10);
    let at = |house: &House| house.now().0;
    let mut sent = Vec::new();
    for number in 1..=30_u128 {
        let now = at(&house);
        let whole = request([
            agent(number, 1, 0, "bot").session("s").between(now, now + SECOND),
            chat(number, 2, 1, (1, 1), 1).between(now, now + SECOND),
        ]);
        house.send("acme", whole.clone());
        house.send("acme", request([agent(1_000 + number, 1, 0, "bot").with("pad", &*pad).between(now, now)]));
        sent.push(whole);
        house.advance(3_600 * SECOND);
    }
    let late = request([chat(3, 9, 1, (1, 1), 1).between(TEN + 2 * 3_600 * SECOND, TEN + 2 * 3_600 * SECOND)]);
    house.send("acme", late.clone());
    house.wait_folded();
    let find = |traces: &[u128]| {
        let traces: Vec<TraceId> = traces.iter().copied().map(trace).collect();
        let raw = house.store().raw_spans(&tenant("acme"), &traces).unwrap();
        assert!(!raw.is_cut, "{traces:?}");
        raw.requests
    };
    assert_eq!(find(&[2]), [sent[1].clone()]);
    assert_eq!(find(&[30]), [sent[29].clone()]);
    assert_eq!(find(&[3]), [sent[2].clone(), late]);
    assert_eq!(find(&[1, 2, 20, 30, 29, 28, 27]).len(), 7, "of all times");
    assert!(find(&[77]).is_empty());
}

#[test]
fn a_phrase_is_looked_for_newest_first_until_it_is_enough_and_in_ones_own_spans_alone() {
    let house = House::new(Tuning::default());
    let pad = "x".repeat(40 << 10);
    for number in 1..=6_u128 {
        house.send("acme", request([agent(number, 1, 0, "bot").with("said", "a KETTLE").with("pad", &*pad)]));
        house.send("other", request([agent(number, 1, 0, "bot").with("said", "a kettle")]));
    }
    house.wait_folded();
    let look = |phrase: &str, enough: usize| {
        let mut found = Vec::new();
        let looked = house.store().search_said(&tenant("acme"), phrase, &mut |heard| {
            let Heard::Spans { spans, .. } = heard else { panic!("no post was sent") };
            found.extend(spans.into_iter().map(|(trace, _)| trace));
            if found.len() >= enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (found, looked.unwrap())
    };
    let (found, looked) = look("a kettle", 100);
    assert_eq!(found, [6, 5, 4, 3, 2, 1].map(trace));
    assert!(looked.is_whole && looked.since == Some(house.now()) && looked.bytes > 6 * (40 << 10) && looked.bytes < 7 * (40 << 10));
    let (found, looked) = look("kettle", 2);
    assert_eq!((found, looked.is_whole), (vec![trace(6), trace(5)], false));
    assert_eq!(look("teapot", 1), (vec![], look("kettle", 100).1));
}
