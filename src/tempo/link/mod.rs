//! The line to Tempo: encoded spans out, its answers in, and what a failure means.
//!
//! - Bytes are sent as they are given, in segments that are shared and put together only at the socket (`segmented`).
//! - A failure is classified here and nowhere else ([`failure`]); what to do about it, and when, is the caller's.
//! - It knows nothing of entries, runs or stamps.

pub mod client;
pub mod failure;
pub(super) mod segmented;
pub mod target;
