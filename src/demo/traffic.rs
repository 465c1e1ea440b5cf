//! All of a demo's requests, made before the first is sent: what, when, and what must come of it.
//!
//! - Pure: the same seed, time and size give the same bytes. Memory is bounded by `SESSIONS_MAX`; one session is some 30 KB.
//! - The seed says what happens, and the time, too, under which ids: a second demo of the same seed adds to the first, and one that comes
//!   after a `--clean` is not taken for what was removed, which stays removed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::dice::Dice;
use super::span::text;
use super::stage::{self, Played, PlayedTurn};
use super::tales::TALES;
use super::truth::{RunTruth, Truth};
use crate::model::time::UnixNanos;

/// The most sessions one demo makes.
pub const SESSIONS_MAX: u64 = 10_000;
/// What every session id begins with; `--clean` removes nothing else.
pub const PREFIX: &str = "demo-";

const SECOND: u64 = 1_000_000_000;
/// How far back the conversations go, as long as nothing else is asked for: what `config/tempo.yaml` lets Tempo's search see (24 h), and what its
/// metrics look at, less two hours for what waits on its way.
pub const SPREAD: Duration = Duration::from_secs(22 * 3600);
/// In less time than this people think quickly, so that a conversation fits.
const SHORT_SPREAD: Duration = Duration::from_secs(3600);
/// The SDK exports this often, and at most so many spans at once.
const EXPORT_EVERY: u64 = 2 * SECOND;
const EXPORT_SPANS_MAX: usize = 256;
/// Conversations at a time while a demo is live.
const LIVE_LANES: u64 = 3;
/// What a user needs between an answer and the next question.
const THINKING_MS: std::ops::RangeInclusive<u64> = 8_000..=90_000;
const QUICK_MS: std::ops::RangeInclusive<u64> = 500..=3_000;

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub sessions: u64,
    /// What happens in them.
    pub seed: u64,
    /// The present, of which all times are counted back.
    pub now: UnixNanos,
    /// How far back the conversations go: no span begins earlier.
    pub spread: Duration,
    /// How long to go on with conversations that happen while they are watched.
    pub live: Duration,
}

pub struct Traffic {
    /// In the order of their `due`.
    pub parcels: Vec<Parcel>,
    pub truth: Truth,
}

/// One request.
pub struct Parcel {
    /// When to send it, counted from the start.
    pub due: Duration,
    pub n_spans: u64,
    /// An encoded `ExportTraceServiceRequest`.
    pub body: Bytes,
}

struct Maker {
    /// Throws what happens.
    dice: Dice,
    /// Throws the ids of sessions, traces, spans and instances.
    id_dice: Dice,
    session_ids: HashSet<String>,
    parcels: Vec<Parcel>,
    truth: Truth,
}

pub fn make(plan: &Plan) -> Traffic {
    let mut maker = Maker {
        dice: Dice::new(plan.seed),
        id_dice: Dice::new(Dice::new(plan.now.0).next() ^ plan.seed),
        session_ids: HashSet::new(),
        parcels: Vec::new(),
        truth: BTreeMap::new(),
    };
    for n in 0..plan.sessions.min(SESSIONS_MAX) {
        maker.past(plan, n);
    }
    for lane in 0..LIVE_LANES {
        maker.live(plan, lane);
    }
    maker.parcels.sort_by_key(|parcel| parcel.due);
    Traffic { parcels: maker.parcels, truth: maker.truth }
}

// === impl Maker ===

impl Maker {
    /// A conversation that is over, the newest ones some seconds ago.
    fn past(&mut self, plan: &Plan, n: u64) {
        let played = self.play(n, if plan.spread < SHORT_SPREAD { QUICK_MS } else { THINKING_MS });
        let spread = u64::try_from(plan.spread.as_nanos()).unwrap_or(u64::MAX);
        let age = match n {
            0..3 => self.dice.within(2 * SECOND..=50 * SECOND),
            // Squared, so that most are of the last hours.
            _ => {
                let share = self.dice.within(20..=1_000);
                spread / 1_000_000 * share * share + self.dice.within(0..=spread / 100)
            }
        };
        let length = played.turns.last().map_or(0, |turn| turn.end);
        let age = age.min(spread.saturating_sub(length));
        let base = plan.now.0.saturating_sub(age + length);
        let is_fresh = n < 3;
        let resource = self.resource(played.service);
        let mut held_back = Vec::new();
        let mut queue = Vec::new();
        for (position, turn) in played.turns.iter().enumerate() {
            let mut spans = shifted(turn, base);
            let is_last = position + 1 == played.turns.len();
            if is_last && (is_fresh || self.dice.percent(30)) {
                // The last span of a turn is its root, and the others travel without it.
                held_back.extend(spans.pop());
            }
            queue.extend(spans);
        }
        let cut = self.dice.within(0..=queue.len() as u64) as usize;
        let rest = queue.split_off(cut);
        self.post(Duration::ZERO, &resource, queue);
        self.post(Duration::ZERO, &resource, rest);
        let late = if is_fresh { Duration::from_secs(2 + n) } else { Duration::ZERO };
        self.post(late, &resource, held_back);
        self.remember(played, base);
    }

    /// One conversation after the other, as they happen, for as long as the demo is live.
    fn live(&mut self, plan: &Plan, lane: u64) {
        let mut offset = lane * SECOND + SECOND / 2;
        let limit = u64::try_from(plan.live.as_nanos()).unwrap_or(u64::MAX);
        for n in 0.. {
            let mut played = self.play(lane + n * LIVE_LANES, QUICK_MS);
            // Nothing is left half done at the end.
            played.turns.retain(|turn| offset.saturating_add(turn.end) <= limit);
            let Some(last) = played.turns.last() else { return };
            let next = offset + last.end + self.dice.within(SECOND..=3 * SECOND);
            let resource = self.resource(played.service);
            let mut exports: BTreeMap<u64, Vec<Span>> = BTreeMap::new();
            for span in played.turns.iter().flat_map(|turn| shifted(turn, plan.now.0 + offset)) {
                let ended = span.end_time_unix_nano - plan.now.0;
                exports.entry(ended.div_ceil(EXPORT_EVERY)).or_default().push(span);
            }
            for (tick, spans) in exports {
                self.post(Duration::from_nanos(tick * EXPORT_EVERY), &resource, spans);
            }
            self.remember(played, plan.now.0 + offset);
            offset = next;
        }
    }

    fn play(&mut self, n: u64, pause_ms: std::ops::RangeInclusive<u64>) -> Played {
        let tale = &TALES[(n % TALES.len() as u64) as usize];
        let mut session_id = || format!("{PREFIX}{}-{}", tale.topic, self.id_dice.word());
        let mut id = session_id();
        while !self.session_ids.insert(id.clone()) {
            id = session_id();
        }
        stage::play(tale, id, &mut self.dice, &mut self.id_dice, pause_ms)
    }

    fn resource(&mut self, service: &str) -> Resource {
        let instance: Vec<_> = self.id_dice.id::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let attributes = vec![
            text("telemetry.sdk.language", "python"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.version", "1.45.1"),
            text("service.instance.id", &instance.concat()),
            text("service.name", service),
            text("service.version", "0.1.10"),
        ];
        Resource { attributes, ..Default::default() }
    }

    fn post(&mut self, due: Duration, resource: &Resource, spans: Vec<Span>) {
        for chunk in spans.chunks(EXPORT_SPANS_MAX) {
            let scope = Some(InstrumentationScope { name: "waxell.observe".into(), ..Default::default() });
            let scope_spans = vec![ScopeSpans { scope, spans: chunk.to_vec(), ..Default::default() }];
            let resource_spans = vec![ResourceSpans { resource: Some(resource.clone()), scope_spans, ..Default::default() }];
            let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec().into();
            self.parcels.push(Parcel { due, n_spans: chunk.len() as u64, body });
        }
    }

    fn remember(&mut self, played: Played, base: u64) {
        let runs = played.turns.into_iter().flat_map(|turn| turn.runs);
        let at_base = |run: RunTruth| RunTruth { start: run.start + base, end: run.end + base, ..run };
        self.truth.entry(played.session_id).or_default().runs.extend(runs.map(at_base));
    }
}

/// The spans of a turn, their times counted from 1970.
fn shifted(turn: &PlayedTurn, base: u64) -> Vec<Span> {
    let mut spans = turn.spans.clone();
    for span in &mut spans {
        span.start_time_unix_nano += base;
        span.end_time_unix_nano += base;
        for event in &mut span.events {
            event.time_unix_nano += base;
        }
    }
    spans
}
