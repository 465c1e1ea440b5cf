//! One call that shows as two spans side by side: echoes and framework wrappers (`docs/sdk.md`, rules 5 and 6).
//!
//! - Only scopes that are known for it (`ScopeTraits::has_echo_spans`), only spans of the same parent with the same model and tokens.
//! - An *echo* is shorter than 1 ms, of unset status, and does not name the model that answered; it starts while a sibling that does name
//!   it runs, or shortly after. One echo is dropped for each such sibling, so that two calls with two echoes stay two calls.
//! - A *wrapper* is a framework's span around a provider's: it encloses a sibling that is not a framework's. Every such wrapper is dropped.
//! - Wrappers are sought among what is no echo, since an echo inside a framework's span is not the provider's call.
//! - Which echo goes with which sibling is a largest possible matching, so the number dropped does not depend on any order.

use std::collections::BTreeSet;

use super::tree::Forest;
use super::why::WhyNot;
use crate::model::facts::{SpanKind, SpanStatus};
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::Call;

/// An echo takes less than this: it is opened and closed at once.
const ECHO_MAX: Nanos = Nanos::from_millis(1);

/// How long after its sibling's end an echo may start, at least: recorded on loopback, where it took up to 2 ms.
const TOLERANCE_MIN: Nanos = Nanos::from_millis(20);

/// And in parts of the sibling's length, since what makes the echo late (a slow machine) makes the call slow too.
const TOLERANCE_PARTS: u64 = 10;

/// A span that tells of a call another span tells of too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Duplicate {
    pub dropped: u32,
    /// The span that stands for the call.
    pub kept: u32,
    pub why: WhyNot,
}

/// A stretch of time of a span: from, until, the span.
pub(super) type Stretch = (UnixNanos, UnixNanos, u32);

/// Finds every echo and wrapper; each span is dropped at most once, and `kept` spans of wrappers are not themselves dropped.
pub(super) fn find(forest: &Forest<'_>) -> Vec<Duplicate> {
    let is_candidate = |span: &u32| is_candidate(forest, *span);
    if (0..forest.len() as u32).filter(is_candidate).nth(1).is_none() {
        return Vec::new();
    }
    let mut calls = forest.scratch.list(forest.len());
    calls.extend((0..forest.len() as u32).filter(is_candidate));
    calls.sort_unstable_by(|&a, &b| key(forest, a).cmp(&key(forest, b)).then(a.cmp(&b)));
    let mut duplicates = Vec::new();
    for same in calls.chunk_by(|&a, &b| key(forest, a) == key(forest, b)) {
        if same.len() > 1 {
            let first = duplicates.len();
            find_echoes(forest, same, &mut duplicates);
            let mut is_echo: Vec<u32> = duplicates[first..].iter().map(|echo| echo.dropped).collect();
            is_echo.sort_unstable();
            find_wrappers(forest, same.iter().copied().filter(|span| is_echo.binary_search(span).is_err()), &mut duplicates);
        }
    }
    duplicates
}

/// A call beside which another can stand for the same: a root span has no siblings.
fn is_candidate(forest: &Forest<'_>, span: u32) -> bool {
    let fact = forest.fact(span);
    fact.kind == SpanKind::Llm && fact.call.is_some() && fact.parent.is_some() && forest.scope(span).traits.has_echo_spans
}

fn key<'a>(forest: &Forest<'a>, span: u32) -> (Option<u64>, bool, u64, u64, &'a str) {
    let fact = forest.fact(span);
    let parent = fact.parent.map(|parent| parent.to_u64());
    // Where parents go round in a circle, one of them lies above those that name the same parent.
    let is_below_it = forest.own_parent(span).is_some();
    let (input, output, model) = fact
        .call
        .as_deref()
        .map_or((0, 0, ""), |Call { usage, model, .. }| (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0), model));
    (parent, is_below_it, input, output, model)
}

fn find_echoes(forest: &Forest<'_>, same: &[u32], duplicates: &mut Vec<Duplicate>) {
    let mut echoes: Vec<Stretch> = Vec::new();
    let mut siblings: Vec<Stretch> = Vec::new();
    for &span in same {
        let (fact, start) = (forest.fact(span), forest.start[span as usize]);
        if fact.has_response_model {
            let end = fact.end.max(start);
            let tolerance = TOLERANCE_MIN.max(Nanos(end.since(start).0 / TOLERANCE_PARTS));
            siblings.push((start, end.plus(tolerance), span));
        } else if fact.end != UnixNanos::ZERO && fact.end.since(start) < ECHO_MAX && fact.status == SpanStatus::Unset {
            echoes.push((start, start, span));
        }
    }
    let pairs = match_inside(echoes, siblings);
    duplicates.extend(pairs.into_iter().map(|(dropped, kept)| Duplicate { dropped, kept, why: WhyNot::Echo }));
}

fn find_wrappers(forest: &Forest<'_>, same: impl Iterator<Item = u32>, duplicates: &mut Vec<Duplicate>) {
    let stretch = |span: u32| (forest.start[span as usize], forest.fact(span).end.max(forest.start[span as usize]), span);
    let (mut wrappers, mut calls): (Vec<Stretch>, Vec<Stretch>) = (Vec::new(), Vec::new());
    for span in same {
        if forest.fact(span).is_framework { wrappers.push(stretch(span)) } else { calls.push(stretch(span)) }
    }
    if wrappers.is_empty() || calls.is_empty() {
        return;
    }
    calls.sort_unstable();
    // Two wrappers around two calls each stand for their own: paired first, so that a cost that only a wrapper states finds its call.
    let mut paired = match_inside(calls.clone(), wrappers.clone());
    paired.sort_unstable_by_key(|&(_, wrapper)| wrapper);
    // For each call in the order of their starts, the earliest end among it and those after it.
    let mut ends_first = calls.clone();
    for at in (1..ends_first.len()).rev() {
        let (end, span) = (ends_first[at].1, ends_first[at].2);
        if end < ends_first[at - 1].1 {
            (ends_first[at - 1].1, ends_first[at - 1].2) = (end, span);
        }
    }
    for (start, end, dropped) in wrappers {
        if let Ok(pair) = paired.binary_search_by_key(&dropped, |&(_, wrapper)| wrapper) {
            duplicates.push(Duplicate { dropped, kept: paired[pair].0, why: WhyNot::Wrapper });
            continue;
        }
        let next = calls.partition_point(|call| call.0 < start);
        if let Some(&(_, _, kept)) = ends_first.get(next).filter(|call| call.1 <= end) {
            duplicates.push(Duplicate { dropped, kept, why: WhyNot::Wrapper });
        }
    }
}

/// Pairs as many inner stretches as possible with an outer one that contains them, each at most once: (inner, outer) spans.
///
/// Inner ones by their start, each into the outer one that ends first among those that hold it: what another inner one could use instead
/// is thereby left to it.
pub(super) fn match_inside(mut inner: Vec<Stretch>, mut outer: Vec<Stretch>) -> Vec<(u32, u32)> {
    inner.sort_unstable();
    outer.sort_unstable();
    let mut pairs = Vec::new();
    let mut open: BTreeSet<(UnixNanos, u32)> = BTreeSet::new();
    let mut outer = outer.into_iter().peekable();
    for (start, end, span) in inner {
        while let Some((_, until, holder)) = outer.next_if(|&(from, _, _)| from <= start) {
            open.insert((until, holder));
        }
        if let Some(&(until, holder)) = open.range((end, 0)..).next() {
            open.remove(&(until, holder));
            pairs.push((span, holder));
        }
    }
    pairs
}
