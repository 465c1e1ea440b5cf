//! Changes on the original bytes: spans removed, attributes appended, lengths mended, nothing decoded and encoded again.

use super::{Malformed, Span};
use crate::wire::protobuf::encode::mend_length;
use crate::wire::protobuf::reader::{Field, Reader};

/// What becomes of one span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    Keep,
    Drop,
    /// These encoded fields (for instance attributes: field 9) follow the span's own bytes.
    Append(Vec<u8>),
}

/// Copies an encoded `ExportTraceServiceRequest`, asking `edit` about each span, by ordinal, in the order of the walk.
///
/// What is kept is byte-identical but for the lengths of the messages around an edit: unknown fields, the order of fields and unusual
/// encodings stay as they were. A scope or resource that had spans and has none left is left out; one that never had any stays.
/// Offsets in errors count from the request's start.
pub fn rewrite(request: &[u8], edit: impl FnMut(usize, &Span<'_>) -> Edit) -> Result<Vec<u8>, Malformed> {
    let mut rewriter = Rewriter {
        // Room for a stamp on some spans without growing.
        out: Vec::with_capacity(request.len() + request.len() / 8 + 64),
        edit,
        ordinal: 0,
    };
    let mut message = Reader::new(request);
    while let Some(field) = message.field()? {
        if field.number == 1 {
            rewriter.container(&field, Container::ResourceSpans)?;
        } else {
            rewriter.out.extend_from_slice(message.since(field.offset));
        }
    }
    Ok(rewriter.out)
}

struct Rewriter<F> {
    out: Vec<u8>,
    edit: F,
    /// Of the next span.
    ordinal: usize,
}

/// A message that is there for the spans in it. In both, field 2 is what leads to the spans.
#[derive(Clone, Copy)]
enum Container {
    ResourceSpans,
    ScopeSpans,
}

/// What happened to the spans of a container.
#[derive(Clone, Copy, Default)]
struct Outcome {
    edited: bool,
    n_kept: usize,
}

/// Where in the output the length of a message stands, and where its content begins.
#[derive(Clone, Copy)]
struct Head {
    length_at: usize,
    body: usize,
}

// === impl Rewriter ===

impl<F: FnMut(usize, &Span<'_>) -> Edit> Rewriter<F> {
    /// Copies `field`, which is a `container`.
    fn container(&mut self, field: &Field<'_>, container: Container) -> Result<Outcome, Malformed> {
        let mut message = field.message()?;
        let first = self.ordinal;
        let start = self.out.len();
        let head = self.head(message.since(field.offset));
        let mut outcome = Outcome::default();
        while let Some(field) = message.field()? {
            let inner = match container {
                _ if field.number != 2 => {
                    self.out.extend_from_slice(message.since(field.offset));
                    continue;
                }
                Container::ResourceSpans => self.container(&field, Container::ScopeSpans)?,
                Container::ScopeSpans => self.span(&field, &message)?,
            };
            outcome.edited |= inner.edited;
            outcome.n_kept += inner.n_kept;
        }
        if outcome.n_kept == 0 && self.ordinal > first {
            self.out.truncate(start);
        } else if outcome.edited {
            head.mend(&mut self.out);
        }
        Ok(outcome)
    }

    /// Copies `field`, which `around` has just read and which is a span.
    fn span(&mut self, field: &Field<'_>, around: &Reader<'_>) -> Result<Outcome, Malformed> {
        let message = field.message()?;
        let span = Span::read(message)?;
        let edit = (self.edit)(self.ordinal, &span);
        self.ordinal += 1;
        let appended = match edit {
            Edit::Keep => {
                self.out.extend_from_slice(around.since(field.offset));
                return Ok(Outcome { edited: false, n_kept: 1 });
            }
            Edit::Drop => return Ok(Outcome { edited: true, n_kept: 0 }),
            Edit::Append(fields) => fields,
        };
        let head = self.head(message.since(field.offset));
        self.out.extend_from_slice(span.bytes);
        self.out.extend_from_slice(&appended);
        head.mend(&mut self.out);
        Ok(Outcome { edited: true, n_kept: 1 })
    }

    /// Copies the key and the length of a message.
    fn head(&mut self, head: &[u8]) -> Head {
        let key_width = head.iter().take_while(|&&byte| byte >= 0x80).count() + 1;
        let length_at = self.out.len() + key_width;
        self.out.extend_from_slice(head);
        Head { length_at, body: self.out.len() }
    }
}

// === impl Head ===

impl Head {
    /// Makes all that was written since the content.
    fn mend(self, out: &mut Vec<u8>) {
        mend_length(out, self.length_at, self.body);
    }
}

#[cfg(test)]
mod tests;
