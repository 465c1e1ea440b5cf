//! No session loses what it has: the laws of whose a call is, for every trace.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::build::*;
use super::laws::claim;
use super::oracle::Oracle;
use super::shapes::wild;
use crate::fold::{Folded, TraceFacts, Verdict};
use crate::model::facts::SpanFact;
use crate::model::ids::{SessionId, SpanId};
use crate::model::usage::Call;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    /// Sessions do not shrink. What exactly holds when spans are added to a trace:
    ///
    /// - A call that counts in a session counts in one, or a span that tells of the same call does: a model span below it (or above it, if
    ///   it states no usage itself), anything with usage below a container, its echo's or wrapper's sibling, its twin.
    /// - A call that names a session itself, one that an application set, is in that session, whatever else comes. The exception is a run
    ///   of the Waxell SDK: what lies in it is its own.
    /// - A call that names none can move: a span above it may name one, or its run may come.
    #[test]
    fn spans_that_come_take_no_call_out_of_every_session(spans in wild(), mask in any::<u32>()) {
        let late = |at: usize| mask & (1 << at) != 0;
        let some = facts_of(spans.iter().enumerate().filter(|(at, _)| !late(*at)).map(|(_, span)| span.clone()));
        let all = facts_of(spans);
        let (before, after, oracle) = (fold_facts(&some), fold_facts(&all), Oracle::of(all.iter()));
        let counts_in = |folded: &Folded, span: SpanId| {
            let verdict = verdict_of(folded, span);
            verdict.counted.and(verdict.run).map(|run| session(&folded.runs[run]).to_owned()).filter(|session| !session.is_empty())
        };
        for fact in some.iter().filter(|fact| counts_in(&before, fact.span).is_some()) {
            let mut alike = vec![fact.span];
            let mut next = 0;
            while let Some(&span) = alike.get(next) {
                let more: Vec<SpanId> = oracle.told_by(span).into_iter().chain(told_beside(&all, span)).collect();
                alike.extend(more.into_iter().filter(|other| !alike.contains(other)).collect::<BTreeSet<_>>());
                next += 1;
            }
            prop_assert!(alike.iter().any(|&span| counts_in(&after, span).is_some()), "{:?} counts nowhere", fact);
        }
        for fact in all.iter().filter(|fact| fact.session().is_some() && !fact.is_session_weak()) {
            let Some(in_effect) = counts_in(&after, fact.span) else { continue };
            let run = verdict_of(&after, fact.span).run.and_then(|run| all.get(after.runs[run].key.span));
            if run.is_none_or(|run| &*run.scope != WAXELL) {
                prop_assert_eq!(&*in_effect, fact.session().unwrap().as_str(), "{:?}", fact);
            }
        }
    }

    /// Whatever stands beside what, lost or not. A weak name with no other above it in its own tree is one, too, wherever the tree is put.
    #[test]
    fn in_a_trace_that_names_one_session_everything_is_of_it(spans in wild(), is_one in any::<bool>()) {
        let renamed = |span: SpanFact| if is_one { only_session(span) } else { span };
        let facts = facts_of(spans.into_iter().map(renamed));
        let (folded, oracle) = (fold_facts(&facts), Oracle::of(facts.iter()));
        let mut named = oracle.named_sessions();
        named.extend(facts.iter().filter(|fact| !is_named_above(&facts, fact)).filter_map(SpanFact::session).map(SessionId::as_str));
        let mut names = named.iter();
        let (Some(only), None) = (names.next(), names.next()) else { return Ok(()) };
        for (fact, verdict) in facts.iter().zip(&folded.verdicts).filter(|(fact, _)| claim(fact).is_some()) {
            prop_assert!(verdict.run.is_some(), "{:?} is in no run", fact);
        }
        for run in &folded.runs {
            prop_assert_eq!(session(run), *only);
        }
    }
}

fn is_named_above(facts: &TraceFacts, fact: &SpanFact) -> bool {
    let above = |fact: &SpanFact| fact.parent.and_then(|parent| facts.get(parent));
    // Parents can go round in circles here.
    let path = std::iter::successors(above(fact), |at| above(at)).take(facts.len());
    path.into_iter().any(|above| above.session().or(above.resource_session()).is_some())
}

fn verdict_of(folded: &Folded, span: SpanId) -> &Verdict {
    folded.verdicts.iter().find(|verdict| verdict.span == span).expect("every span has a verdict")
}

/// Calls that can be the same as this one's although neither span is above the other: echoes and wrappers in the SDK's scope, and what
/// other scopes tell.
fn told_beside(facts: &TraceFacts, span: SpanId) -> Vec<SpanId> {
    let fact = facts.get(span).unwrap();
    let Some(call) = fact.call.as_deref().filter(|_| fact.kind.is_model()) else { return Vec::new() };
    let tokens = |call: &Call| (call.usage.input_tokens.unwrap_or(0), call.usage.output_tokens.unwrap_or(0));
    let is_same = |other: &&SpanFact| {
        let Some(told) = other.call.as_deref().filter(|_| other.kind.is_model() && other.span != span) else { return false };
        let is_beside = &*fact.scope == WAXELL && fact.scope == other.scope && fact.parent == other.parent && call.model == told.model;
        let is_same_answer = call.response != 0 && call.response == told.response;
        tokens(call) == tokens(told) && (is_beside || fact.scope != other.scope) || is_same_answer && fact.scope != other.scope
    };
    facts.iter().filter(is_same).map(|other| other.span).collect()
}

/// Whatever session a span names is the same one.
fn only_session(span: SpanFact) -> SpanFact {
    span.label(|labels| {
        labels.session = labels.session.as_ref().and_then(|_| SessionId::new("s"));
        labels.resource_session = labels.resource_session.as_ref().and_then(|_| SessionId::new("s"));
    })
}
