//! Where a session or a run can be looked at in Tempo: TraceQL, and Grafana Explore with it and the right times.
//!
//! - Tempo searches 168 hours at once and sums over 24. What lasted longer is split, without a gap and without an overlap.
//! - Texts of agents are strings of TraceQL inside a string of JSON inside a percent-encoded parameter: none can end any of the three.

use super::pairs;
use crate::model::ids::TraceId;
use crate::model::run::Run;
use crate::model::session::SessionSummary;
use crate::model::time::UnixNanos;
use crate::tempo::query::said::expression;

/// The Grafana that users reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grafana {
    /// Without a slash at the end.
    pub url: String,
    /// Of Tempo, among its data sources.
    pub datasource_uid: String,
}

/// What to ask, and the seconds that it has to look at: the end is not included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elsewhere {
    /// Finds its traces.
    pub traceql: String,
    /// Sums what it cost over time; needs stamps.
    pub cost: String,
    pub start: u64,
    pub end: u64,
}

/// Explore with a part of the time, in seconds; the end is not included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    pub start: u64,
    pub end: u64,
    pub url: String,
}

/// Tempo refuses a search over more (168 hours, `query_frontend.search.max_duration`).
const SEARCH_SECONDS: u64 = 168 * 3600;
/// Tempo refuses sums over more (24 hours, `query_frontend.metrics.max_duration`).
const METRICS_SECONDS: u64 = 24 * 3600;
/// A year of weeks; what is longer has links to its end only.
const LINKS_MAX: usize = 53;
const SECOND: u64 = 1_000_000_000;

/// Finds spans whose messages hold a phrase, ASCII letters in any case, under the keys that most instrumentations use.
pub fn said(phrase: &str) -> String {
    let expression = json(&expression(phrase));
    let conditions = SAID_KEYS.map(|key| format!("span.{key} =~ {expression}"));
    format!("{{ {} }}", conditions.join(" || "))
}

/// Finds the runs that failed for a reason; needs stamps.
pub fn failed_for(reason: &str) -> String {
    format!("{{ span.sessionfold.error = {} }}", json(reason))
}

/// Where most instrumentations write what was said.
const SAID_KEYS: [&str; 4] = ["gen_ai.input.messages", "gen_ai.output.messages", "input.value", "output.value"];

// === impl Elsewhere ===

impl Elsewhere {
    pub fn session(summary: &SessionSummary) -> Self {
        let is_its = format!("span.sessionfold.session_id = {}", json(summary.id.as_str()));
        let cost = format!("{} by (span.sessionfold.agent_name)", cost(&is_its));
        Self::between(format!("{{ {is_its} }}"), cost, summary.first_run, summary.last_activity)
    }

    pub fn run(run: &Run) -> Self {
        let is_its = format!("span.sessionfold.run_id = \"{}\"", run.id.get());
        Self::between(format!("{{ {is_its} }}"), cost(&is_its), run.started_at, run.last_activity)
    }

    /// Runs that failed for the same reason, as far back from a moment as Tempo looks at once.
    pub fn failures(reason: &str, last: UnixNanos) -> Self {
        let first = UnixNanos((last.0 / SECOND + 1).saturating_sub(SEARCH_SECONDS) * SECOND);
        let cost = cost(&format!("span.sessionfold.error = {}", json(reason)));
        Self::between(failed_for(reason), cost, first, last)
    }

    /// Grafana opens a trace whose id stands where a query could.
    pub fn trace(trace: TraceId, first: UnixNanos, last: UnixNanos) -> Self {
        Self::between(trace.to_string(), cost(&format!("trace:id = \"{trace}\"")), first, last)
    }

    fn between(traceql: String, cost: String, first: UnixNanos, last: UnixNanos) -> Self {
        Self { traceql, cost, start: first.0 / SECOND, end: last.0.max(first.0) / SECOND + 1 }
    }

    /// Explore with the search.
    pub fn searches(&self, grafana: &Grafana) -> Vec<Link> {
        self.split(grafana, SEARCH_SECONDS, &format!("\"limit\":1000,\"tableType\":\"traces\",\"query\":{}", json(&self.traceql)))
    }

    /// Explore with the cost over time.
    pub fn costs(&self, grafana: &Grafana) -> Vec<Link> {
        self.split(grafana, METRICS_SECONDS, &format!("\"metricsQueryType\":\"range\",\"query\":{}", json(&self.cost)))
    }

    fn split(&self, grafana: &Grafana, longest_seconds: u64, query: &str) -> Vec<Link> {
        let n_windows = (self.end - self.start).div_ceil(longest_seconds);
        let first = n_windows.saturating_sub(LINKS_MAX as u64);
        let window = |n: u64| {
            let start = self.start + n * longest_seconds;
            let end = self.end.min(start + longest_seconds);
            Link { start, end, url: explore(grafana, query, start, end) }
        };
        (first..n_windows).map(window).collect()
    }
}

/// The address as Grafana's Explore reads it since version 10. Times are strings of milliseconds there.
fn explore(grafana: &Grafana, query: &str, start: u64, end: u64) -> String {
    let uid = json(&grafana.datasource_uid);
    let source = format!("{{\"type\":\"tempo\",\"uid\":{uid}}}");
    let query = format!("{{\"refId\":\"A\",\"datasource\":{source},\"queryType\":\"traceql\",{query}}}");
    let range = format!("{{\"from\":\"{}\",\"to\":\"{}\"}}", start * 1_000, end * 1_000);
    // Explore takes a name of three letters for a pane, and gives it another where it has not three.
    let panes = format!("{{\"ses\":{{\"datasource\":{uid},\"queries\":[{query}],\"range\":{range}}}}}");
    format!("{}/explore?schemaVersion=1&orgId=1&panes={}", grafana.url, pairs::encode(&panes))
}

/// A sum over doubles is empty where a span without one is looked at, hence the second condition.
fn cost(is_its: &str) -> String {
    format!("{{ {is_its} && span.sessionfold.cost != nil }} | sum_over_time(span.sessionfold.cost)")
}

/// A string of JSON, which is a string of TraceQL too.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use serde_json::{Value, json};

    use super::*;

    const DAY: u64 = 24 * 3600;

    fn pane(link: &Link) -> Value {
        let panes = link.url.split_once("panes=").unwrap().1;
        let panes: Value = serde_json::from_str(&percent_decode_str(panes).decode_utf8().unwrap()).unwrap();
        panes["ses"].clone()
    }

    fn grafana() -> Grafana {
        Grafana { url: "https://grafana.example.org".into(), datasource_uid: "te\"mpo".into() }
    }

    #[test]
    fn a_phrase_is_looked_for_as_it_is_whatever_it_holds() {
        let query = said("50% \"off\"\n now.*");
        let condition = r#"span.gen_ai.input.messages =~ "(?is).*50\\%(?:[\\s\\p{Z}]|"#;
        assert!(query.starts_with(&format!("{{ {condition}")) && query.contains(" || span.gen_ai.output.messages =~ "), "{query}");
    }

    #[test]
    fn a_link_holds_the_query_as_it_is_and_times_to_the_second() {
        let traceql = "{ span.sessionfold.session_id = \"a\\\"b &#%\" }".to_owned();
        let elsewhere = Elsewhere::between(traceql.clone(), "cost".into(), UnixNanos(5 * SECOND + 7), UnixNanos(9 * SECOND + 1));
        let links = elsewhere.searches(&grafana());
        assert_eq!(links.len(), 1);
        assert_eq!((links[0].start, links[0].end), (5, 10));
        assert!(links[0].url.starts_with("https://grafana.example.org/explore?schemaVersion=1&orgId=1&panes=%7B"));
        let source = json!({ "type": "tempo", "uid": "te\"mpo" });
        let of_search =
            json!({ "refId": "A", "datasource": source, "queryType": "traceql", "limit": 1000, "tableType": "traces", "query": traceql });
        let range = json!({ "from": "5000", "to": "10000" });
        assert_eq!(pane(&links[0]), json!({ "datasource": "te\"mpo", "queries": [of_search], "range": range }));
        let of_cost = json!({ "refId": "A", "datasource": source, "queryType": "traceql", "metricsQueryType": "range", "query": "cost" });
        assert_eq!(pane(&elsewhere.costs(&grafana())[0]), json!({ "datasource": "te\"mpo", "queries": [of_cost], "range": range }));
    }

    #[test]
    fn what_failed_for_the_same_reason_is_one_search_whatever_the_reason_holds() {
        let elsewhere = Elsewhere::failures("KeyError: \"a\\b\" }", UnixNanos(30 * DAY * SECOND + 5));
        let links = elsewhere.searches(&grafana());
        assert_eq!((links.len(), links[0].end - links[0].start, links[0].end), (1, 7 * DAY, 30 * DAY + 1));
        assert_eq!(pane(&links[0])["queries"][0]["query"], r#"{ span.sessionfold.error = "KeyError: \"a\\b\" }" }"#);
        assert_eq!(Elsewhere::failures("x", UnixNanos(5)).searches(&grafana()).len(), 1);
    }

    #[test]
    fn what_is_longer_than_tempo_looks_at_once_is_split_without_a_gap() {
        let elsewhere = Elsewhere { traceql: String::new(), cost: String::new(), start: 100, end: 100 + 15 * DAY };
        for (links, longest, n) in [(elsewhere.searches(&grafana()), 7 * DAY, 3), (elsewhere.costs(&grafana()), DAY, 15)] {
            assert_eq!(links.len(), n);
            assert_eq!((links[0].start, links[n - 1].end), (elsewhere.start, elsewhere.end));
            assert!(links.windows(2).all(|pair| pair[0].end == pair[1].start));
            for link in &links {
                assert!(link.end - link.start <= longest);
                let range = json!({ "from": (link.start * 1_000).to_string(), "to": (link.end * 1_000).to_string() });
                assert_eq!(pane(link)["range"], range);
            }
        }
        let long = Elsewhere { end: 100 + 4_000 * DAY, ..elsewhere };
        for links in [long.searches(&grafana()), long.costs(&grafana())] {
            assert_eq!((links.len(), links[LINKS_MAX - 1].end), (LINKS_MAX, long.end));
        }
    }
}
