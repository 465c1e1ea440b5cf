//! The status as JSON: its sections are objects, its facts their keys, in the order of the page.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::Number;
use crate::model::status::{Gauge, Section, ServerStatus, Value, Warning};
use crate::params::format;

pub(in crate::api) struct StatusDto<'a>(pub(in crate::api) &'a ServerStatus);

struct SectionDto<'a>(&'a Section);

struct ValueDto<'a>(&'a Value);

#[derive(serde::Serialize)]
struct WarningLine<'a> {
    severity: &'static str,
    about: &'static str,
    text: &'a str,
    next_step: &'a str,
}

#[derive(serde::Serialize)]
struct LimitLine {
    key: &'static str,
    used: u64,
    limit: u64,
    unit: &'static str,
    /// A share, in hundredths.
    ratio: Box<RawValue>,
    is_near: bool,
    setting: &'static str,
}

impl Serialize for StatusDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(status) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", status.word())?;
        map.serialize_entry("scope", status.scope.as_str())?;
        map.serialize_entry("at", &format::timestamp(status.at))?;
        map.serialize_entry("warnings", &status.warnings.iter().map(WarningLine::new).collect::<Vec<_>>())?;
        map.serialize_entry("limits", &status.limits.iter().map(LimitLine::new).collect::<Vec<_>>())?;
        for section in &status.sections {
            map.serialize_entry(section.key, &SectionDto(section))?;
        }
        map.end()
    }
}

impl Serialize for SectionDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.facts.iter().map(|fact| (fact.key, ValueDto(&fact.value))))
    }
}

impl Serialize for ValueDto<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Count(number) | Value::Bytes(number) => serializer.serialize_u64(*number),
            Value::Duration(length) => Number::seconds(*length).serialize(serializer),
            Value::Moment(at) => serializer.serialize_str(&format::timestamp(*at)),
            Value::Yes(yes) => serializer.serialize_bool(*yes),
            Value::None(_) => serializer.serialize_none(),
        }
    }
}

impl<'a> WarningLine<'a> {
    fn new(warning: &'a Warning) -> Self {
        Self { severity: warning.severity.as_str(), about: warning.about, text: &warning.text, next_step: &warning.next_step }
    }
}

impl LimitLine {
    fn new(gauge: &Gauge) -> Self {
        let hundredths = gauge.percent();
        let ratio = RawValue::from_string(format!("{}.{:02}", hundredths / 100, hundredths % 100));
        Self {
            key: gauge.key,
            used: gauge.used,
            limit: gauge.limit,
            unit: gauge.unit.as_str(),
            ratio: ratio.expect("digits, a point and digits are a JSON number"),
            is_near: gauge.is_near(),
            setting: gauge.setting,
        }
    }
}
