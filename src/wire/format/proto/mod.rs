//! Generated from `proto/` and committed; `tests/proto` regenerates and compares.

#[rustfmt::skip]
pub mod journal;
#[rustfmt::skip]
#[cfg_attr(not(test), allow(dead_code, reason = "agents of sessions are read and written by hand; what is here judges that in tests"))]
pub mod stored;
