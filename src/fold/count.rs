//! What counts of the usage that spans claim, and at which cost.
//!
//! - A *call* (model span) counts unless a model span below it says what it used, or it is an echo, a wrapper or a twin (`duplicates`,
//!   `twins`). A model span that states no usage is a call of unknown cost if no other model span is above or below it that tells of it, nor
//!   one beside it that tells what its stream used.
//! - "Below" ends, for calls, at tool, agent and workflow spans: what a tool asks of a model is a call of its own.
//! - The claim of a *container* (any other span) counts only if nothing below it claims anything; where the scope is known for containers
//!   whose usage is their own, it always counts. A container that claims nothing is not a call.
//! - Nested runs do not end it. The links of lost trees do for calls, which were placed by nothing but their time; to a container's sum they
//!   may belong, so what was placed in a run is below that run's span.
//! - The cost is what the span states, else the price by model (`Rules::price`), else unknown. A stated zero with tokens is not a price.
//!   Where a report tells of the same call, `merge` puts the report's cost first.
//! - What was left out can still be the only one to know the cost. An echo, wrapper or twin hands it to the span that stands for its call;
//!   a model span hands it to the calls below it if no other cost is stated there: to the only one, or split over several in proportion to
//!   their tokens, to the last nano-dollar. A container hands nothing on: its sum may span more than what is below it (Strands, CrewAI).
//! - A call that names no model is one of the model that the nearest span above it names.
//! - The same goes for parts of the tokens, cached ones and such, where one span stands for one call.
//! - What tells a running sum counts with its own part of it (`running`).

use super::Rules;
use super::duplicates::{self, Duplicate};
use super::running;
use super::tree::{Forest, NONE};
use super::turns;
use super::twins;
use super::why::{Handed, WhyNot};
use crate::model::facts::{Delivery, SpanFact, SpanKind};
use crate::model::scopes::scope_traits;
use crate::model::usage::{Call, Cost, NanoUsd, Usage};

/// What becomes of the claim of one span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Share {
    /// The span claims nothing, or nothing that is not told better elsewhere.
    Silent(WhyNot),
    /// It counts; `None` is an unknown cost.
    Counts(Option<Cost>),
    /// Others tell of the same; the cost is what it stated and handed to nobody.
    LeftOut(NanoUsd, WhyNot),
}

/// What tells of calls above and below each span.
pub(super) struct Near<'a>(&'a [u8]);

/// A model span with usage is below, no tool, agent or workflow between.
const USAGE_BELOW: u8 = 1;
/// A model span is below, the same.
const MODEL_BELOW: u8 = 2;
/// Anything with usage is below.
const ANY_BELOW: u8 = 4;
/// A model span with usage is above, no tool, agent or workflow between.
const USAGE_ABOVE: u8 = 8;
/// The span beside it tells what its stream used.
const USAGE_BESIDE: u8 = 16;

/// How Logfire calls the spans that tell what a stream used.
const STREAM_SPAN: &str = "streaming response from";

/// Decides on the claim of every span.
pub(super) fn share<'a>(forest: &mut Forest<'a>, rules: &Rules<'_>) -> &'a mut [Share] {
    let shares = forest.per_span(Share::Silent(WhyNot::NoCall));
    if !forest.facts.iter().any(|fact| fact.call.is_some()) {
        return shares;
    }
    forest.lend_models();
    running::take_apart(forest);
    let near = Near::of(forest);
    let stated = forest.per_span(None);
    for (span, share) in shares.iter_mut().enumerate() {
        stated[span] = usage(forest.facts[span]).and_then(stated_cost);
        let (fact, span) = (forest.facts[span], span as u32);
        *share = match standing(fact, &near, span) {
            Ok(()) => Share::Counts(None),
            Err(why) if fact.call.is_some() && (fact.kind.is_model() || is_positive(fact)) => Share::LeftOut(NanoUsd(0), why),
            Err(why) => Share::Silent(why),
        };
    }
    let mut duplicates = duplicates::find(forest);
    duplicates.extend(turns::retold(forest));
    let mut dropped: Vec<u32> = duplicates.iter().map(|duplicate| duplicate.dropped).collect();
    dropped.sort_unstable();
    let is_open = |span: u32| matches!(shares[span as usize], Share::Counts(_)) && dropped.binary_search(&span).is_err();
    let twins = twins::find(forest, is_open);
    duplicates.extend(twins);
    for Duplicate { dropped, kept, why } in duplicates {
        // A log beside the span of the call is no second call.
        let is_log = turns::delivery(forest.fact(dropped)) == Delivery::Never;
        shares[dropped as usize] = if is_log { Share::Silent(why) } else { Share::LeftOut(NanoUsd(0), why) };
        forest.told_by.insert(dropped, kept);
        if stated[kept as usize].is_none() {
            stated[kept as usize] = stated[dropped as usize].take();
            if stated[kept as usize].is_some() {
                forest.handed.push(Handed::cost(dropped, kept));
                if turns::is_event(forest.fact(dropped)) {
                    forest.hung.costs.insert(kept);
                }
            }
        }
        hand_parts(forest, dropped, kept);
    }
    hand_down(forest, shares, stated);
    hand_parts_down(forest, shares);
    turns::spread_costs(forest, shares, stated, split);
    for (span, share) in shares.iter_mut().enumerate() {
        *share = match *share {
            Share::Silent(why) => Share::Silent(why),
            Share::LeftOut(_, why) => Share::LeftOut(stated[span].unwrap_or_default(), why),
            Share::Counts(_) => Share::Counts(stated[span].map(Cost::emitted).or_else(|| price(forest, rules, span))),
        };
    }
    shares
}

/// Whether a span has anything to count.
pub(super) fn is_positive(fact: &SpanFact) -> bool {
    usage(fact).is_some_and(Usage::is_positive)
}

/// Whether a span's claim counts, echoes, wrappers and twins aside.
pub(super) fn counts(fact: &SpanFact, near: &Near<'_>, span: u32) -> bool {
    standing(fact, near, span).is_ok()
}

/// The same, with why it does not.
fn standing(fact: &SpanFact, near: &Near<'_>, span: u32) -> Result<(), WhyNot> {
    if fact.call.is_none() {
        return Err(WhyNot::NoCall);
    }
    let near = near.0[span as usize];
    let (counts, why) = match (fact.kind.is_model(), is_positive(fact)) {
        (true, true) => (near & USAGE_BELOW == 0, WhyNot::CallsBelow),
        (true, false) => (near & (MODEL_BELOW | USAGE_ABOVE | USAGE_BESIDE) == 0, WhyNot::ToldNear),
        (false, true) => (near & ANY_BELOW == 0 || scope_traits(&fact.scope).container_usage_is_own, WhyNot::SumOfBelow),
        (false, false) => (false, WhyNot::NothingUsed),
    };
    if counts { Ok(()) } else { Err(why) }
}

/// Spans that asked for a stream whose usage a span beside them tells. Each of those stands for the last one that began before it.
fn streams_told_beside(forest: &Forest<'_>) -> Vec<u32> {
    let is_told_so = |span: &u32| {
        let fact = forest.fact(*span);
        fact.kind.is_model() && fact.call.is_some() && forest.scope(*span).traits.tells_streams_beside
    };
    let mut of_scope: Vec<u32> = (0..forest.len() as u32).filter(|span| is_told_so(span) && forest.own_parent(*span).is_some()).collect();
    if !of_scope.iter().any(|&span| forest.fact(span).name.starts_with(STREAM_SPAN)) {
        return Vec::new();
    }
    of_scope.sort_unstable_by_key(|&span| (forest.own_parent(span), forest.start[span as usize], forest.fact(span).span));
    let mut told = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    for span in of_scope {
        let fact = forest.fact(span);
        open.retain(|&asked| forest.own_parent(asked) == forest.own_parent(span));
        match (is_positive(fact), fact.name.starts_with(STREAM_SPAN)) {
            (false, false) => open.push(span),
            (true, true) => {
                let last = open.iter().rposition(|&asked| forest.fact(asked).scope == fact.scope);
                told.extend(last.map(|at| open.remove(at)));
            }
            _ => {}
        }
    }
    told
}

/// Gives the span that stands for a call the parts of its tokens that only the other one tells.
fn hand_parts(forest: &mut Forest<'_>, from: u32, to: u32) {
    if let (Some(tier), None) = (forest.tier(from), forest.tier(to)) {
        forest.lent_tiers.insert(to, tier);
    }
    let (Some(&told), Some(&known)) = (forest.usage(from), forest.usage(to)) else { return };
    let part = |known: Option<u64>, told: Option<u64>, whole: Option<u64>| match known {
        Some(known) if known > 0 => Some(known),
        _ => told.filter(|&told| told <= whole.unwrap_or(0)).or(known),
    };
    let cache_write = part(known.cache_write_tokens, told.cache_write_tokens, known.input_tokens);
    let write_1h = part(Some(known.cache_write_1h_tokens), Some(told.cache_write_1h_tokens), cache_write);
    let mended = Usage {
        cache_read_tokens: part(known.cache_read_tokens, told.cache_read_tokens, known.input_tokens),
        cache_write_tokens: cache_write,
        cache_write_1h_tokens: write_1h.unwrap_or(0),
        reasoning_tokens: part(known.reasoning_tokens, told.reasoning_tokens, known.output_tokens),
        ..known
    };
    if mended != known {
        forest.mended.insert(to, mended);
        forest.handed.push(Handed::parts(from, to));
    }
}

fn usage(fact: &SpanFact) -> Option<&Usage> {
    fact.call.as_deref().map(|call| &call.usage)
}

fn stated_cost(usage: &Usage) -> Option<NanoUsd> {
    usage.cost.filter(|cost| cost.0 > 0 || usage.tokens() == 0)
}

fn price(forest: &Forest<'_>, rules: &Rules<'_>, span: usize) -> Option<Cost> {
    let (call, usage, tier) = (forest.named_call(span as u32)?, forest.usage(span as u32)?, forest.tier(span as u32));
    if usage.tokens() == 0 {
        return None;
    }
    if *usage == call.usage && tier == call.tier {
        return (rules.price)(call, forest.start[span]);
    }
    (rules.price)(&Call { usage: *usage, tier, ..call.clone() }, forest.start[span])
}

/// Hands the costs of model spans that were left out to the calls below them.
fn hand_down(forest: &mut Forest<'_>, shares: &[Share], stated: &mut [Option<NanoUsd>]) {
    let is_giver = |span: usize| {
        let is_left_out = matches!(shares[span], Share::LeftOut(..)) && forest.facts[span].kind.is_model();
        is_left_out && stated[span].is_some_and(|cost| cost.0 > 0)
    };
    if !(0..forest.len()).any(is_giver) {
        return;
    }
    let givers: Vec<bool> = (0..forest.len()).map(is_giver).collect();
    // The nearest giver above each span.
    let giver = forest.per_span(NONE);
    // Givers below which another cost is stated: theirs is not the only word on it.
    let is_contested = forest.per_span(false);
    let mut takers: Vec<(u32, u32)> = Vec::new();
    for &span in forest.order {
        let Some(parent) = forest.own_parent(span) else { continue };
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
        forest.handed.extend(same.iter().map(|&(from, to)| Handed::cost(from, to)));
    }
}

/// Gives the only call below a model span that was left out the parts of its tokens that only this one tells.
fn hand_parts_down(forest: &mut Forest<'_>, shares: &[Share]) {
    let tells_parts = |span: u32| {
        let parts = forest.usage(span).map(|usage| [usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens]);
        forest.tier(span).is_some() || parts.is_some_and(|parts| parts.iter().flatten().any(|&part| part > 0))
    };
    let is_giver =
        |span: &u32| matches!(shares[*span as usize], Share::LeftOut(..)) && forest.fact(*span).kind.is_model() && tells_parts(*span);
    let givers: Vec<u32> = (0..forest.len() as u32).filter(is_giver).collect();
    if givers.is_empty() {
        return;
    }
    let giver = forest.per_span(NONE);
    let mut takers: Vec<(u32, u32)> = Vec::new();
    for &span in forest.order {
        let Some(parent) = forest.own_parent(span) else { continue };
        giver[span as usize] = if givers.binary_search(&parent).is_ok() { parent } else { giver[parent as usize] };
        let counts =
            forest.fact(span).kind.is_model() && matches!(shares[span as usize], Share::Counts(_)) && is_positive(forest.fact(span));
        if giver[span as usize] != NONE && counts {
            takers.push((giver[span as usize], span));
        }
    }
    takers.sort_unstable();
    let only: Vec<(u32, u32)> = takers.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() == 1).map(|same| same[0]).collect();
    for (from, to) in only {
        hand_parts(forest, from, to);
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

/// For each span one that counts below it and that it may repeat: for containers anything, for model spans a model span with no tool, agent
/// or workflow between. [`NONE`] where there is none. For whoever asks why; what counts says [`Near`].
pub(super) fn tellers(forest: &Forest<'_>, shares: &[Share]) -> Vec<u32> {
    let mut any = vec![NONE; forest.len()];
    let mut model = vec![NONE; forest.len()];
    for &span in forest.order.iter().rev() {
        let Some(parent) = forest.parent(span) else { continue };
        let fact = forest.fact(span);
        let counts = matches!(shares[span as usize], Share::Counts(_)) && is_positive(fact);
        let own = if counts { span } else { any[span as usize] };
        if any[parent as usize] == NONE {
            any[parent as usize] = own;
        }
        let own_model = match (counts && fact.kind.is_model(), ends(fact)) {
            (true, _) => span,
            (false, true) => NONE,
            (false, false) => model[span as usize],
        };
        if model[parent as usize] == NONE && forest.own_parent(span).is_some() {
            model[parent as usize] = own_model;
        }
    }
    let of = |span: usize| if forest.facts[span].kind.is_model() { model[span] } else { any[span] };
    (0..forest.len()).map(of).collect()
}

/// What is above such a span asks nothing of the models below it.
fn ends(fact: &SpanFact) -> bool {
    matches!(fact.kind, SpanKind::Tool | SpanKind::Agent | SpanKind::Workflow)
}

// === impl Near ===

impl<'a> Near<'a> {
    /// What is above and below each span, by what the spans hang from now.
    pub(super) fn of(forest: &Forest<'a>) -> Self {
        let ends = |span: u32| ends(forest.fact(span));
        let near = forest.per_span(0_u8);
        for &span in forest.order.iter().rev() {
            let Some(parent) = forest.parent(span) else { continue };
            let fact = forest.fact(span);
            let is_model = fact.kind.is_model() && fact.call.is_some();
            let own = match (is_positive(fact), is_model) {
                (true, true) => USAGE_BELOW | MODEL_BELOW | ANY_BELOW,
                (true, false) => ANY_BELOW,
                (false, true) => MODEL_BELOW,
                (false, false) => 0,
            };
            let passed = if ends(span) { near[span as usize] & ANY_BELOW } else { near[span as usize] };
            let is_link = forest.own_parent(span).is_none();
            near[parent as usize] |= if is_link { (passed | own) & ANY_BELOW } else { passed | own };
        }
        for &span in forest.order {
            let Some(parent) = forest.own_parent(span).filter(|_| !ends(span)) else { continue };
            let above = forest.fact(parent);
            if near[parent as usize] & USAGE_ABOVE != 0 && !ends(parent) || above.kind.is_model() && is_positive(above) {
                near[span as usize] |= USAGE_ABOVE;
            }
        }
        for asked in streams_told_beside(forest) {
            near[asked as usize] |= USAGE_BESIDE;
        }
        Self(near)
    }
}
