//! Why a run has the figures it has, in JSON.
//!
//! A reason is a `rule`, which stays as it is, and its `words`, which may be put better one day.

use serde::Serialize;

use super::Number;
use super::run::kind;
use crate::conventions::Sources;
use crate::fold::{Counting, WhyNot};
use crate::model::facts::SpanKind;
use crate::model::usage::{Usage, UsageTotal};
use crate::store::explain::{ExplainedCall, ExplainedSpan, Explanation};
use crate::store::raw::Origin;

#[derive(Serialize)]
pub(in crate::api) struct Explain<'a> {
    /// `null`: its spans are not kept any more.
    why_run: Option<Why>,
    /// `null`: it has no session.
    why_session: Option<Why>,
    attributes_from: AttributesFrom,
    /// The reasons add up to what the index shows.
    adds_up: bool,
    shown: Sum,
    counted: Sum,
    left_out: Vec<LeftOut>,
    span_count: usize,
    spans: Vec<SpanWhy<'a>>,
    /// Calls that only the SDK reported.
    reported_calls: Vec<CallWhy<'a>>,
    /// Spans of the trace that are of no run.
    orphan_count: usize,
    orphans: Vec<SpanWhy<'a>>,
    /// Ids of the other runs of the trace.
    other_runs: Vec<u64>,
    /// `null`: nothing says so.
    told_elsewhere: Option<Elsewhere<'a>>,
}

/// A run in another trace that seems to report a call of this one too.
#[derive(Serialize)]
struct Elsewhere<'a> {
    run_id: u64,
    scope: &'a str,
    words: String,
}

#[derive(Serialize)]
struct Why {
    rule: &'static str,
    words: &'static str,
}

#[derive(Serialize)]
struct AttributesFrom {
    source: &'static str,
    words: String,
}

#[derive(Serialize)]
struct Sum {
    llm_calls: u64,
    tokens: u64,
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    cost: Number,
}

#[derive(Serialize)]
struct LeftOut {
    #[serde(flatten)]
    why: Why,
    llm_calls: u64,
    tokens: u64,
    cost: Number,
}

#[derive(Serialize)]
struct SpanWhy<'a> {
    span_id: String,
    parent_span_id: Option<String>,
    depth: usize,
    name: &'a str,
    scope: &'a str,
    kind: &'static str,
    /// `null`: the span as it was sent is not to be had.
    why_kind: Option<Why>,
    is_run: bool,
    /// `null`: nobody would expect it to be a run.
    why_run: Option<Why>,
    why_owner: Why,
    /// `null`: it names no session, or one that holds.
    why_session_overruled: Option<Why>,
    #[serde(flatten)]
    call: CallCounting<'a>,
    /// Spans that report the same call: the one that stands for it, and those that gave their cost or parts of their tokens.
    told_by: Option<String>,
    cost_from: Option<String>,
    tokens_from: Option<String>,
    attributes: Option<Vec<Attribute<'a>>>,
    /// What was changed of the numbers that were sent.
    changes: &'a [String],
    /// What was not believed.
    oddities: Vec<&'static str>,
}

#[derive(Serialize)]
struct CallWhy<'a> {
    task: &'a str,
    #[serde(flatten)]
    call: CallCounting<'a>,
}

/// What was reported of a call, and what becomes of it.
#[derive(Serialize)]
struct CallCounting<'a> {
    /// `counted`, `left_out`, or `nothing`.
    counting: &'static str,
    /// Of what does not count.
    why_not: Option<Why>,
    model: Option<&'a str>,
    tokens: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    /// The part of the cache writes that is kept for an hour.
    cache_write_1h_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    /// What counts, or what was stated and is left out.
    cost: Option<Number>,
    why_cost: Option<Why>,
    /// The prices it was computed by, beside the ordinary ones.
    price_rates: Vec<Why>,
}

#[derive(Serialize)]
struct Attribute<'a> {
    question: &'static str,
    key: &'a str,
    value: &'a str,
    of_resource: bool,
}

/// The reasons that are shown have a code and words each.
macro_rules! why {
    ($why:expr) => {
        Why { rule: $why.code(), words: $why.words() }
    };
}

// === impl Explain ===

impl<'a> Explain<'a> {
    pub(in crate::api) fn new(explanation: &'a Explanation, origin: &Origin) -> Self {
        let sums = &explanation.sums;
        Self {
            why_run: explanation.reason.as_ref().map(|reason| why!(reason.why)),
            why_session: explanation.reason.as_ref().and_then(|reason| reason.session).map(|why| why!(why)),
            attributes_from: AttributesFrom { source: origin.code(), words: origin.words() },
            adds_up: explanation.adds_up(),
            shown: Sum::new(&explanation.run.usage),
            counted: Sum::new(&sums.counted),
            left_out: sums.left_out.iter().map(|(why, total)| LeftOut::new(*why, total)).collect(),
            span_count: explanation.n_spans,
            spans: explanation.spans.iter().map(SpanWhy::new).collect(),
            reported_calls: explanation.calls.iter().map(CallWhy::new).collect(),
            orphan_count: explanation.n_orphans,
            orphans: explanation.orphans.iter().map(SpanWhy::new).collect(),
            other_runs: explanation.others.iter().map(|run| run.id.get()).collect(),
            told_elsewhere: explanation.told_elsewhere.as_ref().map(|told| Elsewhere {
                run_id: told.run.id.get(),
                scope: &told.scope,
                words: told.words(),
            }),
        }
    }
}

impl Sum {
    fn new(total: &UsageTotal) -> Self {
        Self {
            llm_calls: total.calls,
            tokens: total.tokens,
            input_tokens: total.input_tokens,
            output_tokens: total.output_tokens,
            cached_tokens: total.cache_read_tokens,
            cost: Number::dollars(total.cost),
        }
    }
}

impl LeftOut {
    fn new(why: WhyNot, total: &UsageTotal) -> Self {
        Self { why: why!(why), llm_calls: total.calls, tokens: total.tokens, cost: Number::dollars(total.cost) }
    }
}

// === impl SpanWhy ===

impl<'a> SpanWhy<'a> {
    fn new(span: &'a ExplainedSpan) -> Self {
        let (view, reason) = (&span.view, &span.reason);
        let sources = span.sources.as_ref();
        let id = |span: Option<crate::model::ids::SpanId>| span.map(|span| span.to_string());
        Self {
            span_id: view.span.to_string(),
            parent_span_id: id(view.parent),
            depth: span.depth,
            name: &view.name,
            scope: &span.scope,
            kind: kind(view.kind),
            why_kind: sources.map(|sources| why!(sources.kind_by)),
            is_run: reason.role.is_ok(),
            why_run: why_run(span),
            why_owner: why!(reason.owner),
            why_session_overruled: reason.overruled.map(|why| why!(why)),
            call: CallCounting::new(view.call.as_ref().map(|call| &*call.model), reason.usage.as_ref(), reason.counting),
            told_by: id(reason.told_by),
            cost_from: id(reason.cost_from),
            tokens_from: id(reason.parts_from),
            attributes: sources.map(Attribute::all),
            changes: sources.map_or(&[], |sources| &sources.changes),
            oddities: sources.map_or_else(Vec::new, |sources| sources.oddities.iter().map(|oddity| oddity.as_str()).collect()),
        }
    }
}

fn why_run(span: &ExplainedSpan) -> Option<Why> {
    match span.reason.role {
        Ok(why) => Some(why!(why)),
        Err(why) => Some(why!(why)).filter(|why| !why.words.is_empty() && span.view.kind != SpanKind::Other),
    }
}

// === impl CallWhy ===

impl<'a> CallWhy<'a> {
    fn new(call: &'a ExplainedCall) -> Self {
        Self { task: &call.task, call: CallCounting::new(Some(&call.model), Some(&call.usage), call.counting) }
    }
}

// === impl CallCounting ===

impl<'a> CallCounting<'a> {
    fn new(model: Option<&'a str>, usage: Option<&Usage>, counting: Counting) -> Self {
        let (word, why_not, cost, why_cost) = match counting {
            Counting::Counts(cost, why) => ("counted", None, cost.map(|cost| cost.amount), Some(why!(why))),
            Counting::LeftOut(cost, why) => ("left_out", Some(why!(why)), Some(cost), None),
            Counting::Nothing(why) => ("nothing", Some(why!(why)), None, None),
        };
        Self {
            counting: word,
            why_not,
            model,
            tokens: usage.map(Usage::tokens),
            input_tokens: usage.and_then(|usage| usage.input_tokens),
            output_tokens: usage.and_then(|usage| usage.output_tokens),
            cached_tokens: usage.and_then(|usage| usage.cache_read_tokens),
            cache_write_tokens: usage.and_then(|usage| usage.cache_write_tokens),
            cache_write_1h_tokens: usage.map(|usage| usage.cache_write_1h_tokens).filter(|&tokens| tokens > 0),
            reasoning_tokens: usage.and_then(|usage| usage.reasoning_tokens),
            cost: cost.map(Number::dollars),
            why_cost,
            price_rates: counting.rates().told().map(|(rule, words)| Why { rule, words }).collect(),
        }
    }
}

// === impl Attribute ===

impl<'a> Attribute<'a> {
    fn all(sources: &'a Sources) -> Vec<Self> {
        let answer = |answer: &'a crate::conventions::Answer| Self {
            question: answer.question,
            key: &answer.key,
            value: &answer.value,
            of_resource: answer.is_of_resource,
        };
        sources.answers.iter().map(answer).collect()
    }
}
