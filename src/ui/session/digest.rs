//! What a page says of a session, gathered while its runs pass by once.
//!
//! - Holds sums over all runs, and of each its place in the tree of them; of a conversation the turns of one page.
//! - All sums come from the same state as the summary.

use std::collections::BTreeMap;

use super::forest::Forest;
use crate::bounds::memory::Permit;
use crate::model::Str;
use crate::model::run::Run;
use crate::model::scores::ScoreTotals;
use crate::model::session::SessionSummary;
use crate::model::time::Nanos;
use crate::model::usage::{NanoUsd, UsageTotal};
use crate::store::{RunPage, SessionDetail, StoreError};

/// At most so many agents, models and users have a line of their own; the others are in the sums alone.
const DISTINCT_MAX: usize = 1_000;
/// A silence this long is marked.
pub(super) const IDLE_MIN: Nanos = Nanos::from_secs(5 * 60);

pub(in crate::ui) struct Digest {
    pub(in crate::ui) summary: SessionSummary,
    pub(super) forest: Forest,
    /// Runs that no other run of the session started, of the page that was asked for.
    pub(super) turns: Vec<Run>,
    pub(super) n_turns: u64,
    pub(in crate::ui) usage: UsageTotal,
    pub(in crate::ui) suppressed: UsageTotal,
    /// By agent; the empty name for runs without one.
    pub(in crate::ui) agents: BTreeMap<Str, Share>,
    /// By model and provider.
    pub(in crate::ui) models: BTreeMap<(Str, Str), Share>,
    pub(in crate::ui) users: Vec<Str>,
    pub(super) scores: ScoreTotals,
    /// The run that cost most itself, the first of several; none where nothing cost anything.
    pub(super) dearest: Option<Run>,
    /// The run that took longest, the first of several.
    pub(in crate::ui) longest: Option<Run>,
    /// The memory that the tree takes.
    _held: Permit,
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

// === impl Digest ===

impl Digest {
    /// `turns` is the page of turns that is wanted; `held` the memory for the tree of all runs.
    pub(super) fn read(detail: SessionDetail, turns: RunPage, held: Permit) -> Result<Self, StoreError> {
        let mut digest = Self {
            summary: detail.summary,
            forest: Forest::default(),
            turns: Vec::new(),
            n_turns: 0,
            usage: UsageTotal::default(),
            suppressed: UsageTotal::default(),
            agents: BTreeMap::new(),
            models: BTreeMap::new(),
            users: Vec::new(),
            scores: ScoreTotals::default(),
            dearest: None,
            longest: None,
            _held: held,
        };
        let end = turns.limit.map_or(u64::MAX, |limit| turns.offset.saturating_add(limit));
        for run in detail.runs {
            let run = run?;
            digest.add(&run);
            let is_turn = digest.forest.add(&run);
            if is_turn && (turns.offset..end).contains(&digest.n_turns) {
                digest.turns.push(run);
            }
            digest.n_turns += u64::from(is_turn);
        }
        digest.forest.sum_up();
        Ok(digest)
    }

    /// From the first start to the last sign of life.
    pub(in crate::ui) fn wall_time(&self) -> Nanos {
        self.summary.last_activity.since(self.summary.first_run)
    }

    fn add(&mut self, run: &Run) {
        self.usage.add(&run.usage);
        self.suppressed.add(&run.suppressed);
        run.scores.iter().for_each(|score| self.scores.add(score));
        if run.usage.cost > self.dearest.as_ref().map_or(NanoUsd(0), |dearest| dearest.usage.cost) {
            self.dearest = Some(run.clone());
        }
        if run.duration() > self.longest.as_ref().and_then(Run::duration) {
            self.longest = Some(run.clone());
        }
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
