//! Attributes appended to spans where they lie: a request is walked once, and written again as often as needed.
//!
//! - Nothing is decoded and encoded again: what was sent stays byte for byte and in order, an attribute follows the span's own bytes, and
//!   only the lengths of the messages around it are written anew.
//! - What was sent is not copied either, except for a few bytes around it: that is left to who sends it, who has to copy anyway.
//! - Right for any nesting, for unknown fields and for unusual encodings; prost is the judge in the tests.
//! - A resource or scope whose spans are all left out is left out with them, as in [`super::rewrite`].
//! - It never decides what is appended.

mod stamped;

use bytes::Bytes;

pub use self::stamped::Stamped;
use self::stamped::{Shared, piece};
use super::{Malformed, Value, append_attribute};
use crate::wire::protobuf::encode::{mend_length_with, put_varint, varint_len};
use crate::wire::protobuf::reader::{Field, Reader};

/// Where everything of an encoded `ExportTraceServiceRequest` is that has to be copied, in the order of the bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    parts: Vec<Part>,
    n_spans: usize,
}

/// A span as the walk meets it.
#[derive(Clone, Copy, Debug)]
pub struct Met<'a> {
    /// The encoded `Span` message.
    pub bytes: &'a [u8],
    /// Of these bytes: CRC-32.
    pub checksum: u32,
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
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
    /// A span: its head is `start..body`, its content `body..end`. One with the usual head has `start == body`: it can be written without
    /// a look at the request, which left the cache meanwhile.
    Span {
        start: u32,
        body: u32,
        end: u32,
    },
}

/// A request that is being written.
struct Writer {
    /// All but the shared pieces.
    out: Vec<u8>,
    shared: Vec<Shared>,
    /// Of all shared pieces.
    shared_bytes: usize,
    around: Vec<Container>,
}

/// A resource or scope that is being written.
struct Container {
    /// Where in the output it begins.
    at: usize,
    head: Head,
    /// Shared pieces before it, and their bytes.
    n_shared: usize,
    shared_bytes: usize,
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

/// Copying less at once costs no more than copying it later.
const SHARED_BYTES_MIN: usize = 128;

/// Most spans are longer; room for more of them is made when they come.
const SPAN_BYTES_USUAL: usize = 512;

/// `ScopeSpans.spans`, a message.
const SPAN_KEY: u8 = 2 << 3 | 2;

/// Keys and lengths around a span, and now and then around a scope.
const HEAD_BYTES: usize = 8;

const TOO_LARGE: Malformed = Malformed { offset: 0, what: "longer than 4 GiB" };

// === impl Layout ===

impl Layout {
    /// Walks a request; `meet` sees each span in the order of the walk.
    pub fn of<'a>(request: &'a [u8], mut meet: impl FnMut(&Met<'a>)) -> Result<Self, Malformed> {
        if u32::try_from(request.len()).is_err() {
            return Err(TOO_LARGE);
        }
        let mut layout = Self { parts: Vec::with_capacity(request.len() / SPAN_BYTES_USUAL + 8), n_spans: 0 };
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

    /// Writes `request`, of which this is the layout, anew, asking `stamp` about each span by ordinal: it appends what follows the span, or
    /// drops it. `room` is how much that may be.
    pub fn write(&self, request: &Bytes, room: usize, stamp: impl FnMut(usize, &mut Stamps<'_>) -> Fate) -> Stamped {
        let out = Vec::with_capacity(HEAD_BYTES * self.parts.len() + room);
        let mut writer = Writer { out, shared: Vec::with_capacity(self.n_spans), shared_bytes: 0, around: Vec::new() };
        writer.write(self, request, stamp);
        let Writer { out: written, shared, shared_bytes, .. } = writer;
        Stamped { request: request.clone(), written, shared, shared_bytes }
    }

    fn resource<'a>(&mut self, field: &Field<'a>, around: &Reader<'a>, meet: &mut impl FnMut(&Met<'a>)) -> Result<(), Malformed> {
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

    fn scope<'a>(&mut self, field: &Field<'a>, around: &Reader<'a>, meet: &mut impl FnMut(&Met<'a>)) -> Result<(), Malformed> {
        let mut message = field.message()?;
        self.open(field.offset, around.offset() - message.rest().len());
        while let Some(inner) = message.field()? {
            if inner.number != 2 {
                self.bytes(inner.offset, message.offset());
                continue;
            }
            let span = Met::read(inner.message()?)?;
            let end = message.offset();
            let body = end - span.bytes.len();
            let field = message.since(inner.offset);
            let head = field.get(..field.len() - span.bytes.len()).unwrap_or_default();
            let start = if is_usual_head(head, span.bytes.len()) { body } else { inner.offset };
            self.parts.push(Part::Span { start: start as u32, body: body as u32, end: end as u32 });
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

// === impl Writer ===

impl Writer {
    fn write(&mut self, layout: &Layout, request: &[u8], mut stamp: impl FnMut(usize, &mut Stamps<'_>) -> Fate) {
        let mut ordinal = 0;
        for part in &layout.parts {
            match *part {
                Part::Bytes { start, end } => self.put(request, start, end),
                Part::Open { start, end } => {
                    let (at, n_shared, shared_bytes) = (self.out.len(), self.shared.len(), self.shared_bytes);
                    let head = copy_head(&mut self.out, piece(request, start, end));
                    self.around.push(Container { at, head, n_shared, shared_bytes, is_changed: false, n_kept: 0, n_seen: 0 });
                }
                Part::Close => self.close(),
                Part::Span { start, body, end } => {
                    self.span(request, (start, body, end), |stamps| stamp(ordinal, stamps));
                    ordinal += 1;
                }
            }
        }
    }

    fn span(&mut self, request: &[u8], (start, body, end): (u32, u32, u32), stamp: impl FnOnce(&mut Stamps<'_>) -> Fate) {
        let at = self.out.len();
        let head =
            if start == body { usual_head(&mut self.out, end - body) } else { copy_head(&mut self.out, piece(request, start, body)) };
        let (n_shared, shared_bytes) = (self.shared.len(), self.shared_bytes);
        self.put(request, body, end);
        let before = self.out.len();
        let is_kept = stamp(&mut Stamps { out: &mut self.out }) == Fate::Keep;
        let is_stamped = is_kept && self.out.len() > before;
        if !is_kept {
            self.truncate(at, n_shared, shared_bytes);
        } else if is_stamped {
            self.mend(head, self.shared_bytes - shared_bytes, n_shared);
        }
        if let Some(container) = self.around.last_mut() {
            container.is_changed |= !is_kept || is_stamped;
            container.n_kept += usize::from(is_kept);
            container.n_seen += 1;
        }
    }

    /// A stretch of the request.
    fn put(&mut self, request: &[u8], start: u32, end: u32) {
        let bytes = piece(request, start, end);
        if bytes.len() < SHARED_BYTES_MIN {
            return self.out.extend_from_slice(bytes);
        }
        self.shared.push(Shared { at: self.out.len(), start, end });
        self.shared_bytes += bytes.len();
    }

    fn truncate(&mut self, at: usize, n_shared: usize, shared_bytes: usize) {
        self.out.truncate(at);
        self.shared.truncate(n_shared);
        self.shared_bytes = shared_bytes;
    }

    /// Ends the innermost container, and tells the one around it.
    fn close(&mut self) {
        let Some(done) = self.around.pop() else { return };
        if done.n_kept == 0 && done.n_seen > 0 {
            self.truncate(done.at, done.n_shared, done.shared_bytes);
        } else if done.is_changed {
            self.mend(done.head, self.shared_bytes - done.shared_bytes, done.n_shared);
        }
        if let Some(outer) = self.around.last_mut() {
            outer.is_changed |= done.is_changed;
            outer.n_kept += done.n_kept;
            outer.n_seen += done.n_seen;
        }
    }

    /// Writes a length anew; `more` bytes of the content are shared, and the shared pieces from `n_shared` on lie in it.
    fn mend(&mut self, head: Head, more: usize, n_shared: usize) {
        let moved = mend_length_with(&mut self.out, head.length_at, head.body, more);
        if moved != 0 {
            for piece in self.shared.iter_mut().skip(n_shared) {
                piece.at = piece.at.saturating_add_signed(moved);
            }
        }
    }
}

/// The key of a span and its length in as few bytes as it can be.
fn usual_head(out: &mut Vec<u8>, length: u32) -> Head {
    out.push(SPAN_KEY);
    let length_at = out.len();
    put_varint(out, u64::from(length));
    Head { length_at, body: out.len() }
}

/// Whether [`usual_head`] would write the same.
fn is_usual_head(head: &[u8], length: usize) -> bool {
    head.first() == Some(&SPAN_KEY) && head.len() == 1 + varint_len(length as u64)
}

/// Copies the key and the length of a message.
fn copy_head(out: &mut Vec<u8>, head: &[u8]) -> Head {
    let key_width = head.iter().take_while(|&&byte| byte >= 0x80).count() + 1;
    let length_at = out.len() + key_width;
    out.extend_from_slice(head);
    Head { length_at, body: out.len() }
}

// === impl Met ===

impl<'a> Met<'a> {
    fn read(mut message: Reader<'a>) -> Result<Self, Malformed> {
        let bytes = message.rest();
        // First, since it reads straight on: the walk, which jumps, then finds everything in the cache.
        let mut met = Self { bytes, checksum: crc32fast::hash(bytes), trace_id: &[], span_id: &[] };
        while let Some(field) = message.field()? {
            match field.number {
                1 => met.trace_id = field.bytes()?,
                2 => met.span_id = field.bytes()?,
                _ => {}
            }
        }
        Ok(met)
    }
}

// === impl Stamps ===

impl<'a> Stamps<'a> {
    /// Appends to `out`, for [`Stamps::encoded`].
    pub fn to(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

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

    /// The span's status becomes `ERROR`, in place of one that is unset; a message of it stays.
    pub fn failed(&mut self) {
        // `Span.status` with `code` 2: of a message that comes twice the fields add up.
        self.out.extend_from_slice(&[15 << 3 | 2, 2, 3 << 3, 2]);
    }

    /// Attributes that were written before.
    pub fn encoded(&mut self, attributes: &[u8]) {
        self.out.extend_from_slice(attributes);
    }
}

/// Attributes encoded once, to be appended to many spans; also the fields of a span of its own.
pub fn encoded(write: impl FnOnce(&mut Stamps<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Stamps::to(&mut out));
    out
}

#[cfg(test)]
mod tests;
