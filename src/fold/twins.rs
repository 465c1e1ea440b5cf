//! One call that two instrumentations tell of, in spans of which neither is above the other: a provider's SDK that makes spans of its own
//! beside an instrumentation of it.
//!
//! - Two model spans of different scopes are twins if they name the same answer of a provider; or if nothing contradicts it (two answers,
//!   two sessions, one span above the other with an agent or a tool between), their tokens are equal, and one lies within the other's time.
//! - Of several the one stands that is likeliest right: a span before a log event, the Waxell SDK's, then the provider's own SDK's, then the
//!   one that tells most.
//! - Within one scope nothing is a twin: what it tells twice it means twice, but for what `duplicates` knows.

use std::cmp::Reverse;

use super::duplicates::{Duplicate, Stretch, match_inside};
use super::tree::{Forest, Lineage, NONE};
use super::why::WhyNot;
use crate::model::ids::{SessionId, SpanId};
use crate::model::logs;
use crate::model::scopes::scope_traits;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, Usage};

/// Of more scopes that tell of calls with equal tokens the rest is let be.
const SCOPES_MAX: usize = 4;

/// Finds them among the spans that `is_open`: that count otherwise.
pub(super) fn find(forest: &Forest<'_>, is_open: impl Fn(u32) -> bool) -> Vec<Duplicate> {
    let candidates = || (0..forest.len() as u32).filter(|&span| is_candidate(forest, span));
    let mut scopes = candidates().map(|span| &forest.fact(span).scope);
    let Some(first) = scopes.next() else { return Vec::new() };
    if scopes.all(|scope| scope == first) {
        return Vec::new();
    }
    let mut calls: Vec<u32> = candidates().filter(|&span| is_open(span)).collect();
    let mut twins = Vec::new();
    let response = |span: u32| call(forest, span).response;
    calls.sort_by_cached_key(|&span| (response(span), rank(forest, span)));
    for same in calls.chunk_by(|&a, &b| response(a) == response(b)).filter(|same| response(same[0]) != 0) {
        // Best first.
        let others = same.iter().filter(|&&span| forest.fact(span).scope != forest.fact(same[0]).scope);
        let why = |dropped| match is_of_logs(forest, dropped) && !is_of_logs(forest, same[0]) {
            true => WhyNot::ToldBySpan,
            false => WhyNot::SameAnswer,
        };
        twins.extend(others.map(|&dropped| Duplicate { dropped, kept: same[0], why: why(dropped) }));
    }
    let mut dropped: Vec<u32> = twins.iter().map(|twin| twin.dropped).collect();
    dropped.sort_unstable();
    // What used nothing is known by its answer alone.
    calls.retain(|&span| dropped.binary_search(&span).is_err() && call(forest, span).usage.tokens() > 0);
    let tokens = |span: u32| tokens(&call(forest, span).usage);
    calls.sort_by_cached_key(|&span| (tokens(span), rank(forest, span)));
    let doubts = Doubts { lineage: forest.lineage(), introducer: forest.introducers() };
    for same in calls.chunk_by(|&a, &b| tokens(a) == tokens(b)).filter(|same| same.len() > 1) {
        find_in_time(forest, same, &doubts, &mut twins);
    }
    twins
}

/// What speaks against two spans being of one call.
struct Doubts<'a> {
    lineage: Lineage,
    introducer: &'a [u32],
}

/// Among calls of equal tokens, best first.
fn find_in_time(forest: &Forest<'_>, same: &[u32], doubts: &Doubts<'_>, twins: &mut Vec<Duplicate>) {
    let mut scopes: Vec<(&str, Vec<Stretch>)> = Vec::new();
    for &span in same {
        let start = forest.start[span as usize];
        let stretch = (start, forest.fact(span).end.max(start), span);
        let scope = &*forest.fact(span).scope;
        match scopes.iter().position(|(known, _)| *known == scope) {
            Some(at) => scopes[at].1.push(stretch),
            None if scopes.len() < SCOPES_MAX => scopes.push((scope, vec![stretch])),
            None => {}
        }
    }
    while scopes.len() > 1 {
        let (_, kept) = scopes.remove(0);
        for (_, others) in &mut scopes {
            let mut pairs = match_inside(others.clone(), kept.clone());
            let mut paired: Vec<u32> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
            paired.sort_unstable();
            let free = |of: &[Stretch]| of.iter().copied().filter(|stretch| paired.binary_search(&stretch.2).is_err()).collect();
            let (rest_of_others, rest_of_kept) = (free(others), free(&kept));
            pairs.extend(match_inside(rest_of_kept, rest_of_others).into_iter().map(|(kept, other)| (other, kept)));
            pairs.retain(|&(a, b)| !doubts.speak_against(forest, a, b));
            let mut gone: Vec<u32> = pairs.iter().map(|&(dropped, _)| dropped).collect();
            gone.sort_unstable();
            others.retain(|stretch| gone.binary_search(&stretch.2).is_err());
            twins.extend(pairs.into_iter().map(|(dropped, kept)| Duplicate { dropped, kept, why: WhyNot::SameTokens }));
        }
    }
}

impl Doubts<'_> {
    fn speak_against(&self, forest: &Forest<'_>, a: u32, b: u32) -> bool {
        let has_answers = call(forest, a).response != 0 && call(forest, b).response != 0;
        let (session, other) = (self.session(forest, a), self.session(forest, b));
        has_answers || (session.is_some() && other.is_some() && session != other) || self.lineage.are_related(a, b)
    }

    fn session<'a>(&self, forest: &Forest<'a>, span: u32) -> Option<&'a SessionId> {
        let by = self.introducer[span as usize];
        if by == NONE { None } else { forest.session[by as usize] }
    }
}

fn is_candidate(forest: &Forest<'_>, span: u32) -> bool {
    let fact = forest.fact(span);
    fact.kind.is_model() && fact.call.as_deref().is_some_and(|call| call.usage.tokens() > 0 || call.response != 0)
}

fn is_of_logs(forest: &Forest<'_>, span: u32) -> bool {
    logs::is_of_logs(&forest.fact(span).scope)
}

fn call<'a>(forest: &Forest<'a>, span: u32) -> &'a Call {
    forest.fact(span).call.as_deref().expect("a candidate has a call")
}

fn tokens(usage: &Usage) -> (u64, u64) {
    (usage.input_tokens.unwrap_or(0), usage.output_tokens.unwrap_or(0))
}

/// The least is the one to keep.
fn rank(forest: &Forest<'_>, span: u32) -> (bool, bool, bool, Reverse<usize>, UnixNanos, SpanId) {
    let fact = forest.fact(span);
    let traits = scope_traits(&fact.scope);
    let Usage { cache_read_tokens, cache_write_tokens, reasoning_tokens, cost, .. } = call(forest, span).usage;
    let parts = [cache_read_tokens, cache_write_tokens, reasoning_tokens, cost.map(|cost| cost.0)];
    let told = parts.iter().flatten().filter(|&&part| part > 0).count();
    (is_of_logs(forest, span), !traits.reports_runs, !traits.is_providers_own, Reverse(told), forest.start[span as usize], fact.span)
}
