//! Asks Tempo whether forwarding to it will work, and whether its settings hide what is forwarded. For `sessionfold check`.
//!
//! - It stores nothing: the export it sends holds no spans.
//! - Tempo's effective configuration is text for people; it is read loosely, and what is not found is not reported.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;

use super::link::client::{BuildError, CallError, Client};
use super::link::segmented::SegmentedBytes;
use super::options::Options;
use super::tls::{Trust, Version};
use crate::model::ids::Tenant;

/// What came of sending an empty export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reached {
    /// An OTLP receiver took it.
    Yes,
    /// Something answered, but not with an acceptance.
    Refused(String),
    No(String),
}

/// What Tempo's configuration says about late and young spans.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// `ingestion_time_range_slack`, the smallest there is. A span that starts earlier than its arrival less this is missed by search and metrics.
    pub slack: Option<Duration>,
    /// `query_end_cutoff`. Search and metrics hide what is younger.
    pub cutoff: Option<Duration>,
}

/// Something an operator should know, with what to set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning(pub String);

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("`{0}` is not an http or https URL of Tempo's query API")]
    Url(String),
    #[error("cannot ask {url}: {reason}")]
    Request { url: String, reason: String },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
}

/// The settings are worth a warning below this slack: an agent's run can last an hour.
const ENOUGH_SLACK: Duration = Duration::from_secs(3600);

/// And above this cut-off: people look for a run that has just ended.
const SHORT_CUTOFF: Duration = Duration::from_secs(10);

/// Tempo's whole configuration is about 50 kB.
const MAX_CONFIG_BYTES: usize = 4 << 20;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends an empty export, once.
pub async fn reach(options: &Options) -> Result<Reached, BuildError> {
    let mut options = options.clone();
    options.retry.request_timeout = options.retry.request_timeout.min(TIMEOUT);
    let client = Client::new(&options)?;
    Ok(match client.export(SegmentedBytes::default(), &Tenant::default()).await {
        Ok(_) => Reached::Yes,
        Err(error @ CallError::Timeout(_)) => Reached::No(error.to_string()),
        Err(CallError::Answer(status)) if std::error::Error::source(&status).is_some() => {
            Reached::No(CallError::Answer(status).to_string())
        }
        Err(error) => Reached::Refused(error.to_string()),
    })
}

/// Reads the effective configuration from Tempo's query API at `query_url`, for instance `http://tempo:3200`.
pub async fn settings(query_url: &str, trust: &Trust) -> Result<Settings, ProbeError> {
    let url = format!("{}/status/config", query_url.trim_end_matches('/'));
    let uri: http::Uri = url.parse().map_err(|_| ProbeError::Url(query_url.to_owned()))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
        return Err(ProbeError::Url(query_url.to_owned()));
    }
    let failed = |reason: String| ProbeError::Request { url: url.clone(), reason };
    let connector = trust.connector(&uri, Version::Http1, None).map_err(|error| failed(error.to_string()))?;
    let client: HttpClient<_, Empty<bytes::Bytes>> = HttpClient::builder(TokioExecutor::new()).build(connector);
    let exchange = async {
        let response = client.get(uri).await.map_err(|error| failed(chain(&error)))?;
        if !response.status().is_success() {
            return Err(ProbeError::Status { url: url.clone(), status: response.status().as_u16() });
        }
        let body = Limited::new(response.into_body(), MAX_CONFIG_BYTES).collect().await.map_err(|error| failed(error.to_string()))?;
        Ok(body.to_bytes())
    };
    let body = tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| failed("no answer within 5 s".to_owned()))??;
    Ok(Settings::read(&String::from_utf8_lossy(&body)))
}

// === impl Settings ===

impl Settings {
    fn read(config: &str) -> Self {
        let values = |key: &'static str| {
            let lines = config.lines().filter_map(move |line| line.trim().strip_prefix(key)?.strip_prefix(':'));
            lines.filter_map(|value| parse_go_duration(value.trim().trim_matches('"')))
        };
        Self { slack: values("ingestion_time_range_slack").min(), cutoff: values("query_end_cutoff").max() }
    }

    /// What to change, and why.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if let Some(slack) = self.slack.filter(|slack| *slack < ENOUGH_SLACK) {
            warnings.push(Warning(format!(
                "tempo's ingestion_time_range_slack is {} s: search and metrics miss spans that start earlier than that before they arrive; \
                 set it to 24h under live_store.wal, block_builder.wal and storage.trace.wal",
                slack.as_secs()
            )));
        }
        if let Some(cutoff) = self.cutoff.filter(|cutoff| *cutoff > SHORT_CUTOFF) {
            warnings.push(Warning(format!(
                "tempo's query_frontend.query_end_cutoff is {} s: search and metrics hide what is younger than that; set it to 5s",
                cutoff.as_secs()
            )));
        }
        warnings
    }
}

/// Reads what Go prints for a duration: `24h0m0s`, `2m0s`, `1.5s`, `300ms`.
fn parse_go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..number_end].parse().ok()?;
        let unit_end = rest[number_end..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| number_end + at);
        seconds += number
            * match &rest[number_end..unit_end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        assert_eq!(parse_go_duration("24h0m0s"), Some(Duration::from_secs(86_400)));
        assert_eq!(parse_go_duration("2m0s"), Some(Duration::from_secs(120)));
        assert_eq!(parse_go_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_go_duration("300ms"), Some(Duration::from_millis(300)));
        assert_eq!(parse_go_duration("0s"), Some(Duration::ZERO));
        for bad in ["", "5", "five", "-1s", "1d", "h", "1.2.3s", "99999999999999999999999h"] {
            assert_eq!(parse_go_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_defaults_of_tempo_are_warned_of_and_good_settings_are_not() {
        let defaults = "query_frontend:\n    query_end_cutoff: 30s\nlive_store:\n    wal:\n        ingestion_time_range_slack: 2m0s\n";
        let settings = Settings::read(defaults);
        assert_eq!(settings, Settings { slack: Some(Duration::from_secs(120)), cutoff: Some(Duration::from_secs(30)) });
        assert_eq!(settings.warnings().len(), 2);
        // One of three places was forgotten.
        let partly = "a:\n  ingestion_time_range_slack: 24h0m0s\nb:\n  ingestion_time_range_slack: 2m0s\nquery_end_cutoff: 5s";
        assert_eq!(Settings::read(partly).warnings().len(), 1);
        assert!(Settings::read("ingestion_time_range_slack: 24h0m0s\nquery_end_cutoff: 5s").warnings().is_empty());
        assert!(Settings::read("<html>not yaml</html>").warnings().is_empty());
    }
}
