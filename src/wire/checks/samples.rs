//! Requests to test with: any that a sender could mean, and any way a sender could put it on the wire.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};

use crate::wire::otlp::schema::{REQUEST, Schema};
use crate::wire::protobuf::encode::{Message, put_bytes, put_fixed32, put_fixed64, put_varint, put_varint_field};
use crate::wire::protobuf::reader::{Raw, Reader};

/// Choices drawn from bytes that proptest makes, so that it can shrink them. When they run out every choice is the first, the simplest.
pub(in crate::wire) struct Dice<'a> {
    choices: std::slice::Iter<'a, u8>,
    /// One of the texts.
    mark: &'static str,
}

// === impl Dice: choices ===

impl<'a> Dice<'a> {
    pub(in crate::wire) fn new(bytes: &'a [u8]) -> Self {
        Self::marked(bytes, "🜁")
    }

    /// The same choices, with `mark` as one of the texts.
    pub(in crate::wire) fn marked(bytes: &'a [u8], mark: &'static str) -> Self {
        Self { choices: bytes.iter(), mark }
    }

    pub(in crate::wire) fn below(&mut self, n: usize) -> usize {
        usize::from(self.choices.next().copied().unwrap_or(0)) % n
    }

    pub(in crate::wire) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(3) as u64,
            1 => 1_700_000_000_000_000_000 + self.below(256) as u64,
            2 => [u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 53, (1 << 53) + 1, u64::from(u32::MAX)][self.below(6)],
            _ => (0..8).fold(0, |number, _| number << 8 | self.below(256) as u64),
        }
    }

    fn text(&mut self) -> String {
        let texts = ["", "a", "gen_ai.usage.input_tokens", "é", "日本", self.mark, "\u{0}\"\\\n", "e\u{301}"];
        let n = self.below(4);
        let text: String = (0..n).map(|_| texts[self.below(texts.len())]).collect();
        if self.one_in(16) { text.repeat(40) } else { text }
    }

    fn bytes(&mut self, usual: usize) -> Vec<u8> {
        let len = if self.one_in(12) { self.below(20) } else { usual };
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    fn list<T>(&mut self, most: usize, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| item(self)).collect()
    }

    fn maybe<T>(&mut self, item: impl Fn(&mut Self) -> T) -> Option<T> {
        (self.below(4) > 0).then(|| item(self))
    }
}

// === impl Dice: what a sender means ===

impl Dice<'_> {
    pub(in crate::wire) fn request(&mut self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: self.list(3, |dice| ResourceSpans {
                resource: dice.maybe(|dice| Resource {
                    attributes: dice.attributes(),
                    dropped_attributes_count: dice.number() as u32,
                    entity_refs: dice.list(1, |dice| EntityRef {
                        schema_url: dice.text(),
                        r#type: dice.text(),
                        id_keys: dice.list(2, Self::text),
                        description_keys: dice.list(2, Self::text),
                    }),
                }),
                scope_spans: dice.list(3, Self::scope_spans),
                schema_url: dice.text(),
            }),
        }
    }

    fn scope_spans(&mut self) -> ScopeSpans {
        ScopeSpans {
            scope: self.maybe(|dice| InstrumentationScope {
                name: dice.text(),
                version: dice.text(),
                attributes: dice.attributes(),
                dropped_attributes_count: dice.number() as u32,
            }),
            spans: self.list(4, Self::span),
            schema_url: self.text(),
        }
    }

    fn span(&mut self) -> Span {
        Span {
            trace_id: self.bytes(16),
            span_id: self.bytes(8),
            trace_state: self.text(),
            parent_span_id: if self.one_in(2) { self.bytes(8) } else { Vec::new() },
            flags: self.number() as u32,
            name: self.text(),
            kind: if self.one_in(9) { self.number() as i32 } else { self.below(6) as i32 },
            start_time_unix_nano: self.number(),
            end_time_unix_nano: self.number(),
            attributes: self.attributes(),
            dropped_attributes_count: self.number() as u32,
            events: self.list(2, |dice| span::Event {
                time_unix_nano: dice.number(),
                name: dice.text(),
                attributes: dice.attributes(),
                dropped_attributes_count: dice.number() as u32,
            }),
            dropped_events_count: self.number() as u32,
            links: self.list(2, |dice| span::Link {
                trace_id: dice.bytes(16),
                span_id: dice.bytes(8),
                trace_state: dice.text(),
                attributes: dice.attributes(),
                dropped_attributes_count: dice.number() as u32,
                flags: dice.number() as u32,
            }),
            dropped_links_count: self.number() as u32,
            status: self.maybe(|dice| Status { message: dice.text(), code: dice.below(3) as i32 }),
        }
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        self.list(3, |dice| dice.attribute(3))
    }

    fn attribute(&mut self, depth: usize) -> KeyValue {
        KeyValue { key: self.text(), value: self.maybe(|dice| dice.any_value(depth)), key_strindex: if self.one_in(20) { 7 } else { 0 } }
    }

    fn any_value(&mut self, depth: usize) -> AnyValue {
        use any_value::Value;
        let value = match self.below(if depth > 0 { 9 } else { 7 }) {
            0 => Value::StringValue(self.text()),
            1 => return AnyValue { value: None },
            2 => Value::BoolValue(self.one_in(2)),
            3 => Value::IntValue(self.number() as i64),
            4 => Value::DoubleValue([0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300][self.below(7)]),
            5 => Value::BytesValue(self.bytes(3)),
            6 => Value::StringValueStrindex(self.number() as i32),
            7 => Value::ArrayValue(ArrayValue { values: self.list(3, |dice| dice.any_value(depth - 1)) }),
            _ => Value::KvlistValue(KeyValueList { values: self.list(3, |dice| dice.attribute(depth - 1)) }),
        };
        AnyValue { value: Some(value) }
    }
}

// === impl Dice: how a sender puts it on the wire ===

impl Dice<'_> {
    /// Encodes the fields of a request in another order, split, repeated, between unknown ones and with clumsy numbers. It need not mean
    /// the same: prost says what it means.
    pub(in crate::wire) fn scramble(&mut self, request: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.message(request, &REQUEST, &mut out);
        out
    }

    fn message(&mut self, message: &[u8], schema: &Schema, out: &mut Vec<u8>) {
        let mut reader = Reader::new(message);
        let mut fields = Vec::new();
        while let Some(field) = reader.field().expect("well formed") {
            let mut encoded = Vec::new();
            match (schema.message(field.number), field.raw) {
                (Some(inner), Raw::Delimited(content)) => {
                    self.submessage(field.number, content.rest(), inner, &mut encoded);
                }
                (_, Raw::Varint(value)) if self.one_in(6) => {
                    encoded.push((field.number << 3) as u8);
                    self.clumsy_varint(value, &mut encoded);
                }
                _ => encoded.extend_from_slice(reader.since(field.offset)),
            }
            if self.one_in(20) {
                fields.push(encoded.clone());
            }
            fields.push(encoded);
            if self.one_in(12) {
                fields.push(self.unknown_field());
            }
        }
        if self.one_in(3) {
            for n in (1..fields.len()).rev() {
                let other = self.below(n + 1);
                fields.swap(n, other);
            }
        }
        out.extend(fields.concat());
    }

    fn submessage(&mut self, number: u32, content: &[u8], schema: &Schema, out: &mut Vec<u8>) {
        let mut inner = Vec::new();
        self.message(content, schema, &mut inner);
        let cut = if self.one_in(4) { self.boundary(&inner) } else { 0 };
        if cut > 0 {
            put_bytes(out, number, &inner[..cut]);
        }
        if self.one_in(8) {
            self.clumsy_varint(u64::from(number << 3 | 2), out);
            self.clumsy_varint((inner.len() - cut) as u64, out);
            out.extend_from_slice(&inner[cut..]);
        } else {
            put_bytes(out, number, &inner[cut..]);
        }
    }

    /// Where one of the fields of `message` begins.
    fn boundary(&mut self, message: &[u8]) -> usize {
        let mut reader = Reader::new(message);
        let mut offsets = vec![0];
        while let Some(field) = reader.field().expect("well formed") {
            offsets.push(field.offset);
        }
        offsets[self.below(offsets.len())]
    }

    fn clumsy_varint(&mut self, value: u64, out: &mut Vec<u8>) {
        put_varint(out, value);
        let width = 64_u32.saturating_sub(value.leading_zeros()).div_ceil(7).max(1) as usize;
        let extra = self.below(11 - width);
        if extra == 0 {
            return;
        }
        if let Some(last) = out.last_mut() {
            *last |= 0x80;
        }
        out.extend(std::iter::repeat_n(0x80, extra - 1));
        out.push(0);
    }

    /// A field that no message has.
    fn unknown_field(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let number = match self.one_in(40) {
            // Not unknown at all: mostly of a wrong wire type.
            true => 1 + self.below(16) as u32,
            false => [17, 100, 536_870_911][self.below(3)],
        };
        match self.below(5) {
            0 => put_varint_field(&mut out, number, self.number()),
            1 => put_fixed64(&mut out, number, self.number()),
            2 => put_fixed32(&mut out, number, self.number() as u32),
            3 => {
                let message = Message::begin(&mut out, number);
                out.extend(self.bytes(5));
                message.end(&mut out);
            }
            _ => {
                put_varint(&mut out, u64::from(number << 3 | 3));
                out.extend(self.unknown_field());
                put_varint(&mut out, u64::from(number << 3 | 4));
            }
        }
        out
    }

    /// Spoils a byte or two, or cuts the end off.
    pub(in crate::wire) fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(2) {
            if bytes.is_empty() {
                return;
            }
            let at = (self.below(256) << 8 | self.below(256)) % bytes.len();
            match self.below(4) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
    }
}
