//! The body of a fuzz target: what must hold for any file of prices.

use super::Prices;
use super::overrides::Overrides;
use super::remembered::Remembered;
use super::table::Table;
use crate::model::time::UnixNanos;
use crate::model::usage::{Call, ServiceTier, Usage};

/// Any text: a file of prices or refused with words, and what it states is what a call costs from then on.
pub fn check_prices(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let table = Table::embedded();
    match Overrides::parse(text, table) {
        Err(message) => assert!(!message.is_empty()),
        Ok(overrides) => {
            let prices = Prices { table, overrides, remembered: Remembered::default() };
            let usage = Usage { input_tokens: Some(u64::MAX / 2), output_tokens: Some(3), ..Usage::default() };
            let names = [("openai", "gpt-4o"), ("", "gpt-4o"), ("x", "m"), ("", "m")];
            for (tier, (provider, model)) in [None, Some(ServiceTier::Priority)].into_iter().flat_map(|tier| names.map(|name| (tier, name)))
            {
                let call = Call { provider: provider.into(), model: model.into(), usage, response: 0, tier };
                for at in [UnixNanos::ZERO, UnixNanos(1_793_880_000_000_000_000), UnixNanos(u64::MAX)] {
                    assert_eq!(prices.cost(&call, at), prices.cost(&call, at));
                }
            }
        }
    }
}
