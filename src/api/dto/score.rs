//! Scores in JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::run::{Score, ScoreValue};
use crate::model::scores::{ScoreTotal, ScoreTotals};
use crate::params::format;

/// As the SDK sends it: a boolean stands in both fields.
#[derive(Serialize)]
pub(in crate::api) struct ScoreLine<'a> {
    name: &'a str,
    data_type: &'static str,
    numeric_value: Option<f64>,
    string_value: Option<&'a str>,
    comment: Option<&'a str>,
    source: &'a str,
    created_at: String,
}

/// All scores of one name and type.
#[derive(Serialize)]
pub(in crate::api) struct ScoreSummary<'a> {
    name: &'a str,
    data_type: &'static str,
    count: u64,
    /// Of numbers, and of booleans as 1 and 0; `null` for labels.
    average: Option<f64>,
    /// How often each label was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Box<RawValue>>,
}

// === impl ScoreLine ===

impl<'a> ScoreLine<'a> {
    pub(in crate::api) fn new(score: &'a Score) -> Self {
        let (data_type, numeric_value, string_value) = match &score.value {
            ScoreValue::Numeric(number) => ("numeric", Some(*number), None),
            ScoreValue::Categorical(label) => ("categorical", None, Some(&**label)),
            ScoreValue::Boolean(true) => ("boolean", Some(1.0), Some("true")),
            ScoreValue::Boolean(false) => ("boolean", Some(0.0), Some("false")),
        };
        Self {
            name: &score.name,
            data_type,
            numeric_value,
            string_value,
            comment: score.comment.as_deref(),
            source: &score.source,
            created_at: format::timestamp(score.at),
        }
    }
}

// === impl ScoreSummary ===

impl<'a> ScoreSummary<'a> {
    pub(in crate::api) fn all(totals: &'a ScoreTotals) -> Vec<Self> {
        totals.iter().map(|(name, data_type, total)| Self::new(name, data_type, total)).collect()
    }

    fn new(name: &'a str, data_type: &'static str, total: &ScoreTotal) -> Self {
        let is_number = data_type != "categorical";
        Self {
            name,
            data_type,
            count: total.count,
            average: (is_number && total.count > 0).then(|| total.sum / total.count as f64),
            values: (!is_number)
                .then(|| {
                    serde_json::value::to_raw_value(&total.labels.iter().map(|(label, n)| (&**label, *n)).collect::<BTreeMap<&str, u64>>())
                        .ok()
                })
                .flatten(),
        }
    }
}
