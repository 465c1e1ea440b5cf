//! What each tenant has sent, by service, over all time.
//!
//! - Counted by the fold as it reads, and sealed into every checkpoint with the position it belongs to: exact after any crash.
//! - Bounded: so many names are told apart, the rest is counted in the sum alone.

use std::collections::BTreeMap;

use crate::model::Str;
use crate::store::overview::SERVICES_MAX;
use crate::wire::otlp::{Attribute, Value};

const SERVICE_NAME: &str = "service.name";
/// Longer names are cut for counting.
const NAME_MAX_CHARS: usize = 100;
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestStats {
    n_spans: u64,
    services: BTreeMap<Str, u64>,
}

/// The service that a resource names; empty where it names none.
pub fn service<'a>(resource: &[Attribute<'a>]) -> &'a str {
    let named = resource.iter().rev().find(|attribute| attribute.key == SERVICE_NAME);
    match named.map(|attribute| &attribute.value) {
        Some(Value::Str(name)) => name,
        _ => "",
    }
}

// === impl IngestStats ===

impl IngestStats {
    pub fn add(&mut self, service: &str, n_spans: u64) {
        self.n_spans += n_spans;
        if service.is_empty() {
            return;
        }
        let end = service.char_indices().nth(NAME_MAX_CHARS).map_or(service.len(), |(at, _)| at);
        let name = &service[..end];
        if let Some(n) = self.services.get_mut(name) {
            *n += n_spans;
        } else if self.services.len() < SERVICES_MAX {
            self.services.insert(name.into(), n_spans);
        }
    }

    pub fn n_spans(&self) -> u64 {
        self.n_spans
    }

    /// Most spans first, ties by name.
    pub fn services(&self) -> Vec<(Str, u64)> {
        let mut services: Vec<(Str, u64)> = self.services.iter().map(|(name, n)| (name.clone(), *n)).collect();
        services.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        services
    }

    /// What the database holds of it: the sum (`None`) and each service.
    pub fn counts(&self) -> impl Iterator<Item = (Option<&str>, u64)> {
        std::iter::once((None, self.n_spans)).chain(self.services.iter().map(|(name, n)| (Some(&**name), *n)))
    }

    /// Takes up one of [`Self::counts`] again.
    pub fn restore(&mut self, service: Option<Str>, n_spans: u64) {
        match service {
            None => self.n_spans = n_spans,
            Some(name) => _ = self.services.insert(name, n_spans),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_names_is_bounded_and_the_sum_stays_exact() {
        let mut seen = IngestStats::default();
        for n in 0..100 {
            seen.add(&format!("service-{n:03}"), 1);
        }
        seen.add("service-000", 1);
        assert_eq!((seen.n_spans(), seen.services().len()), (101, SERVICES_MAX));
        assert_eq!(seen.services()[0], ("service-000".into(), 2));
    }
}
