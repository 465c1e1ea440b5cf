//! Attributes appended to spans where they lie: a request is walked once, and written again as often as needed.
//!
//! - Nothing is decoded and encoded again: what was sent stays byte for byte and in order, an attribute follows the span's own bytes, and
//!   only the lengths of the messages around it are written anew.
//! - Right for any nesting, for unknown fields and for unusual encodings; prost is the judge in the tests.
//! - A resource or scope whose spans are all left out is left out with them, as in [`super::rewrite`].
//! - It never decides what is appended.

use super::encode::{append_attribute, mend_length};
use super::otlp::{Malformed, Span, Value};
use super::reader::{Field, Reader};

/// Where everything of an encoded `ExportTraceServiceRequest` is that has to be copied, in the order of the bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    parts: Vec<Part>,
    n_spans: usize,
}

/// What becomes of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Keep,
    Drop,
}

/// Takes the attributes that follow a span.
pub struct Stamps<'a> {
    out: &'a mut Vec<u8>,
}

/// Offsets into the request, so that the layout does not borrow it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Fields that are copied as they are.
    Bytes {
        start: u32,
        end: u32,
    },
    /// A resource or scope begins; its head, key and length, is `start..end`.
    Open {
        start: u32,
        end: u32,
    },
    Close,
    /// A span: its head is `start..body`, its content `body..end`.
    Span {
        start: u32,
        body: u32,
        end: u32,
    },
}

/// A resource or scope that is being written.
struct Container {
    /// Where in the output it begins.
    at: usize,
    head: Head,
    is_changed: bool,
    n_kept: usize,
    n_seen: usize,
}

/// Where in the output the length of a message stands, and where its content begins.
#[derive(Clone, Copy)]
struct Head {
    length_at: usize,
    body: usize,
}

const TOO_LARGE: Malformed = Malformed { offset: 0, what: "longer than 4 GiB" };

// === impl Layout ===

impl Layout {
    /// Walks a request; `meet` sees each span in the order of the walk.
    pub fn of<'a>(request: &'a [u8], mut meet: impl FnMut(&Span<'a>)) -> Result<Self, Malformed> {
        if u32::try_from(request.len()).is_err() {
            return Err(TOO_LARGE);
        }
        let mut layout = Self::default();
        let mut message = Reader::new(request);
        while let Some(field) = message.field()? {
            if field.number == 1 {
                layout.resource(&field, &message, &mut meet)?;
            } else {
                layout.bytes(field.offset, message.offset());
            }
        }
        Ok(layout)
    }

    pub fn n_spans(&self) -> usize {
        self.n_spans
    }

    /// Copies `request`, of which this is the layout, asking `stamp` about each span by ordinal: it appends what follows the span, or drops it.
    pub fn write(&self, request: &[u8], room: usize, mut stamp: impl FnMut(usize, &mut Stamps<'_>) -> Fate) -> Vec<u8> {
        let mut out = Vec::with_capacity(request.len() + room);
        let mut around: Vec<Container> = Vec::with_capacity(2);
        let mut ordinal = 0;
        for part in &self.parts {
            match *part {
                Part::Bytes { start, end } => out.extend_from_slice(piece(request, start, end)),
                Part::Open { start, end } => {
                    let at = out.len();
                    let head = copy_head(&mut out, piece(request, start, end));
                    around.push(Container { at, head, is_changed: false, n_kept: 0, n_seen: 0 });
                }
                Part::Close => close(&mut out, &mut around),
                Part::Span { start, body, end } => {
                    let at = out.len();
                    let head = copy_head(&mut out, piece(request, start, body));
                    out.extend_from_slice(piece(request, body, end));
                    let before = out.len();
                    let fate = stamp(ordinal, &mut Stamps { out: &mut out });
                    ordinal += 1;
                    let is_kept = fate == Fate::Keep;
                    if !is_kept {
                        out.truncate(at);
                    } else if out.len() > before {
                        mend_length(&mut out, head.length_at, head.body);
                    }
                    if let Some(container) = around.last_mut() {
                        container.is_changed |= !is_kept || out.len() > before;
                        container.n_kept += usize::from(is_kept);
                        container.n_seen += 1;
                    }
                }
            }
        }
        out
    }

    fn resource<'a>(&mut self, field: &Field<'a>, around: &Reader<'a>, meet: &mut impl FnMut(&Span<'a>)) -> Result<(), Malformed> {
        let mut message = field.message()?;
        self.open(field.offset, around.offset() - message.rest().len());
        while let Some(inner) = message.field()? {
            if inner.number == 2 {
                self.scope(&inner, &message, meet)?;
            } else {
                self.bytes(inner.offset, message.offset());
            }
        }
        self.parts.push(Part::Close);
        Ok(())
    }

    fn scope<'a>(&mut self, field: &Field<'a>, around: &Reader<'a>, meet: &mut impl FnMut(&Span<'a>)) -> Result<(), Malformed> {
        let mut message = field.message()?;
        self.open(field.offset, around.offset() - message.rest().len());
        while let Some(inner) = message.field()? {
            if inner.number != 2 {
                self.bytes(inner.offset, message.offset());
                continue;
            }
            let content = inner.message()?;
            let span = Span::read(content)?;
            let end = message.offset();
            self.parts.push(Part::Span { start: inner.offset as u32, body: (end - span.bytes.len()) as u32, end: end as u32 });
            self.n_spans += 1;
            meet(&span);
        }
        self.parts.push(Part::Close);
        Ok(())
    }

    fn open(&mut self, start: usize, end: usize) {
        self.parts.push(Part::Open { start: start as u32, end: end as u32 });
    }

    /// Joins what lies next to each other.
    fn bytes(&mut self, start: usize, end: usize) {
        if let Some(Part::Bytes { end: last, .. }) = self.parts.last_mut()
            && *last == start as u32
        {
            *last = end as u32;
            return;
        }
        self.parts.push(Part::Bytes { start: start as u32, end: end as u32 });
    }
}

/// Ends the innermost container, and tells the one around it.
fn close(out: &mut Vec<u8>, around: &mut Vec<Container>) {
    let Some(done) = around.pop() else { return };
    if done.n_kept == 0 && done.n_seen > 0 {
        out.truncate(done.at);
    } else if done.is_changed {
        mend_length(out, done.head.length_at, done.head.body);
    }
    if let Some(outer) = around.last_mut() {
        outer.is_changed |= done.is_changed;
        outer.n_kept += done.n_kept;
        outer.n_seen += done.n_seen;
    }
}

fn piece(request: &[u8], start: u32, end: u32) -> &[u8] {
    request.get(start as usize..end as usize).unwrap_or_default()
}

/// Copies the key and the length of a message.
fn copy_head(out: &mut Vec<u8>, head: &[u8]) -> Head {
    let key_width = head.iter().take_while(|&&byte| byte >= 0x80).count() + 1;
    let length_at = out.len() + key_width;
    out.extend_from_slice(head);
    Head { length_at, body: out.len() }
}

// === impl Stamps ===

impl Stamps<'_> {
    pub fn string(&mut self, key: &str, value: &str) {
        append_attribute(self.out, key, Value::Str(value));
    }

    pub fn int(&mut self, key: &str, value: i64) {
        append_attribute(self.out, key, Value::Int(value));
    }

    pub fn double(&mut self, key: &str, value: f64) {
        append_attribute(self.out, key, Value::Double(value));
    }

    pub fn bool(&mut self, key: &str, value: bool) {
        append_attribute(self.out, key, Value::Bool(value));
    }

    /// Attributes that [`encoded`] made before.
    pub fn encoded(&mut self, attributes: &[u8]) {
        self.out.extend_from_slice(attributes);
    }
}

/// Attributes encoded once, to be appended to many spans; also the fields of a span of its own.
pub fn encoded(write: impl FnOnce(&mut Stamps<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Stamps { out: &mut out });
    out
}

#[cfg(test)]
mod tests;
