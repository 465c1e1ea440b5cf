//! What Tempo holds of a phrase, where there is one: what was passed on to it is mostly gone from the journal.
//!
//! - From now back, in parts of time that grow, for some seconds in all; what was looked at is everything back to a moment.
//! - Tempo looks at attributes by their names, and each costs it about as much as the first: it is asked which there are, and then about the
//!   surest of those that may hold what was said.
//! - What it finds are candidates: who said it, and whether it was new then, is made out of their texts as of those in the journal. Of
//!   an event an attribute comes and not the event; a few traces are read whole for these.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::model::ids::{Tenant, TraceId};
use crate::model::time::UnixNanos;
use crate::store::raw::TraceSource;
use crate::store::said::{Names, Seconds, SpanTexts, Unanswered, Wanted};
use crate::ui::messages::places;

/// A reader waits for it, beside the look through the journal.
const BUDGET: Duration = Duration::from_secs(4);
/// The first part of time, and the longest that Tempo looks at by default (`max_duration`), in seconds.
const FIRST_SECONDS: u64 = 3_600;
const LONGEST_SECONDS: u64 = 168 * 3_600;
/// A shorter part is not tried where Tempo says that one is too long.
const SHORTEST_SECONDS: u64 = 60;
/// Traces of one part of time, and of all.
const TRACES_MAX: usize = 100;
const SPANS_MAX: usize = 1_000;
/// Traces that are read whole.
const WHOLE_MAX: usize = 10;
/// Attributes of spans that are asked about, and of events.
const NAMES_MAX: usize = 24;
const EVENT_NAMES_MAX: usize = 6;
/// Attributes that come with a span that was found.
const SHOWN_MAX: usize = 64;
const SECOND: u64 = 1_000_000_000;

pub(super) struct InTempo {
    /// The newest parts of time first.
    pub(super) spans: Vec<SpanTexts>,
    /// Encoded, of those whose events hold it.
    pub(super) traces: BTreeMap<TraceId, Bytes>,
    /// It was looked at back to here; `None` where nothing was answered.
    pub(super) since: Option<UnixNanos>,
    pub(super) end: End,
}

/// Why it was looked no further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Nothing older is known here.
    All,
    /// There may be more than can be read.
    Full,
    Slow,
    /// Tempo did not answer; in words.
    Failed(String),
}

/// Looks from `now` back to `oldest`.
pub(super) async fn look(tempo: &dyn TraceSource, tenant: &Tenant, phrase: &str, (oldest, now): (UnixNanos, UnixNanos)) -> InTempo {
    let deadline = Instant::now() + BUDGET;
    let mut found = InTempo { spans: Vec::new(), traces: BTreeMap::new(), since: None, end: End::All };
    let (floor, mut until) = (oldest.0.min(now.0) / SECOND, now.0 / SECOND + 1);
    let (mut length, mut longest) = (FIRST_SECONDS, LONGEST_SECONDS);
    while until > floor {
        let time = Seconds { from: until.saturating_sub(length).max(floor), until };
        let answer = timeout_at(deadline, ask(tempo, tenant, phrase, time)).await.unwrap_or(Err(Unanswered::Slow));
        match answer {
            Ok((spans, is_full)) => {
                found.spans.extend(spans);
                found.since = Some(UnixNanos(time.from.saturating_mul(SECOND)));
                if is_full || found.spans.len() >= SPANS_MAX {
                    found.end = End::Full;
                    break;
                }
                until = time.from;
                length = (length * 4).min(longest);
            }
            Err(Unanswered::TooMuch | Unanswered::Slow) if length / 2 >= SHORTEST_SECONDS && Instant::now() < deadline => {
                longest = length / 2;
                length = longest;
            }
            Err(Unanswered::TooMuch | Unanswered::Slow) => {
                found.end = End::Slow;
                break;
            }
            Err(Unanswered::Failed(words)) => {
                found.end = End::Failed(words);
                break;
            }
        }
    }
    found.read_whole(tempo, tenant, deadline, phrase).await;
    found
}

/// The spans of a part of time, and whether there may be more of them.
async fn ask(tempo: &dyn TraceSource, tenant: &Tenant, phrase: &str, time: Seconds) -> Result<(Vec<SpanTexts>, bool), Unanswered> {
    let Names { of_spans, of_events } = tempo.names(tenant, time).await?;
    let in_spans = surest(&of_spans, places::rank, NAMES_MAX);
    let in_events = surest(&of_events, places::rank_in_event, EVENT_NAMES_MAX);
    if in_spans.is_empty() && in_events.is_empty() {
        return Ok((Vec::new(), false));
    }
    let roles = of_spans.into_iter().filter(|name| places::is_of_message(name));
    let shown: Vec<String> = in_spans.iter().cloned().chain(roles).take(SHOWN_MAX).collect();
    let of_spans: BTreeSet<String> = shown.iter().cloned().collect();
    let wanted = Wanted { phrase: phrase.to_owned(), time, in_spans, in_events, shown, max_traces: TRACES_MAX };
    let mut spans = tempo.search_said(tenant, wanted).await?;
    // Those of events are among them, under their bare names.
    spans.iter_mut().for_each(|span| span.texts.retain(|name, _| of_spans.contains(name)));
    let mut traces: Vec<TraceId> = spans.iter().map(|span| span.trace).collect();
    traces.dedup();
    Ok((spans, traces.len() >= TRACES_MAX))
}

fn surest(names: &[String], rank: fn(&str) -> Option<usize>, max: usize) -> Vec<String> {
    let mut ranked: Vec<(usize, &String)> = names.iter().filter_map(|name| Some((rank(name)?, name))).collect();
    // Of a numbered path the first messages, by their length before their letters.
    ranked.sort_by_key(|(rank, name)| (*rank, name.len(), *name));
    ranked.into_iter().take(max).map(|(_, name)| name.clone()).collect()
}

// === impl InTempo ===

impl InTempo {
    /// Reads some traces whose spans have the phrase elsewhere than in their attributes.
    async fn read_whole(&mut self, tempo: &dyn TraceSource, tenant: &Tenant, deadline: Instant, phrase: &str) {
        let phrase = super::excerpt::Phrase::new(phrase);
        let is_elsewhere = |span: &&SpanTexts| span.texts.values().all(|text| phrase.find(text).is_none());
        let mut traces: Vec<TraceId> = self.spans.iter().filter(is_elsewhere).map(|span| span.trace).collect();
        traces.dedup();
        for trace in traces.into_iter().take(WHOLE_MAX) {
            match timeout_at(deadline, tempo.trace(tenant, trace)).await {
                Ok(Ok(Some(whole))) => _ = self.traces.insert(trace, whole),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}
