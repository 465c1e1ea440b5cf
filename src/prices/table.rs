//! The embedded table: providers, their models, and what these cost. `scripts/generate-prices.py` writes it.
//!
//! One JSON object a line: a head, then each provider followed by its models, in the order in which their rules are tried.
//!
//! ```text
//! {"source":"genai-prices","version":"0.2.3","licence":"MIT","taken":"2026-11-23"}
//! {"provider":"azure","then":["openai"]}                      models that it lacks are looked for there
//! {"model":"gpt-x","match":["=gpt-x","#gpt-x-####-##-##"],"prices":[{"in":"2.5","read":"1.25","out":"10"},{"from":"2026-05-01",…}]}
//! ```
//!
//! Prices are decimal texts: dollars for a million tokens, `request` for a thousand calls. `["2",[200000,"4"]]` is 2, and 4 for all tokens
//! of a call with more than 200,000 input tokens. A price with a `tier` is that of calls which were served so.

use std::sync::OnceLock;

use chrono::NaiveDate;
use serde::Deserialize;

use super::provider;
use super::rule::Rule;
use super::tariff::{Chosen, Period, Rate, Rates, SPECIAL_TIERS, Tariff, When, day_start};
use super::usd::PerMillion;
use crate::model::time::UnixNanos;
use crate::model::usage::ServiceTier;

const TEXT: &str = include_str!("table.jsonl");

pub(super) struct Table {
    pub head: Head,
    /// The first moment of the day the table was taken.
    pub taken: UnixNanos,
    pub providers: Vec<Provider>,
    models: Vec<Model>,
}

/// Where the table comes from, and the day when it was the newest.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub source: String,
    pub version: String,
    pub licence: String,
    pub taken: String,
}

pub(super) struct Provider {
    pub id: Box<str>,
    /// The id as words for a provider are compared.
    pub key: String,
    /// Ids of the providers whose models it sells too.
    then: Vec<String>,
    models: std::ops::Range<usize>,
}

pub(super) struct Model {
    pub id: Box<str>,
    pub rule: Rule,
    pub tariff: Tariff,
}

/// A model of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ModelNo {
    at: usize,
    /// It was looked for at another provider, who has the prices of his own service tiers for it.
    is_lent: bool,
}

// === impl Table ===

impl Table {
    /// The table of this binary, read once in a process.
    pub(super) fn embedded() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        TABLE.get_or_init(|| Self::parse(TEXT).expect("a test reads the embedded table, which never changes"))
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().zip(1..);
        let (head, _) = lines.next().ok_or("the table is empty")?;
        let head: Head = serde_json::from_str(head).map_err(|error| format!("line 1: {error}"))?;
        let mut table = Self { taken: day(&head.taken)?, head, providers: Vec::new(), models: Vec::new() };
        for (line, number) in lines {
            let failed = |what: &dyn std::fmt::Display| format!("line {number}: {what}");
            if line.starts_with(PROVIDER_MARK) {
                table.add_provider(serde_json::from_str(line).map_err(|error| failed(&error))?);
            } else {
                let line = serde_json::from_str(line).map_err(|error| failed(&error))?;
                table.add_model(line).map_err(|problem| failed(&problem))?;
            }
        }
        Ok(table)
    }

    pub(super) fn model(&self, no: ModelNo) -> &Model {
        &self.models[no.at]
    }

    /// What a model costs at this time.
    pub(super) fn rates(&self, no: ModelNo, at: UnixNanos, tier: ServiceTier) -> Option<Chosen<'_>> {
        self.model(no).tariff.at(at, if no.is_lent { ServiceTier::Standard } else { tier })
    }

    /// The model of this provider that goes by this name (in lower case), if need be at the providers whose models it sells too.
    pub(super) fn find(&self, provider: &Provider, name: &str) -> Option<ModelNo> {
        self.find_own(provider, name).or_else(|| {
            let others = provider.then.iter().filter_map(|id| self.provider(id));
            others.into_iter().find_map(|other| self.find_own(other, name)).map(|no| ModelNo { is_lent: true, ..no })
        })
    }

    pub(super) fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| &*provider.id == id)
    }

    pub(super) fn models_of(&self, provider: &Provider) -> impl Iterator<Item = &Model> {
        self.models[provider.models.clone()].iter()
    }

    fn find_own(&self, provider: &Provider, name: &str) -> Option<ModelNo> {
        provider.models.clone().find(|&no| self.models[no].rule.matches(name)).map(|at| ModelNo { at, is_lent: false })
    }

    fn add_provider(&mut self, line: ProviderLine) {
        let end = self.models.len();
        self.providers.push(Provider { key: provider::key(&line.provider), id: line.provider.into(), then: line.then, models: end..end });
    }

    fn add_model(&mut self, line: ModelLine) -> Result<(), String> {
        let provider = self.providers.last_mut().ok_or("a model before the first provider")?;
        let mut tariff = Tariff::default();
        for price in line.prices {
            match price.tier()? {
                ServiceTier::Standard => tariff.periods.push(price.period()?),
                tier => tariff.special.push((tier, price.period()?)),
            }
        }
        self.models.push(Model { id: line.model.into(), rule: line.rule, tariff });
        provider.models.end = self.models.len();
        Ok(())
    }
}

#[cfg(test)]
impl Provider {
    pub(super) fn n_models(&self) -> usize {
        self.models.len()
    }
}

// === the lines ===

/// How the line of a provider begins.
const PROVIDER_MARK: &str = "{\"provider\"";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderLine {
    provider: String,
    #[serde(default)]
    then: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelLine {
    model: String,
    #[serde(rename = "match")]
    rule: Rule,
    prices: Vec<PriceLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceLine {
    tier: Option<String>,
    from: Option<String>,
    daily: Option<[String; 2]>,
    r#in: Option<Amount>,
    read: Option<Amount>,
    write: Option<Amount>,
    write1h: Option<Amount>,
    out: Option<Amount>,
    reasoning: Option<Amount>,
    request: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Amount {
    Flat(String),
    Tiered(Vec<Step>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Base(String),
    Above(u64, String),
}

impl PriceLine {
    fn tier(&self) -> Result<ServiceTier, String> {
        let Some(word) = &self.tier else { return Ok(ServiceTier::Standard) };
        SPECIAL_TIERS.into_iter().find(|tier| tier.as_str() == word).ok_or_else(|| format!("no tier: {word:?}"))
    }

    fn period(self) -> Result<Period, String> {
        let when = match (self.from, self.daily) {
            (None, None) => When::Always,
            (Some(text), None) => When::From(day(&text)?),
            (None, Some([start, end])) => When::Daily { start_minute: minute(&start)?, end_minute: minute(&end)? },
            (Some(_), Some(_)) => return Err("a price with a date and hours".into()),
        };
        let rate = |amount: Option<Amount>| amount.map(Amount::rate).transpose();
        let request = self.request.map_or(Ok(PerMillion::default()), |text| price(&text))?.of_a_thousand();
        let rates = Rates {
            input: rate(self.r#in)?,
            cache_read: rate(self.read)?,
            cache_write: rate(self.write)?,
            cache_write_1h: rate(self.write1h)?,
            output: rate(self.out)?,
            reasoning: rate(self.reasoning)?,
            request,
        };
        Ok(Period { when, rates })
    }
}

impl Amount {
    fn rate(self) -> Result<Rate, String> {
        let steps = match self {
            Self::Flat(text) => return Ok(Rate::flat(price(&text)?)),
            Self::Tiered(steps) => steps,
        };
        let mut steps = steps.into_iter();
        let Some(Step::Base(base)) = steps.next() else { return Err("tiers without a base price".into()) };
        let mut rate = Rate::flat(price(&base)?);
        for step in steps {
            let Step::Above(tokens, text) = step else { return Err("a tier without a start".into()) };
            if rate.tiers.last().is_some_and(|&(above, _)| above >= tokens) {
                return Err("tiers out of order".into());
            }
            rate.tiers.push((tokens, price(&text)?));
        }
        Ok(rate)
    }
}

fn price(text: &str) -> Result<PerMillion, String> {
    PerMillion::parse(text).ok_or_else(|| format!("no price: {text:?}"))
}

fn day(text: &str) -> Result<UnixNanos, String> {
    text.parse::<NaiveDate>().map(day_start).map_err(|error| format!("no day: {text:?}: {error}"))
}

/// `16:30` as minutes since midnight.
fn minute(text: &str) -> Result<u64, String> {
    let failed = || format!("no time of day: {text:?}");
    let (hour, minute) = text.split_once(':').ok_or_else(failed)?;
    let (hour, minute): (u64, u64) = (hour.parse().map_err(|_| failed())?, minute.parse().map_err(|_| failed())?);
    if hour < 24 && minute < 60 { Ok(hour * 60 + minute) } else { Err(failed()) }
}
