//! Generated from `proto/` and committed; `tests/proto` regenerates and compares.

#[rustfmt::skip]
pub mod journal;
#[rustfmt::skip]
pub mod stored;
