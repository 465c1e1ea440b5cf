//! Where a session or a run can be looked at in Tempo: TraceQL, and Grafana Explore with that query and the right times.

use crate::model::run::Run;
use crate::model::session::SessionSummary;
use crate::model::time::UnixNanos;
use crate::params::pairs;

/// The Grafana that users reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grafana {
    /// Without a slash at the end.
    pub url: String,
    /// Of Tempo, among its data sources.
    pub datasource_uid: String,
}

/// One query, and the seconds that it has to look at: the end is not included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Elsewhere {
    pub(super) traceql: String,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Tempo refuses a search over more (168 hours).
const LONGEST_SECONDS: u64 = 168 * 3600;
/// A year of weeks; what is longer has links to its last year.
const LINKS_MAX: usize = 53;
const SECOND: u64 = 1_000_000_000;

// === impl Elsewhere ===

impl Elsewhere {
    pub(super) fn session(summary: &SessionSummary) -> Self {
        let traceql = format!("{{ span.sessionfold.session_id = {} }}", json(summary.id.as_str()));
        Self::between(traceql, summary.first_run, summary.last_activity)
    }

    pub(super) fn run(run: &Run) -> Self {
        Self::between(format!("{{ span.sessionfold.run_id = \"{}\" }}", run.id.get()), run.started_at, run.last_activity)
    }

    fn between(traceql: String, first: UnixNanos, last: UnixNanos) -> Self {
        Self { traceql, start: first.0 / SECOND, end: last.0.max(first.0) / SECOND + 1 }
    }

    /// Explore with this query; several where the time is longer than Tempo searches.
    pub(super) fn explore(&self, grafana: &Grafana) -> Vec<String> {
        let n_windows = (self.end - self.start).div_ceil(LONGEST_SECONDS);
        let first = n_windows.saturating_sub(LINKS_MAX as u64);
        let window = |n: u64| {
            let start = self.start + n * LONGEST_SECONDS;
            self.link(grafana, start, self.end.min(start + LONGEST_SECONDS))
        };
        (first..n_windows).map(window).collect()
    }

    fn link(&self, grafana: &Grafana, start: u64, end: u64) -> String {
        let uid = json(&grafana.datasource_uid);
        let source = format!("{{\"type\":\"tempo\",\"uid\":{uid}}}");
        let query = format!(
            "{{\"refId\":\"A\",\"datasource\":{source},\"queryType\":\"traceql\",\"limit\":1000,\"tableType\":\"traces\",\"query\":{}}}",
            json(&self.traceql)
        );
        let range = format!("{{\"from\":\"{}\",\"to\":\"{}\"}}", start * 1_000, end * 1_000);
        let panes = format!("{{\"a\":{{\"datasource\":{uid},\"queries\":[{query}],\"range\":{range}}}}}");
        format!("{}/explore?schemaVersion=1&orgId=1&panes={}", grafana.url, pairs::encode(&panes))
    }
}

/// A string of JSON, which is a string of TraceQL too.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use serde_json::Value;

    use super::*;

    const DAY: u64 = 24 * 3600;

    fn panes(link: &str) -> Value {
        let panes = link.split_once("panes=").unwrap().1;
        serde_json::from_str(&percent_decode_str(panes).decode_utf8().unwrap()).unwrap()
    }

    #[test]
    fn a_link_holds_the_query_as_it_is_and_times_to_the_second() {
        let grafana = Grafana { url: "https://grafana.example.org".into(), datasource_uid: "te\"mpo".into() };
        let traceql = "{ span.sessionfold.session_id = \"a\\\"b &#%\" }".to_owned();
        let elsewhere = Elsewhere::between(traceql.clone(), UnixNanos(5 * SECOND + 7), UnixNanos(9 * SECOND + 1));
        let links = elsewhere.explore(&grafana);
        assert_eq!(links.len(), 1);
        assert!(links[0].starts_with("https://grafana.example.org/explore?schemaVersion=1&orgId=1&panes=%7B"));
        let pane = &panes(&links[0])["a"];
        assert_eq!((&pane["queries"][0]["query"], &pane["datasource"]), (&traceql.into(), &"te\"mpo".into()));
        assert_eq!(pane["range"], serde_json::json!({ "from": "5000", "to": "10000" }));
    }

    #[test]
    fn what_is_longer_than_tempo_searches_is_split_without_a_gap() {
        let grafana = Grafana { url: String::new(), datasource_uid: "tempo".into() };
        let elsewhere = Elsewhere { traceql: String::new(), start: 100, end: 100 + 15 * DAY };
        let ranges: Vec<Value> = elsewhere.explore(&grafana).iter().map(|link| panes(link)["a"]["range"].clone()).collect();
        assert_eq!(ranges.len(), 3);
        for pair in ranges.windows(2) {
            assert_eq!(pair[0]["to"], pair[1]["from"]);
        }
        assert_eq!((&ranges[0]["from"], &ranges[2]["to"]), (&"100000".into(), &((100 + 15 * DAY) * 1_000).to_string().into()));
        let long = Elsewhere { end: 100 + 4_000 * DAY, ..elsewhere };
        assert_eq!(long.explore(&grafana).len(), LINKS_MAX);
    }
}
