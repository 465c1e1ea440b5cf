//! From what a span says of its provider and model to a model of the table.
//!
//! - A provider that is named: the table's own rules for its models decide.
//! - A gateway: the provider stands before the model, `groq/llama-3.3-70b-versatile`.
//! - Nobody named, or `local`: only the exact name of a model that its maker sells and that nobody can host himself. A model from a laptop
//!   must not get a price because its name resembles one.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::provider::{Named, key, named};
use super::table::{ModelNo, Provider, Table};

/// A maker of models, and which of his names are enough to know that he sold the call.
pub(super) struct Maker {
    pub provider: &'static str,
    pub names: Names,
}

pub(super) enum Names {
    /// No weights can be had: each name of the table.
    All,
    /// Those that begin so; others have weights that can be had.
    StartingWith(&'static str),
    /// Those that end in `-latest` or a date: the weights are published under names without.
    Versioned,
    Only(&'static [&'static str]),
}

/// Asked in this order. Makers that publish the weights of what they sell under the same name are not in it.
pub(super) const MAKERS: &[Maker] = &[
    Maker { provider: "openai", names: Names::All },
    Maker { provider: "anthropic", names: Names::All },
    Maker { provider: "google", names: Names::StartingWith("gemini-") },
    Maker { provider: "x-ai", names: Names::All },
    Maker { provider: "mistral", names: Names::Versioned },
    Maker { provider: "cohere", names: Names::Versioned },
    Maker { provider: "deepseek", names: Names::Only(&["deepseek-chat", "deepseek-reasoner"]) },
];

/// The model of the table that a span means.
pub(super) fn find(table: &Table, provider: &str, model: &str) -> Option<ModelNo> {
    let name = model.trim().to_lowercase();
    match named(table, provider) {
        Named::Known(provider) => of_provider(table, provider, &name),
        Named::Gateway => behind_gateway(table, &name),
        Named::Nobody => of_a_maker(table, &name),
        Named::Stranger => None,
    }
}

fn of_provider(table: &Table, provider: &Provider, name: &str) -> Option<ModelNo> {
    let found = by_name(table, provider, name).or_else(|| by_name(table, provider, bare(table, provider, name)?));
    found.or_else(|| if &*provider.id == BEDROCK { behind_a_vendor(table, provider, name) } else { None })
}

/// Its names of models begin with who made them, `amazon.nova-lite-v1:0`.
const BEDROCK: &str = "aws";

/// OpenLLMetry cuts off who made the model.
fn behind_a_vendor(table: &Table, provider: &Provider, name: &str) -> Option<ModelNo> {
    let vendors: BTreeSet<&str> = table.models_of(provider).filter_map(|model| Some(model.id.split_once('.')?.0)).collect();
    vendors.iter().find_map(|vendor| by_name(table, provider, &format!("{vendor}.{name}")))
}

/// Without what stands before it: the provider itself, or a path as Google's APIs have them.
fn bare<'n>(table: &Table, provider: &Provider, name: &'n str) -> Option<&'n str> {
    if let Some((_, last)) = name.rsplit_once("models/") {
        return Some(last);
    }
    let (prefix, rest) = name.split_once('/')?;
    matches!(named(table, prefix), Named::Known(known) if known.id == provider.id).then_some(rest)
}

fn behind_gateway(table: &Table, name: &str) -> Option<ModelNo> {
    let Some((prefix, rest)) = name.split_once('/') else { return of_a_maker(table, name) };
    match named(table, prefix) {
        Named::Known(provider) => of_provider(table, provider, rest),
        _ => None,
    }
}

fn of_a_maker(table: &Table, name: &str) -> Option<ModelNo> {
    let (prefix, name) = name.split_once('/').map_or((None, name), |(prefix, rest)| (Some(key(prefix)), rest));
    let mut makers = MAKERS.iter().filter(|maker| prefix.as_deref().is_none_or(|prefix| prefix == key(maker.provider)));
    makers.find_map(|maker| {
        let provider = table.provider(maker.provider)?;
        let found = by_name(table, provider, name)?;
        (maker.names.tells(name) && is_exact(table, found, name)).then_some(found)
    })
}

/// As the source of the table does: a name with a date of eight digits is tried with dashes too.
fn by_name(table: &Table, provider: &Provider, name: &str) -> Option<ModelNo> {
    table.find(provider, name).or_else(|| table.find(provider, &with_dashed_date(name)?))
}

// === names ===

impl Names {
    fn tells(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::StartingWith(start) => name.starts_with(start),
            Self::Versioned => without_version(name).is_some(),
            Self::Only(names) => names.contains(&name),
        }
    }
}

/// Whether the name, or the name without a version at its end, is spelt out in the table.
fn is_exact(table: &Table, no: ModelNo, name: &str) -> bool {
    let model = table.model(no);
    let is_spelt = |name: &str| *name == *model.id || model.rule.spells(name);
    is_spelt(name) || without_version(name).is_some_and(is_spelt)
}

/// Cuts off one of `-latest`, `-001`, `-0613`, `-20241022`, `@20241022`, `-08-2024` and `-2024-08-06`.
fn without_version(name: &str) -> Option<&str> {
    let shapes = ["-####-##-##", "-##-####", "-########", "@########", "-####", "-###"];
    if let Some(rest) = name.strip_suffix("-latest") {
        return Some(rest);
    }
    shapes.iter().find_map(|shape| {
        let at = name.len().checked_sub(shape.len())?;
        let (rest, end) = name.split_at_checked(at)?;
        let is_like = |(byte, like): (u8, u8)| if like == b'#' { byte.is_ascii_digit() } else { byte == like };
        (!rest.is_empty() && end.bytes().zip(shape.bytes()).all(is_like)).then_some(rest)
    })
}

/// `gpt-x-20251211` as `gpt-x-2025-12-11`; `None` if there is no such date in it.
fn with_dashed_date(name: &str) -> Option<String> {
    let mut dashed = String::new();
    let mut done = 0;
    for (at, _) in name.match_indices("-20") {
        let Some(date) = date_at(name, at + 1) else { continue };
        dashed.push_str(&name[done..=at]);
        dashed.push_str(&date.to_string());
        done = at + 9;
    }
    (done > 0).then(|| dashed + &name[done..])
}

/// The date of eight digits at this place, if it ends a part of the name.
fn date_at(name: &str, at: usize) -> Option<NaiveDate> {
    let digits = name.get(at..at + 8)?;
    let is_end = matches!(name.as_bytes().get(at + 8), None | Some(b'-' | b':'));
    if !is_end || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    NaiveDate::from_ymd_opt(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_cut_off_the_end_of_a_name() {
        let cut = |name| without_version(name).unwrap_or("-");
        assert_eq!(cut("gpt-4o-2024-08-06"), "gpt-4o");
        assert_eq!(cut("command-r-08-2024"), "command-r");
        assert_eq!(cut("claude-3-5-sonnet-20241022"), "claude-3-5-sonnet");
        assert_eq!(cut("claude-opus-4@20250514"), "claude-opus-4");
        assert_eq!(cut("gemini-2.0-flash-001"), "gemini-2.0-flash");
        assert_eq!(cut("mistral-large-latest"), "mistral-large");
        for kept in ["gpt-4o", "", "-latesté", "-0613", "mistral-7b", "grok-4", "é-12345678x"] {
            assert!(without_version(kept).is_none_or(str::is_empty), "{kept}");
        }
    }

    #[test]
    fn a_date_without_dashes_gets_them_if_it_is_one() {
        let dashed = |name| with_dashed_date(name).unwrap_or("-".into());
        assert_eq!(dashed("gpt-5.2-20251211"), "gpt-5.2-2025-12-11");
        assert_eq!(dashed("x-20251211:free"), "x-2025-12-11:free");
        assert_eq!(dashed("x-20251211-20240229"), "x-2025-12-11-2024-02-29");
        for kept in ["x-20251311", "x-20250229", "x-2025121", "x-202512111", "x20251211", "x-2025121é", "-20", "é-20"] {
            assert_eq!(dashed(kept), "-", "{kept}");
        }
    }
}
