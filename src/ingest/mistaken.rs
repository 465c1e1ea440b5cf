//! Bodies that cannot be read because they are something else than was declared, told by their first bytes.
//!
//! Only for a body that could not be read: it is of no use to know better of one that could.

use super::encoding::Coding;
use super::refusal::Refusal;
use super::screen::Format;
use crate::wire::otlp::inspect::{Limits, inspect};

/// The byte order mark that some editors and .NET write before UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// What `body` is, whose content coding was undone and which could not be read as `format`.
pub(super) fn mistaken(body: &[u8], format: Format) -> Option<Refusal> {
    for (coding, magic) in [(Coding::Gzip, GZIP), (Coding::Zstd, ZSTD)] {
        if body.starts_with(magic) {
            return Some(Refusal::Undeclared(coding));
        }
    }
    match format {
        Format::Protobuf => {
            let first = body.strip_prefix(BOM).unwrap_or(body).trim_ascii_start().first()?;
            // As keys of protobuf these begin groups, which no message of OTLP has.
            matches!(first, b'{' | b'[').then_some(Refusal::JsonAsProtobuf)
        }
        Format::Json => {
            let found = inspect(body, Limits { max_depth: u32::MAX }).ok()?;
            (found.n_spans > 0).then_some(Refusal::ProtobufAsJson)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_a_body_is() {
        let span = [&[0x0a, 32, 0x12, 30, 0x12, 28, 0x0a, 16][..], &[1; 16], &[0x12, 8], &[2; 8]].concat();
        for (body, format, expect) in [
            (&b"{}"[..], Format::Protobuf, Some(Refusal::JsonAsProtobuf)),
            (b"\xef\xbb\xbf \n[{}]", Format::Protobuf, Some(Refusal::JsonAsProtobuf)),
            (b"\x1f\x8b\x08\0", Format::Protobuf, Some(Refusal::Undeclared(Coding::Gzip))),
            (b"\x1f\x8b\x08\0", Format::Json, Some(Refusal::Undeclared(Coding::Gzip))),
            (b"\x28\xb5\x2f\xfd", Format::Json, Some(Refusal::Undeclared(Coding::Zstd))),
            (&span, Format::Json, Some(Refusal::ProtobufAsJson)),
            (b"", Format::Protobuf, None),
            (b"hello", Format::Protobuf, None),
            (b"{", Format::Json, None),
            (b"", Format::Json, None),
        ] {
            assert_eq!(mistaken(body, format), expect, "{body:?}");
        }
    }
}
