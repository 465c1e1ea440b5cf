//! Recordings of real packages, folded in process: each session must be what its spans allow to be known.
#![allow(clippy::unwrap_used)]

#[path = "../conformance/chain.rs"]
mod chain;
mod recording;
mod report;
