//! Validation of a whole request before it is journaled: what is wrong with the bytes, and with which spans.
//!
//! - A request is refused as a whole exactly where prost could not decode it, but for three things that a sender can get wrong in one
//!   span while the rest is good: ids, strings that are not UTF-8, and attribute values nested too deep. Those are faults of the span.
//! - Such a string or value in a resource or scope (or in the fields beside them) is a fault of every span below it. Where there is no
//!   span below it to carry the fault, the request is refused.
//! - So what remains when [`super::rewrite`] has dropped the faulted spans is always decodable by anyone.
//! - Allocates only for faults.

use super::otlp::Malformed;
use super::reader::{Field, Raw, Reader};
use super::schema::{Kind, RESOURCE_SPANS, SCOPE_SPANS, SPAN, Schema};

/// Bounds on what is looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many arrays and maps of an attribute may lie inside one another: 0 allows none, 1 an array of strings.
    ///
    /// Above about 30 it has no effect of its own: prost decodes at most 100 messages inside one another, and what is deeper is too deep
    /// whatever this says.
    pub max_depth: u32,
}

/// Why one span is refused while the rest of its request is taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpanFault {
    TraceIdLength,
    TraceIdZero,
    SpanIdLength,
    SpanIdZero,
    /// A parent id that is there and is not 8 bytes. (Eight zero bytes are no parent, and no fault.)
    ParentIdLength,
    /// A string of the span, or of its scope or resource, that is not UTF-8.
    Utf8,
    /// An attribute value nested deeper than [`Limits::max_depth`]. What lies deeper was not looked into.
    TooDeep,
}

/// What a well-formed request holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inspection {
    pub n_spans: usize,
    /// The spans that cannot be taken, by their ordinal in the walk, ascending; one fault for each, the first that was found.
    pub faults: Vec<(usize, SpanFault)>,
}

/// Checks every byte of an encoded `ExportTraceServiceRequest`: wire types, lengths, ids, UTF-8, depth.
///
/// `Err` means the request as a whole is not protobuf of that type; nothing in it can be trusted. Offsets count from the request's start.
pub fn inspect(request: &[u8], limits: Limits) -> Result<Inspection, Malformed> {
    let mut inspector = Inspector { limits, found: Inspection::default(), fault: None };
    inspector.request(Reader::new(request))?;
    Ok(inspector.found)
}

struct Inspector {
    limits: Limits,
    found: Inspection,
    /// The first fault in what is being read; whoever reads a span, or one field of a scope or resource, takes it from here afterwards.
    fault: Option<SpanFault>,
}

// === impl Inspector ===

impl Inspector {
    fn request(&mut self, mut request: Reader<'_>) -> Result<(), Malformed> {
        while let Some(field) = request.field()? {
            if field.number == 1 {
                self.resource_spans(field.message()?)?;
            }
        }
        Ok(())
    }

    fn resource_spans(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        let (first, offset) = (self.found.n_spans, message.offset());
        let mut fault = None;
        while let Some(field) = message.field()? {
            if field.number == 2 {
                self.scope_spans(field.message()?)?;
                continue;
            }
            self.field(&message, &field, &RESOURCE_SPANS, 0)?;
            fault = fault.or(self.fault.take());
        }
        self.blame_spans_since(first, fault, offset)
    }

    fn scope_spans(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        let (first, offset) = (self.found.n_spans, message.offset());
        let mut fault = None;
        while let Some(field) = message.field()? {
            if field.number == 2 {
                self.span(field.message()?)?;
                continue;
            }
            self.field(&message, &field, &SCOPE_SPANS, 0)?;
            fault = fault.or(self.fault.take());
        }
        self.blame_spans_since(first, fault, offset)
    }

    fn span(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        let (mut trace_id, mut span_id, mut parent_span_id): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        while let Some(field) = message.field()? {
            match (field.number, field.raw) {
                (1, Raw::Delimited(id)) => trace_id = id.rest(),
                (2, Raw::Delimited(id)) => span_id = id.rest(),
                (4, Raw::Delimited(id)) => parent_span_id = id.rest(),
                _ => self.field(&message, &field, &SPAN, 0)?,
            }
        }
        let content_fault = self.fault.take();
        if let Some(fault) = id_fault(trace_id, span_id, parent_span_id).or(content_fault) {
            self.found.faults.push((self.found.n_spans, fault));
        }
        self.found.n_spans += 1;
        Ok(())
    }

    /// Everything inside a span, scope or resource. `nesting` counts the arrays and maps around it.
    fn message(&mut self, mut message: Reader<'_>, schema: &Schema, nesting: u32) -> Result<(), Malformed> {
        while let Some(field) = message.field()? {
            self.field(&message, &field, schema, nesting)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn field(&mut self, message: &Reader<'_>, field: &Field<'_>, schema: &Schema, nesting: u32) -> Result<(), Malformed> {
        match (schema.kind(field.number), field.raw) {
            (Kind::Text, Raw::Delimited(text)) => {
                if !is_utf8(text.rest()) {
                    self.blame(SpanFault::Utf8);
                }
                Ok(())
            }
            (Kind::Message(inner), Raw::Delimited(content)) => self.enter(content, inner, nesting),
            (Kind::Nest(_), Raw::Delimited(_)) if nesting >= self.limits.max_depth => {
                self.blame(SpanFault::TooDeep);
                Ok(())
            }
            (Kind::Nest(inner), Raw::Delimited(content)) => self.enter(content, inner, nesting + 1),
            (Kind::Bytes, Raw::Delimited(_))
            | (Kind::Varint, Raw::Varint(_))
            | (Kind::Fixed64, Raw::Fixed64(_))
            | (Kind::Fixed32, Raw::Fixed32(_)) => Ok(()),
            (Kind::Unknown, _) => {
                if !message.may_skip() {
                    self.blame(SpanFault::TooDeep);
                }
                Ok(())
            }
            _ => Err(field.wrong_wire_type()),
        }
    }

    fn enter(&mut self, content: Reader<'_>, schema: &Schema, nesting: u32) -> Result<(), Malformed> {
        match content.enter() {
            Some(message) => self.message(message, schema, nesting),
            None => {
                self.blame(SpanFault::TooDeep);
                Ok(())
            }
        }
    }

    #[cold]
    fn blame(&mut self, fault: SpanFault) {
        self.fault.get_or_insert(fault);
    }

    /// Gives a fault of a scope or resource, whose bytes begin at `offset`, to its spans, which are the last ones counted.
    fn blame_spans_since(&mut self, first: usize, fault: Option<SpanFault>, offset: usize) -> Result<(), Malformed> {
        let Some(fault) = fault else {
            return Ok(());
        };
        if first == self.found.n_spans {
            let what = "a string that is not UTF-8, or a value nested too deep, outside every span";
            return Err(Malformed { offset, what });
        }
        let own = self.found.faults.partition_point(|&(ordinal, _)| ordinal < first);
        let mut own = self.found.faults.split_off(own).into_iter().peekable();
        for ordinal in first..self.found.n_spans {
            let of_span = own.next_if(|&(of, _)| of == ordinal);
            self.found.faults.push(of_span.unwrap_or((ordinal, fault)));
        }
        Ok(())
    }
}

fn id_fault(trace_id: &[u8], span_id: &[u8], parent_span_id: &[u8]) -> Option<SpanFault> {
    match (trace_id.len(), span_id.len(), parent_span_id.len()) {
        (16, 8, 0 | 8) => {}
        (16, 8, _) => return Some(SpanFault::ParentIdLength),
        (16, _, _) => return Some(SpanFault::SpanIdLength),
        _ => return Some(SpanFault::TraceIdLength),
    }
    if trace_id == [0; 16] {
        return Some(SpanFault::TraceIdZero);
    }
    (span_id == [0; 8]).then_some(SpanFault::SpanIdZero)
}

#[inline(always)]
fn is_utf8(text: &[u8]) -> bool {
    simdutf8::basic::from_utf8(text).is_ok()
}

// === impl SpanFault ===

impl SpanFault {
    /// A label for metrics and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TraceIdLength => "trace_id_length",
            Self::TraceIdZero => "trace_id_zero",
            Self::SpanIdLength => "span_id_length",
            Self::SpanIdZero => "span_id_zero",
            Self::ParentIdLength => "parent_span_id_length",
            Self::Utf8 => "invalid_utf8",
            Self::TooDeep => "too_deep",
        }
    }
}

#[cfg(test)]
mod tests;
