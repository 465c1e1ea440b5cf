//! What holds for every trace, whatever its shape and however it arrives.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::build::*;
use super::oracle::Oracle;
use super::shapes::{Recorded, program, wild};
use crate::fold::boundary::{self, Territory};
use crate::fold::scratch::Scratch;
use crate::fold::tree::Forest;
use crate::fold::{Folded, Joined, Rules, TraceFacts, fold};
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::ids::{RunId, RunKey, SpanId};
use crate::model::time::UnixNanos;
use crate::model::usage::{Cost, NanoUsd, UsageTotal};

/// An earlier copy of a span: not ended, or ended earlier, or telling less.
fn earlier(fact: &SpanFact, how: u8) -> SpanFact {
    let mut copy = fact.clone();
    match how % 6 {
        0 => {}
        1 => copy.end = UnixNanos::ZERO,
        2 => copy.call = None,
        3 => copy.failure = None,
        4 => copy.question = None,
        _ => copy.labels = None,
    }
    copy
}

fn priced(facts: &TraceFacts) -> Folded {
    let rules = Rules {
        price: &|call, _| (&*call.model == "gpt").then_some(Cost::emitted(NanoUsd(call.usage.tokens() * 3))),
        silent_since: ms(30),
        idle_since: ms(35),
        next_turn: ms(0),
    };
    fold(trace(), facts, &[], &rules)
}

/// What one span's call comes to, if it is one that must be accounted for.
pub(super) fn claim(fact: &SpanFact) -> Option<u64> {
    let usage = &fact.call.as_ref()?.usage;
    (fact.kind.is_model() || usage.is_positive()).then(|| usage.tokens())
}

/// The same spans below one agent, without other agents and workflows; some may still go round in a circle.
fn below_one_agent(mut spans: Vec<SpanFact>) -> Vec<SpanFact> {
    let root = agent(1, "only");
    let ids: Vec<SpanId> = spans.iter().map(|fact| fact.span).collect();
    for fact in &mut spans {
        if matches!(fact.kind, SpanKind::Agent | SpanKind::Workflow) {
            fact.kind = SpanKind::Step;
        }
        fact.parent = fact.parent.filter(|parent| *parent != fact.span && ids.contains(parent)).or(Some(root.span));
    }
    spans.retain(|fact| fact.span != root.span);
    spans.push(root);
    spans
}

fn sum(totals: impl Iterator<Item = UsageTotal>) -> UsageTotal {
    totals.fold(UsageTotal::default(), |mut sum, total| {
        sum.add(&total);
        sum
    })
}

/// The key of the run that the fold gave each span.
fn owners(folded: &Folded) -> BTreeMap<u64, Option<RunKey>> {
    folded.verdicts.iter().map(|verdict| (verdict.span.to_u64(), verdict.run.map(|run| folded.runs[run].key))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn order_repetition_and_differing_copies_do_not_matter(
        spans in wild(),
        copies in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        order in any::<u64>(),
    ) {
        // What a trace holds is the greatest copy of each span; some have several to begin with.
        let at_once = facts_of(spans.clone());
        let mut arrivals = spans.clone();
        if !spans.is_empty() {
            arrivals.extend(copies.iter().map(|(which, how)| earlier(which.get(&spans), *how)).filter(|copy| {
                // A copy that tells less but ends at the same time is smaller; the order of the fields says so.
                spans.iter().any(|fact| fact.span == copy.span && copy <= fact)
            }));
        }
        let mut seed = order;
        for at in (1..arrivals.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            arrivals.swap(at, (seed >> 33) as usize % (at + 1));
        }
        let arrived = facts_of(arrivals);
        prop_assert_eq!(&arrived, &at_once);
        prop_assert_eq!(priced(&arrived), priced(&at_once));
        let restored = TraceFacts::restore(at_once.iter().cloned().collect(), 0);
        prop_assert_eq!(priced(&restored), priced(&at_once));
    }

    #[test]
    fn a_trace_of_one_agent_is_found_by_the_short_way_as_by_the_long(spans in wild()) {
        let facts = facts_of(below_one_agent(spans));
        let scratch = Scratch::for_spans(facts.len());
        let (mut forest, mut again) = (Forest::plant(&facts, &[], &scratch), Forest::plant(&facts, &[], &scratch));
        let (short, long) = (boundary::find_runs(&mut forest), boundary::find_all_runs(&mut again));
        let seeds = |found: &Territory<'_>| found.seeds.iter().map(|seed| (seed.span, seed.enclosing, seed.why)).collect::<Vec<_>>();
        prop_assert_eq!(seeds(&short), seeds(&long));
        prop_assert_eq!(&short.owner, &long.owner);
        prop_assert!(short.roles == long.roles && forest.parent == again.parent && forest.session == again.session);
    }

    #[test]
    fn joining_is_the_union_of_two_sets_either_way(left in wild(), right in wild()) {
        let (mut a, mut b) = (facts_of(left.clone()), facts_of(right.clone()));
        for fact in &right {
            a.join(fact.clone(), ROOMY);
        }
        for fact in &left {
            b.join(fact.clone(), ROOMY);
        }
        prop_assert_eq!(&a, &b);
        for fact in left.iter().chain(&right) {
            prop_assert_eq!(a.join(fact.clone(), ROOMY), Joined::Unchanged);
        }
        prop_assert_eq!(&a, &b);
        let bytes: usize = a.iter().map(SpanFact::weight).sum();
        prop_assert!(a.weight() >= bytes);
    }

    #[test]
    fn every_call_is_accounted_for_exactly_once(spans in wild()) {
        let facts = facts_of(spans);
        let folded = priced(&facts);
        prop_assert_eq!(folded.verdicts.len(), facts.len());
        let (mut calls, mut tokens) = (0, 0);
        for (fact, verdict) in facts.iter().zip(&folded.verdicts) {
            prop_assert_eq!(fact.span, verdict.span);
            match claim(fact) {
                Some(claimed) if verdict.run.is_some() => (calls, tokens) = (calls + 1, tokens + claimed),
                Some(_) => prop_assert!(verdict.counted.is_none(), "an orphan counts nowhere"),
                None => prop_assert!(verdict.counted.is_none(), "what claims nothing counts nothing"),
            }
        }
        let all = sum(folded.runs.iter().flat_map(|run| [run.usage, run.suppressed]));
        prop_assert_eq!((all.calls, all.tokens), (calls, tokens));
    }

    #[test]
    fn a_runs_usage_is_what_its_verdicts_and_its_models_say(spans in wild()) {
        let facts = facts_of(spans);
        let folded = priced(&facts);
        for (at, run) in folded.runs.iter().enumerate() {
            let own: Vec<_> = folded.verdicts.iter().filter(|verdict| verdict.run == Some(at)).collect();
            let counted: Vec<_> = own.iter().filter_map(|verdict| verdict.counted).collect();
            prop_assert_eq!(run.n_spans as usize, own.len());
            prop_assert_eq!(run.usage.calls as usize, counted.len());
            prop_assert_eq!(run.usage.tokens, counted.iter().map(|(tokens, _)| tokens).sum::<u64>());
            prop_assert_eq!(run.usage.cost.0, counted.iter().filter_map(|(_, cost)| *cost).map(|cost| cost.amount.0).sum::<u64>());
            prop_assert_eq!(sum(run.models.iter().map(|model| model.total)), run.usage);
            prop_assert!(run.models.is_sorted_by_key(|model| (model.model.clone(), model.provider.clone())));
            prop_assert!(run.parent.is_none_or(|parent| parent != run.id && folded.runs.iter().any(|other| other.id == parent)));
        }
        prop_assert!(folded.runs.is_sorted_by_key(|run| (run.started_at, run.key)));
        let mut keys: Vec<_> = folded.runs.iter().map(|run| run.key).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), folded.runs.len());
    }

    #[test]
    fn no_money_is_made_or_lost(spans in wild()) {
        // Without prices, all that is counted or left out was stated by a span, and handing a cost on keeps the sum.
        let facts = facts_of(spans);
        let folded = fold_facts(&facts);
        let usable = |fact: &SpanFact| {
            let usage = fact.call.as_ref()?.usage;
            usage.cost.filter(|cost| claim(fact).is_some() && (cost.0 > 0 || usage.tokens() == 0))
        };
        let stated: u64 = facts.iter().filter_map(usable).map(|cost| cost.0).sum();
        let all = sum(folded.runs.iter().flat_map(|run| [run.usage, run.suppressed])).cost.0;
        if folded.verdicts.iter().all(|verdict| verdict.run.is_some()) {
            prop_assert_eq!(all, stated);
        } else {
            prop_assert!(all <= stated);
        }
    }

    #[test]
    fn a_naive_walk_finds_the_same_runs_and_owners(spans in wild()) {
        // A call that two scopes tell of makes no run beside one that holds it; the oracle knows nothing of that.
        let of_one = |span: SpanFact| if span.kind.is_model() { span.scope("app") } else { span };
        let facts = facts_of(spans.into_iter().map(of_one));
        let (folded, oracle) = (fold_facts(&facts), Oracle::of(facts.iter()));
        if oracle.is_provisional {
            prop_assert_eq!(folded.runs.len(), 1);
            prop_assert!(folded.runs[0].is_provisional && folded.runs[0].n_spans as usize == facts.len());
            return Ok(());
        }
        let mut runs: Vec<_> = folded.runs.iter().map(|run| run.key.span).collect();
        runs.sort();
        prop_assert_eq!(&runs, &oracle.runs.iter().copied().collect::<Vec<_>>());
        for (span, owner) in owners(&folded) {
            prop_assert_eq!(owner.map(|run| run.span), oracle.owner(id(span)), "span {:x}", span);
        }
        for run in &folded.runs {
            prop_assert_eq!(run.parent, oracle.parent_run(run.key.span).map(|span| RunId::derive(RunKey { trace: trace(), span })));
            prop_assert_eq!(session(run), oracle.session_of(run.key.span).unwrap_or_default(), "run {:?}", run.key.span);
        }
    }

    #[test]
    fn what_counts_is_what_nothing_below_tells_of(spans in wild()) {
        // What stands for a call beside it aside: no scope that makes echoes, and one scope for all calls.
        let of_one = |span: SpanFact| if &*span.scope == WAXELL || span.kind.is_model() { span.scope("app") } else { span };
        let facts = facts_of(spans.into_iter().map(of_one));
        let (folded, oracle) = (fold_facts(&facts), Oracle::of(facts.iter()));
        for (fact, verdict) in facts.iter().zip(&folded.verdicts).filter(|(_, verdict)| verdict.run.is_some()) {
            prop_assert_eq!(verdict.counted.is_some(), oracle.counts(fact.span), "{:?}", fact);
        }
    }

    #[test]
    fn a_recorded_program_gives_its_truth_however_its_spans_arrive(acts in program(), order in any::<u64>()) {
        let recorded = Recorded::of(&acts);
        let mut spans = recorded.spans.clone();
        spans.sort_by_key(|span| span.span.to_u64().wrapping_mul(order | 1));
        let folded = folded(spans);
        let mut truth = recorded.runs;
        truth.sort_by_key(|run| run.0);
        let mut found = shown(&folded);
        found.sort_by_key(|run| run.0);
        prop_assert_eq!(found, truth);
        prop_assert!(folded.verdicts.iter().all(|verdict| verdict.run.is_some()));
    }
}

/// A shape that would overflow a recursion or take time in the square of its spans would not finish here.
fn folds(spans: Vec<SpanFact>) -> Folded {
    let n_spans = spans.len();
    let folded = folded(spans);
    assert_eq!(folded.verdicts.len(), n_spans);
    folded
}

const MANY: u64 = 100_000;

#[test]
fn a_chain_of_a_hundred_thousand_runs_is_folded() {
    let link = |number: u64| {
        let fact = agent(number, "a").run_id("7").scope(WAXELL).used("gpt", (1, 0));
        if number > 1 { fact.under(number - 1) } else { fact.session("s") }
    };
    let folded = folds((1..=MANY).rev().map(link).collect());
    assert_eq!(folded.runs.len() as u64, MANY);
    assert!(folded.runs.iter().all(|run| session(run) == "s"));
    assert_eq!(sum(folded.runs.iter().map(|run| run.usage)).tokens, 1);
}

#[test]
fn a_ring_of_a_hundred_thousand_spans_is_cut_once() {
    let ring = (1..=MANY).map(|number| chat(number, number % MANY + 1, number, (1, 0)).session("s")).collect();
    let folded = folds(ring);
    assert_eq!((folded.runs.len(), folded.runs[0].usage.tokens, folded.runs[0].suppressed.tokens), (1, 1, MANY - 1));
}

#[test]
fn a_hundred_thousand_tails_into_one_ring_are_folded() {
    let tails = (3..=MANY).map(|number| span(number).under(number - 1)).chain([span(1).under(2), span(2).under(1).session("s")]);
    assert_eq!(folds(tails.collect()).runs.len(), 1);
}

#[test]
fn a_hundred_thousand_calls_alike_with_their_echoes_are_matched() {
    let pair = |n: u64| {
        let (call, wrapper) = (chat(3 * n, 1, n, (1, 1)).answered(), chat(3 * n + 1, 1, n, (1, 1)).framework());
        [call, wrapper, echo(3 * n + 2, 1, n + 5, (1, 1))]
    };
    let spans = (1..=MANY / 3).flat_map(pair).chain([agent(1, "a").session("s").at(0, MANY)]);
    let folded = folds(spans.collect());
    assert_eq!((folded.runs[0].usage.calls, folded.runs[0].suppressed.calls), (MANY / 3, 2 * (MANY / 3)));
}

#[test]
fn a_hundred_thousand_lost_runs_in_one_another_are_placed() {
    let lost = |n: u64| agent(n, "a").session("s").under(n + 10 * MANY).at(n, 3 * MANY - n);
    let folded = folds((1..=MANY).map(lost).collect());
    assert_eq!(folded.runs[0].parent, None);
    assert!(folded.runs.windows(2).all(|pair| pair[1].parent == Some(pair[0].id)));
}

#[test]
fn sessions_beside_agents_in_a_hundred_thousand_trees_are_found() {
    let tree = |n: u64| [span(3 * n), chat(3 * n + 1, 3 * n, 0, (1, 0)).session("s"), chat(3 * n + 2, 3 * n, 0, (1, 0)).session("s")];
    let spans = (1..=MANY / 3).flat_map(tree).chain([span(1).kind(SpanKind::Agent).session("s")]);
    assert_eq!(folds(spans.collect()).runs.len() as u64, MANY / 3 + 1);
}

#[test]
fn a_hundred_thousand_twins_and_spans_that_share_an_answer_are_matched() {
    let calls = |scope: &'static str, first: u64, response: u64| {
        (first..first + MANY / 2).map(move |n| chat(n, 1, n - first, (1, 1)).response(response).scope(scope))
    };
    let run = || agent(1, "a").session("s").at(0, 2 * MANY);
    let spans = calls("one", 10, 0).chain(calls("other", 10 + MANY, 0)).chain([run()]);
    assert_eq!(folds(spans.collect()).runs[0].usage.calls, MANY / 2);
    // All at once, and each in a scope of its own.
    let at_once = (10..MANY).map(|n| chat(n, 1, 0, (1, 1)).scope(&format!("scope{n}"))).chain([run()]);
    assert_eq!(folds(at_once.collect()).runs.len(), 1);
    let one_answer = calls("one", 10, 7).chain(calls("other", 10 + MANY, 7)).chain([run()]);
    assert_eq!(folds(one_answer.collect()).runs[0].usage.calls, MANY / 2);
}

#[test]
fn a_hundred_thousand_strays_find_their_runs() {
    let run = |n: u64, session: String| agent(n, "a").session(&session).at(n, n + 5);
    let stray = |n: u64| chat(MANY + n, 3 * MANY, n, (1, 0));
    let runs = || (1..MANY / 2).map(|n| run(n, format!("s{}", n % 7)));
    let spans = runs().chain((1..MANY / 2).map(|n| stray(n).session(&format!("s{}", n % 7))));
    assert_eq!(sum(folds(spans.collect()).runs.iter().map(|run| run.usage)).calls, MANY / 2 - 1);
    let nameless = runs().chain((1..MANY / 2).map(stray));
    assert_eq!(sum(folds(nameless.collect()).runs.iter().map(|run| run.usage)).calls, MANY / 2 - 1);
    // Each of a session that has no run.
    let founding = [run(1, "s".into())].into_iter().chain((1..MANY).map(|n| stray(n).session(&format!("t{n}"))));
    assert_eq!(folds(founding.collect()).runs.len() as u64, MANY);
}

#[test]
fn a_hundred_thousand_runs_without_a_session_find_one() {
    let homeless = || (10..MANY).map(|n| agent(n, "a").at(n, 2 * MANY));
    let housed = folds(homeless().chain([agent(1, "a").session("s"), agent(2, "b").session("t")]).collect());
    assert!(housed.runs.iter().all(|run| run.session.is_some()));
    let named = (10..MANY).map(|n| span(MANY + n).under(3 * MANY).session(&format!("t{n}")));
    assert!(folds(homeless().chain(named).collect()).runs.iter().all(|run| run.session.is_some()));
}

#[test]
fn a_hundred_thousand_agents_of_one_name_are_one_run() {
    let link = |number: u64| if number > 1 { agent(number, "a").under(number - 1) } else { agent(number, "a").session("s") };
    assert_eq!(folds((1..=MANY).map(link).collect()).runs.len(), 1);
    let nameless = |number: u64| link(number).label(|labels| labels.agent = None);
    assert_eq!(folds((1..=MANY).map(nameless).collect()).runs.len(), 1);
}
