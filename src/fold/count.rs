//! What counts of the usage that spans claim, and at which cost.
//!
//! - A *call* (model span) counts unless a model span below it says what it used, or it is an echo or a wrapper (`duplicates`).
//! - The claim of a *container* (any other span) counts only if nothing below it claims anything; where the scope is known for containers
//!   whose usage is their own, it always counts. A container that claims nothing is not a call.
//! - "Below" goes through spans of every kind and through nested runs, and through the links of lost trees: what was placed in a run by
//!   its time is below that run's span.
//! - The cost is what the span states, else the price by model, else unknown. A stated zero with tokens is not a price.
//! - What was left out can still be the only one to know the cost. An echo or wrapper hands it to the span that stands for its call; a
//!   model span hands it to the calls below it if no other cost is stated there: to the only one, or split over several in proportion to
//!   their tokens, to the last nano-dollar. A container hands nothing on: its sum may span more than what is below it (Strands, CrewAI).

use super::Rules;
use super::duplicates;
use super::tree::{Forest, NONE};
use crate::model::facts::SpanFact;
use crate::model::scopes::scope_traits;
use crate::model::usage::{Call, Cost, NanoUsd, Usage};

/// What becomes of the claim of one span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Share {
    /// The span claims nothing.
    Silent,
    /// It counts; `None` is an unknown cost.
    Counts(Option<Cost>),
    /// Others tell of the same; the cost is what it stated and handed to nobody.
    LeftOut(NanoUsd),
}

/// For each span, whether spans below it claim something.
pub(super) struct Below(Vec<u8>);

const MODEL_BELOW: u8 = 1;
const ANY_BELOW: u8 = 2;

/// Decides on the claim of every span.
pub(super) fn share(forest: &Forest<'_>, rules: &Rules<'_>) -> Vec<Share> {
    let mut shares = vec![Share::Silent; forest.len()];
    if !forest.facts.iter().any(|fact| fact.call.is_some()) {
        return shares;
    }
    let below = Below::of(forest);
    let mut stated: Vec<Option<NanoUsd>> = forest.facts.iter().map(|fact| usage(fact).and_then(stated_cost)).collect();
    for (span, share) in shares.iter_mut().enumerate() {
        let (fact, span) = (forest.facts[span], span as u32);
        if counts(fact, &below, span) {
            *share = Share::Counts(None);
        } else if fact.call.is_some() && (fact.kind.is_model() || is_positive(fact)) {
            *share = Share::LeftOut(NanoUsd(0));
        }
    }
    for duplicate in duplicates::find(forest) {
        let (dropped, kept) = (duplicate.dropped as usize, duplicate.kept as usize);
        shares[dropped] = Share::LeftOut(NanoUsd(0));
        if stated[kept].is_none() {
            stated[kept] = stated[dropped].take();
        }
    }
    hand_down(forest, &shares, &mut stated);
    for (span, share) in shares.iter_mut().enumerate() {
        *share = match *share {
            Share::Silent => Share::Silent,
            Share::LeftOut(_) => Share::LeftOut(stated[span].unwrap_or_default()),
            Share::Counts(_) => Share::Counts(stated[span].map(Cost::emitted).or_else(|| price(forest, rules, span))),
        };
    }
    shares
}

/// Whether a span has anything to count.
pub(super) fn is_positive(fact: &SpanFact) -> bool {
    usage(fact).is_some_and(Usage::is_positive)
}

/// Whether a span's claim counts, echoes and wrappers aside.
pub(super) fn counts(fact: &SpanFact, below: &Below, span: u32) -> bool {
    if fact.call.is_none() {
        return false;
    }
    if fact.kind.is_model() {
        return below.0[span as usize] & MODEL_BELOW == 0;
    }
    is_positive(fact) && (below.0[span as usize] & ANY_BELOW == 0 || scope_traits(&fact.scope).container_usage_is_own)
}

fn usage(fact: &SpanFact) -> Option<&Usage> {
    fact.call.as_deref().map(|call| &call.usage)
}

fn stated_cost(usage: &Usage) -> Option<NanoUsd> {
    usage.cost.filter(|cost| cost.0 > 0 || usage.tokens() == 0)
}

fn price(forest: &Forest<'_>, rules: &Rules<'_>, span: usize) -> Option<Cost> {
    let call: &Call = forest.facts[span].call.as_deref()?;
    if call.usage.tokens() == 0 {
        return None;
    }
    (rules.price)(call, forest.start[span])
}

/// Hands the costs of model spans that were left out to the calls below them.
fn hand_down(forest: &Forest<'_>, shares: &[Share], stated: &mut [Option<NanoUsd>]) {
    let is_giver = |span: usize| {
        let is_left_out = matches!(shares[span], Share::LeftOut(_)) && forest.facts[span].kind.is_model();
        is_left_out && stated[span].is_some_and(|cost| cost.0 > 0)
    };
    let givers: Vec<bool> = (0..forest.len()).map(is_giver).collect();
    if !givers.contains(&true) {
        return;
    }
    // The nearest giver above each span.
    let mut giver = vec![NONE; forest.len()];
    // Givers below which another cost is stated: theirs is not the only word on it.
    let mut is_contested = vec![false; forest.len()];
    let mut takers: Vec<(u32, u32)> = Vec::new();
    for &span in &forest.order {
        let Some(parent) = forest.parent(span) else { continue };
        let from = if givers[parent as usize] { parent } else { giver[parent as usize] };
        giver[span as usize] = from;
        if from == NONE {
            continue;
        }
        let fact = forest.fact(span);
        let counts = fact.kind.is_model() && matches!(shares[span as usize], Share::Counts(_)) && is_positive(fact);
        if givers[span as usize] || (counts && stated[span as usize].is_some()) {
            is_contested[from as usize] = true;
        } else if counts {
            takers.push((from, span));
        }
    }
    takers.retain(|&(from, _)| !is_contested[from as usize]);
    takers.sort_unstable();
    for same in takers.chunk_by(|a, b| a.0 == b.0) {
        let cost = stated[same[0].0 as usize].take().unwrap_or_default();
        split(forest, cost, same, stated);
    }
}

/// Splits a cost over calls in proportion to their tokens: each gets the difference of two roundings of the running sum, so that the parts
/// add up exactly.
fn split(forest: &Forest<'_>, cost: NanoUsd, takers: &[(u32, u32)], stated: &mut [Option<NanoUsd>]) {
    let tokens = |span: u32| u128::from(usage(forest.fact(span)).map_or(0, Usage::tokens));
    // A call that is positive without a cost has tokens, so this is not zero.
    let all = takers.iter().map(|&(_, span)| tokens(span)).sum::<u128>().max(1);
    let (mut so_far, mut given) = (0, 0);
    for &(_, span) in takers {
        so_far += tokens(span);
        let until = u128::from(cost.0).saturating_mul(so_far) / all;
        stated[span as usize] = Some(NanoUsd((until - given) as u64));
        given = until;
    }
}

// === impl Below ===

impl Below {
    /// What is below each span, by what the spans hang from now.
    pub(super) fn of(forest: &Forest<'_>) -> Self {
        let mut below = vec![0_u8; forest.len()];
        for &span in forest.order.iter().rev() {
            let Some(parent) = forest.parent(span) else { continue };
            let fact = forest.fact(span);
            let own = match (is_positive(fact), fact.kind.is_model()) {
                (true, true) => MODEL_BELOW | ANY_BELOW,
                (true, false) => ANY_BELOW,
                (false, _) => 0,
            };
            below[parent as usize] |= below[span as usize] | own;
        }
        Self(below)
    }
}
