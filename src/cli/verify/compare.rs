//! Run by run, what differs and why it probably does.

use std::collections::{HashMap, HashSet};

use super::difference::{Cause, Difference, What};
use super::index::{Index, IndexedRun};
use super::{Scope, VerifyError};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::tempo::query::QueryClient;
use crate::tempo::scan::unread::{Lot, Unread};
use crate::tempo::scan::whole;
use crate::tempo::stamped::{self, Held, Role, Stamped};

#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) n_runs: usize,
    pub(super) n_sessions: usize,
    /// Left out: they have not ended.
    pub(super) n_running: usize,
    /// Left out: Tempo may not show them yet.
    pub(super) n_young: usize,
    /// Left out: Tempo could not give them.
    pub(super) n_unread: usize,
    /// What that was.
    pub(super) unread: Vec<Unread>,
    pub(super) differences: Vec<Difference>,
}

/// What Tempo holds of one run.
#[derive(Default)]
struct HeldRun {
    spans: Vec<Stamped>,
}

/// Whom to ask about what.
pub(super) struct Asked<'a> {
    pub(super) index: &'a Index,
    pub(super) client: &'a QueryClient,
    pub(super) tenant: &'a Tenant,
    pub(super) scope: &'a Scope,
    /// Nanoseconds since 1970: what began after it cannot have come too late for Tempo's search. `None` where Tempo does not say.
    pub(super) in_time: Option<u64>,
}

pub(super) async fn compare(
    asked: &Asked<'_>,
    runs: &[IndexedRun],
    sessions: &HashSet<String>,
    held: Held,
) -> Result<Comparison, VerifyError> {
    let scope = asked.scope;
    let Held { spans, unread } = held;
    let mut by_run: HashMap<String, HeldRun> = HashMap::new();
    for span in spans {
        if let Some(run) = span.run_id.clone() {
            by_run.entry(run).or_default().spans.push(span);
        }
    }
    let mut comparison = Comparison { n_sessions: sessions.len(), unread, ..Comparison::default() };
    for run in runs {
        let held = by_run.remove(&run.id.to_string());
        match run.completed_at {
            _ if run.is_running || run.is_rootless() => comparison.n_running += 1,
            Some(ended) if ended > scope.young => comparison.n_young += 1,
            _ if is_unread(&comparison.unread, run) => comparison.n_unread += 1,
            _ => {
                let found = match held {
                    Some(held) => differences(asked, run, &held).await,
                    None => missing(asked, run).await.map(|difference| vec![difference]),
                };
                match found {
                    Ok(found) => {
                        comparison.n_runs += 1;
                        comparison.differences.extend(found);
                    }
                    // Tempo has something, and no way to say what.
                    Err(VerifyError::Tempo(why)) if why.is_too_much() => {
                        comparison.n_unread += 1;
                        comparison.unread.extend(run.trace.map(|trace| Unread { what: Lot::Trace(trace), why }));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    for (id, held) in by_run {
        comparison.differences.extend(only_in_tempo(scope, sessions, &id, &held));
    }
    comparison.differences.sort_by(|a, b| (&a.session, &a.run).cmp(&(&b.session, &b.run)));
    Ok(comparison)
}

/// Whether it is among what could not be read.
fn is_unread(unread: &[Unread], run: &IndexedRun) -> bool {
    let end = run.completed_at.unwrap_or(run.started_at);
    run.trace.is_some_and(|trace| unread.iter().any(|unread| unread.covers(trace, run.started_at, end)))
}

/// A run of which search shows nothing.
async fn missing(asked: &Asked<'_>, run: &IndexedRun) -> Result<Difference, VerifyError> {
    let stored = match run.trace {
        Some(trace) => stored(asked, trace).await?,
        None => None,
    };
    let cause = match stored {
        None => Cause::TraceDropped,
        Some(stored) => {
            let id = run.id.to_string();
            let is_there = stored.iter().any(|span| span.has_amounts && span.run_id.as_ref() == Some(&id));
            if is_there { asked.unseen(run) } else { Cause::NotStamped }
        }
    };
    Ok(Difference {
        session: run.session.clone(),
        run: Some(run.id.to_string()),
        trace: run.trace,
        what: What::OnlyInIndex,
        cause,
        spans: Vec::new(),
    })
}

/// The stamped spans of a trace, by its id; `None` if Tempo does not have it.
async fn stored(asked: &Asked<'_>, trace: TraceId) -> Result<Option<Vec<Stamped>>, VerifyError> {
    let bytes = whole::by_id(asked.client, asked.tenant, trace).await?;
    Ok(bytes.map(|bytes| stamped::of_bytes(&bytes)).transpose()?)
}

async fn differences(asked: &Asked<'_>, run: &IndexedRun, held: &HeldRun) -> Result<Vec<Difference>, VerifyError> {
    let sums = held.sums(|_| true);
    let mut found = Vec::new();
    if sums.n_runs != 1 {
        found.push(What::Runs { in_tempo: sums.n_runs });
    }
    if held.spans.iter().any(|span| span.session.as_deref() != Some(&run.session)) {
        found.push(What::Session);
    }
    if sums.n_runs > 0 && sums.is_error != run.is_error {
        found.push(What::Error { in_index: run.is_error });
    }
    if sums.cost != run.cost || sums.run_cost != run.cost {
        found.push(What::Cost { in_index: run.cost, in_tempo: sums.cost, of_run: sums.run_cost });
    }
    if sums.tokens != run.tokens || sums.run_tokens != run.tokens {
        found.push(What::Tokens { in_index: run.tokens, in_tempo: sums.tokens, of_run: sums.run_tokens });
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let (cause, spans) = explain(asked, run, held).await?;
    let difference = |what| Difference {
        session: run.session.clone(),
        run: Some(run.id.to_string()),
        trace: run.trace.or(held.spans.first().map(|span| span.trace)),
        what,
        cause,
        spans: spans.clone(),
    };
    Ok(found.into_iter().map(difference).collect())
}

async fn explain(asked: &Asked<'_>, run: &IndexedRun, held: &HeldRun) -> Result<(Cause, Vec<SpanId>), VerifyError> {
    let doubled = held.doubled();
    if !doubled.is_empty() {
        return Ok((Cause::Doubled, doubled));
    }
    if let Some(corrections) = held.corrected_twice(run) {
        return Ok((Cause::CorrectedTwice, corrections));
    }
    let Some(known) = asked.index.spans_of(run.id).await else { return Ok((Cause::NotCorrected, Vec::new())) };
    // Spans of our own are in no index.
    let held: HashSet<SpanId> = held.spans.iter().filter(|span| span.role == Role::OfSender).map(|span| span.span).collect();
    let lacking = |ours: &HashSet<SpanId>, theirs: &HashSet<SpanId>| {
        let mut lacking: Vec<SpanId> = ours.difference(theirs).copied().collect();
        lacking.sort();
        lacking
    };
    match (lacking(&held, &known.all), lacking(&known.counted, &held)) {
        (missing, _) if !missing.is_empty() => Ok((Cause::MissingInIndex, missing)),
        (_, missing) if !missing.is_empty() => {
            let stored = match run.trace {
                Some(trace) => stored(asked, trace).await?.unwrap_or_default(),
                None => Vec::new(),
            };
            let is_stored = |id: &SpanId| stored.iter().any(|span| span.span == *id && span.has_amounts);
            let cause = if missing.iter().all(is_stored) { asked.unseen(run) } else { Cause::MissingInTempo };
            Ok((cause, missing))
        }
        _ => Ok((Cause::NotCorrected, Vec::new())),
    }
}

fn only_in_tempo(scope: &Scope, sessions: &HashSet<String>, id: &str, held: &HeldRun) -> Option<Difference> {
    let first = held.spans.first()?;
    // Its own span is what the range is about.
    let is_in_range = |span: &Stamped| scope.start.is_none_or(|start| span.start_unix_nanos >= start);
    if !held.spans.iter().any(|span| span.is_run && is_in_range(span) && span.start_unix_nanos < scope.young) {
        return None;
    }
    let session = first.session.clone().unwrap_or_default();
    let cause = if sessions.contains(&session) { Cause::MissingInIndex } else { Cause::SessionGone };
    let mut spans: Vec<SpanId> = held.spans.iter().map(|span| span.span).collect();
    spans.sort();
    spans.dedup();
    Some(Difference { session, run: Some(id.to_owned()), trace: Some(first.trace), what: What::OnlyInTempo, cause, spans })
}

#[derive(Default)]
struct Sums {
    n_runs: i64,
    is_error: bool,
    cost: i64,
    tokens: i64,
    run_cost: i64,
    run_tokens: i64,
}

// === impl Asked ===

impl Asked<'_> {
    /// Why search does not show what Tempo has of a run.
    fn unseen(&self, run: &IndexedRun) -> Cause {
        if self.in_time.is_some_and(|in_time| run.started_at >= in_time) { Cause::NotShownYet } else { Cause::NotSearchable }
    }
}

// === impl Comparison ===

impl Comparison {
    /// Whether Tempo may show in a minute what it does not show now.
    pub(super) fn n_not_shown_yet(&self) -> usize {
        self.differences.iter().filter(|difference| difference.cause == Cause::NotShownYet).count()
    }
}

// === impl Sums ===

impl Sums {
    /// Whether they are what the index shows of the run.
    fn are_of(&self, run: &IndexedRun) -> bool {
        self.n_runs == 1 && [self.cost, self.run_cost] == [run.cost; 2] && [self.tokens, self.run_tokens] == [run.tokens; 2]
    }
}

// === impl HeldRun ===

impl HeldRun {
    fn sums(&self, is_wanted: impl Fn(Role) -> bool) -> Sums {
        let mut sums = Sums::default();
        for span in self.spans.iter().filter(|span| is_wanted(span.role)) {
            sums.n_runs += i64::from(span.is_run);
            sums.is_error |= span.is_run && span.is_error;
            sums.cost += span.cost;
            sums.tokens += span.tokens.unwrap_or(0);
            sums.run_cost += span.run_cost;
            sums.run_tokens += span.run_tokens;
        }
        sums
    }

    /// Its corrections, if the other spans come to what the index shows without them.
    fn corrected_twice(&self, run: &IndexedRun) -> Option<Vec<SpanId>> {
        let corrections = self.spans.iter().filter(|span| span.role == Role::Correction);
        let mut corrections: Vec<SpanId> = corrections.map(|span| span.span).collect();
        corrections.sort();
        let is_right_without = || self.sums(|role| role != Role::Correction).are_of(run);
        (!corrections.is_empty() && is_right_without()).then_some(corrections)
    }

    /// Spans that are there more than once.
    fn doubled(&self) -> Vec<SpanId> {
        let mut seen = HashSet::new();
        let mut doubled: Vec<SpanId> =
            self.spans.iter().filter(|span| !seen.insert((span.trace, span.span))).map(|span| span.span).collect();
        doubled.sort();
        doubled.dedup();
        doubled
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
