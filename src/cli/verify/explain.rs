//! Why runs probably differ, as far as Tempo says when it is asked for their traces by id.
//!
//! - A trace by its id takes Tempo the reading of whole blocks, 60 ms at best, and there is no question about several at once. So no more than
//!   [`LOOKUPS_MAX`] are asked for, spread evenly over what differs; of the others it is said that nobody asked.
//! - The newest come first: whoever waits for what search does not show yet need not ask for more than one of it.

use std::collections::HashSet;

use futures_util::{Stream, StreamExt, stream};

use super::VerifyError;
use super::compare::{HeldRun, Suspect};
use super::difference::Cause;
use super::index::{Index, IndexedRun};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::tempo::query::{QueryClient, QueryError};
use crate::tempo::recover::scan::whole;
use crate::tempo::recover::stamped::{self, Role, Stamped};

/// Whom to ask about what.
pub(super) struct Asked<'a> {
    pub(super) index: &'a Index,
    pub(super) client: &'a QueryClient,
    pub(super) tenant: &'a Tenant,
    /// Nanoseconds since 1970: what began after it cannot have come too late for Tempo's search. `None` where Tempo does not say.
    pub(super) in_time: Option<u64>,
}

/// What is known of why a run differs.
pub(super) enum Why {
    /// With the spans that show it.
    Known(Cause, Vec<SpanId>),
    /// Tempo has something, and no way to say what.
    Unread(QueryError),
}

/// What Tempo has of a trace.
enum Stored {
    Absent,
    Spans(Vec<Stamped>),
    /// Enough others were asked for.
    NotAsked,
}

/// Some seconds of work for Tempo. So many of one cause say what happened.
const LOOKUPS_MAX: usize = 500;
/// Tempo looks for each on one core.
const LOOKUPS_AT_ONCE: usize = 4;

// === impl Asked ===

impl Asked<'_> {
    /// Why each of them differs, in the order given, which is best that of [`newest_first`].
    pub(super) fn reasons<'a>(&'a self, suspects: &'a [Suspect<'a>]) -> impl Stream<Item = Result<(&'a Suspect<'a>, Why), VerifyError>> {
        let step = suspects.len().div_ceil(LOOKUPS_MAX).max(1);
        let asking = suspects.iter().enumerate().map(move |(n, suspect)| async move {
            let reason = match &suspect.held {
                Some(held) => self.differing(suspect.run, held, n % step == 0).await,
                None => self.missing(suspect.run, n % step == 0).await,
            };
            match reason {
                Ok((cause, spans)) => Ok((suspect, Why::Known(cause, spans))),
                Err(VerifyError::Tempo(why)) if why.is_too_much() => Ok((suspect, Why::Unread(why))),
                Err(error) => Err(error),
            }
        });
        stream::iter(asking).buffered(LOOKUPS_AT_ONCE)
    }

    /// Whether Tempo has one of these traces now.
    pub(super) async fn has_one_of(&self, traces: &[TraceId]) -> Result<bool, VerifyError> {
        let mut asking = stream::iter(traces).map(|trace| whole::by_id(self.client, self.tenant, *trace)).buffer_unordered(LOOKUPS_AT_ONCE);
        while let Some(answer) = asking.next().await {
            match answer {
                Ok(None) => {}
                Ok(Some(_)) => return Ok(true),
                Err(why) if why.is_too_much() => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// A run of which search shows nothing.
    async fn missing(&self, run: &IndexedRun, may_ask: bool) -> Result<(Cause, Vec<SpanId>), VerifyError> {
        let cause = match self.stored(run, may_ask).await? {
            Stored::Absent => Cause::TraceDropped,
            Stored::NotAsked => Cause::NotLookedUp,
            Stored::Spans(stored) => {
                let id = run.id.to_string();
                let is_there = stored.iter().any(|span| span.has_amounts && span.run_id.as_ref() == Some(&id));
                if is_there { self.unseen(run) } else { Cause::NotStamped }
            }
        };
        Ok((cause, Vec::new()))
    }

    async fn differing(&self, run: &IndexedRun, held: &HeldRun, may_ask: bool) -> Result<(Cause, Vec<SpanId>), VerifyError> {
        let doubled = held.doubled();
        if !doubled.is_empty() {
            return Ok((Cause::Doubled, doubled));
        }
        if let Some(corrections) = held.corrected_twice(run) {
            return Ok((Cause::CorrectedTwice, corrections));
        }
        let Some(known) = self.index.spans_of(run.id).await else { return Ok((Cause::NotCorrected, Vec::new())) };
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
                let cause = match self.stored(run, may_ask).await? {
                    Stored::NotAsked => Cause::NotLookedUp,
                    Stored::Spans(stored) if is_all_of(&missing, &stored) => self.unseen(run),
                    Stored::Spans(_) | Stored::Absent => Cause::MissingInTempo,
                };
                Ok((cause, missing))
            }
            _ => Ok((Cause::NotCorrected, Vec::new())),
        }
    }

    /// The stamped spans of a run's trace, by its id.
    async fn stored(&self, run: &IndexedRun, may_ask: bool) -> Result<Stored, VerifyError> {
        let Some(trace) = run.trace else { return Ok(Stored::Absent) };
        if !may_ask {
            return Ok(Stored::NotAsked);
        }
        let bytes = whole::by_id(self.client, self.tenant, trace).await?;
        Ok(match bytes {
            Some(bytes) => Stored::Spans(stamped::of_bytes(&bytes)?),
            None => Stored::Absent,
        })
    }

    /// Why search does not show what Tempo has of a run.
    fn unseen(&self, run: &IndexedRun) -> Cause {
        if self.in_time.is_some_and(|in_time| run.started_at >= in_time) { Cause::NotShownYet } else { Cause::NotSearchable }
    }
}

/// What Tempo took last is what it shows last.
pub(super) fn newest_first(suspects: &mut [Suspect<'_>]) {
    suspects.sort_by_key(|suspect| std::cmp::Reverse((suspect.run.started_at, suspect.run.id)));
}

fn is_all_of(spans: &[SpanId], stored: &[Stamped]) -> bool {
    spans.iter().all(|id| stored.iter().any(|span| span.span == *id && span.has_amounts))
}
