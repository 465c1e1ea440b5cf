//! What is looked for in the journal is found from its newest end.

use std::ops::ControlFlow;

use proptest::prelude::*;
use sessionfold::model::ids::TraceId;
use sessionfold::store::Store;
use sessionfold::store::said::Heard;

use super::house::{House, Tuning, tenant};
use crate::support::spans::{Tell, agent, request};

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

/// The requests of a trace are read where they are, not the whole journal, which may be damaged elsewhere.
#[test]
fn the_spans_of_a_trace_are_found_without_reading_what_lies_beside_them() {
    let mut house = House::new(Tuning::default());
    let pad = "x".repeat(10 << 10);
    let told = |number: u128| request([agent(number, 1, 0, "bot").with("pad", &*pad)]);
    (1..=30).for_each(|number| house.send("acme", told(number)));
    house.reopen();
    let mut segments: Vec<_> =
        std::fs::read_dir(house.database().with_file_name("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|extension| extension == "journal"));
    segments.sort();
    let mut damaged = std::fs::read(&segments[2]).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&segments[2], damaged).unwrap();
    let found = |numbers: &[u128]| {
        let raw = house.store().raw_spans(&tenant("acme"), &numbers.iter().copied().map(trace).collect::<Vec<_>>()).unwrap();
        (raw.requests, raw.is_cut)
    };
    assert_eq!(found(&[1]), (vec![told(1)], false));
    assert_eq!(found(&[30, 2]), (vec![told(2), told(30)], false));
    assert_eq!(found(&[31]), (vec![], false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 400, ..ProptestConfig::default() })]

    /// Whatever traces come in a request, whether they left memory meanwhile, and however often it was stopped or killed.
    #[test]
    fn every_request_of_a_trace_is_found_and_no_other(
        is_restless: bool,
        sent in prop::collection::vec((prop::collection::vec(1..6_u128, 1..4), 0..40_usize, 0..12_u8), 1..40),
    ) {
        let mut house = House::new(if is_restless { Tuning::restless() } else { Tuning::default() });
        let mut requests = Vec::new();
        for (number, (traces, pad, then)) in sent.into_iter().enumerate() {
            let pad = "x".repeat(pad << 10);
            let span = number as u64 + 1;
            let request = request(traces.iter().enumerate().map(|(n, trace)| agent(*trace, span * 8 + n as u64, 0, "bot").with("pad", &*pad)));
            house.send("acme", request.clone());
            requests.push((traces, request));
            match then {
                0 => house.crash(),
                1 => house.reopen(),
                2..5 => house.settle_if_restless(),
                _ => {}
            }
        }
        for number in 1..6 {
            let raw = house.store().raw_spans(&tenant("acme"), &[trace(number)]).unwrap();
            let expected: Vec<_> = requests.iter().filter(|(traces, _)| traces.contains(&number)).map(|(_, request)| request.clone()).collect();
            prop_assert_eq!((raw.requests, raw.is_cut), (expected, false));
        }
    }
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
