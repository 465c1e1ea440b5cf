//! What is counted about keys.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The counters; a clone counts into the same ones.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    wrong_keys: Family<AnswerLabels, Counter>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AnswerLabels {
    /// `denied`, or `slowed` where the address had no try left.
    answer: &'static str,
}

// === impl Metrics ===

impl Metrics {
    pub fn register(&self, registry: &mut Registry) {
        let help = "Requests and logins with a key that is unknown; slowed: from an address that sends many";
        registry.register("sessionfold_auth_wrong_keys", help, self.wrong_keys.clone());
    }

    pub(super) fn denied(&self) {
        self.wrong_keys.get_or_create(&AnswerLabels { answer: "denied" }).inc();
    }

    pub(super) fn slowed(&self) {
        self.wrong_keys.get_or_create(&AnswerLabels { answer: "slowed" }).inc();
    }
}
