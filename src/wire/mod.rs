//! Layer 1: bytes on the wire and on disk, as borrowed views and back.

pub mod entry;
pub mod inspect;
pub mod json;
pub mod otlp;
mod proto;
pub mod rewrite;
pub mod stored;
