//! Text that is not UTF-8, made so: U+FFFD stands for what cannot be read, the rest stays as it came.
//!
//! - Only for requests in which [`super::inspect`] has found such text. What is not text is copied byte for byte, ids too, and so is what
//!   lies deeper than prost decodes.
//! - What comes out has as many spans as what went in, in the same order.

use super::Malformed;
use super::schema::{Action, KEY_VALUE, LOGS_REQUEST, REQUEST, Schema};
use crate::wire::protobuf::encode::{mend_length, put_varint};
use crate::wire::protobuf::reader::{Reader, number};

/// A request all of whose text can be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repaired {
    pub bytes: Vec<u8>,
    /// Where the first text stands that was broken, in words; empty if none was.
    pub first: String,
}

/// Copies an inspected `ExportTraceServiceRequest` whose text becomes `extra_bytes` longer by the repair.
pub fn repair(request: &[u8], extra_bytes: usize) -> Result<Repaired, Malformed> {
    repair_as(request, &REQUEST, extra_bytes)
}

/// Copies an `ExportLogsServiceRequest`.
pub fn repair_logs(request: &[u8]) -> Result<Repaired, Malformed> {
    repair_as(request, &LOGS_REQUEST, 0)
}

fn repair_as(request: &[u8], schema: &'static Schema, extra_bytes: usize) -> Result<Repaired, Malformed> {
    // Lengths may take a byte or two more, too.
    let out = Vec::with_capacity(request.len().saturating_add(extra_bytes).saturating_add(64));
    let mut repair = Repair { out, first: String::new() };
    repair.message(Reader::new(request), schema, None)?;
    Ok(Repaired { bytes: repair.out, first: repair.first })
}

/// By how many bytes the repair makes a text longer. What cannot be read is never more than three bytes a piece, as U+FFFD is.
pub(in crate::wire) fn growth(text: &[u8]) -> usize {
    let invalid = text.utf8_chunks().map(|chunk| chunk.invalid().len()).filter(|n_bytes| *n_bytes > 0);
    invalid.map(|n_bytes| char::REPLACEMENT_CHARACTER.len_utf8().saturating_sub(n_bytes)).sum()
}

struct Repair {
    out: Vec<u8>,
    first: String,
}

/// Of an attribute's key, what is repeated in a log line.
const KEY_MAX_CHARS: usize = 100;

// === impl Repair ===

impl Repair {
    /// Copies the fields of a message, which lies in the attribute of this key. Returns whether anything was changed.
    fn message(&mut self, mut message: Reader<'_>, schema: &'static Schema, attribute: Option<&[u8]>) -> Result<bool, Malformed> {
        let attribute = match attribute {
            None if std::ptr::eq(schema, &KEY_VALUE) => key_of(message),
            attribute => attribute,
        };
        let mut is_changed = false;
        while !message.is_empty() {
            let start = message.offset();
            let key = message.key()?;
            let key_bytes = message.offset() - start;
            match schema.action(key) {
                Action::Text => {
                    let content = message.delimited()?.rest();
                    let text = String::from_utf8_lossy(content);
                    if text.len() == content.len() && text.as_bytes() == content {
                        self.out.extend_from_slice(message.since(start));
                        continue;
                    }
                    self.note(schema, attribute);
                    self.out.extend_from_slice(&message.since(start)[..key_bytes]);
                    put_varint(&mut self.out, text.len() as u64);
                    self.out.extend_from_slice(text.as_bytes());
                    is_changed = true;
                }
                Action::Message | Action::Nest => {
                    let content = message.delimited()?;
                    let (Some(inner), Some(schema)) = (content.enter(), schema.message(number(key))) else {
                        self.out.extend_from_slice(message.since(start));
                        continue;
                    };
                    let length_at = self.out.len() + key_bytes;
                    self.out.extend_from_slice(&message.since(start)[..content.offset() - start]);
                    let body = self.out.len();
                    if self.message(inner, schema, attribute)? {
                        mend_length(&mut self.out, length_at, body);
                        is_changed = true;
                    }
                }
                _ => {
                    message.skip(key)?;
                    self.out.extend_from_slice(message.since(start));
                }
            }
        }
        Ok(is_changed)
    }

    fn note(&mut self, schema: &Schema, attribute: Option<&[u8]>) {
        if !self.first.is_empty() {
            return;
        }
        self.first = match attribute {
            Some(key) => {
                let key: String = String::from_utf8_lossy(key).chars().take(KEY_MAX_CHARS).collect();
                format!("attribute {:?}", key)
            }
            None => format!("a text of the {}", schema.name()),
        };
    }
}

/// The key of an attribute, whatever its bytes.
fn key_of(mut attribute: Reader<'_>) -> Option<&[u8]> {
    let mut found = None;
    while let Some(field) = attribute.field().ok()? {
        if field.number == 1 {
            found = field.bytes().ok();
        }
    }
    found
}

#[cfg(test)]
mod tests;
