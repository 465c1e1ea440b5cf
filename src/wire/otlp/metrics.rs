//! How many data points a metrics request holds: it is all that is wanted of metrics, and nothing is kept in memory for it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Malformed;
use super::json::InvalidJson;
use crate::wire::protobuf::reader::Reader;

/// The fields that lead from an `ExportMetricsServiceRequest` to its data points, by number and by name in JSON. In the fourth step there
/// is one for each kind of metric.
const STEPS: &[&[(u32, &str)]] = &[
    &[(1, "resourceMetrics")],
    &[(2, "scopeMetrics")],
    &[(2, "metrics")],
    &[(5, "gauge"), (7, "sum"), (9, "histogram"), (10, "exponentialHistogram"), (11, "summary")],
    &[(1, "dataPoints")],
];

/// The data points of an encoded `ExportMetricsServiceRequest`.
///
/// # Errors
/// Where the bytes on the way to the points are no protobuf. What is not on the way is not looked into.
pub fn points(request: &[u8]) -> Result<u64, Malformed> {
    count(Reader::new(request), STEPS)
}

/// The data points of an `ExportMetricsServiceRequest` in OTLP/JSON.
///
/// # Errors
/// Where it is no JSON, or something else stands where an object or array must be.
pub fn points_json(request: &[u8]) -> Result<u64, InvalidJson> {
    let mut json = serde_json::Deserializer::from_slice(request);
    let counted = Below(STEPS).deserialize(&mut json).and_then(|n| json.end().map(|()| n));
    counted.map_err(|error| InvalidJson(error.to_string()))
}

fn count(mut message: Reader<'_>, steps: &[&[(u32, &str)]]) -> Result<u64, Malformed> {
    let Some((step, deeper)) = steps.split_first() else { return Ok(1) };
    let mut n = 0;
    while let Some(field) = message.field()? {
        if step.iter().any(|(number, _)| *number == field.number) {
            n += count(field.message()?, deeper)?;
        }
    }
    Ok(n)
}

/// Counts what lies at the end of the steps, in an object or in each object of an array. `null` is an empty array.
#[derive(Clone, Copy)]
struct Below(&'static [&'static [(u32, &'static str)]]);

// === impl Below ===

impl<'de> DeserializeSeed<'de> for Below {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<u64, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Below {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of objects")
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<u64, A::Error> {
        let mut n = 0;
        while let Some(below) = elements.next_element_seed(self)? {
            n += below;
        }
        Ok(n)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let Some((step, deeper)) = self.0.split_first() else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(1);
        };
        let mut n = 0;
        while let Some(name) = members.next_key::<std::borrow::Cow<'_, str>>()? {
            if step.iter().any(|(_, known)| *known == name) {
                n += members.next_value_seed(Self(deeper))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
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
        assert_eq!(points(&request.encode_to_vec()), Ok(31));
        assert_eq!(points_json(&serde_json::to_vec(&request).unwrap()), Ok(31));
    }

    #[test]
    fn bad_bytes_are_named_by_their_place_in_the_request() {
        assert_eq!(points(&[0x0a, 0x02, 0x12, 0x05]), Err(Malformed { offset: 3, what: "length beyond the end of the message" }));
        assert!(points(&[0x0a]).is_err());
        assert!(points(&[0x0b]).is_err());
        assert!(points(&[0xff; 12]).is_err());
    }

    #[test]
    fn json_that_is_no_request_is_refused_and_unknown_members_are_not() {
        for bad in ["{\"resourceMetrics\":3}", "3", "{}x", "{\"resourceMetrics\":[{\"scopeMetrics\":[7]}]}"] {
            assert!(points_json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(points_json(br#"{"resourceMetrics":null,"new":[1],"n\u0065w":{}}"#), Ok(0));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = (points(&body), points_json(&body));
        }
    }
}
