//! Our own formats (`docs/format.md`): entries of the journal, and what the blobs of the index database hold.

pub mod entry;
mod proto;
mod reported;
pub mod stored;
