//! Turns of coding agents that log events tell of (`conventions::agents`): each event is a span, and not all of them say what they hang from.
//!
//! - A turn is a prompt's span. What hangs from nothing here is of the turn that began last before it ended; before all turns, of the first.
//!   What a turn cost is of the turn that began nearest to it.
//! - A conversation that was started in another is one turn, of the session that its span says.
//! - A record that was made inside a call's span is not below that call: it tells of the same one.
//! - Where a subagent tells that it is done, it is. A turn goes on until its newest event; whether it is over says that event: after a call it
//!   is, after a tool or a prompt it is not, unless another turn began.
//!
//! Source: the recordings of coding agents; decision 061.

use std::collections::BTreeSet;

use super::count::{self, Share};
use super::duplicates::Duplicate;
use super::tree::{Forest, NONE, ScopeSays};
use super::why::WhyNot;
use crate::model::facts::{Delivery, SpanFact, SpanKind, SpanStatus};
use crate::model::ids::SpanId;
use crate::model::logs::{self, ANSWERED_SPAN, ASKED_SPAN, COMMAND_SPAN, SPAWN_SPAN, TURN_COST_SPAN};
use crate::model::run::RunStatus;
use crate::model::scopes::scope_traits;
use crate::model::time::UnixNanos;
use crate::model::usage::NanoUsd;

/// The newest event of a turn: when it was, and what can be said of the turn after it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Newest {
    at: UnixNanos,
    is_call: bool,
    has_failed: bool,
    span: SpanId,
}

/// Made of a log event.
pub(super) fn is_event(fact: &SpanFact) -> bool {
    logs::is_of_logs(&fact.scope)
}

/// How Tempo comes to know of a span.
pub fn delivery(fact: &SpanFact) -> Delivery {
    if logs::is_beside_spans(&fact.scope) {
        Delivery::Never
    } else if is_prompt(fact) && !logs::is_turn(&fact.scope) {
        Delivery::WhenOver
    } else {
        Delivery::Forwarded
    }
}

/// It makes no run by itself, only with a call of a model.
pub(super) fn needs_call(fact: &SpanFact) -> bool {
    is_event(fact) && [COMMAND_SPAN, SPAWN_SPAN].contains(&&*fact.name) || scope_traits(&fact.scope).needs_call
}

pub(super) fn is_prompt(fact: &SpanFact) -> bool {
    fact.kind == SpanKind::Agent && fact.parent.is_none() && is_event(fact)
}

/// Somebody asked; what another conversation started is part of a turn there.
pub(super) fn begins_turn(fact: &SpanFact) -> bool {
    is_prompt(fact) && &*fact.name != SPAWN_SPAN
}

/// What was found of turns while events were hung from them.
#[derive(Default)]
pub(super) struct Hung {
    /// When the last turn began.
    pub last_turn: UnixNanos,
    /// Events that tell of a call, and the span of that call.
    pub retold: Vec<(u32, u32)>,
    /// Spans whose costs events stated; few traces have any.
    pub costs: BTreeSet<u32>,
}

/// Hangs events from their turns.
pub(super) fn hang(facts: &[&SpanFact], scope: &[ScopeSays], parent: &mut [u32]) -> Hung {
    let mut hung = Hung::default();
    if !scope.iter().any(|scope| scope.is_of_logs) {
        return hung;
    }
    for span in 0..facts.len() {
        let above = parent[span];
        if above != NONE && is_event(facts[span]) && facts[above as usize].kind.is_model() {
            parent[span] = parent[above as usize];
            if facts[span].kind.is_model() {
                hung.retold.push((span as u32, above));
            }
        }
    }
    let mut prompts: Vec<(UnixNanos, u32)> =
        (0..facts.len() as u32).filter(|&span| is_prompt(facts[span as usize])).map(|span| (facts[span as usize].start, span)).collect();
    prompts.sort_unstable_by_key(|&(start, span)| (start, facts[span as usize].span));
    let spawn = facts.iter().position(|fact| &*fact.name == SPAWN_SPAN && fact.parent.is_none() && is_event(fact));
    if let Some(spawn) = spawn {
        prompts.retain(|&(_, prompt)| prompt != spawn as u32);
        prompts.iter().for_each(|&(_, prompt)| parent[prompt as usize] = spawn as u32);
        if prompts.is_empty() {
            prompts.push((facts[spawn].start, spawn as u32));
        }
    }
    let (Some(&first), Some(&newest)) = (prompts.first(), prompts.last()) else { return hung };
    // What is asked in a conversation that another started begins no further turn.
    hung.last_turn = if spawn.is_some() { UnixNanos::ZERO } else { newest.0 };
    for span in 0..facts.len() {
        let fact = facts[span];
        if parent[span] != NONE || !is_event(fact) || is_prompt(fact) {
            continue;
        }
        let until = fact.end.max(fact.start);
        let next = prompts.partition_point(|&(start, _)| start <= until);
        let last = next.checked_sub(1).map_or(first, |at| prompts[at]);
        let is_nearer = |following: &&(UnixNanos, u32)| is_turn_cost(fact) && following.0.since(until) < until.since(last.0);
        parent[span] = prompts.get(next).filter(is_nearer).unwrap_or(&last).1;
    }
    hung
}

fn is_turn_cost(fact: &SpanFact) -> bool {
    &*fact.name == TURN_COST_SPAN && is_event(fact)
}

/// Events that tell of calls whose spans are here: those stand.
pub(super) fn retold(forest: &Forest<'_>) -> impl Iterator<Item = Duplicate> {
    forest.hung.retold.iter().map(|&(dropped, kept)| Duplicate { dropped, kept, why: WhyNot::ToldBySpan })
}

/// Spreads what turns cost as a whole over their calls that state no cost, and leaves it out beside them. `split` gives a cost to calls.
pub(super) fn spread_costs(
    forest: &Forest<'_>,
    shares: &mut [Share],
    stated: &mut [Option<NanoUsd>],
    split: impl Fn(&Forest<'_>, NanoUsd, &[(u32, u32)], &mut [Option<NanoUsd>]),
) {
    let is_cost = |span: &u32| forest.scope(*span).is_of_logs && is_turn_cost(forest.fact(*span));
    let costs: Vec<u32> = (0..forest.len() as u32).filter(is_cost).collect();
    if costs.is_empty() {
        return;
    }
    let counts = |&span: &u32| {
        let is_call = forest.fact(span).kind.is_model() && count::is_positive(forest.fact(span));
        is_call && matches!(shares[span as usize], Share::Counts(_)) && stated[span as usize].is_none()
    };
    let mut calls: Vec<(u32, u32)> =
        (0..forest.len() as u32).filter(counts).filter_map(|span| Some((forest.parent(span)?, span))).collect();
    calls.sort_unstable();
    for span in costs {
        let Some(turn) = forest.parent(span) else { continue };
        let first = calls.partition_point(|&(of, _)| of < turn);
        let takers: Vec<(u32, u32)> = calls[first..].iter().copied().take_while(|&(of, _)| of == turn).collect();
        if takers.is_empty() {
            continue;
        }
        let cost = stated[span as usize].take().unwrap_or_default();
        shares[span as usize] = Share::LeftOut(NanoUsd(0), WhyNot::SumOfBelow);
        split(forest, cost, &takers, stated);
    }
}

// === impl Newest ===

impl Newest {
    pub(super) fn of(fact: &SpanFact, scope: ScopeSays) -> Option<Self> {
        let is_call = fact.kind.is_model();
        let tells = if scope.is_of_logs {
            // What was said comes beside what tells of the call.
            is_prompt(fact) || fact.kind != SpanKind::Agent && ![ASKED_SPAN, ANSWERED_SPAN].contains(&&*fact.name)
        } else {
            is_call && scope.traits.ends_as_its_calls
        };
        tells.then(|| Self {
            at: fact.end.max(fact.start),
            is_call,
            has_failed: is_call && fact.status == SpanStatus::Error,
            span: fact.span,
        })
    }

    /// What became of the turn, as far as its events tell; `None` while it goes on.
    pub(super) fn status(&self) -> Option<RunStatus> {
        match (self.is_call, self.has_failed) {
            (true, true) => Some(RunStatus::Error),
            (true, false) => Some(RunStatus::Success),
            (false, _) => None,
        }
    }
}
