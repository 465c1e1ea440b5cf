//! An allocation-free walk over an encoded OTLP `ExportLogsServiceRequest`, as [`crate::wire::otlp`] is one over spans.
//!
//! - What it yields is what a decoder would have decoded. It never panics: it yields an `Err` and then ends.
//! - Text outside attributes that is not UTF-8 reads as empty; an attribute that is not UTF-8 is an `Err`, which [`super::repair`] mends.

use super::value::{attribute, value_of};
use super::walk::{messages, next_of_any, until_error};
use super::{Attribute, Malformed, Value};
use crate::wire::protobuf::reader::Reader;

/// One `ResourceLogs`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ResourceLogs<'a> {
    bytes: &'a [u8],
}

/// One `ScopeLogs`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ScopeLogs<'a> {
    bytes: &'a [u8],
    /// `InstrumentationScope.name`; empty where there is none.
    pub scope_name: &'a str,
}

/// One `LogRecord`: its scalar fields read, its attributes still encoded.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    bytes: &'a [u8],
    pub time_unix_nano: u64,
    pub observed_time_unix_nano: u64,
    pub body: Value<'a>,
    pub event_name: &'a str,
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
}

/// The `ResourceLogs` of an encoded `ExportLogsServiceRequest`.
pub fn resource_logs(request: &[u8]) -> impl Iterator<Item = Result<ResourceLogs<'_>, Malformed>> {
    messages(request, 1, |message| Ok(ResourceLogs { bytes: message.rest() }))
}

// === impl ResourceLogs ===

impl<'a> ResourceLogs<'a> {
    /// The attributes of the resource.
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        let (mut resources, mut current) = (Reader::new(self.bytes), Reader::new(&[]));
        until_error(std::iter::from_fn(move || {
            next_of_any(&mut resources, 1, &mut current, 1).and_then(|found| found.map(attribute).transpose()).transpose()
        }))
    }

    pub fn scope_logs(&self) -> impl Iterator<Item = Result<ScopeLogs<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 2, ScopeLogs::read)
    }
}

// === impl ScopeLogs ===

impl<'a> ScopeLogs<'a> {
    pub fn log_records(&self) -> impl Iterator<Item = Result<LogRecord<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 2, LogRecord::read)
    }

    fn read(mut message: Reader<'a>) -> Result<Self, Malformed> {
        let mut scope_logs = Self { bytes: message.rest(), scope_name: "" };
        while let Some(field) = message.field()? {
            if field.number != 1 {
                continue;
            }
            let mut scope = field.message()?;
            while let Some(field) = scope.field()? {
                if field.number == 1 {
                    scope_logs.scope_name = field.text_or_empty()?;
                }
            }
        }
        Ok(scope_logs)
    }
}

// === impl LogRecord ===

impl<'a> LogRecord<'a> {
    /// In the order they were sent, repeated keys included.
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 6, attribute)
    }

    fn read(mut message: Reader<'a>) -> Result<Self, Malformed> {
        let mut record = Self {
            bytes: message.rest(),
            time_unix_nano: 0,
            observed_time_unix_nano: 0,
            body: Value::Empty,
            event_name: "",
            trace_id: &[],
            span_id: &[],
        };
        while let Some(field) = message.field()? {
            match field.number {
                1 => record.time_unix_nano = field.fixed64()?,
                5 => record.body = value_of(field.message()?)?,
                9 => record.trace_id = field.bytes()?,
                10 => record.span_id = field.bytes()?,
                11 => record.observed_time_unix_nano = field.fixed64()?,
                12 => record.event_name = field.text_or_empty()?,
                _ => {}
            }
        }
        Ok(record)
    }
}
