//! What a page says of a session, gathered while its runs pass by once.
//!
//! - Holds the runs of one page and sums over all; of the others no more than is needed to name a parent, for so many of them.
//! - All sums come from the same state as the summary.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::model::Str;
use crate::model::ids::RunId;
use crate::model::run::Run;
use crate::model::session::SessionSummary;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::{NanoUsd, UsageTotal};
use crate::store::{RunPage, SessionDetail, StoreError};

/// At most so many agents, models and users have a line of their own; the others are in the sums alone.
const DISTINCT_MAX: usize = 1_000;
/// Runs that can be named as a parent.
const PARENTS_MAX: usize = 100_000;
/// A silence this long is marked.
pub(super) const IDLE_MIN: Nanos = Nanos::from_secs(5 * 60);

/// What the lines of a page are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Paged {
    Runs,
    /// Runs that no other run of the session started.
    Turns,
}

pub(in crate::ui) struct Digest {
    pub(in crate::ui) summary: SessionSummary,
    pub(super) lines: Vec<Line>,
    /// Runs, or turns, that can be lines.
    pub(super) count: u64,
    pub(in crate::ui) usage: UsageTotal,
    pub(in crate::ui) suppressed: UsageTotal,
    /// By agent; the empty name for runs without one.
    pub(in crate::ui) agents: BTreeMap<Str, Share>,
    /// By model and provider.
    pub(in crate::ui) models: BTreeMap<(Str, Str), Share>,
    pub(in crate::ui) users: Vec<Str>,
    /// The longest run of all.
    pub(in crate::ui) longest: Nanos,
}

/// What one agent or model had of it.
#[derive(Clone, Copy, Default)]
pub(in crate::ui) struct Share {
    /// Runs of an agent, calls of a model.
    pub(in crate::ui) n: u64,
    pub(in crate::ui) tokens: u64,
    pub(in crate::ui) cost: NanoUsd,
    pub(in crate::ui) unpriced_calls: u64,
}

/// One run of the timeline.
pub(in crate::ui) struct Line {
    pub(super) run: Run,
    /// Runs above it.
    pub(super) depth: usize,
    /// The agent of the run it was started in.
    pub(super) parent: Option<Str>,
    /// How long nothing happened before it, where that is worth a mark.
    pub(super) idle: Option<Nanos>,
    /// Whether it began on another day than the run before it.
    pub(super) is_new_day: bool,
}

// === impl Digest ===

impl Digest {
    pub(super) fn read(detail: SessionDetail, page: RunPage, paged: Paged) -> Result<Self, StoreError> {
        let mut digest = Self {
            summary: detail.summary,
            lines: Vec::new(),
            count: 0,
            usage: UsageTotal::default(),
            suppressed: UsageTotal::default(),
            agents: BTreeMap::new(),
            models: BTreeMap::new(),
            users: Vec::new(),
            longest: Nanos::ZERO,
        };
        let end = page.limit.map_or(u64::MAX, |limit| page.offset.saturating_add(limit));
        let mut above: FxHashMap<RunId, (usize, Str)> = FxHashMap::default();
        // The latest sign of life, and the day, of the runs before.
        let mut before: Option<(UnixNanos, u64)> = None;
        for run in detail.runs {
            let run = run?;
            digest.add(&run);
            let parent = run.parent.and_then(|parent| above.get(&parent)).cloned();
            let depth = parent.as_ref().map_or(0, |(depth, _)| depth + 1);
            if above.len() < PARENTS_MAX {
                above.insert(run.id, (depth, run.agent.clone()));
            }
            let day = run.started_at.0 / (24 * 3_600 * 1_000_000_000);
            let idle = before.map(|(active, _)| run.started_at.since(active)).filter(|idle| *idle >= IDLE_MIN);
            let is_new_day = before.is_none_or(|(_, before)| before != day);
            let active = before.map_or(run.last_activity, |(active, _)| active.max(run.last_activity));
            before = Some((active, day));
            if paged == Paged::Turns && depth > 0 {
                continue;
            }
            digest.count += 1;
            if (page.offset..end).contains(&(digest.count - 1)) {
                let is_new_day = is_new_day || digest.lines.is_empty();
                digest.lines.push(Line { run, depth, parent: parent.map(|(_, agent)| agent), idle, is_new_day });
            }
        }
        Ok(digest)
    }

    /// From the first start to the last sign of life.
    pub(in crate::ui) fn wall_time(&self) -> Nanos {
        self.summary.last_activity.since(self.summary.first_run)
    }

    fn add(&mut self, run: &Run) {
        self.usage.add(&run.usage);
        self.suppressed.add(&run.suppressed);
        self.longest = self.longest.max(run.duration().unwrap_or_default());
        if self.agents.len() < DISTINCT_MAX || self.agents.contains_key(&run.agent) {
            self.agents.entry(run.agent.clone()).or_default().add(1, &run.usage);
        }
        for model in &run.models {
            let key = (model.model.clone(), model.provider.clone());
            if self.models.len() < DISTINCT_MAX || self.models.contains_key(&key) {
                self.models.entry(key).or_default().add(model.total.calls, &model.total);
            }
        }
        if let Some(user) = &run.user
            && self.users.len() < DISTINCT_MAX
            && !self.users.contains(user)
        {
            self.users.push(user.clone());
        }
    }
}

// === impl Share ===

impl Share {
    fn add(&mut self, n: u64, usage: &UsageTotal) {
        self.n += n;
        self.tokens = self.tokens.wrapping_add(usage.tokens);
        self.cost = NanoUsd(self.cost.0.wrapping_add(usage.cost.0));
        self.unpriced_calls = self.unpriced_calls.wrapping_add(usage.unpriced_calls);
    }
}
