//! What the Waxell SDK posts about a run, read into its [`RunReport`] (`docs/sdk.md`).
//!
//! - Bodies are read leniently: a field of another type than the SDK sends is absent, and spoils nothing beside it.
//! - Everything is appended, never replaced: the SDK posts calls and steps of one run many times, in any order, also after its end.
//! - What is kept is bounded by the limits of `model::report`; what lies beyond is counted or cut.
//! - Deterministic: the same body at the same time does the same to the same report. No clock, no randomness.

mod call;
mod complete;
mod json;
mod lists;
mod restored;
mod start;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use restored::Restored;
pub use start::{run_of_workflow, workflow_id};

use crate::conventions::{Oddities, Oddity};
use crate::model::digest::fnv;
use crate::model::report::{EventKind, RunReport, Seen};
use crate::model::time::{Nanos, UnixNanos};

/// How long after an event whose answer was perhaps lost the same bytes are a repetition of it. The SDK tries three times within some
/// seconds, each for at most 30 s.
pub const REPEAT_WINDOW: Nanos = Nanos::from_secs(60);

/// Events remembered of one run to know repetitions by.
const SEEN_MAX: usize = 256;

/// The body of an event as it lies in the journal.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    pub kind: EventKind,
    pub body: &'a [u8],
    pub received_at: UnixNanos,
    /// Where the journal has it.
    pub position: u64,
}

/// Applies one event to the report of its run. What was not believed is returned, each kind once.
///
/// `opened_at` is where in the journal the process that accepted the event began: what lies before was perhaps never answered.
pub fn apply(report: &mut RunReport, post: &Post<'_>, opened_at: u64) -> Vec<Oddity> {
    let mut oddities = Oddities::default();
    report.last_at = report.last_at.max(post.received_at);
    if post.kind == EventKind::Unanswered {
        mark_unanswered(report, post.body);
        return Vec::new();
    }
    if is_repetition(report, post, opened_at) {
        return Vec::new();
    }
    let Some(body) = json::object(post.body) else {
        oddities.insert(Oddity::PostUnreadable);
        return oddities.list();
    };
    let at = post.received_at;
    match post.kind {
        EventKind::Start => start::apply(report, &body, at, &mut oddities),
        EventKind::Daily => start::apply_daily(report, &body, at, &mut oddities),
        EventKind::LlmCalls => call::apply(report, elements(&body, "calls"), at, &mut oddities),
        EventKind::Steps => lists::apply_steps(report, elements(&body, "steps"), at),
        EventKind::Spans => lists::apply_spans(report, elements(&body, "spans")),
        EventKind::Scores => lists::apply_scores(report, elements(&body, "scores"), at),
        EventKind::Complete => complete::apply(report, &body, at),
        EventKind::Restored => restored::apply(report, &body, &mut oddities),
        EventKind::Partial | EventKind::Other | EventKind::Unanswered => {}
    }
    oddities.list()
}

/// What an event is known by: FNV-1a of its kind and its bytes. The arithmetic is frozen, because digests are stored.
pub fn digest(kind: EventKind, body: &[u8]) -> u64 {
    let bytes = [kind as u8].into_iter().chain(body.iter().copied());
    fnv(bytes)
}

/// The body of a note that the answer to an event was lost, which was taken no earlier than `since` if it was.
pub fn note_of(digest: u64, since: UnixNanos) -> [u8; 16] {
    (u128::from(digest) << 64 | u128::from(since.0)).to_be_bytes()
}

/// Remembers the event. `true` if it is one that was taken before and whose sender did not hear of that.
fn is_repetition(report: &mut RunReport, post: &Post<'_>, opened_at: u64) -> bool {
    let digest = digest(post.kind, post.body);
    report.seen.retain(|seen| seen.at.plus(REPEAT_WINDOW) >= post.received_at);
    let again = report.seen.iter().any(|seen| seen.digest == digest && (seen.is_unanswered || seen.position < opened_at));
    if again {
        // Taken once more and answered now: what comes after this one is news.
        report.seen.retain(|seen| seen.digest != digest);
    }
    if report.seen.len() == SEEN_MAX {
        report.seen.remove(0);
    }
    report.seen.push(Seen { digest, at: post.received_at, position: post.position, is_unanswered: false });
    again
}

fn mark_unanswered(report: &mut RunReport, body: &[u8]) {
    let Some((digest, since)) = body.split_first_chunk::<8>() else { return };
    let (digest, since) = (u64::from_be_bytes(*digest), since.try_into().map_or(0, u64::from_be_bytes));
    // A record that was withdrawn before it was written is not among them, and an earlier one that is like it was answered.
    let is_meant = |seen: &&mut Seen| seen.digest == digest && seen.at.0 >= since;
    let Some(seen) = report.seen.iter_mut().rev().find(is_meant) else { return };
    seen.is_unanswered = true;
    // The run of a start whose answer was lost does not exist for its agent.
    if !report.tells_more()
        && let Some(start) = &mut report.start
    {
        start.is_doubtful = true;
    }
}

fn elements<'a>(body: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    body.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
