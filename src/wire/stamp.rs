//! Attributes appended to spans where they lie: a request is walked once, and written again as often as needed.
//!
//! - Nothing is decoded and encoded again: what was sent stays byte for byte and in order, an attribute follows the span's own bytes, and
//!   only the lengths of the messages around it are written anew.
//! - Right for any nesting, for unknown fields and for unusual encodings; prost is the judge in the tests.
//! - A resource or scope whose spans are all left out is left out with them, as in [`super::rewrite`].
//! - It never decides what is appended.

use bytes::Bytes;

use super::encode::{append_attribute, mend_length_with};
use super::otlp::{Malformed, Span, Value};
use super::reader::{Field, Reader};

/// Where everything of an encoded `ExportTraceServiceRequest` is that has to be copied, in the order of the bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    parts: Vec<Part>,
    n_spans: usize,
    /// Of everything but large spans.
    copied_bytes: usize,
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

/// A request that is being written.
#[derive(Default)]
struct Writer {
    /// All but the shared pieces.
    out: Vec<u8>,
    shared: Vec<Shared>,
    /// Of all shared pieces.
    shared_bytes: usize,
    around: Vec<Container>,
}

/// A piece of the request that is not copied.
struct Shared {
    /// Where in the output it belongs.
    at: usize,
    start: u32,
    end: u32,
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

/// Copying a smaller span costs no more than sharing it.
const SHARED_BYTES_MIN: usize = 2 << 10;

const TOO_LARGE: Malformed = Malformed { offset: 0, what: "longer than 4 GiB" };

// === impl Layout ===

impl Layout {
    /// Walks a request; `meet` sees each span in the order of the walk.
    pub fn of<'a>(request: &'a [u8], mut meet: impl FnMut(&Span<'a>)) -> Result<Self, Malformed> {
        if u32::try_from(request.len()).is_err() {
            return Err(TOO_LARGE);
        }
        let mut layout = Self { copied_bytes: request.len(), ..Self::default() };
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
    /// `room` is how much that may be. The copy comes in parts, one after the other: large spans are shared with the request, not copied.
    pub fn write(&self, request: &Bytes, room: usize, stamp: impl FnMut(usize, &mut Stamps<'_>) -> Fate) -> Vec<Bytes> {
        let mut writer = Writer { out: Vec::with_capacity(self.copied_bytes + room), ..Writer::default() };
        writer.write(self, request, stamp);
        let Writer { out, shared, .. } = writer;
        let out = Bytes::from(out);
        let mut parts = Vec::with_capacity(2 * shared.len() + 1);
        let mut written = 0;
        for piece in shared {
            parts.push(out.slice(written..piece.at));
            parts.push(request.slice(piece.start as usize..piece.end as usize));
            written = piece.at;
        }
        parts.push(out.slice(written..));
        parts
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
            if span.bytes.len() >= SHARED_BYTES_MIN {
                self.copied_bytes = self.copied_bytes.saturating_sub(span.bytes.len());
            }
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

// === impl Writer ===

impl Writer {
    fn write(&mut self, layout: &Layout, request: &[u8], mut stamp: impl FnMut(usize, &mut Stamps<'_>) -> Fate) {
        let mut ordinal = 0;
        for part in &layout.parts {
            match *part {
                Part::Bytes { start, end } => self.out.extend_from_slice(piece(request, start, end)),
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
        let head = copy_head(&mut self.out, piece(request, start, body));
        let is_shared = (end - body) as usize >= SHARED_BYTES_MIN;
        if is_shared {
            self.shared.push(Shared { at: self.out.len(), start: body, end });
            self.shared_bytes += (end - body) as usize;
        } else {
            self.out.extend_from_slice(piece(request, body, end));
        }
        let before = self.out.len();
        let is_kept = stamp(&mut Stamps { out: &mut self.out }) == Fate::Keep;
        let is_stamped = is_kept && self.out.len() > before;
        if !is_kept {
            self.out.truncate(at);
            if is_shared {
                self.shared.pop();
                self.shared_bytes -= (end - body) as usize;
            }
        } else if is_stamped {
            let more = if is_shared { (end - body) as usize } else { 0 };
            let n_shared = self.shared.len() - usize::from(is_shared);
            self.mend(head, more, n_shared);
        }
        if let Some(container) = self.around.last_mut() {
            container.is_changed |= !is_kept || is_stamped;
            container.n_kept += usize::from(is_kept);
            container.n_seen += 1;
        }
    }

    /// Ends the innermost container, and tells the one around it.
    fn close(&mut self) {
        let Some(done) = self.around.pop() else { return };
        if done.n_kept == 0 && done.n_seen > 0 {
            self.out.truncate(done.at);
            self.shared.truncate(done.n_shared);
            self.shared_bytes = done.shared_bytes;
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
