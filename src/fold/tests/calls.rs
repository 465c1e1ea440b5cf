//! What counts, what is left out, and where the cost goes.

use super::build::*;
use crate::fold::{Folded, Rules, fold};
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, Cost, CostSource, NanoUsd, RatesUsed, ServiceTier, Usage};

/// The tokens that count and those left out, of all runs.
fn tokens(folded: &Folded) -> (u64, u64) {
    folded.runs.iter().fold((0, 0), |sum, run| (sum.0 + run.usage.tokens, sum.1 + run.suppressed.tokens))
}

/// The calls that count and those left out, of all runs.
fn calls(folded: &Folded) -> (u64, u64) {
    folded.runs.iter().fold((0, 0), |sum, run| (sum.0 + run.usage.calls, sum.1 + run.suppressed.calls))
}

fn cost(folded: &Folded, span: u64) -> Option<u64> {
    verdict(folded, span).counted.and_then(|(_, cost)| cost).map(|cost| cost.amount.0)
}

fn session_agent() -> SpanFact {
    agent(1, "a").session("s")
}

#[test]
fn an_agents_sum_of_what_its_calls_used_does_not_count() {
    // Strands (grows from call to call of the same agent), the Microsoft Agent Framework, Vercel's SDK.
    let folded = folded([session_agent().used("gpt", (600, 0)), chat(2, 1, 0, (100, 20)), chat(3, 1, 50, (150, 30))]);
    assert_eq!((tokens(&folded), calls(&folded)), ((300, 600), (2, 1)));
}

#[test]
fn sums_on_every_level_count_once() {
    // Vercel: agent and step; smolagents: agent, step and tool, three times the truth if all were added.
    let folded = folded([
        session_agent().used("gpt", (100, 20)),
        span(2).kind(SpanKind::Step).under(1).used("gpt", (100, 20)),
        span(3).kind(SpanKind::Tool).under(2).used("gpt", (100, 20)),
        chat(4, 3, 0, (100, 20)),
    ]);
    assert_eq!(tokens(&folded), (120, 360));
}

#[test]
fn a_containers_claim_counts_where_nothing_below_claims_anything() {
    // The lowest that claims: two steps below an agent, whose calls nobody recorded.
    let folded_steps = folded([
        session_agent().used("gpt", (70, 0)),
        span(2).kind(SpanKind::Step).under(1).used("gpt", (30, 0)),
        span(3).kind(SpanKind::Step).under(1).used("gpt", (40, 0)),
        span(4).under(3),
    ]);
    assert_eq!(tokens(&folded_steps), (70, 70));
    // Calls that say nothing of usage do not take it away, nor do claims of zero.
    let silent = folded([session_agent().used("gpt", (70, 0)), chat(2, 1, 0, (0, 0))]);
    assert_eq!((tokens(&silent), calls(&silent)), ((70, 0), (2, 0)));
}

#[test]
fn crewai_totals_of_the_process_give_way_to_calls_anywhere_below() {
    let folded = folded([
        span(1).kind(SpanKind::Workflow).session("s"),
        agent(2, "researcher").under(1).used("gpt", (500, 50)),
        span(3).kind(SpanKind::Step).under(2),
        chat(4, 3, 0, (200, 20)),
        agent(5, "writer").under(1).used("gpt", (900, 90)),
        chat(6, 5, 50, (400, 40)),
    ]);
    assert_eq!(shown(&folded), [(2, "s", 220), (5, "s", 440)]);
    assert_eq!(tokens(&folded), (660, 1540));
}

#[test]
fn a_scope_whose_containers_tell_their_own_share_is_believed() {
    // The Claude Agent SDK: agents and tools only, no model spans; a supervisor's figures leave out its subagents'.
    let folded = folded([
        session_agent().scope(CLAUDE_SDK).used("claude", (100, 10)).costs(5_000),
        span(2).kind(SpanKind::Tool).under(1).scope(CLAUDE_SDK),
        agent(3, "sub").under(2).scope(CLAUDE_SDK).used("claude", (30, 3)).costs(1_000),
    ]);
    assert_eq!(shown(&folded), [(1, "s", 110), (3, "s", 33)]);
    assert_eq!((tokens(&folded).1, folded_cost(&folded)), (0, (6_000, 0)));
}

#[test]
fn a_call_recorded_by_two_instrumentations_on_top_of_each_other_counts_once() {
    // LangChain's model span above the provider's, with a chain and an HTTP span in between.
    let folded = folded([
        session_agent(),
        chat(2, 1, 0, (100, 20)),
        span(3).kind(SpanKind::Step).under(2),
        span(4).under(3),
        chat(5, 4, 1, (100, 20)),
    ]);
    assert_eq!((tokens(&folded), calls(&folded)), ((120, 120), (1, 1)));
    assert!(verdict(&folded, 2).counted.is_none() && verdict(&folded, 5).counted.is_some());
}

#[test]
fn a_call_above_a_tool_or_an_agent_is_a_call_of_its_own() {
    // The AI SDK hangs the tools that a model asked for below the model's span: what they ask of a model, the outer call did not use.
    let below = |kind| folded([session_agent(), chat(2, 1, 0, (9, 9)), span(3).kind(kind).under(2), chat(4, 3, 1, (5, 5))]);
    assert_eq!(tokens(&below(SpanKind::Tool)), (28, 0));
    assert_eq!(tokens(&below(SpanKind::Workflow)), (28, 0));
    let served = folded([session_agent(), chat(2, 1, 0, (9, 9)), agent(3, "served").under(2), chat(4, 3, 1, (5, 5))]);
    assert_eq!(shown(&served), [(1, "s", 18), (3, "s", 10)]);
    // A step is a part of the same call.
    assert_eq!(tokens(&below(SpanKind::Step)), (10, 18));
}

#[test]
fn a_claim_gives_way_to_calls_that_were_placed_by_their_time() {
    let folded = folded([session_agent().at(0, 500).used("gpt", (10, 2)), chat(2, 99, 100, (10, 2))]);
    assert_eq!(tokens(&folded), (12, 12));
}

#[test]
fn langchain_over_openai_counts_once_plain_and_streamed() {
    // As recorded: a plain call twice, a streamed call four times, one echo after the provider's span and one after the wrapper's.
    let folded = folded([
        session_agent().at(0, 742),
        chat(2, 1, 0, (123, 45)).at(237, 305).framework(),
        chat(3, 1, 0, (123, 45)).at(243, 304).answered(),
        chat(4, 1, 0, (130, 50)).at(305, 741).framework(),
        chat(5, 1, 0, (130, 50)).at(306, 739).answered(),
        echo(6, 1, 740, (130, 50)),
        echo(7, 1, 742, (130, 50)),
    ]);
    assert_eq!((tokens(&folded), calls(&folded)), ((348, 168 + 3 * 180), (2, 4)));
    assert!(verdict(&folded, 3).counted.is_some() && verdict(&folded, 5).counted.is_some());
}

#[test]
fn an_echo_inside_its_wrapper_counts_once() {
    // Ollama and Mistral, every plain call.
    let folded = folded([
        session_agent(),
        chat(2, 1, 0, (140, 14)).at(2, 14).answered(),
        echo(3, 1, 12, (140, 14)),
        chat(4, 1, 0, (150, 15)).at(16, 72).answered(),
        echo(5, 1, 71, (150, 15)),
    ]);
    assert_eq!(tokens(&folded), (319, 319));
    assert!([3, 5].iter().all(|&echo| verdict(&folded, echo).counted.is_none()));
}

#[test]
fn two_identical_calls_with_their_echoes_stay_two_calls() {
    let one_after_the_other = folded([
        session_agent(),
        chat(2, 1, 0, (140, 14)).answered(),
        echo(3, 1, 11, (140, 14)),
        chat(4, 1, 20, (140, 14)).answered(),
        echo(5, 1, 31, (140, 14)),
    ]);
    assert_eq!(calls(&one_after_the_other), (2, 2));
    // At the same time, both echoes after both: whichever is whose.
    let at_once = folded([
        session_agent(),
        chat(2, 1, 0, (1, 1)).at(0, 50).answered(),
        chat(3, 1, 0, (1, 1)).at(5, 40).answered(),
        echo(4, 1, 45, (1, 1)),
        echo(5, 1, 52, (1, 1)),
        echo(6, 1, 54, (1, 1)),
    ]);
    // One echo for each sibling: the third was a call.
    assert_eq!(calls(&at_once), (3, 2));
}

#[test]
fn an_echo_that_only_one_sibling_can_have_made_is_left_to_it() {
    // 5 can only be 2's; taking 2 for the earlier echo would leave 5 unmatched.
    let folded = folded([
        session_agent(),
        chat(2, 1, 0, (1, 1)).at(0, 200).answered(),
        chat(3, 1, 0, (1, 1)).at(0, 100).answered(),
        echo(4, 1, 101, (1, 1)),
        echo(5, 1, 202, (1, 1)),
    ]);
    assert_eq!(calls(&folded), (2, 2));
}

#[test]
fn a_manual_call_is_an_echo_only_within_the_tolerance() {
    let after = |length: u64, gap: u64| {
        let end = length;
        calls(&folded([session_agent(), chat(2, 1, 0, (7, 7)).at(0, end).answered(), echo(3, 1, end + gap, (7, 7))])).0
    };
    // 20 ms after a short call, a tenth of a long one.
    assert_eq!((after(40, 20), after(40, 21)), (1, 2));
    assert_eq!((after(5_000, 500), after(5_000, 501)), (1, 2));
    // Before the call began it was another.
    let before = folded([session_agent(), chat(2, 1, 30, (7, 7)).answered(), echo(3, 1, 29, (7, 7))]);
    assert_eq!(calls(&before).0, 2);
}

#[test]
fn what_differs_from_a_call_is_not_its_echo() {
    let call = || chat(2, 1, 0, (7, 7)).answered();
    let count = |other: SpanFact| calls(&folded([session_agent(), agent(9, "b").under(1), call(), other])).0;
    assert_eq!(count(echo(3, 1, 11, (7, 7))), 1);
    assert_eq!(count(echo(3, 9, 11, (7, 7))), 2, "another parent");
    assert_eq!(count(echo(3, 1, 11, (7, 8))), 2, "other tokens");
    assert_eq!(count(echo(3, 1, 11, (7, 7)).used("other", (7, 7))), 2, "another model");
    assert_eq!(count(echo(3, 1, 11, (7, 7)).scope("app")), 2, "another scope");
    assert_eq!(count(echo(3, 1, 11, (7, 7)).failed()), 2, "failed by itself");
    assert_eq!(count(echo(3, 1, 11, (7, 7)).answered()), 2, "names the model that answered");
    assert_eq!(count(echo(3, 1, 11, (7, 7)).at(11, 12)), 2, "took a millisecond");
    assert_eq!(count(echo(3, 1, 11, (7, 7)).kind(SpanKind::Embedding)), 2, "an embedding");
    let mut unended = echo(3, 1, 11, (7, 7));
    unended.end = UnixNanos::ZERO;
    assert_eq!(count(unended), 2, "not ended");
}

#[test]
fn echoes_are_known_by_their_scope_only() {
    let foreign = |fact: SpanFact| fact.scope("openinference.instrumentation.openai");
    let folded = folded([session_agent(), foreign(chat(2, 1, 0, (7, 7)).answered()), foreign(echo(3, 1, 11, (7, 7)))]);
    assert_eq!(calls(&folded), (2, 0));
}

#[test]
fn wrappers_of_two_frameworks_around_one_call_are_both_dropped_and_an_uncovered_one_is_not() {
    let folded = folded([
        session_agent(),
        chat(2, 1, 0, (7, 7)).at(0, 50).framework(),
        chat(3, 1, 0, (7, 7)).at(1, 49).framework(),
        chat(4, 1, 0, (7, 7)).at(2, 48).answered(),
        chat(5, 1, 0, (7, 7)).at(60, 80).framework(),
        chat(6, 1, 0, (7, 7)).at(100, 120).framework(),
        chat(7, 1, 0, (7, 7)).at(110, 130).answered(),
    ]);
    // 5 wraps nothing that was seen; 6 does not enclose 7.
    assert_eq!(calls(&folded), (4, 2));
}

#[test]
fn a_stated_cost_goes_before_the_price_and_a_stated_zero_is_none() {
    let facts = facts_of([
        session_agent(),
        chat(2, 1, 0, (1, 1)).costs(600),
        chat(3, 1, 20, (1, 1)).costs(0),
        chat(4, 1, 40, (1, 1)),
        chat(5, 1, 60, (1, 1)).used("llama", (1, 1)),
        chat(6, 1, 80, (0, 0)).costs(0),
        chat(7, 1, 99, (0, 0)),
    ]);
    let price = |call: &Call, start: UnixNanos| {
        (&*call.model == "gpt" && start == ms(40)).then_some(Cost {
            amount: NanoUsd(70),
            source: CostSource::Table,
            rates: RatesUsed::default(),
        })
    };
    let folded = fold(
        trace(),
        &facts,
        &[],
        &Rules { price: &price, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO },
    );
    assert_eq!((2..=7).map(|span| cost(&folded, span)).collect::<Vec<_>>(), [Some(600), None, Some(70), None, Some(0), None]);
    let usage = folded.runs[0].usage;
    assert_eq!((usage.cost, usage.unpriced_calls, usage.calls, usage.tokens), (NanoUsd(670), 2, 6, 8));
    let models: Vec<_> = folded.runs[0].models.iter().map(|m| (&*m.model, m.total.calls, m.total.cost.0, m.total.unpriced_calls)).collect();
    assert_eq!(models, [("gpt", 5, 670, 1), ("llama", 1, 0, 1)]);
}

#[test]
fn a_dropped_wrapper_that_alone_knows_the_cost_hands_it_to_its_leaf() {
    let handed = folded([session_agent(), chat(2, 1, 0, (9, 9)).costs(1_000), span(3).under(2), chat(4, 3, 1, (9, 9)).costs(0)]);
    assert_eq!((cost(&handed, 4), folded_cost(&handed)), (Some(1_000), (1_000, 0)));
    // The nearest wrapper's word counts, and it is the only one.
    let nested = folded([session_agent(), chat(2, 1, 0, (9, 9)).costs(3_000), chat(3, 2, 0, (9, 9)).costs(1_000), chat(4, 3, 1, (9, 9))]);
    assert_eq!((cost(&nested, 4), folded_cost(&nested)), (Some(1_000), (1_000, 3_000)));
    // The leaf's own word goes first.
    let stated = folded([session_agent(), chat(2, 1, 0, (9, 9)).costs(1_000), chat(4, 2, 1, (9, 9)).costs(900)]);
    assert_eq!(folded_cost(&stated), (900, 1_000));
}

#[test]
fn a_wrappers_cost_is_split_over_several_leaves_to_the_last_nano_dollar() {
    let split =
        folded([session_agent(), chat(2, 1, 0, (9, 9)).costs(1_000), chat(3, 2, 0, (1, 0)), chat(4, 2, 0, (1, 0)), chat(5, 2, 0, (1, 0))]);
    assert_eq!([3, 4, 5].map(|span| cost(&split, span)), [Some(333), Some(333), Some(334)]);
    assert_eq!(folded_cost(&split), (1_000, 0));
    // Where one leaf states its cost, what is the others' share is anybody's guess: nothing is handed on.
    let mixed = folded([session_agent(), chat(2, 1, 0, (9, 9)).costs(1_000), chat(3, 2, 0, (1, 0)).costs(5), chat(4, 2, 0, (1, 0))]);
    assert_eq!((cost(&mixed, 4), folded_cost(&mixed)), (None, (5, 1_000)));
}

#[test]
fn echoes_and_framework_wrappers_hand_their_cost_to_the_span_that_stays() {
    let folded = folded([
        session_agent(),
        chat(2, 1, 0, (9, 9)).answered().costs(0),
        echo(3, 1, 11, (9, 9)).costs(70),
        chat(4, 1, 0, (8, 8)).at(500, 600).framework().costs(90),
        chat(5, 1, 0, (8, 8)).at(510, 590).answered(),
    ]);
    assert_eq!((cost(&folded, 2), cost(&folded, 5), folded_cost(&folded)), (Some(70), Some(90), (160, 0)));
}

#[test]
fn a_containers_cost_is_not_handed_on() {
    let folded = folded([session_agent().used("gpt", (9, 9)).costs(1_000), chat(2, 1, 0, (9, 9))]);
    assert_eq!((folded_cost(&folded), folded.runs[0].usage.unpriced_calls), ((0, 1_000), 1));
}

#[test]
fn cached_and_reasoning_tokens_are_shown_and_not_added() {
    let mut call = chat(2, 1, 0, (100, 40));
    let detail = Usage {
        cache_read_tokens: Some(80),
        cache_write_tokens: Some(5),
        reasoning_tokens: Some(30),
        total_tokens: Some(999),
        ..Usage::default()
    };
    let usage = &mut call.call.as_mut().unwrap().usage;
    *usage = Usage { input_tokens: usage.input_tokens, output_tokens: usage.output_tokens, ..detail };
    let total = folded([session_agent(), call]).runs[0].usage;
    assert_eq!((total.tokens, total.cache_read_tokens, total.cache_write_tokens, total.reasoning_tokens), (140, 80, 5, 30));
}

#[test]
fn cache_writes_for_an_hour_are_handed_on_as_other_parts_are() {
    let mut outer = chat(2, 1, 0, (100, 40));
    let mut inner = chat(3, 2, 0, (100, 40));
    let told = |call: &mut SpanFact, write: u64, hour: u64| {
        let usage = &mut call.call.as_mut().unwrap().usage;
        (usage.cache_write_tokens, usage.cache_write_1h_tokens) = (Some(write), hour);
    };
    told(&mut outer, 50, 20);
    told(&mut inner, 50, 0);
    let price = |call: &Call, _: UnixNanos| {
        Some(Cost { amount: NanoUsd(call.usage.cache_write_1h_tokens), source: CostSource::Table, rates: RatesUsed::default() })
    };
    let facts = facts_of([session_agent(), outer, inner]);
    let folded = fold(
        trace(),
        &facts,
        &[],
        &Rules { price: &price, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO },
    );
    assert_eq!(cost(&folded, 3), Some(20));
}

#[test]
fn how_a_call_was_served_is_handed_on_where_the_one_that_counts_does_not_say() {
    let tier_of = |outer_tier: Option<ServiceTier>, inner_tier: Option<ServiceTier>| {
        let (mut outer, mut inner) = (chat(2, 1, 0, (100, 40)), chat(3, 2, 0, (100, 40)));
        outer.call.as_mut().unwrap().tier = outer_tier;
        inner.call.as_mut().unwrap().tier = inner_tier;
        let price = |call: &Call, _: UnixNanos| {
            let amount = NanoUsd(call.tier.map_or(0, |tier| tier as u64));
            Some(Cost { amount, source: CostSource::Table, rates: RatesUsed::default() })
        };
        let facts = facts_of([session_agent(), outer, inner]);
        let folded = fold(
            trace(),
            &facts,
            &[],
            &Rules { price: &price, silent_since: UnixNanos::ZERO, idle_since: UnixNanos::ZERO, next_turn: UnixNanos::ZERO },
        );
        cost(&folded, 3).and_then(|number| ServiceTier::from_u8(number as u8))
    };
    let (flex, standard) = (Some(ServiceTier::Flex), Some(ServiceTier::Standard));
    assert_eq!(tier_of(flex, None), flex);
    assert_eq!(tier_of(flex, standard), standard);
    assert_eq!(tier_of(None, flex), flex);
}

/// Cost that counts and cost left out, in nano-dollars.
fn folded_cost(folded: &Folded) -> (u64, u64) {
    folded.runs.iter().fold((0, 0), |sum, run| (sum.0 + run.usage.cost.0, sum.1 + run.suppressed.cost.0))
}

/// Logfire: the span that asks for a stream ends at once, and a log beside it tells what it used.
#[test]
fn a_stream_that_is_told_beside_the_span_that_asked_is_one_call() {
    let asks = |number: u64, at: u64| chat(number, 1, at, (0, 0)).scope("logfire.openai").without_usage();
    let tells =
        |number: u64, at: u64| chat(number, 1, at, (100, 10)).scope("logfire.openai").named("streaming response from 'gpt' took 1s");
    let folded = folded([agent(1, "a").session("s"), asks(2, 10), tells(3, 30), asks(4, 50), asks(5, 60), tells(6, 70)]);
    let usage = &folded.runs[0].usage;
    assert_eq!((usage.calls, usage.tokens, usage.unpriced_calls), (3, 220, 3), "nobody tells of the fourth, and none has a price here");
    let elsewhere = |fact: SpanFact| fact.scope("app");
    let others = fold_facts(&facts_of([agent(1, "a").session("s"), elsewhere(asks(2, 10)), elsewhere(tells(3, 30))]));
    assert_eq!(others.runs[0].usage.calls, 2);
}

/// The wrapper is below the call, and not beside it, although both name the same parent: each would be left out for the other.
#[test]
fn a_span_that_is_its_own_parent_has_no_siblings_below_it() {
    let call = || chat(1, 1, 0, (5, 5)).scope(WAXELL);
    let wrapper = chat(2, 1, 0, (5, 5)).scope(WAXELL).framework();
    let folded = folded([call().session("s"), wrapper]);
    assert_eq!((folded.runs[0].usage.calls, folded.runs[0].usage.tokens), (1, 10));
}

/// The tokens that count, of calls that tell them as Spring AI does, each but the first after a tool.
fn told_by_spring(inputs: &[u64], tool_name: &str) -> Vec<u64> {
    let scope = "org.springframework.boot";
    let mut spans = vec![span(1).session("s").at(0, 1000)];
    for (at, &input) in (0..).zip(inputs) {
        spans.push(chat(10 + at, 1, 100 * at, (input, 10 * (at + 1))).at(100 * at, 100 * at + 20).scope(scope));
        spans.push(span(20 + at).kind(SpanKind::Tool).under(1).at(100 * at + 30, 100 * at + 40).named(tool_name).scope(scope));
    }
    let folded = folded(spans);
    (0..inputs.len() as u64).map(|at| verdict(&folded, 10 + at).counted.unwrap().0).collect()
}

#[test]
fn of_a_running_sum_each_call_counts_with_its_own_part() {
    assert_eq!(told_by_spring(&[100, 250, 450], "tool_call weather"), [110, 160, 210]);
    // A call cannot ask less than the one before it did, so these are not sums; the next ones are again.
    assert_eq!(told_by_spring(&[100, 150, 400], "tool_call weather"), [110, 170, 260]);
    // Spring AI 2 adds nothing.
    assert_eq!(told_by_spring(&[100, 250, 450], "execute_tool weather"), [110, 270, 480]);
}
