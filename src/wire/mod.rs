//! Layer 1: bytes on the wire and on disk, as borrowed views and back.

#[cfg(any(test, fuzzing))]
pub mod checks;
pub mod format;
pub mod otlp;
mod protobuf;
