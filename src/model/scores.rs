//! Scores of many runs, by name.

use std::collections::BTreeMap;

use crate::model::Str;
use crate::model::run::{Score, ScoreValue};

/// Distinct names, and labels of one name, that are kept apart; what comes after them is not in the sums.
const DISTINCT_MAX: usize = 1_000;

/// Scores by name and type.
#[derive(Default)]
pub struct ScoreTotals(BTreeMap<(Str, &'static str), ScoreTotal>);

/// All scores of one name and type.
#[derive(Default)]
pub struct ScoreTotal {
    pub count: u64,
    /// Of numbers, and of booleans as 1 and 0.
    pub sum: f64,
    /// How often each label was given.
    pub labels: BTreeMap<Str, u64>,
}

// === impl ScoreTotals ===

impl ScoreTotals {
    pub fn add(&mut self, score: &Score) {
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

    /// By name, and then by type: `boolean`, `categorical` or `numeric`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str, &ScoreTotal)> {
        self.0.iter().map(|((name, data_type), total)| (&**name, *data_type, total))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
