//! What the fuzz targets run (`fuzz/`): each a function that panics where something does not hold that must hold for any bytes.
//!
//! - The bodies are in the modules whose parsers they try, so that nothing is public for their sake.
//! - `cargo test` runs each over its corpus; libFuzzer, over what it makes of it (`.ci/fuzz`).

use std::collections::BTreeMap;

use crate::auth;
use crate::conventions::{self, Conventions, Known, Strings};
use crate::fold::{Folded, Rules, TraceFacts, TraceLimit, fold};
use crate::ingest;
use crate::journal;
use crate::model::facts::SpanFact;
use crate::model::ids::TraceId;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, Cost, NanoUsd};
use crate::params;
use crate::prices;
use crate::tempo;
use crate::ui;
use crate::wire;

/// A target by the name of its directory in `fuzz/corpus`.
pub struct Target {
    pub name: &'static str,
    pub check: fn(&[u8]),
}

pub static TARGETS: [Target; 20] = [
    Target { name: "answer", check: tempo::fuzz::check_answer },
    Target { name: "body", check: ingest::fuzz::check_body },
    Target { name: "count", check: ingest::fuzz::check_count },
    Target { name: "credentials", check: auth::fuzz::check_credentials },
    Target { name: "directory", check: journal::fuzz::check_directory },
    Target { name: "entry", check: wire::checks::fuzz::check_entry },
    Target { name: "fold", check: check_fold },
    Target { name: "inspect", check: wire::checks::fuzz::check_inspect },
    Target { name: "json", check: wire::checks::fuzz::check_json },
    Target { name: "logs", check: ingest::fuzz::check_logs },
    Target { name: "messages", check: ui::fuzz::check_messages },
    Target { name: "observe", check: ingest::fuzz::check_observe },
    Target { name: "posts", check: conventions::fuzz::check_posts },
    Target { name: "prices", check: prices::fuzz::check_prices },
    Target { name: "query", check: params::fuzz::check_query },
    Target { name: "repair", check: wire::checks::fuzz::check_repair },
    Target { name: "rewrite", check: wire::checks::fuzz::check_rewrite },
    Target { name: "stamp", check: wire::checks::fuzz::check_stamp },
    Target { name: "stored", check: wire::checks::fuzz::check_stored },
    Target { name: "trace", check: ui::fuzz::check_trace },
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Any request: facts are read of its spans the same each time, and its runs are the same in whatever order and however often they come.
fn check_fold(bytes: &[u8]) {
    let facts = facts(bytes);
    assert_eq!(facts, self::facts(bytes));
    for (trace, facts) in facts.iter().take(4) {
        let once = runs(*trace, facts.iter());
        let turned = runs(*trace, facts.iter().rev().chain(facts));
        assert_eq!(once, turned);
    }
}

fn facts(request: &[u8]) -> BTreeMap<TraceId, Vec<SpanFact>> {
    let now = UnixNanos(1_700_000_000_000_000_000);
    let mut found: BTreeMap<TraceId, Vec<SpanFact>> = BTreeMap::new();
    let (conventions, mut strings) = (Conventions::default(), Strings::default());
    for resource in wire::otlp::resource_spans(request).map_while(Result::ok) {
        let said = conventions.resource(resource.attributes().map_while(Result::ok));
        for scope in resource.scope_spans().map_while(Result::ok) {
            let known = conventions.scope(scope.scope_name, &mut strings);
            let (mut walk, mut found_in_walk) = (scope.walk(), Known::default());
            for span in scope.spans().map_while(Result::ok) {
                let extracted = conventions::extract(&span, &known, &said, now, &mut strings);
                let walked = found_in_walk.next_span(&mut walk, &known).and_then(Result::ok).expect("a walk goes as far");
                if span.attributes().all(|attribute| attribute.is_ok()) {
                    let at_once = conventions::extract_known(&walked, &found_in_walk, &known, &said, now, &mut strings);
                    assert_eq!(at_once, extracted, "a span reads the same in one walk");
                }
                if let Some(extracted) = extracted {
                    found.entry(extracted.trace).or_default().push(extracted.fact);
                }
            }
        }
    }
    found
}

fn runs<'a>(trace: TraceId, facts: impl Iterator<Item = &'a SpanFact>) -> Folded {
    let mut set = TraceFacts::default();
    for fact in facts {
        set.join(fact.clone(), TraceLimit { max_spans: 10_000 });
    }
    let price = |call: &Call, _| (&*call.model == "gpt-4o").then_some(Cost::emitted(NanoUsd(3)));
    fold(
        trace,
        &set,
        &[],
        &Rules {
            price: &price,
            silent_since: UnixNanos(1_600_000_000_000_000_000),
            idle_since: UnixNanos(1_650_000_000_000_000_000),
            next_turn: UnixNanos::ZERO,
        },
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn names_in(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
        let mut names: Vec<_> = fs::read_dir(&folder).expect("it is committed").map(|entry| entry.expect("readable").path()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_target_has_a_corpus_and_every_corpus_a_target() {
        let corpora = names_in("corpus");
        let corpora: Vec<_> = corpora.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(corpora, TARGETS.each_ref().map(|target| target.name));
        assert!(find("inspect").is_some());
    }

    /// What the fuzzers of `.ci/fuzz` begin with holds in every build, also where there is no fuzzer.
    #[test]
    fn every_target_holds_over_its_corpus() {
        for Target { name, check } in &TARGETS {
            let inputs = names_in(&format!("corpus/{name}"));
            assert!(inputs.len() >= 3, "{name} has hardly a corpus");
            check(b"");
            for path in inputs {
                let bytes = fs::read(&path).expect("readable");
                let outcome = std::panic::catch_unwind(|| check(&bytes));
                assert!(outcome.is_ok(), "{name} does not hold for {}", path.display());
            }
        }
    }
}
