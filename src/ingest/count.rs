//! Counts the metric points of a request without decoding or allocating: it is all we want to know of them.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::conventions::agents;
use crate::wire::otlp::json::InvalidJson;
use crate::wire::otlp::{self, Malformed};

/// `resource_metrics`, `scope_metrics`, `metrics`, then `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`, `data_points`.
const METRIC_POINTS: &[&[u64]] = &[&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]];

/// The data points of an encoded `ExportMetricsServiceRequest`.
pub(super) fn metric_points(request: &[u8]) -> Result<u64, Malformed> {
    count(request, 0, METRIC_POINTS)
}

/// The data points of an `ExportMetricsServiceRequest` in OTLP/JSON.
pub(super) fn metric_points_json(request: &[u8]) -> Result<u64, InvalidJson> {
    serde_json::from_slice::<MetricsRequest>(request).map(|request| request.total()).map_err(|error| InvalidJson(error.to_string()))
}

/// Whether every scope of an encoded `ExportMetricsServiceRequest` is a coding agent's. Its resources and scopes lie as those of spans do.
pub(super) fn is_of_coding_agents(request: &[u8]) -> bool {
    let scopes = otlp::resource_spans(request).filter_map(Result::ok).flat_map(|resource| resource.scope_spans().filter_map(Result::ok));
    let mut names = scopes.map(|scope| scope.scope_name).peekable();
    names.peek().is_some() && names.all(agents::is_known_scope)
}

/// The same of OTLP/JSON.
pub(super) fn is_of_coding_agents_json(request: &[u8]) -> bool {
    let Ok(request) = serde_json::from_slice::<Scopes>(request) else { return false };
    let mut names = request.resources.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.scope.name.as_str()).peekable();
    names.peek().is_some() && names.all(agents::is_known_scope)
}

#[derive(Deserialize)]
struct Scopes {
    #[serde(default, rename = "resourceMetrics")]
    resources: Vec<ScopesOfResource>,
}

#[derive(Deserialize)]
struct ScopesOfResource {
    #[serde(default, rename = "scopeMetrics")]
    scopes: Vec<NamedScope>,
}

#[derive(Deserialize)]
struct NamedScope {
    #[serde(default)]
    scope: ScopeName,
}

#[derive(Deserialize, Default)]
struct ScopeName {
    #[serde(default)]
    name: String,
}

/// Counts the messages at the end of `path`, whose steps are the field numbers to follow at each depth.
fn count(message: &[u8], base: usize, path: &[&[u64]]) -> Result<u64, Malformed> {
    let Some((step, deeper)) = path.split_first() else { return Ok(1) };
    let mut total = 0;
    let mut at = 0;
    while at < message.len() {
        let fault = |at: usize, what| Malformed { offset: base + at, what };
        let (tag, after_tag) = varint(message, at).ok_or_else(|| fault(at, "a bad field tag"))?;
        let (skip_from, length) = match tag & 7 {
            0 => (varint(message, after_tag).ok_or_else(|| fault(after_tag, "a bad varint"))?.1, 0),
            1 => (after_tag, 8),
            5 => (after_tag, 4),
            2 => {
                let (length, from) = varint(message, after_tag).ok_or_else(|| fault(after_tag, "a bad length"))?;
                (from, usize::try_from(length).unwrap_or(usize::MAX))
            }
            _ => return Err(fault(at, "an unknown wire type")),
        };
        let end = skip_from.checked_add(length).filter(|end| *end <= message.len());
        let end = end.ok_or_else(|| fault(after_tag, "a field that ends after its message"))?;
        if tag & 7 == 2 && step.contains(&(tag >> 3)) {
            total += count(&message[skip_from..end], base + skip_from, deeper)?;
        }
        at = end;
    }
    Ok(total)
}

/// The varint at `at` and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, byte) in bytes.get(at..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((value, at + i + 1));
        }
    }
    None
}

// === JSON ===

/// A part of a request that knows how many records are in it.
trait Total {
    fn total(&self) -> u64;
}

/// The sum over a JSON array, whose elements are dropped as they are read. `null` is an empty array.
struct Sum<T>(u64, PhantomData<T>);

/// Anything: one record.
#[derive(Deserialize)]
struct Record(#[allow(dead_code)] IgnoredAny);

macro_rules! parts {
    ($($name:ident { $($field:ident: $json:literal of $part:ty),+ })+) => {$(
        #[derive(Deserialize)]
        struct $name {
            $(#[serde(default, rename = $json)] $field: Option<$part>),+
        }

        impl Total for $name {
            fn total(&self) -> u64 {
                0 $(+ self.$field.as_ref().map_or(0, Total::total))+
            }
        }
    )+};
}

parts! {
    MetricsRequest { resources: "resourceMetrics" of Sum<ResourceMetrics> }
    ResourceMetrics { scopes: "scopeMetrics" of Sum<ScopeMetrics> }
    ScopeMetrics { metrics: "metrics" of Sum<Metric> }
    Metric {
        gauge: "gauge" of Points,
        sum: "sum" of Points,
        histogram: "histogram" of Points,
        exponential: "exponentialHistogram" of Points,
        summary: "summary" of Points
    }
    Points { points: "dataPoints" of Sum<Record> }
}

impl Total for Record {
    fn total(&self) -> u64 {
        1
    }
}

impl<T> Total for Sum<T> {
    fn total(&self) -> u64 {
        self.0
    }
}

impl<'de, T: Deserialize<'de> + Total> Deserialize<'de> for Sum<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self(0, PhantomData))
    }
}

impl<'de, T: Deserialize<'de> + Total> Visitor<'de> for Sum<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<Self, A::Error> {
        while let Some(element) = elements.next_element::<T>()? {
            self.0 += element.total();
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{
        ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum, Summary,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[test]
    fn the_points_of_every_kind_of_metric_are_counted() {
        let data = [
            Data::Gauge(Gauge { data_points: vec![Default::default(); 1] }),
            Data::Sum(Sum { data_points: vec![Default::default(); 2], ..Default::default() }),
            Data::Histogram(Histogram { data_points: vec![Default::default(); 4], ..Default::default() }),
            Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![Default::default(); 8], ..Default::default() }),
            Data::Summary(Summary { data_points: vec![Default::default(); 16] }),
        ];
        let metrics = data.map(|data| Metric { name: "m".into(), data: Some(data), ..Default::default() }).to_vec();
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
                ..Default::default()
            }],
        };
        assert_eq!(metric_points(&request.encode_to_vec()), Ok(31));
        assert_eq!(metric_points_json(&serde_json::to_vec(&request).unwrap()), Ok(31));
    }

    #[test]
    fn bad_bytes_are_named_by_their_place_in_the_request() {
        assert_eq!(metric_points(&[0x0a, 0x02, 0x12, 0x05]), Err(Malformed { offset: 3, what: "a field that ends after its message" }));
        assert!(metric_points(&[0x0a]).is_err());
        assert!(metric_points(&[0x0b]).is_err());
        assert!(metric_points(&[0xff; 12]).is_err());
        assert!(metric_points_json(b"{\"resourceMetrics\":3}").is_err());
        assert_eq!(metric_points_json(br#"{"resourceMetrics":null,"new":[1]}"#), Ok(0));
    }

    #[test]
    fn metrics_of_coding_agents_are_known_by_their_scopes_and_by_all_of_them() {
        let of = |scopes: &[&str]| {
            let scope = |name: &&str| ScopeMetrics {
                scope: Some(InstrumentationScope { name: (*name).to_owned(), ..Default::default() }),
                ..Default::default()
            };
            let scope_metrics = scopes.iter().map(scope).collect();
            ExportMetricsServiceRequest { resource_metrics: vec![ResourceMetrics { scope_metrics, ..Default::default() }] }
        };
        for (scopes, is_known) in [
            (&["com.anthropic.claude_code", "gemini-cli"][..], true),
            (&["com.anthropic.claude_code", "my.app"], false),
            (&["my.app"], false),
            (&[], false),
        ] {
            let request = of(scopes);
            assert_eq!(is_of_coding_agents(&request.encode_to_vec()), is_known, "{scopes:?}");
            assert_eq!(is_of_coding_agents_json(&serde_json::to_vec(&request).unwrap()), is_known, "{scopes:?}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = (metric_points(&body), metric_points_json(&body), is_of_coding_agents(&body), is_of_coding_agents_json(&body));
        }
    }
}
