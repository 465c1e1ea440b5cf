//! One run from two paths: which calls a reported run made, told by its spans and by its report, never the sum of both.
//!
//! - A call is known by its model (without a date) and its input and output tokens. Within the report the count of a call is the larger
//!   of what providers' and what frameworks' instrumentations tell.
//! - Where both paths tell of a call, the smaller count stands: each path doubles in cases of its own, and neither invents.
//! - What only the report tells of stands. What only spans tell of stands unless a report in the same trace tells of it.
//! - Two names of one model: what is left over on both sides with the same tokens is the same call.
//! - A call without tokens adds nothing; how many there were says the report, if it tells of any call.
//! - The cost is what the report states, else what the span states, else the price. Calls are paired by cost first, since two calls of
//!   one key can cost differently.
//!
//! Source: product decision "Two paths, one run", written over the recorded cases.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::Rules;
use super::boundary::Territory;
use super::count::Share;
use super::report_placement::Placed;
use super::tree::{Forest, NONE};
use super::why::WhyNot;
use crate::model::Str;
use crate::model::report::{ReportedCall, RunReport};
use crate::model::usage::{Call, CallKey, Cost, NanoUsd};

/// A call of a span: the span and its cost.
type Spanned = (u32, Option<Cost>);

/// What the report adds to what the shares of spans say.
#[derive(Default)]
pub(super) struct Merged {
    /// Calls of no span, each with the place of its record in the report.
    pub calls: Vec<(usize, Call, Option<Cost>)>,
    /// Records that tell of a call which others tell of, and no span does.
    pub left_out: Vec<(usize, WhyNot)>,
    /// Spans whose call the report knows by another name: the record.
    pub known_as: Vec<(u32, usize)>,
}

/// What the reports of a trace tell of.
struct Told(BTreeSet<CallKey>);

/// Merges every reported run, in the order of the territory's seeds; runs that were not reported have nothing merged.
pub(super) fn merge_all(forest: &Forest<'_>, territory: &Territory<'_>, shares: &mut [Share], rules: &Rules<'_>) -> Vec<Merged> {
    let mut merged = Vec::new();
    if forest.reports.is_empty() {
        return merged;
    }
    merged.resize_with(territory.seeds.len(), Merged::default);
    let mut spans: Vec<Vec<u32>> = vec![Vec::new(); territory.seeds.len()];
    for (span, &owner) in territory.owner.iter().enumerate().filter(|(_, owner)| **owner != NONE) {
        spans[owner as usize].push(span as u32);
    }
    let told = Told::of(forest);
    for (at, (seed, spans)) in territory.seeds.iter().zip(&spans).enumerate() {
        if let Some(placed) = forest.report(seed.span) {
            merged[at] = merge(placed, forest, &told, spans, shares, rules);
        }
    }
    merged
}

/// Brings the shares of the spans of one run into line with its report.
fn merge(placed: &Placed<'_>, forest: &Forest<'_>, told: &Told, spans: &[u32], shares: &mut [Share], rules: &Rules<'_>) -> Merged {
    let report = placed.report;
    let mut merged = Merged::default();
    let mut reported = stated_calls(report, &mut merged.left_out);
    let mut spanned = spanned_calls(forest, spans, shares);
    let mut pairs: Vec<(Vec<usize>, Vec<Spanned>)> = Vec::new();
    let shared: Vec<CallKey> = spanned.keys().filter(|key| reported.contains_key(key)).cloned().collect();
    for key in shared {
        pairs.extend(reported.remove(&key).zip(spanned.remove(&key)));
    }
    // Another name of the same model, then.
    for (key, calls) in std::mem::take(&mut spanned) {
        let least = CallKey { tokens: key.tokens, model: Str::from("") };
        let same_tokens = reported.range(least..).next().map(|(other, _)| other.clone()).filter(|other| other.tokens == key.tokens);
        match same_tokens.and_then(|other| reported.remove(&other)) {
            Some(records) => pairs.push((records, calls)),
            // Not in this run's report, so in another's.
            None if told.0.contains(&key) => calls.iter().for_each(|&(span, cost)| leave_out(shares, span, cost, WhyNot::OtherReport)),
            None => {}
        }
    }
    for (records, calls) in pairs {
        stand(report, records, calls, shares, &mut merged);
    }
    for record in reported.into_values().flatten() {
        let told = &report.calls[record];
        merged.calls.push((record, call_of(told), cost_of(told, rules)));
    }
    settle_empty_calls(report, forest, spans, shares, &mut merged);
    merged.calls.sort_unstable_by_key(|(record, ..)| *record);
    merged
}

/// The smaller side stands; each of its calls with the best match on the other: one of equal cost, if there is one.
fn stand(report: &RunReport, mut records: Vec<usize>, mut calls: Vec<Spanned>, shares: &mut [Share], merged: &mut Merged) {
    let stated = |record: usize| stated_cost(&report.calls[record]);
    let amount = |call: &Spanned| call.1.map(|cost| cost.amount);
    records.sort_by_key(|&record| (stated(record), record));
    calls.sort_by_key(|call| (amount(call), call.0));
    let n = records.len().min(calls.len());
    let (mut matched, mut records_left, mut calls_left) = (Vec::new(), Vec::new(), Vec::new());
    let (mut records, mut calls) = (records.into_iter().peekable(), calls.into_iter().peekable());
    while let (Some(&record), Some(call)) = (records.peek(), calls.peek()) {
        match stated(record).cmp(&amount(call)) {
            Ordering::Less => records_left.extend(records.next()),
            Ordering::Greater => calls_left.extend(calls.next()),
            Ordering::Equal => matched.extend(records.next().zip(calls.next())),
        }
    }
    records_left.extend(records);
    calls_left.extend(calls);
    let n_open = n - matched.len();
    let (rest_of_records, rest_of_calls) = (records_left.split_off(n_open), calls_left.split_off(n_open));
    matched.extend(records_left.into_iter().zip(calls_left));
    for (record, (span, cost)) in matched {
        shares[span as usize] = Share::Counts(stated(record).map(Cost::emitted).or(cost));
        merged.known_as.push((span, record));
    }
    rest_of_calls.into_iter().for_each(|(span, cost)| leave_out(shares, span, cost, WhyNot::ReportTellsFewer));
    merged.left_out.extend(rest_of_records.into_iter().map(|record| (record, WhyNot::SpansTellFewer)));
}

/// Calls with tokens or a cost by key. Of providers' and frameworks' records of a call the more numerous stand, the others are left out.
fn stated_calls(report: &RunReport, left_out: &mut Vec<(usize, WhyNot)>) -> BTreeMap<CallKey, Vec<usize>> {
    let mut calls: BTreeMap<CallKey, [Vec<usize>; 2]> = BTreeMap::new();
    for (record, told) in report.calls.iter().enumerate() {
        if told.is_found {
            left_out.push((record, WhyNot::OtherRun));
        } else if told.usage.is_positive() {
            calls.entry(key(told)).or_default()[usize::from(told.is_framework)].push(record);
        }
    }
    let larger = |[providers, frameworks]: [Vec<usize>; 2]| {
        if frameworks.len() > providers.len() { (frameworks, providers) } else { (providers, frameworks) }
    };
    let mut stated = BTreeMap::new();
    for (key, both) in calls {
        let (standing, rest) = larger(both);
        left_out.extend(rest.into_iter().map(|record| (record, WhyNot::RecordedTwice)));
        stated.insert(key, standing);
    }
    stated
}

fn spanned_calls(forest: &Forest<'_>, spans: &[u32], shares: &[Share]) -> BTreeMap<CallKey, Vec<Spanned>> {
    let mut calls: BTreeMap<CallKey, Vec<Spanned>> = BTreeMap::new();
    for &span in spans {
        let (Share::Counts(cost), Some(call)) = (shares[span as usize], forest.fact(span).call.as_deref()) else { continue };
        if call.usage.is_positive() {
            calls.entry(CallKey::of(&call.model, &call.usage)).or_default().push((span, cost));
        }
    }
    calls
}

/// Failed calls and calls whose usage never came: the report says how many, if it tells of calls at all.
fn settle_empty_calls(report: &RunReport, forest: &Forest<'_>, spans: &[u32], shares: &mut [Share], merged: &mut Merged) {
    if report.calls.is_empty() {
        return;
    }
    for &span in spans {
        let is_empty = forest.fact(span).call.as_deref().is_some_and(|call| !call.usage.is_positive());
        if is_empty && matches!(shares[span as usize], Share::Counts(_)) {
            shares[span as usize] = Share::Silent(WhyNot::ReportCounts);
        }
    }
    let is_empty = |told: &ReportedCall| !told.usage.is_positive() && !told.is_framework && !told.is_found;
    for (record, told) in report.calls.iter().enumerate().filter(|(_, told)| is_empty(told)) {
        merged.calls.push((record, call_of(told), None));
    }
}

fn leave_out(shares: &mut [Share], span: u32, cost: Option<Cost>, why: WhyNot) {
    shares[span as usize] = Share::LeftOut(cost.map_or(NanoUsd(0), |cost| cost.amount), why);
}

/// A stated zero with tokens is not a price.
pub(super) fn stated_cost(told: &ReportedCall) -> Option<NanoUsd> {
    told.usage.cost.filter(|cost| cost.0 > 0)
}

fn cost_of(told: &ReportedCall, rules: &Rules<'_>) -> Option<Cost> {
    stated_cost(told).map(Cost::emitted).or_else(|| (rules.price)(&call_of(told), told.at))
}

pub(super) fn call_of(told: &ReportedCall) -> Call {
    Call { usage: told.usage, model: told.model.clone(), provider: Str::from(""), response: 0, tier: None }
}

fn key(told: &ReportedCall) -> CallKey {
    CallKey::of(&told.model, &told.usage)
}

// === impl Told ===

impl Told {
    fn of(forest: &Forest<'_>) -> Self {
        let calls = forest.reports.iter().flat_map(|(_, placed)| &placed.report.calls);
        Self(calls.filter(|told| told.usage.is_positive() && !told.is_found).map(key).collect())
    }
}
