//! The two text formats of `/metrics`, and which of them a client gets.
//!
//! OpenMetrics 1.0 is what the registry writes. The older format (`text/plain; version=0.0.4`) holds the same samples under the same names;
//! they differ in what surrounds them:
//!
//! | | OpenMetrics | 0.0.4 |
//! |---|---|---|
//! | a counter's `HELP` and `TYPE` name | its family, `x` | its samples, `x_total` |
//! | an info metric | type `info`, family `x` | a gauge, `x_info` |
//! | `UNIT`, `EOF` | lines of their own | none |

use http::{HeaderMap, HeaderValue, header};

/// A format that we write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exposition {
    OpenMetrics,
    Text,
}

/// Media types looked at in one request; Prometheus sends five.
const RANGES_MAX: usize = 32;

// === impl Exposition ===

impl Exposition {
    /// OpenMetrics for who prefers it to plain text; everybody else, a person with curl too, gets the format that every tool reads.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let (mut open_metrics, mut text) = (0, 0);
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')).take(RANGES_MAX) {
            let (name, weight) = weighed(range);
            match name {
                "application/openmetrics-text" => open_metrics = open_metrics.max(weight),
                "text/plain" | "text/*" | "*/*" => text = text.max(weight),
                _ => {}
            }
        }
        if open_metrics > text { Self::OpenMetrics } else { Self::Text }
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        })
    }

    /// A page of the registry in this format.
    pub(super) fn of_page(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => to_text(&open_metrics),
        }
    }
}

/// The media type of one part of an `Accept` header, and its weight in thousandths (RFC 9110, section 12.4.2).
fn weighed(range: &str) -> (&str, u32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|parameter| parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")));
    let weight = weight.map_or(1.0, |weight| weight.trim().parse::<f64>().unwrap_or(0.0));
    (name, (weight.clamp(0.0, 1.0) * 1000.0) as u32)
}

fn to_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // HELP comes before TYPE, and what it is called depends on the type.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((family, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, words)) = help.take().filter(|(named, _)| *named == family) {
                text.extend(["# HELP ", family, suffix, " ", words, "\n"]);
            }
            text.extend(["# TYPE ", family, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::{Registry, Unit};

    use super::*;

    fn chosen(accept: &[&'static str]) -> Exposition {
        let headers = accept.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value)));
        Exposition::of(&headers.collect())
    }

    #[test]
    fn openmetrics_is_for_those_who_prefer_it() {
        // What Prometheus 2.49 and later sends.
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for accept in [&[prometheus][..], &["application/openmetrics-text"], &["text/plain;q=0.9", "application/openmetrics-text; q=1"]] {
            assert_eq!(chosen(accept), Exposition::OpenMetrics, "{accept:?}");
        }
        let refuses = "application/openmetrics-text;q=0, text/plain";
        for accept in [&[][..], &["*/*"], &["text/plain"], &["text/plain, application/openmetrics-text;q=0.5"], &[refuses], &["text/html"]]
        {
            assert_eq!(chosen(accept), Exposition::Text, "{accept:?}");
        }
    }

    #[test]
    fn the_older_format_names_what_its_samples_are_called() {
        let mut registry = Registry::default();
        let requests = Family::<[(&str, &str); 1], Counter>::default();
        requests.get_or_create(&[("route", "a \"b\"\\\n# TYPE x counter")]).inc();
        registry.register("requests", "Requests answered", requests);
        registry.register_with_unit("busy", "Time spent", Unit::Seconds, Counter::<u64>::default());
        registry.register("queue", "Waiting now", Gauge::<i64>::default());
        registry.register_with_unit("wait", "Time waited", Unit::Seconds, Histogram::new([0.5]));
        registry.register("build", "What runs", Info::new([("version", "1")]));
        // Has no series yet, so it does not show.
        registry.register("none", "Nothing yet", Family::<[(&str, &str); 1], Counter>::default());
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        let expected = "# HELP requests_total Requests answered.\n# TYPE requests_total counter\n\
            requests_total{route=\"a \\\"b\\\"\\\\\\n# TYPE x counter\"} 1\n\
            # HELP busy_seconds_total Time spent.\n# TYPE busy_seconds_total counter\nbusy_seconds_total 0\n\
            # HELP queue Waiting now.\n# TYPE queue gauge\nqueue 0\n\
            # HELP wait_seconds Time waited.\n# TYPE wait_seconds histogram\nwait_seconds_sum 0.0\nwait_seconds_count 0\n\
            wait_seconds_bucket{le=\"0.5\"} 0\nwait_seconds_bucket{le=\"+Inf\"} 0\n\
            # HELP build_info What runs.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n";
        assert_eq!(Exposition::Text.of_page(page.clone()), expected);
        assert_eq!(Exposition::OpenMetrics.of_page(page.clone()), page);
    }
}
