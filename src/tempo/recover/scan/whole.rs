//! One trace with all of its spans: by its id, and where that is too much for Tempo or for us, by parts of its spans.

use std::collections::HashSet;

use bytes::Bytes;

use super::ask::{Asker, FAILURES_MAX, wait};
use super::question::{Part, Question};
use super::slice::Slice;
use super::unread::{Lot, Unread};
use super::{COPIES_MAX, DEPTH_MAX, SPANS_MAX};
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::tempo::query::search::{FoundTrace, Window};
use crate::tempo::query::{QueryClient, QueryError};

/// A trace of many spans.
#[derive(Debug)]
pub enum Whole {
    /// Tempo does not have it.
    Absent,
    /// An encoded `TracesData`.
    Encoded(Bytes),
    /// Too large for that: the spans that the question is about, with what was selected of them.
    Spans(FoundTrace),
    Unread(Unread),
}

/// A search for one trace would stop at the first block that has some of it, if it were to return one trace.
const ONE_TRACE: usize = 2;

/// The trace as the window has it.
pub(super) async fn read(asker: &Asker<'_>, question: &Question, trace: TraceId, window: Window) -> Result<Whole, QueryError> {
    match by_id(asker.client, asker.tenant, trace).await {
        Ok(Some(bytes)) => Ok(Whole::Encoded(bytes)),
        Ok(None) => Ok(Whole::Absent),
        Err(error) if error.is_too_much() => in_parts(asker, question, trace, window).await,
        Err(error) => Err(error),
    }
}

/// An encoded `TracesData`; `None` if Tempo does not have it. A Tempo that is busy is asked again.
pub async fn by_id(client: &QueryClient, tenant: &Tenant, trace: TraceId) -> Result<Option<Bytes>, QueryError> {
    let mut n_failures = 0;
    loop {
        match client.trace(tenant, trace).await {
            Err(error) if error.is_passing() && !error.is_too_much() && n_failures < FAILURES_MAX => {
                n_failures += 1;
                wait(n_failures).await;
            }
            answer => return answer,
        }
    }
}

/// As [`read`], without its id.
pub(super) async fn in_parts(asker: &Asker<'_>, question: &Question, trace: TraceId, window: Window) -> Result<Whole, QueryError> {
    let mut found = FoundTrace { trace, matched: 0, spans: Vec::new() };
    let mut known: HashSet<SpanId> = HashSet::new();
    let mut slices = vec![Slice::SPANS];
    let mut n_failures = 0;
    while let Some(slice) = slices.pop() {
        match part(asker, question, Part::Spans(trace, slice), window).await {
            Ok(Answer::Spans(spans)) => {
                n_failures = 0;
                // A part holds other spans than all others.
                known.extend(spans.iter().flat_map(|found| &found.spans).map(|span| span.span));
                found.spans.extend(spans.into_iter().flat_map(|found| found.spans));
            }
            Ok(Answer::TooMany(n)) => slices.extend(slice.parts((2 * n / SPANS_MAX as u64).ilog2() + 1)),
            Err(error) if error.is_too_much() || error.is_passing() => match slice.halves() {
                Some(halves) if error.is_too_much() && (!error.is_slow() || slice.depth() <= DEPTH_MAX) => slices.extend(halves),
                _ if error.is_passing() && n_failures < FAILURES_MAX => {
                    n_failures += 1;
                    wait(n_failures).await;
                    slices.push(slice);
                }
                _ if error.is_too_much() => return Ok(Whole::Unread(Unread { what: Lot::Trace(trace), why: error })),
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    found.matched = known.len() as u64;
    Ok(Whole::Spans(found))
}

enum Answer {
    Spans(Vec<FoundTrace>),
    TooMany(u64),
}

/// A part of the spans, unless they are too many to be combined.
async fn part(asker: &Asker<'_>, question: &Question, part: Part, window: Window) -> Result<Answer, QueryError> {
    let counted = asker.ask(&question.traces(part), window, ONE_TRACE, 1).await?;
    match counted.traces.iter().map(|found| found.matched).max() {
        None => Ok(Answer::Spans(Vec::new())),
        Some(n) if n > SPANS_MAX as u64 => Ok(Answer::TooMany(n)),
        Some(_) => Ok(Answer::Spans(asker.ask(&question.all_spans(part), window, ONE_TRACE, COPIES_MAX).await?.traces)),
    }
}
