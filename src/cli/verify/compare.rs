//! Run by run, what differs and why it probably does.

use std::collections::{HashMap, HashSet};

use super::index::{Index, IndexedRun};
use super::{Scope, VerifyError};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::tempo::query::QueryClient;
use crate::tempo::stamped::{self, Role, Stamped};

#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) n_runs: usize,
    pub(super) n_sessions: usize,
    /// Left out: they have not ended.
    pub(super) n_running: usize,
    /// Left out: Tempo may not show them yet.
    pub(super) n_young: usize,
    pub(super) differences: Vec<Difference>,
}

/// Something that the two views do not agree on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Difference {
    pub(super) session: String,
    pub(super) run: Option<String>,
    pub(super) trace: Option<TraceId>,
    pub(super) what: What,
    pub(super) cause: Cause,
    pub(super) spans: Vec<SpanId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    OnlyInIndex,
    OnlyInTempo,
    /// Spans that stand for the run; the index has one.
    Runs {
        in_tempo: i64,
    },
    Session,
    Error {
        in_index: bool,
    },
    /// Nano-dollars on model spans and on the run's own; the index has one number for both.
    Cost {
        in_index: i64,
        in_tempo: i64,
        of_run: i64,
    },
    Tokens {
        in_index: i64,
        in_tempo: i64,
        of_run: i64,
    },
}

/// What probably happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// Tempo holds the same span more than once.
    Doubled,
    /// Tempo has no such trace.
    TraceDropped,
    /// Tempo has the trace, and search does not show it.
    NotSearchable,
    /// Tempo has the trace, without stamps of this run.
    NotStamped,
    /// Tempo has spans of the run that the index has not.
    MissingInIndex,
    /// The index has spans of the run that Tempo has not.
    MissingInTempo,
    /// The session is not in the index.
    SessionGone,
    NotCorrected,
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
}

pub(super) async fn compare(
    asked: &Asked<'_>,
    runs: &[IndexedRun],
    sessions: &HashSet<String>,
    held: Vec<Stamped>,
) -> Result<Comparison, VerifyError> {
    let Asked { index, client, tenant, scope } = *asked;
    let mut by_run: HashMap<String, HeldRun> = HashMap::new();
    for span in held {
        if let Some(run) = span.run_id.clone() {
            by_run.entry(run).or_default().spans.push(span);
        }
    }
    let mut comparison = Comparison { n_sessions: sessions.len(), ..Comparison::default() };
    for run in runs {
        let held = by_run.remove(&run.id.to_string());
        match run.completed_at {
            _ if run.is_running => comparison.n_running += 1,
            Some(ended) if ended > scope.young => comparison.n_young += 1,
            _ => {
                comparison.n_runs += 1;
                let found = match held {
                    Some(held) => differences(index, run, &held).await,
                    None => vec![missing(client, tenant, run).await?],
                };
                comparison.differences.extend(found);
            }
        }
    }
    for (id, held) in by_run {
        comparison.differences.extend(only_in_tempo(scope, sessions, &id, &held));
    }
    comparison.differences.sort_by(|a, b| (&a.session, &a.run).cmp(&(&b.session, &b.run)));
    Ok(comparison)
}

/// A run of which search shows nothing.
async fn missing(client: &QueryClient, tenant: &Tenant, run: &IndexedRun) -> Result<Difference, VerifyError> {
    let bytes = match run.trace {
        Some(trace) => client.trace(tenant, trace).await?,
        None => None,
    };
    let cause = match bytes {
        None => Cause::TraceDropped,
        Some(bytes) => {
            let id = run.id.to_string();
            let is_there = stamped::of_bytes(&bytes)?.iter().any(|span| span.has_amounts && span.run_id.as_ref() == Some(&id));
            if is_there { Cause::NotSearchable } else { Cause::NotStamped }
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

async fn differences(index: &Index, run: &IndexedRun, held: &HeldRun) -> Vec<Difference> {
    let sums = held.sums();
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
        return Vec::new();
    }
    let (cause, spans) = explain(index, run, held).await;
    let difference = |what| Difference {
        session: run.session.clone(),
        run: Some(run.id.to_string()),
        trace: run.trace.or(held.spans.first().map(|span| span.trace)),
        what,
        cause,
        spans: spans.clone(),
    };
    found.into_iter().map(difference).collect()
}

async fn explain(index: &Index, run: &IndexedRun, held: &HeldRun) -> (Cause, Vec<SpanId>) {
    let doubled = held.doubled();
    if !doubled.is_empty() {
        return (Cause::Doubled, doubled);
    }
    let Some(known) = index.spans_of(run.id).await else { return (Cause::NotCorrected, Vec::new()) };
    // Spans of our own are in no index.
    let held: HashSet<SpanId> = held.spans.iter().filter(|span| span.role == Role::OfSender).map(|span| span.span).collect();
    let lacking = |ours: &HashSet<SpanId>, theirs: &HashSet<SpanId>| {
        let mut lacking: Vec<SpanId> = ours.difference(theirs).copied().collect();
        lacking.sort();
        lacking
    };
    match (lacking(&held, &known.all), lacking(&known.counted, &held)) {
        (missing, _) if !missing.is_empty() => (Cause::MissingInIndex, missing),
        (_, missing) if !missing.is_empty() => (Cause::MissingInTempo, missing),
        _ => (Cause::NotCorrected, Vec::new()),
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

// === impl HeldRun ===

impl HeldRun {
    fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for span in &self.spans {
            sums.n_runs += i64::from(span.is_run);
            sums.is_error |= span.is_run && span.is_error;
            sums.cost += span.cost;
            sums.tokens += span.tokens.unwrap_or(0);
            sums.run_cost += span.run_cost;
            sums.run_tokens += span.run_tokens;
        }
        sums
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

// === impl What, Cause ===

impl What {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OnlyInIndex => "only_in_index",
            Self::OnlyInTempo => "only_in_tempo",
            Self::Runs { .. } => "runs",
            Self::Session => "session",
            Self::Error { .. } => "error",
            Self::Cost { .. } => "cost",
            Self::Tokens { .. } => "tokens",
        }
    }
}

impl Cause {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Doubled => "doubled_in_tempo",
            Self::TraceDropped => "trace_not_in_tempo",
            Self::NotSearchable => "not_searchable",
            Self::NotStamped => "not_stamped",
            Self::MissingInIndex => "missing_in_index",
            Self::MissingInTempo => "missing_in_tempo",
            Self::SessionGone => "session_gone",
            Self::NotCorrected => "not_corrected",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Doubled => "tempo holds these spans twice: they were sent twice within seconds, after a lost answer or a crash",
            Self::TraceDropped => {
                "tempo has no such trace: it was killed within seconds of taking it, dropped it for a limit \
                 (tempo_discarded_spans_total), or it is past tempo's retention"
            }
            Self::NotSearchable => {
                "tempo has the trace and search does not show it: its spans began longer before they arrived than \
                 ingestion_time_range_slack"
            }
            Self::NotStamped => "tempo has the trace without stamps of this run: it was forwarded with forward.stamp=false",
            Self::MissingInIndex => {
                "tempo has these spans and the index does not: the index lost them, or they were folded into another run"
            }
            Self::MissingInTempo => "tempo lacks spans that the index has: dropped by a limit, or not shown by search yet",
            Self::SessionGone => "the index does not show this session: deleted, or past its retention",
            Self::NotCorrected => "the run changed after it was told, and no correction followed: forward.corrections=false, or a restart",
        }
    }
}
