//! Validation of a whole request before it is journaled: what is wrong with the bytes, and with which spans.
//!
//! - A request is refused as a whole exactly where prost could not decode it, but for three things that a sender can get wrong in one
//!   span while the rest is good: ids, attribute values nested too deep, and strings that are not UTF-8.
//! - The first two are faults of the span. Such a value in a resource or scope is a fault of every span below it. Where there is no span
//!   below it to carry the fault, the request is refused.
//! - Strings are counted: [`super::repair`] makes them UTF-8, wherever they stand.
//! - So what remains when that was done, and when [`super::rewrite`] has dropped the faulted spans, is always decodable by anyone.
//! - Allocates only for faults.

use super::Malformed;
use super::repair;
use super::schema::{ANY_VALUE, Action, KEY_VALUE, RESOURCE_SPANS, SCOPE_SPANS, SPAN, Schema};
use super::time_unit::{SUSPECT_BELOW, TimeUnit};
use crate::wire::protobuf::reader::{DELIMITED, FIXED64, Reader, VARINT, malformed_at, number};
use crate::wire::protobuf::text::utf8;

/// Bounds on what is looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many arrays and maps of an attribute may lie inside one another: 0 allows none, 1 an array of strings.
    ///
    /// Prost decodes at most 100 messages inside one another, which is 47 arrays or 31 maps: what is deeper is too deep whatever this
    /// says.
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
    /// An attribute value nested deeper than [`Limits::max_depth`]. What lies deeper was not looked into.
    TooDeep,
}

/// What a well-formed request holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inspection {
    pub n_spans: usize,
    /// The spans that cannot be taken, by their ordinal in the walk, ascending; one fault for each, the first that was found.
    pub faults: Vec<(usize, SpanFault)>,
    /// Strings that are not UTF-8, and by how many bytes their repair makes the request longer.
    pub n_broken_texts: usize,
    pub repair_bytes: usize,
    /// How many spans begin at a time that is one of this century in another unit than nanoseconds, by that unit.
    pub by_time_unit: Vec<(TimeUnit, usize)>,
}

/// Checks every byte of an encoded `ExportTraceServiceRequest`: wire types, lengths, ids, UTF-8, depth.
///
/// `Err` means the request as a whole is not protobuf of that type; nothing in it can be trusted. Offsets count from the request's start.
pub fn inspect(request: &[u8], limits: Limits) -> Result<Inspection, Malformed> {
    let mut inspector = Inspector { limits, found: Inspection::default(), fault: None };
    inspector.request(Reader::new(request))?;
    Ok(inspector.found)
}

/// The key of `ResourceSpans.scope_spans` and of `ScopeSpans.spans`.
const SPANS_BELOW: u32 = 2 << 3 | DELIMITED;

// Keys of `Span`.
const TRACE_ID: u32 = 1 << 3 | DELIMITED;
const SPAN_ID: u32 = 2 << 3 | DELIMITED;
const PARENT_SPAN_ID: u32 = 4 << 3 | DELIMITED;
const START_TIME: u32 = 7 << 3 | FIXED64;
const ATTRIBUTES: u32 = 9 << 3 | DELIMITED;

// Keys of `KeyValue` and of `AnyValue`.
const KEY: u32 = 1 << 3 | DELIMITED;
const VALUE: u32 = 2 << 3 | DELIMITED;
const STRING_VALUE: u32 = 1 << 3 | DELIMITED;
const INT_VALUE: u32 = 3 << 3 | VARINT;

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
        while !message.is_empty() {
            let key = message.key()?;
            if key == SPANS_BELOW {
                self.scope_spans(message.message()?)?;
                continue;
            }
            self.field(&mut message, key, &RESOURCE_SPANS, 0)?;
            fault = fault.or(self.fault.take());
        }
        self.blame_spans_since(first, fault, offset)
    }

    fn scope_spans(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        let (first, offset) = (self.found.n_spans, message.offset());
        let mut fault = None;
        while !message.is_empty() {
            let key = message.key()?;
            if key == SPANS_BELOW {
                self.span(message.message()?)?;
                continue;
            }
            self.field(&mut message, key, &SCOPE_SPANS, 0)?;
            fault = fault.or(self.fault.take());
        }
        self.blame_spans_since(first, fault, offset)
    }

    fn span(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        let (mut trace_id, mut span_id, mut parent_span_id): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        let mut start_time = SUSPECT_BELOW;
        while !message.is_empty() {
            match message.key()? {
                TRACE_ID => trace_id = message.delimited()?.rest(),
                SPAN_ID => span_id = message.delimited()?.rest(),
                PARENT_SPAN_ID => parent_span_id = message.delimited()?.rest(),
                START_TIME => start_time = u64::from_le_bytes(message.fixed()?),
                ATTRIBUTES => self.attribute(message.message()?)?,
                key => self.field(&mut message, key, &SPAN, 0)?,
            }
        }
        let content_fault = self.fault.take();
        if let Some(fault) = id_fault(trace_id, span_id, parent_span_id).or(content_fault) {
            self.found.faults.push((self.found.n_spans, fault));
        }
        self.found.n_spans += 1;
        if start_time < SUSPECT_BELOW {
            self.suspect(start_time);
        }
        Ok(())
    }

    /// An attribute of a span. This is [`Self::message`] with a short cut for the fields that most bytes of most requests are.
    #[inline(always)]
    fn attribute(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        while !message.is_empty() {
            match message.key()? {
                KEY => self.text(message.delimited()?),
                VALUE => self.value(message.message()?)?,
                key => self.rare_field(&mut message, key, &KEY_VALUE)?,
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn value(&mut self, mut message: Reader<'_>) -> Result<(), Malformed> {
        while !message.is_empty() {
            match message.key()? {
                STRING_VALUE => self.text(message.delimited()?),
                INT_VALUE => drop(message.varint()?),
                key => self.rare_field(&mut message, key, &ANY_VALUE)?,
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn rare_field(&mut self, message: &mut Reader<'_>, key: u32, schema: &Schema) -> Result<(), Malformed> {
        self.field(message, key, schema, 0)
    }

    /// Everything inside a span, scope or resource. `nesting` counts the arrays and maps around it.
    fn message(&mut self, mut message: Reader<'_>, schema: &Schema, nesting: u32) -> Result<(), Malformed> {
        while !message.is_empty() {
            let key = message.key()?;
            self.field(&mut message, key, schema, nesting)?;
        }
        Ok(())
    }

    /// One field of `message`, whose key was read.
    #[inline(always)]
    fn field(&mut self, message: &mut Reader<'_>, key: u32, schema: &Schema, nesting: u32) -> Result<(), Malformed> {
        match schema.action(key) {
            Action::Text => self.text(message.delimited()?),
            Action::Message => self.enter(message.delimited()?, schema.message(number(key)), nesting)?,
            Action::Varint => drop(message.varint()?),
            Action::Fixed64 => drop(message.fixed::<8>()?),
            Action::Fixed32 => drop(message.fixed::<4>()?),
            Action::Bytes => drop(message.delimited()?),
            Action::Nest => {
                let content = message.delimited()?;
                if nesting >= self.limits.max_depth {
                    self.blame(SpanFault::TooDeep);
                } else {
                    self.enter(content, schema.message(number(key)), nesting + 1)?;
                }
            }
            Action::Unknown => {
                if !message.may_skip() {
                    self.blame(SpanFault::TooDeep);
                }
                message.skip(key)?;
            }
            Action::WrongWireType => return Err(malformed_at(message.offset(), "wrong wire type")),
        }
        Ok(())
    }

    #[inline(always)]
    fn enter(&mut self, content: Reader<'_>, schema: Option<&'static Schema>, nesting: u32) -> Result<(), Malformed> {
        match (content.enter(), schema) {
            (Some(message), Some(schema)) => self.message(message, schema, nesting),
            _ => {
                self.blame(SpanFault::TooDeep);
                Ok(())
            }
        }
    }

    #[inline(always)]
    fn text(&mut self, content: Reader<'_>) {
        if utf8(content.rest()).is_none() {
            self.broken(content.rest());
        }
    }

    #[cold]
    fn broken(&mut self, text: &[u8]) {
        self.found.n_broken_texts += 1;
        self.found.repair_bytes += repair::growth(text);
    }

    /// Counts a span that seems to begin at a time in another unit.
    #[cold]
    fn suspect(&mut self, start_time: u64) {
        let Some(unit) = TimeUnit::of(start_time) else { return };
        let counts = &mut self.found.by_time_unit;
        match counts.iter_mut().find(|(known, _)| *known == unit) {
            Some((_, n_spans)) => *n_spans += 1,
            None => counts.push((unit, 1)),
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
            let what = "a value nested too deep, outside every span";
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
            Self::TooDeep => "too_deep",
        }
    }
}

#[cfg(test)]
mod tests;
