//! Content codings: which one a request uses, and undoing it under a limit.
//!
//! - The limit is checked while bytes come out, so a bomb costs at most the limit and one chunk.
//! - Every byte must belong to the compressed data: truncated or trailing bytes are an error, never a shorter request.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use http::HeaderValue;

use super::admission::Permit;
use super::refusal::Refusal;

/// How a body, or a gRPC message, is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Coding {
    #[default]
    Identity,
    Gzip,
    /// Zlib (RFC 9110's `deflate`) or bare deflate (what some clients send under that name).
    Deflate,
    Zstd,
}

/// The codings we take, in the form of `Accept-Encoding` and `grpc-accept-encoding`.
pub(super) const ACCEPTED: &str = "gzip,zstd,deflate,identity";

/// Bytes decompressed between two looks at the limits.
const CHUNK_BYTES: usize = 64 << 10;

/// The largest zstd window that is allocated: 8 MiB, the most that RFC 9659 lets a sender of `Content-Encoding: zstd` use.
const ZSTD_WINDOW_LOG: u32 = 23;

// === impl Coding ===

impl Coding {
    /// Reads the values of `Content-Encoding` or `grpc-encoding`: at most one coding besides `identity`.
    pub(super) fn from_headers<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Result<Self, Refusal> {
        let mut coding = Self::Identity;
        for value in values {
            let text = value.to_str().map_err(|_| Refusal::Encoding(String::from_utf8_lossy(value.as_bytes()).into_owned()))?;
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let named = Self::from_name(name).ok_or_else(|| Refusal::Encoding(name.to_owned()))?;
                if coding != Self::Identity && named != Self::Identity {
                    return Err(Refusal::Encoding(text.to_owned()));
                }
                coding = if named == Self::Identity { coding } else { named };
            }
        }
        Ok(coding)
    }

    /// The name, also in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let known =
            [("identity", Self::Identity), ("gzip", Self::Gzip), ("x-gzip", Self::Gzip), ("deflate", Self::Deflate), ("zstd", Self::Zstd)];
        known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, coding)| *coding)
    }

    /// Undoes the coding. What comes out is charged to `permit` as it grows, on top of what the permit holds already.
    ///
    /// No bytes decompress to no bytes: some clients name a coding and send an empty request uncompressed.
    pub(super) fn decompress(self, body: &[u8], max_bytes: usize, permit: &mut Permit) -> Result<Vec<u8>, Refusal> {
        if body.is_empty() {
            return Ok(Vec::new());
        }
        let mut rest = body;
        let out = match self {
            Self::Identity => read_capped(&mut rest, self, max_bytes, permit)?,
            Self::Gzip => read_capped(flate2::bufread::MultiGzDecoder::new(&mut rest), self, max_bytes, permit)?,
            Self::Deflate if is_zlib(body) => read_capped(flate2::bufread::ZlibDecoder::new(&mut rest), self, max_bytes, permit)?,
            Self::Deflate => read_capped(flate2::bufread::DeflateDecoder::new(&mut rest), self, max_bytes, permit)?,
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut rest).map_err(|error| self.corrupt(&error))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| self.corrupt(&error))?;
                read_capped(decoder, self, max_bytes, permit)?
            }
        };
        if !rest.is_empty() {
            return Err(Refusal::Corrupt { coding: self, problem: format!("{} bytes follow its end", rest.len()) });
        }
        Ok(out)
    }

    fn corrupt(self, error: &io::Error) -> Refusal {
        let problem = if error.kind() == ErrorKind::UnexpectedEof { "it ends early".to_owned() } else { error.to_string() };
        Refusal::Corrupt { coding: self, problem }
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether this starts with a zlib header (RFC 1950, 2.2). No encoder begins bare deflate so: its first byte would be that of a stored
/// block whose padding bits are set.
fn is_zlib(body: &[u8]) -> bool {
    let [cmf, flg, ..] = *body else { return false };
    cmf & 0x0f == 8 && (u16::from(cmf) << 8 | u16::from(flg)) % 31 == 0
}

fn read_capped(mut decoder: impl Read, coding: Coding, max_bytes: usize, permit: &mut Permit) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = match decoder.read(&mut chunk) {
            Ok(0) => return Ok(out),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(coding.corrupt(&error)),
        };
        if out.len() + n > max_bytes {
            return Err(Refusal::TooLarge { limit_bytes: max_bytes, decompressed: true });
        }
        permit.grow(n)?;
        out.extend_from_slice(&chunk[..n]);
    }
}

#[cfg(test)]
mod tests;
