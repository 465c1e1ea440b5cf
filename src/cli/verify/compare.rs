//! Run by run, what differs.

use std::collections::{HashMap, HashSet};

use super::Scope;
use super::difference::{Cause, Difference, What};
use super::explain::Why;
use super::index::IndexedRun;
use crate::model::ids::SpanId;
use crate::tempo::recover::scan::unread::{Lot, Unread};
use crate::tempo::recover::stamped::{Held, Role, Stamped};

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
pub(super) struct HeldRun {
    pub(super) spans: Vec<Stamped>,
}

/// A run that is not the same on both sides, before anybody was asked why.
pub(super) struct Suspect<'a> {
    pub(super) run: &'a IndexedRun,
    /// `None`: Tempo's search shows nothing of it.
    pub(super) held: Option<HeldRun>,
    pub(super) what: Vec<What>,
}

/// Everything but why runs differ; it asks nobody. The runs that do are among those counted as compared.
pub(super) fn compare<'a>(scope: &Scope, runs: &'a [IndexedRun], sessions: &HashSet<String>, held: Held) -> (Comparison, Vec<Suspect<'a>>) {
    let Held { spans, unread } = held;
    let mut by_run: HashMap<String, HeldRun> = HashMap::new();
    for span in spans {
        if let Some(run) = span.run_id.clone() {
            by_run.entry(run).or_default().spans.push(span);
        }
    }
    let mut comparison = Comparison { n_sessions: sessions.len(), unread, ..Comparison::default() };
    let mut suspects = Vec::new();
    for run in runs {
        let held = by_run.remove(&run.id.to_string());
        match run.completed_at {
            _ if run.is_running || run.is_rootless() => comparison.n_running += 1,
            Some(ended) if ended > scope.young => comparison.n_young += 1,
            _ if is_unread(&comparison.unread, run) => comparison.n_unread += 1,
            _ => {
                comparison.n_runs += 1;
                let what = held.as_ref().map_or(vec![What::OnlyInIndex], |held| held.differs_from(run));
                if !what.is_empty() {
                    suspects.push(Suspect { run, held, what });
                }
            }
        }
    }
    comparison.differences = by_run.iter().filter_map(|(id, held)| only_in_tempo(scope, sessions, id, held)).collect();
    (comparison, suspects)
}

/// Whether it is among what could not be read.
fn is_unread(unread: &[Unread], run: &IndexedRun) -> bool {
    let end = run.completed_at.unwrap_or(run.started_at);
    run.trace.is_some_and(|trace| unread.iter().any(|unread| unread.covers(trace, run.started_at, end)))
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

// === impl Comparison ===

impl Comparison {
    /// Takes in why a run differs.
    pub(super) fn note(&mut self, suspect: &Suspect<'_>, why: Why) {
        let run = suspect.run;
        match why {
            Why::Known(cause, spans) => {
                let trace = run.trace.or_else(|| suspect.held.iter().flat_map(|held| &held.spans).map(|span| span.trace).next());
                self.differences.extend(suspect.what.iter().map(|what| Difference {
                    session: run.session.clone(),
                    run: Some(run.id.to_string()),
                    trace,
                    what: *what,
                    cause,
                    spans: spans.clone(),
                }));
            }
            Why::Unread(why) => {
                self.n_runs -= 1;
                self.n_unread += 1;
                self.unread.extend(run.trace.map(|trace| Unread { what: Lot::Trace(trace), why }));
            }
        }
    }

    /// The same differences are always in the same order.
    pub(super) fn sort(&mut self) {
        self.differences.sort_by(|a, b| (&a.session, &a.run).cmp(&(&b.session, &b.run)));
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
    /// What is not the same as the index shows of the run.
    fn differs_from(&self, run: &IndexedRun) -> Vec<What> {
        let sums = self.sums(|_| true);
        let mut found = Vec::new();
        if sums.n_runs != 1 {
            found.push(What::Runs { in_tempo: sums.n_runs });
        }
        if self.spans.iter().any(|span| span.session.as_deref() != Some(&run.session)) {
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
        found
    }

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
    pub(super) fn corrected_twice(&self, run: &IndexedRun) -> Option<Vec<SpanId>> {
        let corrections = self.spans.iter().filter(|span| span.role == Role::Correction);
        let mut corrections: Vec<SpanId> = corrections.map(|span| span.span).collect();
        corrections.sort();
        let is_right_without = || self.sums(|role| role != Role::Correction).are_of(run);
        (!corrections.is_empty() && is_right_without()).then_some(corrections)
    }

    /// Spans that are there more than once.
    pub(super) fn doubled(&self) -> Vec<SpanId> {
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
