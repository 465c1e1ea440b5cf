//! Scores of many runs, by name.

use std::collections::BTreeMap;

use super::dto::score::ScoreSummary;
use crate::model::Str;
use crate::model::run::{Score, ScoreValue};

/// Distinct names, and labels of one name, that an answer has.
const DISTINCT_MAX: usize = 1_000;

/// Scores by name and type.
#[derive(Default)]
pub(super) struct ScoreTotals(BTreeMap<(Str, &'static str), ScoreTotal>);

#[derive(Default)]
pub(super) struct ScoreTotal {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) labels: BTreeMap<Str, u64>,
}

// === impl ScoreTotals ===

impl ScoreTotals {
    pub(super) fn add(&mut self, score: &Score) {
        let (data_type, number, label) = match &score.value {
            ScoreValue::Numeric(number) => ("numeric", *number, None),
            ScoreValue::Boolean(is) => ("boolean", f64::from(u8::from(*is)), None),
            ScoreValue::Categorical(label) => ("categorical", 0.0, Some(label)),
        };
        let key = (score.name.clone(), data_type);
        if self.0.len() == DISTINCT_MAX && !self.0.contains_key(&key) {
            return;
        }
        let total = self.0.entry(key).or_default();
        total.count += 1;
        total.sum += number;
        if let Some(label) = label.filter(|label| total.labels.len() < DISTINCT_MAX || total.labels.contains_key(*label)) {
            *total.labels.entry(label.clone()).or_default() += 1;
        }
    }

    pub(super) fn summaries(&self) -> Vec<ScoreSummary<'_>> {
        self.0.iter().map(|((name, data_type), total)| ScoreSummary::new(name, data_type, total)).collect()
    }
}
