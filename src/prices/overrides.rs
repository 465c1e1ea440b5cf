//! Prices that the operator states in a file; they go before the embedded table (`docs/prices.md`).
//!
//! ```toml
//! [[price]]
//! provider = "openai"               # optional: without it, whoever sold it
//! model = "gpt-4o"                  # the very name
//! input_per_million_usd = 2.0
//! output_per_million_usd = 8.0
//! cache_read_per_million_usd = 1.0  # optional, as is cache_write_per_million_usd: without it, as input
//! cache_write_1h_per_million_usd = 4.0  # optional: without it, as other cache writes
//! service_tier = "priority"         # optional: for calls that were served so
//! from = 2026-12-01                 # optional: the first day, UTC
//!
//! [[price.above]]                   # optional: what other prices all tokens have above so many input tokens
//! input_tokens = 200000
//! input_per_million_usd = 4.0
//! ```

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::de::{Deserialize, Deserializer, Error as _};
use toml::{Spanned, Value};

use super::provider::{Named, key, named};
use super::table::Table;
use super::tariff::{Chosen, Period, Rate, Rates, SPECIAL_TIERS, Tariff, When, day_start};
use super::usd::PerMillion;
use crate::model::time::UnixNanos;
use crate::model::usage::ServiceTier;

/// Why a file of prices cannot be used; every text says where to look.
#[derive(Debug, thiserror::Error)]
pub enum OverridesError {
    #[error("cannot read the prices in {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// The text holds the line.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
}

#[derive(Default)]
pub(super) struct Overrides {
    by_name: HashMap<Name, OverrideNo>,
    tariffs: Vec<Tariff>,
}

/// The prices of one model at one provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OverrideNo(usize);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Name {
    /// `None`: whoever sold it.
    provider: Option<String>,
    /// In lower case.
    model: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    price: Vec<Spanned<Entry>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: Option<String>,
    model: String,
    input_per_million_usd: Dollars,
    output_per_million_usd: Dollars,
    cache_read_per_million_usd: Option<Dollars>,
    cache_write_per_million_usd: Option<Dollars>,
    cache_write_1h_per_million_usd: Option<Dollars>,
    service_tier: Option<Tier>,
    from: Option<Day>,
    #[serde(default)]
    above: Vec<Spanned<Above>>,
}

/// What costs something else above a number of input tokens.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Above {
    input_tokens: u64,
    input_per_million_usd: Option<Dollars>,
    output_per_million_usd: Option<Dollars>,
    cache_read_per_million_usd: Option<Dollars>,
    cache_write_per_million_usd: Option<Dollars>,
    cache_write_1h_per_million_usd: Option<Dollars>,
}

struct Dollars(PerMillion);

struct Tier(ServiceTier);

struct Day(NaiveDate);

// === impl Overrides ===

impl Overrides {
    pub(super) fn read(path: &Path, table: &Table) -> Result<Self, OverridesError> {
        let text = std::fs::read_to_string(path).map_err(|source| OverridesError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, table).map_err(|message| OverridesError::File { path: path.to_owned(), message })
    }

    pub(super) fn parse(text: &str, table: &Table) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let mut overrides = Self::default();
        let mut seen = HashSet::new();
        for entry in file.price {
            let line_at = |at: usize| 1 + text[..at].matches('\n').count();
            let line = line_at(entry.span().start);
            let entry = entry.into_inner();
            let provider = entry.provider.as_deref().map(|word| provider_key(table, word));
            let name = Name { provider, model: entry.model.trim().to_lowercase() };
            if name.model.is_empty() {
                return Err(format!("line {line}: model is empty"));
            }
            let from = entry.from.as_ref().map(|day| day.0);
            let tier = entry.service_tier.as_ref().map_or(ServiceTier::Standard, |tier| tier.0);
            if !seen.insert((name.clone(), from, tier)) {
                return Err(format!("line {line}: a second price of {:?} for the same time", entry.model));
            }
            let period = entry.period().map_err(|(at, problem)| format!("line {}: {problem}", line_at(at)))?;
            overrides.add(name, tier, period);
        }
        let start = |period: &Period| match period.when {
            When::From(start) => Some(start),
            _ => None,
        };
        for tariff in &mut overrides.tariffs {
            tariff.periods.sort_by_key(start);
            tariff.special.sort_by_key(|(_, period)| start(period));
        }
        Ok(overrides)
    }

    /// The prices of this very model: those of the provider, then those of whoever sold it.
    pub(super) fn find(&self, table: &Table, provider: &str, model: &str) -> [Option<OverrideNo>; 2] {
        if self.by_name.is_empty() {
            return [None; 2];
        }
        let model = model.trim().to_lowercase();
        let of = |provider: Option<String>| self.by_name.get(&Name { provider, model: model.clone() }).copied();
        [of(Some(provider_key(table, provider))), of(None)]
    }

    /// What holds at this time; `None` before the first start date.
    pub(super) fn rates(&self, no: OverrideNo, at: UnixNanos, tier: ServiceTier) -> Option<Chosen<'_>> {
        self.tariffs[no.0].active(at, tier)
    }

    fn add(&mut self, name: Name, tier: ServiceTier, period: Period) {
        let next = OverrideNo(self.tariffs.len());
        let no = *self.by_name.entry(name).or_insert(next);
        if no == next {
            self.tariffs.push(Tariff::default());
        }
        match tier {
            ServiceTier::Standard => self.tariffs[no.0].periods.push(period),
            tier => self.tariffs[no.0].special.push((tier, period)),
        }
    }
}

/// One key for all words that mean the same provider.
fn provider_key(table: &Table, word: &str) -> String {
    match named(table, word) {
        Named::Known(provider) => provider.key.clone(),
        Named::Nobody => String::new(),
        Named::Gateway | Named::Stranger => key(word),
    }
}

// === impl Entry ===

/// What is wrong, and where in the text.
type Fault = (usize, String);

impl Entry {
    fn period(self) -> Result<Period, Fault> {
        let flat = |dollars: Dollars| Rate::flat(dollars.0);
        let mut rates = Rates {
            input: Some(flat(self.input_per_million_usd)),
            output: Some(flat(self.output_per_million_usd)),
            cache_read: self.cache_read_per_million_usd.map(flat),
            cache_write: self.cache_write_per_million_usd.map(flat),
            cache_write_1h: self.cache_write_1h_per_million_usd.map(flat),
            ..Rates::default()
        };
        let mut highest = None;
        for above in self.above {
            let at = above.span().start;
            let above = above.into_inner();
            if highest >= Some(above.input_tokens) {
                return Err((at, "the numbers of input_tokens must rise from one price.above to the next".into()));
            }
            highest = Some(above.input_tokens);
            above.add_to(&mut rates).map_err(|problem| (at, problem))?;
        }
        Ok(Period { when: self.from.map_or(When::Always, |day| When::From(day_start(day.0))), rates })
    }
}

impl Above {
    /// What it does not name stays as it is below.
    fn add_to(self, rates: &mut Rates) -> Result<(), String> {
        let kinds = [
            ("input_per_million_usd", &mut rates.input, self.input_per_million_usd),
            ("output_per_million_usd", &mut rates.output, self.output_per_million_usd),
            ("cache_read_per_million_usd", &mut rates.cache_read, self.cache_read_per_million_usd),
            ("cache_write_per_million_usd", &mut rates.cache_write, self.cache_write_per_million_usd),
            ("cache_write_1h_per_million_usd", &mut rates.cache_write_1h, self.cache_write_1h_per_million_usd),
        ];
        for (key, rate, dollars) in kinds {
            let Some(dollars) = dollars else { continue };
            let Some(rate) = rate else { return Err(format!("{key} is not in the price that this is a part of")) };
            rate.tiers.push((self.input_tokens, dollars.0));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::Integer(number) => number.to_string(),
            // The shortest text that means this number: what stands in the file.
            Value::Float(number) => number.to_string(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        let expected = "expected dollars for a million tokens, such as 0.15, less than 10000000";
        PerMillion::parse(text.trim()).map(Self).ok_or_else(|| D::Error::custom(format!("{text} is no price; {expected}")))
    }
}

impl<'de> Deserialize<'de> for Tier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = SPECIAL_TIERS.into_iter().find(|tier| tier.as_str() == word);
        let expected = SPECIAL_TIERS.map(ServiceTier::as_str).join(", ");
        known
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{word:?} is no service tier with a price of its own; expected one of {expected}")))
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let day = text.trim().parse().map_err(|_| D::Error::custom(format!("{text} is no day; expected one such as 2026-12-31")))?;
        Ok(Self(day))
    }
}
