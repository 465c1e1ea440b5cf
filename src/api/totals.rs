//! Sums over the runs of a session, taken while its runs pass by.

use std::collections::BTreeMap;

use super::dto::score::ScoreSummary;
use super::dto::{ModelLine, Number, Usage, UserLine};
use crate::model::Str;
use crate::model::run::Run;
use crate::model::scores::ScoreTotals;
use crate::model::usage::{NanoUsd, UsageTotal};
use crate::params::include::{Include, Includes};

/// How many distinct users or models an answer has; it says where there were more.
const DISTINCT_MAX: usize = 1_000;

/// What the runs used together, by user and by model.
#[derive(Default)]
pub(super) struct Totals {
    include: Includes,
    usage: UsageTotal,
    suppressed: UsageTotal,
    users: BTreeMap<(Str, Option<Str>), UserTotal>,
    models: BTreeMap<(Str, Str), UsageTotal>,
    scores: ScoreTotals,
    has_more_users: bool,
    has_more_models: bool,
}

#[derive(Default)]
struct UserTotal {
    run_count: u64,
    tokens: u64,
    cost: NanoUsd,
}

// === impl Totals ===

impl Totals {
    pub(super) fn new(include: Includes) -> Self {
        Self { include, ..Self::default() }
    }

    /// Whether every run must be seen, whatever page is shown.
    pub(super) fn is_wanted(&self) -> bool {
        [Include::Usage, Include::Users, Include::Models, Include::Scores].into_iter().any(|include| self.include.has(include))
    }

    pub(super) fn add(&mut self, run: &Run) {
        if self.include.has(Include::Usage) {
            self.usage.add(&run.usage);
            self.suppressed.add(&run.suppressed);
        }
        if self.include.has(Include::Users) {
            self.add_user(run);
        }
        if self.include.has(Include::Models) {
            self.add_models(run);
        }
        if self.include.has(Include::Scores) {
            run.scores.iter().for_each(|score| self.scores.add(score));
        }
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::new(&self.usage, &self.suppressed)
    }

    pub(super) fn users(&self) -> Vec<UserLine<'_>> {
        let mut lines = Vec::with_capacity(self.users.len());
        for ((user, group), total) in &self.users {
            let (run_count, tokens, cost) = (total.run_count, total.tokens, Number::dollars(total.cost));
            lines.push(UserLine { user_id: user, user_group: group.as_deref(), run_count, tokens, cost });
        }
        lines
    }

    pub(super) fn models(&self) -> Vec<ModelLine<'_>> {
        self.models.iter().map(|((model, provider), total)| self.model_line(model, provider, total)).collect()
    }

    pub(super) fn scores(&self) -> Vec<ScoreSummary<'_>> {
        ScoreSummary::all(&self.scores)
    }

    /// The names of the lists that had more than an answer may have.
    pub(super) fn truncated(&self) -> Vec<&'static str> {
        let users = self.has_more_users.then_some(Include::Users.as_str());
        users.into_iter().chain(self.has_more_models.then_some(Include::Models.as_str())).collect()
    }

    fn model_line<'a>(&self, model: &'a str, provider: &'a str, total: &UsageTotal) -> ModelLine<'a> {
        if self.include.has(Include::Usage) { ModelLine::sourced(model, provider, total) } else { ModelLine::new(model, provider, total) }
    }

    fn add_user(&mut self, run: &Run) {
        let Some(user) = &run.user else { return };
        let key = (user.clone(), run.user_group.clone());
        if self.users.len() == DISTINCT_MAX && !self.users.contains_key(&key) {
            self.has_more_users = true;
            return;
        }
        let total = self.users.entry(key).or_default();
        total.run_count += 1;
        total.tokens = total.tokens.wrapping_add(run.usage.tokens);
        total.cost = NanoUsd(total.cost.0.wrapping_add(run.usage.cost.0));
    }

    fn add_models(&mut self, run: &Run) {
        for usage in &run.models {
            let key = (usage.model.clone(), usage.provider.clone());
            if self.models.len() == DISTINCT_MAX && !self.models.contains_key(&key) {
                self.has_more_models = true;
                continue;
            }
            self.models.entry(key).or_default().add(&usage.total);
        }
    }
}
