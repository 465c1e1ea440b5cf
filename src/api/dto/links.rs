//! Where a session or a run can be looked at in Tempo, in JSON.

use serde::Serialize;

use crate::params::explore::{Elsewhere, Grafana, Link};

#[derive(Serialize)]
pub(in crate::api) struct Links {
    traceql: String,
    /// Seconds since 1970; the end is not included.
    start: u64,
    end: u64,
    /// Empty where no Grafana is configured.
    grafana: Vec<String>,
    cost: Cost,
}

#[derive(Serialize)]
struct Cost {
    traceql: String,
    grafana: Vec<String>,
}

// === impl Links ===

impl Links {
    pub(in crate::api) fn new(elsewhere: Elsewhere, grafana: Option<&Grafana>) -> Self {
        let urls = |links: fn(&Elsewhere, &Grafana) -> Vec<Link>| {
            grafana.map(|grafana| links(&elsewhere, grafana).into_iter().map(|link| link.url).collect()).unwrap_or_default()
        };
        let (searches, costs) = (urls(Elsewhere::searches), urls(Elsewhere::costs));
        let Elsewhere { traceql, cost, start, end } = elsewhere;
        Self { traceql, start, end, grafana: searches, cost: Cost { traceql: cost, grafana: costs } }
    }
}
