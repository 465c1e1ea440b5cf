//! Two instrumentations of one call in two traces: OpenInference's LangChain, whose spans are never the current ones, and that of the
//! provider's client, which then begins traces of its own.

use std::path::Path;

use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::house::{House, Tuning};
use crate::support::dice::Dice;
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request_of};

const LANGCHAIN: &str = "openinference.instrumentation.langchain";
const OPENAI: &str = "openinference.instrumentation.openai";

fn at(span: Span, from: u64, to: u64) -> Span {
    span.between(TEN + from * SECOND, TEN + to * SECOND)
}

/// A turn of two calls, and each of them once more.
fn turn() -> Vec<Bytes> {
    let graph = at(agent(1, 1, 0, "weather").session("s"), 0, 60);
    let outer = |number: u64, from: u64, tokens| at(chat(1, number, 1, tokens, 10), from, from + 10);
    let inner = |trace: u128, from: u64, tokens| at(chat(trace, 1, 0, tokens, 10).session("s"), from + 1, from + 9);
    vec![
        request_of(OPENAI, [inner(2, 5, (100, 10))]),
        request_of(LANGCHAIN, [outer(2, 5, (100, 10))]),
        request_of(OPENAI, [inner(3, 20, (200, 20))]),
        request_of(LANGCHAIN, [outer(3, 20, (200, 20))]),
        request_of(LANGCHAIN, [graph]),
    ]
}

fn shown(house: &House) -> Vec<(String, u64, u64)> {
    let runs =
        |session: &str| house.detail("acme", session).map(|(summary, _)| (session.to_owned(), summary.run_count, summary.total_tokens));
    ["s", "t"].into_iter().filter_map(runs).collect()
}

#[test]
fn a_call_that_is_told_in_two_traces_counts_once_in_whatever_order_they_come() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        for seed in 0..12 {
            let mut house = House::new(tuning.clone());
            let mut requests = [turn(), turn()].concat();
            Dice::new(seed).shuffle(&mut requests);
            for request in requests {
                house.send("acme", request);
                house.settle_if_restless();
            }
            house.wait_folded();
            house.tick();
            let once = [("s".to_owned(), 1, 330)];
            assert_eq!(shown(&house), once, "{seed}");
            house.crash();
            assert_eq!(shown(&house), once, "{seed}, after a crash");
            turn().into_iter().for_each(|request| house.fold("acme", request));
            house.tick();
            assert_eq!(shown(&house), once, "{seed}, sent again");
        }
    }
}

#[test]
fn what_another_run_does_not_tell_stays() {
    let inner = |tokens, from: u64, to: u64| at(chat(9, 1, 0, tokens, 10).session("s"), from, to);
    let others = [
        ("other tokens", OPENAI, inner((100, 11), 6, 14)),
        ("another time", OPENAI, inner((100, 10), 6, 40)),
        ("the same scope", LANGCHAIN, inner((100, 10), 6, 14)),
        ("another session", OPENAI, at(chat(9, 1, 0, (100, 10), 10).session("t"), 6, 14)),
    ];
    for (what, scope, call) in others {
        let house = House::new(Tuning::default());
        turn().into_iter().for_each(|request| house.fold("acme", request));
        house.fold("acme", request_of(scope, [call]));
        house.tick();
        let n_runs: u64 = shown(&house).iter().map(|(_, n_runs, _)| n_runs).sum();
        assert_eq!(n_runs, 2, "{what}");
    }
    // An instrumentation whose spans are the current ones would hold the inner call in its own trace.
    let house = House::new(Tuning::default());
    house.fold("acme", request_of("app", [at(agent(1, 1, 0, "a").session("s"), 0, 60), at(chat(1, 2, 1, (100, 10), 10), 5, 15)]));
    house.fold("acme", request_of(OPENAI, [inner((100, 10), 6, 14)]));
    house.tick();
    assert_eq!(shown(&house), [("s".to_owned(), 2, 220)]);
}

#[test]
fn a_recording_of_both_comes_to_what_the_program_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/dialects/recordings/openinference-instrumentation-langchain-0.1.80--oi_langchain_both");
    let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pb"));
    files.sort();
    for backwards in [false, true] {
        let house = House::new(Tuning { run_timeout: sessionfold::model::time::Nanos(u64::MAX), ..Tuning::default() });
        house.advance(400 * 24 * 3600 * SECOND);
        if backwards {
            files.reverse();
        }
        files.iter().for_each(|file| house.fold("acme", Bytes::from(std::fs::read(file).unwrap())));
        house.tick();
        for session in ["lc-s2", "lc-s4"] {
            let truth = &expected["sessions"][session];
            let (summary, runs) = house.detail("acme", session).unwrap();
            let cached: u64 = runs.iter().map(|run| run.usage.cache_read_tokens).sum();
            let said = (Some(summary.run_count), Some(summary.total_tokens), Some(cached));
            assert_eq!(
                said,
                (truth["run_count"].as_u64(), truth["total_tokens"].as_u64(), truth["cached"].as_u64()),
                "{session} {backwards}"
            );
        }
    }
}

#[test]
fn what_was_left_out_of_a_session_leaves_the_disk_with_it() {
    for is_restarted in [false, true] {
        let mut house = House::new(Tuning::restless());
        turn().into_iter().for_each(|request| house.fold("acme", request));
        house.settle();
        assert_eq!(house.count_rows("SELECT count(*) FROM traces"), 3);
        if is_restarted {
            house.reopen();
        }
        assert_eq!(house.delete("acme", "s"), Some(1));
        house.settle();
        assert_eq!(house.count_rows("SELECT count(*) FROM traces"), 0, "{is_restarted}");
    }
}
