//! The reasons of a fold: the same computation as [`super::fold`], with what it noted on its way.
//!
//! - Nothing is decided here. What counts, whose a span is and where a cost came from is read from what the fold left behind.
//! - The sums over what is explained are the sums of the runs; a property of the tests says so for every trace.

use super::boundary::Role;
use super::count::{self, Share};
use super::scratch::Scratch;
use super::tree::NONE;
use super::why::{Handed, WhyCost, WhyNoRun, WhyNot, WhyOverruled, WhyOwner, WhyRun, WhySession};
use super::{Folded, Rules, TraceFacts, Work, assemble, merge, report_placement};
use crate::model::ids::{SpanId, TraceId};
use crate::model::report::RunReport;
use crate::model::usage::{Cost, CostSource, NanoUsd, RatesUsed, Usage};

/// A fold with its reasons.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Explained {
    pub folded: Folded,
    /// One for every verdict, in the same order.
    pub spans: Vec<SpanReason>,
    /// One for every run, in the same order.
    pub runs: Vec<RunReason>,
    /// Calls that only a report tells of, ordered by run and record.
    pub records: Vec<RecordReason>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpanReason {
    pub span: SpanId,
    /// What the span hangs from, its own word or where it was placed.
    pub above: Option<SpanId>,
    pub role: Result<WhyRun, WhyNoRun>,
    pub owner: WhyOwner,
    /// The session that it names does not hold for it.
    pub overruled: Option<WhyOverruled>,
    pub counting: Counting,
    /// What it used as far as anybody knows: parts of the tokens can come from another span.
    pub usage: Option<Usage>,
    /// The span that tells of what this one does not count for.
    pub told_by: Option<SpanId>,
    pub cost_from: Option<SpanId>,
    pub parts_from: Option<SpanId>,
}

/// What becomes of what was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counting {
    Counts(Option<Cost>, WhyCost),
    /// The cost is what it stated and gave to nobody.
    LeftOut(NanoUsd, WhyNot),
    /// There is nothing to count.
    Nothing(WhyNot),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunReason {
    pub why: WhyRun,
    /// `None`: it has no session.
    pub session: Option<WhySession>,
}

/// A call of a report that no span tells of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordReason {
    /// Index into the runs.
    pub run: usize,
    /// Index into the calls of that run's report.
    pub record: usize,
    pub counting: Counting,
}

/// Folds a trace and says why.
pub fn explain(trace: TraceId, facts: &TraceFacts, reports: &[&RunReport], rules: &Rules<'_>) -> Explained {
    let placed = report_placement::place(facts, reports);
    let scratch = Scratch::for_spans(facts.len());
    let mut work = Work::decide(facts, &placed, rules, &scratch);
    let why_session: Vec<Option<WhySession>> = work.names.iter().map(|names| names.session.map(|_| names.why_session)).collect();
    let (folded, place) = assemble::assemble(trace, &work.forest, &work.territory, &work.names, work.shares, &work.merged, rules);
    work.territory.adopted.sort_unstable();
    work.forest.handed.sort_by_key(|handed| (handed.to, handed.from));
    let tellers = count::tellers(&work.forest, work.shares);
    let introducers = work.forest.introducers();
    let is_real = |span: &u32| work.forest.report(*span).is_none_or(|placed| !placed.is_spanless());
    let spans = (0..work.forest.len() as u32).filter(is_real);
    let spans = spans.map(|span| work.span(span, tellers[span as usize], introducers[span as usize])).collect();
    let mut runs = vec![RunReason { why: WhyRun::Provisional, session: None }; place.len()];
    for (seed, session) in why_session.into_iter().enumerate() {
        runs[place[seed]] = RunReason { why: work.territory.seeds[seed].why, session: work.session(seed, session) };
    }
    Explained { folded, spans, runs, records: work.records(place) }
}

// === impl Counting ===

impl Counting {
    /// The prices that the cost was computed by.
    pub fn rates(self) -> RatesUsed {
        match self {
            Self::Counts(Some(cost), _) => cost.rates,
            _ => RatesUsed::default(),
        }
    }
}

// === impl Work ===

impl Work<'_> {
    /// `introducer` brought in the session that is in effect.
    fn span(&self, span: u32, teller: u32, introducer: u32) -> SpanReason {
        let forest = &self.forest;
        let id = |span: u32| (span != NONE).then(|| forest.fact(span).span);
        let from = |is_cost: bool| self.handed_to(span).find(|handed| handed.is_cost == is_cost).map(|handed| handed.from);
        let counting = match self.shares[span as usize] {
            Share::Counts(cost) => Counting::Counts(cost, self.why_cost(span, cost)),
            Share::LeftOut(cost, why) => Counting::LeftOut(cost, why),
            Share::Silent(why) => Counting::Nothing(why),
        };
        let told_by = match counting {
            Counting::LeftOut(_, WhyNot::CallsBelow | WhyNot::SumOfBelow) => id(teller),
            Counting::LeftOut(..) => forest.told_by.get(&span).and_then(|&kept| id(kept)),
            _ => None,
        };
        SpanReason {
            span: forest.fact(span).span,
            above: forest.parent(span).map(|parent| forest.fact(parent).span),
            role: self.role(span),
            owner: self.owner(span),
            overruled: self.overruled(span, introducer),
            counting,
            usage: forest.usage(span).copied(),
            told_by,
            cost_from: from(true).and_then(id),
            parts_from: from(false).and_then(id),
        }
    }

    fn role(&self, span: u32) -> Result<WhyRun, WhyNoRun> {
        let owner = self.territory.owner[span as usize];
        match self.territory.seeds.get(owner as usize).filter(|seed| seed.span == span) {
            Some(seed) => Ok(seed.why),
            None => match self.territory.roles.get(span as usize) {
                Some(Role::Inner(why)) => Err(*why),
                _ => Err(WhyNoRun::Ordinary),
            },
        }
    }

    fn owner(&self, span: u32) -> WhyOwner {
        let owner = self.territory.owner[span as usize];
        let Some(seed) = self.territory.seeds.get(owner as usize) else { return WhyOwner::Nobody };
        if seed.span == span {
            return WhyOwner::Itself;
        }
        if let Ok(at) = self.territory.adopted.binary_search_by_key(&span, |(call, _)| *call) {
            return if self.territory.adopted[at].1 { WhyOwner::OfSession } else { WhyOwner::GoingOn };
        }
        let is_own_tree = seed.span != NONE && self.forest.top[seed.span as usize] == self.forest.top[span as usize];
        match (is_own_tree, self.territory.roles.is_empty()) {
            (true, _) => WhyOwner::Above,
            (false, true) => WhyOwner::OneRun,
            (false, false) => WhyOwner::Placed,
        }
    }

    fn overruled(&self, span: u32, introducer: u32) -> Option<WhyOverruled> {
        let fact = self.forest.fact(span);
        let (named, why) = match fact.session() {
            Some(own) => (own, WhyOverruled::Weak),
            None => (fact.resource_session()?, WhyOverruled::Resource),
        };
        let in_effect = self.forest.session.get(introducer as usize).copied().flatten()?;
        (in_effect != named).then_some(why)
    }

    /// A run's own span can name its session by its resource only.
    fn session(&self, seed: usize, why: Option<WhySession>) -> Option<WhySession> {
        let span = self.territory.seeds[seed].span;
        let fact = self.forest.facts.get(span as usize);
        let is_by_resource = fact.is_some_and(|fact| fact.session() != self.forest.session[span as usize]);
        if why == Some(WhySession::Itself) && is_by_resource { Some(WhySession::Resource) } else { why }
    }

    fn handed_to(&self, span: u32) -> impl Iterator<Item = &Handed> {
        let first = self.forest.handed.partition_point(|handed| handed.to < span);
        self.forest.handed[first..].iter().take_while(move |handed| handed.to == span)
    }

    fn why_cost(&self, span: u32, cost: Option<Cost>) -> WhyCost {
        let Some(cost) = cost else { return self.no_cost(self.forest.usage(span)) };
        match cost.source {
            CostSource::Override => WhyCost::Override,
            CostSource::Table => WhyCost::Table,
            CostSource::Emitted if self.is_stated_by_report(span) => WhyCost::Reported,
            CostSource::Emitted if self.handed_to(span).any(|handed| handed.is_cost) => WhyCost::Handed,
            CostSource::Emitted => WhyCost::Stated,
        }
    }

    fn no_cost(&self, usage: Option<&Usage>) -> WhyCost {
        if usage.is_some_and(|usage| usage.tokens() > 0) { WhyCost::Unknown } else { WhyCost::NoTokens }
    }

    /// What the report states of a call comes before what its span states.
    fn is_stated_by_report(&self, span: u32) -> bool {
        let owner = self.territory.owner[span as usize];
        let Some((merged, seed)) = self.merged.get(owner as usize).zip(self.territory.seeds.get(owner as usize)) else { return false };
        let record = merged.known_as.iter().find(|(known, _)| *known == span).map(|(_, record)| *record);
        let report = self.forest.report(seed.span).map(|placed| placed.report);
        record.zip(report).is_some_and(|(record, report)| merge::stated_cost(&report.calls[record]).is_some())
    }

    fn records(&self, place: &[usize]) -> Vec<RecordReason> {
        let mut records = Vec::new();
        for ((merged, seed), &run) in self.merged.iter().zip(&self.territory.seeds).zip(place) {
            let Some(report) = self.forest.report(seed.span).map(|placed| placed.report) else { continue };
            for (record, call, cost) in &merged.calls {
                let why = match cost.map(|cost| cost.source) {
                    Some(CostSource::Emitted) => WhyCost::Reported,
                    Some(CostSource::Override) => WhyCost::Override,
                    Some(CostSource::Table) => WhyCost::Table,
                    None => self.no_cost(Some(&call.usage)),
                };
                records.push(RecordReason { run, record: *record, counting: Counting::Counts(*cost, why) });
            }
            for &(record, why) in &merged.left_out {
                let cost = report.calls[record].usage.cost.unwrap_or_default();
                records.push(RecordReason { run, record, counting: Counting::LeftOut(cost, why) });
            }
        }
        records.sort_by_key(|reason| (reason.run, reason.record));
        records
    }
}
