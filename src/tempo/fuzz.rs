//! The body of a fuzz target: what must hold for anything that Tempo, or who answers in its place, may say.

use crate::conventions::Conventions;
use std::collections::HashMap;

use prost::Message as _;

use super::query::search::{self, FoundTrace};
use super::query::stream;
use super::recover::{restored, stamped};
use crate::wire::otlp::inspect::{Limits, inspect};

/// Any answer: read or refused, and what a rebuild makes of it is a request that the front door would take whole.
///
/// The first byte chooses the question that is answered.
pub fn check_answer(bytes: &[u8]) {
    let Some((question, answer)) = bytes.split_first() else {
        return;
    };
    match question % 4 {
        0 => {
            let Ok(answer) = serde_json::from_slice::<serde_json::Value>(answer) else { return };
            let _ = search::found_traces(&answer).map(check_found);
        }
        1 => {
            let Ok(answer) = serde_json::from_slice(answer) else { return };
            let (series, tags) = (search::all_series(&answer), search::tags_of(&answer, "resource"));
            assert!(series.len() <= bytes.len() && tags.len() <= bytes.len());
        }
        2 => {
            let Ok(part) = stream::SearchResponse::decode(answer) else { return };
            let found: Result<Vec<_>, _> = part.traces.into_iter().map(stream::found_trace).collect();
            let _ = found.map(check_found);
        }
        _ => {
            let _ = stamped::of_bytes(&answer.to_vec().into());
        }
    }
}

fn check_found(traces: Vec<FoundTrace>) {
    for found in traces {
        let n_spans = found.spans.len();
        let given = restored::trace_spans(found, &HashMap::new(), &Conventions::default());
        assert_eq!(given.n_spans, n_spans);
        assert!(given.stamped.len() <= n_spans);
        let inspected = inspect(&given.request, Limits { max_depth: 30 }).expect("it is well formed");
        assert_eq!((inspected.n_spans, inspected.faults), (n_spans, Vec::new()));
    }
}
