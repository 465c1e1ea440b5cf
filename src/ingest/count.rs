//! Counts the log records or metric points of a request without decoding or allocating: it is all we want to know of them.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::wire::json::InvalidJson;
use crate::wire::otlp::Malformed;

/// `resource_logs`, `scope_logs`, `log_records`.
const LOG_RECORDS: &[&[u64]] = &[&[1], &[2], &[2]];
/// `resource_metrics`, `scope_metrics`, `metrics`, then `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`, `data_points`.
const METRIC_POINTS: &[&[u64]] = &[&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]];

/// The log records of an encoded `ExportLogsServiceRequest`.
pub(super) fn log_records(request: &[u8]) -> Result<u64, Malformed> {
    count(request, 0, LOG_RECORDS)
}

/// The data points of an encoded `ExportMetricsServiceRequest`.
pub(super) fn metric_points(request: &[u8]) -> Result<u64, Malformed> {
    count(request, 0, METRIC_POINTS)
}

/// The log records of an `ExportLogsServiceRequest` in OTLP/JSON.
pub(super) fn log_records_json(request: &[u8]) -> Result<u64, InvalidJson> {
    serde_json::from_slice::<LogsRequest>(request).map(|request| request.total()).map_err(|error| InvalidJson(error.to_string()))
}

/// The data points of an `ExportMetricsServiceRequest` in OTLP/JSON.
pub(super) fn metric_points_json(request: &[u8]) -> Result<u64, InvalidJson> {
    serde_json::from_slice::<MetricsRequest>(request).map(|request| request.total()).map_err(|error| InvalidJson(error.to_string()))
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
    LogsRequest { resources: "resourceLogs" of Sum<ResourceLogs> }
    ResourceLogs { scopes: "scopeLogs" of Sum<ScopeLogs> }
    ScopeLogs { records: "logRecords" of Sum<Record> }
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
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{
        ExponentialHistogram, Gauge, Histogram, Metric, ResourceMetrics, ScopeMetrics, Sum, Summary,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[test]
    fn log_records_are_counted_in_both_formats() {
        let scope = |n: usize| ScopeLogs { log_records: vec![LogRecord { body: None, ..Default::default() }; n], ..Default::default() };
        let request = ExportLogsServiceRequest {
            resource_logs: vec![
                ResourceLogs { scope_logs: vec![scope(2), scope(0)], ..Default::default() },
                ResourceLogs { scope_logs: vec![scope(3)], ..Default::default() },
            ],
        };
        assert_eq!(log_records(&request.encode_to_vec()), Ok(5));
        assert_eq!(log_records_json(&serde_json::to_vec(&request).unwrap()), Ok(5));
        assert_eq!(log_records_json(br#"{"resourceLogs":null,"new":[1]}"#), Ok(0));
        assert!(log_records_json(b"{\"resourceLogs\":3}").is_err());
    }

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
        assert_eq!(log_records(&[0x0a, 0x02, 0x12, 0x05]), Err(Malformed { offset: 3, what: "a field that ends after its message" }));
        assert!(log_records(&[0x0a]).is_err());
        assert!(log_records(&[0x0b]).is_err());
        assert!(log_records(&[0xff; 12]).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = (log_records(&body), metric_points(&body), log_records_json(&body), metric_points_json(&body));
        }
    }
}
