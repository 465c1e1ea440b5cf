//! Where a session or a run can be looked at in Tempo, in JSON.

use serde::Serialize;

use crate::api::elsewhere::{Elsewhere, Grafana};

#[derive(Serialize)]
pub(in crate::api) struct Links {
    traceql: String,
    /// Seconds since 1970; the end is not included.
    start: u64,
    end: u64,
    /// Empty where no Grafana is configured.
    grafana: Vec<String>,
}

// === impl Links ===

impl Links {
    pub(in crate::api) fn new(elsewhere: Elsewhere, grafana: Option<&Grafana>) -> Self {
        let links = grafana.map(|grafana| elsewhere.explore(grafana)).unwrap_or_default();
        let Elsewhere { traceql, start, end } = elsewhere;
        Self { traceql, start, end, grafana: links }
    }
}
