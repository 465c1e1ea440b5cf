//! What is explained is what was decided: its sums are the runs', and each rule is told by its name.

use proptest::prelude::*;

use super::build::*;
use super::merges::{any_told, report, spans as reported_spans};
use super::shapes::wild;
use crate::fold::{
    Counting, Explained, Rules, TraceFacts, WhyCost, WhyNoRun, WhyNot, WhyOverruled, WhyOwner, WhyRun, WhySession, explain, fold,
};
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::report::RunReport;
use crate::model::usage::{Cost, CostSource, NanoUsd, RatesUsed, UsageTotal};

fn rules<'a>() -> Rules<'a> {
    let price = &|call: &crate::model::usage::Call, _| {
        (&*call.model == "gpt").then_some(Cost {
            amount: NanoUsd(call.usage.tokens() * 3),
            source: CostSource::Table,
            rates: RatesUsed::default(),
        })
    };
    Rules { price, silent_since: ms(30), idle_since: ms(35), next_turn: ms(0) }
}

fn explained(spans: impl IntoIterator<Item = SpanFact>) -> Explained {
    explain(trace(), &facts_of(spans), &[], &rules())
}

fn reason(explained: &Explained, span: u64) -> &crate::fold::SpanReason {
    explained.spans.iter().find(|reason| reason.span == id(span)).unwrap()
}

/// What the reasons of each run's spans and records come to: what counts, and what was left out.
fn sums(explained: &Explained, reports: &[&RunReport]) -> Vec<[UsageTotal; 2]> {
    let mut sums = vec![[UsageTotal::default(); 2]; explained.folded.runs.len()];
    for (verdict, reason) in explained.folded.verdicts.iter().zip(&explained.spans) {
        let (Some(run), Some(usage)) = (verdict.run, reason.usage) else { continue };
        match reason.counting {
            Counting::Counts(cost, _) => sums[run][0].add_call(&usage, cost),
            Counting::LeftOut(cost, _) => sums[run][1].add_call(&usage, Some(Cost::emitted(cost))),
            Counting::Nothing(_) => {}
        }
    }
    for reason in &explained.records {
        let report = reports.iter().find(|report| report.id == explained.folded.runs[reason.run].id).unwrap();
        let usage = &report.calls[reason.record].usage;
        match reason.counting {
            Counting::Counts(cost, _) => sums[reason.run][0].add_call(usage, cost),
            Counting::LeftOut(cost, _) => sums[reason.run][1].add_call(usage, Some(Cost::emitted(cost))),
            Counting::Nothing(_) => {}
        }
    }
    sums
}

fn check(facts: &TraceFacts, reports: &[&RunReport]) -> Result<(), TestCaseError> {
    let explained = explain(trace(), facts, reports, &rules());
    prop_assert_eq!(&explained.folded, &fold(trace(), facts, reports, &rules()));
    prop_assert_eq!((explained.spans.len(), explained.runs.len()), (explained.folded.verdicts.len(), explained.folded.runs.len()));
    let without_prices = |total: &UsageTotal| UsageTotal { unpriced_calls: 0, ..*total };
    for (run, [counted, left_out]) in explained.folded.runs.iter().zip(sums(&explained, reports)) {
        prop_assert_eq!(without_prices(&run.usage), without_prices(&counted));
        prop_assert_eq!(&run.suppressed, &left_out);
    }
    for (verdict, reason) in explained.folded.verdicts.iter().zip(&explained.spans) {
        prop_assert_eq!(verdict.span, reason.span);
        prop_assert_eq!(verdict.run.is_none(), reason.owner == WhyOwner::Nobody);
        let is_run = verdict.run.is_some_and(|run| explained.folded.runs[run].key.span == verdict.span);
        prop_assert_eq!(is_run, reason.role.is_ok());
        prop_assert_eq!(is_run, reason.owner == WhyOwner::Itself);
        if let Counting::LeftOut(_, why) = reason.counting {
            let needs_another = !matches!(why, WhyNot::ToldNear | WhyNot::ReportTellsFewer | WhyNot::OtherReport);
            prop_assert!(
                !needs_another || reason.told_by.is_some() || why == WhyNot::CallsBelow || why == WhyNot::SumOfBelow,
                "{:?}",
                reason
            );
            prop_assert!(reason.told_by != Some(reason.span));
        }
    }
    for (run, reason) in explained.folded.runs.iter().zip(&explained.runs) {
        prop_assert_eq!(run.session.is_some(), reason.session.is_some());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_is_explained_adds_up_to_the_runs(spans in wild()) {
        check(&facts_of(spans), &[])?;
    }

    #[test]
    fn so_it_does_where_reports_tell_of_the_same_calls(one in any_told(), two in any_told()) {
        let reports = [report(1, 1, &one, false), report(2, 1_000, &two, true)];
        let spans: Vec<SpanFact> = reported_spans(1, &one).into_iter().chain(reported_spans(1_000, &two)).collect();
        check(&facts_of(spans), &[&reports[0], &reports[1]])?;
        check(&TraceFacts::default(), &[&reports[0]])?;
    }
}

#[test]
fn a_run_and_its_session_have_their_reasons() {
    let told = explained([
        agent(1, "outer").session("s"),
        agent(2, "inner").under(1),
        agent(3, "inner").under(2),
        span(4).kind(SpanKind::Workflow).under(1),
        chat(5, 2, 0, (1, 1)),
        chat(6, 99, 10, (1, 1)),
    ]);
    let roles: Vec<_> = told.spans.iter().map(|reason| reason.role).collect();
    assert_eq!(
        roles,
        [
            Ok(WhyRun::Outermost),
            Ok(WhyRun::OtherAgent),
            Err(WhyNoRun::SameExecution),
            Err(WhyNoRun::BesideAgents),
            Err(WhyNoRun::Ordinary),
            Err(WhyNoRun::Ordinary)
        ]
    );
    assert_eq!((reason(&told, 5).owner, reason(&told, 6).owner), (WhyOwner::Above, WhyOwner::Placed));
    let sessions: Vec<_> = told.runs.iter().map(|run| run.session).collect();
    assert_eq!(sessions, [Some(WhySession::Itself), Some(WhySession::Above)]);
    let by_resource = explained([agent(1, "a").resource_session("s")]);
    assert_eq!(by_resource.runs[0].session, Some(WhySession::Resource));
    let beside = explained([agent(1, "a").session("s").at(0, 100), agent(2, "b").at(10, 50)]);
    assert_eq!(beside.runs[1].session, Some(WhySession::GoingOn));
    let without = explained([chat(1, 9, 0, (1, 1)).session("s")]);
    assert_eq!((without.runs[0].why, without.runs[0].session), (WhyRun::Provisional, Some(WhySession::OfTrace)));
    assert_eq!(explained([chat(1, 9, 0, (1, 1))]).spans[0].owner, WhyOwner::Nobody);
}

#[test]
fn a_session_that_is_named_and_does_not_hold_says_why() {
    let told = explained([
        agent(1, "outer").session("set"),
        chat(2, 1, 0, (1, 1)).weak_session("minted"),
        chat(3, 1, 2, (1, 1)).weak_session("set"),
        span(4).under(1),
        chat(5, 4, 4, (1, 1)).resource_session("of the resource"),
        agent(6, "inner").under(1).session("its own"),
    ]);
    let overruled: Vec<_> = told.spans.iter().map(|reason| reason.overruled).collect();
    assert_eq!(overruled, [None, Some(WhyOverruled::Weak), None, None, Some(WhyOverruled::Resource), None]);
    let alone = explained([agent(1, "a").weak_session("minted"), chat(2, 1, 0, (1, 1)).weak_session("minted").resource_session("r")]);
    assert_eq!(alone.spans.iter().map(|reason| reason.overruled).collect::<Vec<_>>(), [None, None]);
}

#[test]
fn what_does_not_count_says_by_which_rule_and_for_which_span() {
    let left_out = |told: &Explained, span: u64| match reason(told, span).counting {
        Counting::LeftOut(_, why) => (why, reason(told, span).told_by.map(|by| by.to_u64())),
        other => panic!("{other:?}"),
    };
    let bot = || agent(1, "a").session("s");
    let stacked = explained([bot().used("gpt", (9, 9)), chat(2, 1, 0, (5, 5)).costs(7), chat(3, 2, 1, (5, 5))]);
    assert_eq!(left_out(&stacked, 1), (WhyNot::SumOfBelow, Some(3)));
    assert_eq!(left_out(&stacked, 2), (WhyNot::CallsBelow, Some(3)));
    assert_eq!(reason(&stacked, 3).counting, Counting::Counts(Some(Cost::emitted(NanoUsd(7))), WhyCost::Handed));
    assert_eq!(reason(&stacked, 3).cost_from, Some(id(2)));
    let echoed = explained([bot().scope(WAXELL), chat(2, 1, 0, (5, 5)).answered(), echo(3, 1, 12, (5, 5))]);
    assert_eq!(left_out(&echoed, 3), (WhyNot::Echo, Some(2)));
    let wrapped = explained([bot().scope(WAXELL), chat(2, 1, 0, (5, 5)).at(0, 50).framework(), chat(3, 1, 1, (5, 5)).answered()]);
    assert_eq!(left_out(&wrapped, 2), (WhyNot::Wrapper, Some(3)));
    let twins = |one: SpanFact, other: SpanFact| explained([bot(), one, other.scope(ANTHROPIC_SDK)]);
    let alike = twins(chat(2, 1, 0, (5, 5)).cached(3).at(0, 50), chat(3, 1, 10, (5, 5)));
    assert_eq!(left_out(&alike, 2), (WhyNot::SameTokens, Some(3)));
    assert_eq!(reason(&alike, 3).parts_from, Some(id(2)));
    let answered = twins(chat(2, 1, 0, (5, 6)).response(7), chat(3, 1, 90, (5, 5)).response(7));
    assert_eq!(left_out(&answered, 2), (WhyNot::SameAnswer, Some(3)));
    let priced = explained([bot(), chat(2, 1, 0, (1, 1)), chat(3, 1, 20, (1, 1)).used("llama", (1, 1)), chat(4, 1, 40, (1, 1)).costs(2)]);
    let costs = [2, 3, 4].map(|span| match reason(&priced, span).counting {
        Counting::Counts(_, why) => why,
        other => panic!("{other:?}"),
    });
    assert_eq!(costs, [WhyCost::Table, WhyCost::Unknown, WhyCost::Stated]);
}
