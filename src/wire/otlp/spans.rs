//! An allocation-free walk over an encoded OTLP `ExportTraceServiceRequest`.
//!
//! - What it yields is what a decoder would have decoded, also where a sender split a message in pieces: the last of a repeated scalar
//!   wins, the attributes of a repeated resource, scope or value add up, fields in any order, unknown fields passed by.
//! - It never panics on bytes nobody inspected: it yields an `Err` and then ends.
//! - It does not judge: ids are whatever bytes were sent, and text of a span or scope that is not UTF-8 reads as empty, so that the walk
//!   and the ordinals of [`super::inspect`], which judges, always agree. (An attribute that is not UTF-8 is an `Err`: nobody reads the
//!   attributes of a faulted span.)
//! - Offsets in errors count from the start of the message that was being walked.

use super::value::{any_attribute, attribute, usual};
use super::walk::{messages, next_message, next_of_any, until_error};
use super::{Attribute, Malformed};
use crate::wire::protobuf::reader::{DELIMITED, FIXED64, Reader, VARINT, text_or_empty};

/// One `ResourceSpans`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ResourceSpans<'a> {
    bytes: &'a [u8],
}

/// One `ScopeSpans`, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ScopeSpans<'a> {
    bytes: &'a [u8],
    /// `InstrumentationScope.name`; empty where there is none.
    pub scope_name: &'a str,
    /// `InstrumentationScope.version`; empty where there is none.
    pub scope_version: &'a str,
}

/// The spans of a scope, one after another, each in one walk over its bytes.
pub struct SpanWalk<'a> {
    /// `None` after an error.
    reader: Option<Reader<'a>>,
}

/// What gets the attributes of a span.
pub trait VisitAttributes<'a> {
    /// An attribute as every encoder writes it: its key, and its `AnyValue`, which is not read yet. Both are as they were sent.
    fn visit(&mut self, key: &'a [u8], any_value: &'a [u8]);

    /// One of another form.
    fn visit_read(&mut self, attribute: Attribute<'a>);
}

/// One `Span`: its scalar fields read, its attributes and events still encoded. Strings are valid UTF-8 after [`super::inspect`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Span<'a> {
    /// The encoded `Span` message.
    pub bytes: &'a [u8],
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub parent_span_id: &'a [u8],
    pub trace_state: &'a str,
    pub flags: u32,
    pub name: &'a str,
    pub kind: i32,
    pub start_time_unix_nano: u64,
    pub end_time_unix_nano: u64,
    pub status_code: i32,
    pub status_message: &'a str,
}

/// One `Span.Event`: its attributes still encoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanEvent<'a> {
    /// The encoded `Span.Event` message.
    pub bytes: &'a [u8],
    pub time_unix_nano: u64,
    pub name: &'a str,
}

/// The `ResourceSpans` of an encoded `ExportTraceServiceRequest` (equally `TracesData`).
pub fn resource_spans(request: &[u8]) -> impl Iterator<Item = Result<ResourceSpans<'_>, Malformed>> {
    messages(request, 1, |message| Ok(ResourceSpans { bytes: message.rest() }))
}

// The keys of fields of a `Span`.
const TRACE_ID: u32 = 1 << 3 | DELIMITED;
const SPAN_ID: u32 = 2 << 3 | DELIMITED;
const PARENT_SPAN_ID: u32 = 4 << 3 | DELIMITED;
const NAME: u32 = 5 << 3 | DELIMITED;
const KIND: u32 = 6 << 3 | VARINT;
const START: u32 = 7 << 3 | FIXED64;
const END: u32 = 8 << 3 | FIXED64;
const ATTRIBUTE: u32 = 9 << 3 | DELIMITED;
const EVENT: u32 = 11 << 3 | DELIMITED;
const LINK: u32 = 13 << 3 | DELIMITED;
const STATUS: u32 = 15 << 3 | DELIMITED;

// === impl ResourceSpans ===

impl<'a> ResourceSpans<'a> {
    /// The attributes of the resource.
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        attributes_of(self.bytes, 1, 1)
    }

    pub fn scope_spans(&self) -> impl Iterator<Item = Result<ScopeSpans<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 2, ScopeSpans::read)
    }
}

// === impl ScopeSpans ===

impl<'a> ScopeSpans<'a> {
    /// The attributes of the scope.
    pub fn scope_attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        attributes_of(self.bytes, 1, 3)
    }

    pub fn spans(&self) -> impl Iterator<Item = Result<Span<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 2, Span::read)
    }

    /// As [`Self::spans`], for whoever reads their attributes too.
    pub fn walk(&self) -> SpanWalk<'a> {
        SpanWalk { reader: Some(Reader::new(self.bytes)) }
    }

    fn read(mut message: Reader<'a>) -> Result<Self, Malformed> {
        let mut scope_spans = Self { bytes: message.rest(), scope_name: "", scope_version: "" };
        while let Some(field) = message.field()? {
            if field.number != 1 {
                continue;
            }
            let mut scope = field.message()?;
            while let Some(field) = scope.field()? {
                match field.number {
                    1 => scope_spans.scope_name = field.text_or_empty()?,
                    2 => scope_spans.scope_version = field.text_or_empty()?,
                    _ => {}
                }
            }
        }
        Ok(scope_spans)
    }
}

// === impl SpanWalk ===

impl<'a> SpanWalk<'a> {
    /// The next span; `visitor` gets its attributes before, in the order they were sent. From the first on that is malformed it gets no more
    /// of that span. After an `Err` there is nothing.
    #[inline(always)]
    pub fn next(&mut self, visitor: &mut impl VisitAttributes<'a>) -> Option<Result<Span<'a>, Malformed>> {
        let message = next_message(self.reader.as_mut()?, 2).transpose()?;
        let mut is_sound = true;
        let span = message.and_then(|message| {
            Span::read_visiting(message, |attribute| match usual(attribute) {
                Some((key, value)) if is_sound => visitor.visit(key, value),
                _ => is_sound = is_sound && visit_any(attribute, visitor).is_ok(),
            })
        });
        if span.is_err() {
            self.reader = None;
        }
        Some(span)
    }
}

#[cold]
fn visit_any<'a>(attribute: &'a [u8], visitor: &mut impl VisitAttributes<'a>) -> Result<(), Malformed> {
    visitor.visit_read(any_attribute(Reader::new(attribute))?);
    Ok(())
}

// === impl Span ===

impl<'a> Span<'a> {
    /// In the order they were sent, repeated keys included.
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 9, attribute)
    }

    pub fn events(&self) -> impl Iterator<Item = Result<SpanEvent<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 11, SpanEvent::read)
    }

    pub(super) fn read(message: Reader<'a>) -> Result<Self, Malformed> {
        Self::read_visiting(message, |_| ())
    }

    /// `visit` gets the content of each attribute.
    #[inline(always)]
    fn read_visiting(mut message: Reader<'a>, mut visit: impl FnMut(&'a [u8])) -> Result<Self, Malformed> {
        let mut span = Self { bytes: message.rest(), ..Self::default() };
        while !message.is_empty() {
            let field = message.offset();
            // Every field of every span passes through here, so those that there are many of are not unpacked.
            let (key, content) = match message.short_field() {
                Some(field) => field,
                None => match message.short_number() {
                    Some((KIND, kind)) => {
                        span.kind = kind as i32;
                        continue;
                    }
                    Some((START, start)) => {
                        span.start_time_unix_nano = start;
                        continue;
                    }
                    Some((END, end)) => {
                        span.end_time_unix_nano = end;
                        continue;
                    }
                    _ => {
                        let (rest, attribute) = span.read_field(message.back_to(field))?;
                        message = rest;
                        let Some(attribute) = attribute else { continue };
                        (ATTRIBUTE, attribute)
                    }
                },
            };
            match key {
                ATTRIBUTE => visit(content),
                EVENT | LINK => {}
                TRACE_ID => span.trace_id = content,
                SPAN_ID => span.span_id = content,
                PARENT_SPAN_ID => span.parent_span_id = content,
                NAME => span.name = text_or_empty(content),
                STATUS => span.read_status(message.inside(content)?)?,
                _ => (message, _) = span.read_field(message.back_to(field))?,
            }
        }
        Ok(span)
    }

    /// Reads any field; gives what follows it, and the content of an attribute.
    fn read_field(&mut self, mut message: Reader<'a>) -> Result<(Reader<'a>, Option<&'a [u8]>), Malformed> {
        let mut attribute = None;
        let Some(field) = message.field()? else { return Ok((message, None)) };
        match field.number {
            1 => self.trace_id = field.bytes()?,
            2 => self.span_id = field.bytes()?,
            3 => self.trace_state = field.text_or_empty()?,
            4 => self.parent_span_id = field.bytes()?,
            5 => self.name = field.text_or_empty()?,
            6 => self.kind = field.varint()? as i32,
            7 => self.start_time_unix_nano = field.fixed64()?,
            8 => self.end_time_unix_nano = field.fixed64()?,
            9 => attribute = Some(field.bytes()?),
            15 => self.read_status(field.message()?)?,
            16 => self.flags = field.fixed32()?,
            _ => {}
        }
        Ok((message, attribute))
    }

    fn read_status(&mut self, mut status: Reader<'a>) -> Result<(), Malformed> {
        while let Some(field) = status.field()? {
            match field.number {
                2 => self.status_message = field.text_or_empty()?,
                3 => self.status_code = field.varint()? as i32,
                _ => {}
            }
        }
        Ok(())
    }
}

// === impl SpanEvent ===

impl<'a> SpanEvent<'a> {
    pub fn attributes(&self) -> impl Iterator<Item = Result<Attribute<'a>, Malformed>> + use<'a> {
        messages(self.bytes, 3, attribute)
    }

    fn read(mut message: Reader<'a>) -> Result<Self, Malformed> {
        let mut event = Self { bytes: message.rest(), ..Self::default() };
        while let Some(field) = message.field()? {
            match field.number {
                1 => event.time_unix_nano = field.fixed64()?,
                2 => event.name = field.text_or_empty()?,
                _ => {}
            }
        }
        Ok(event)
    }
}

/// The attributes in every occurrence of the message `holder` (a resource or scope), whose field `number` they are.
fn attributes_of(message: &[u8], holder: u32, number: u32) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> {
    let mut holders = Reader::new(message);
    let mut attributes = Reader::new(&[]);
    until_error(std::iter::from_fn(move || {
        next_of_any(&mut holders, holder, &mut attributes, number).and_then(|found| found.map(attribute).transpose()).transpose()
    }))
}

#[cfg(test)]
mod tests;
