//! The forwarder against a stand-in for Tempo, and against a real one.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod bench;
mod delivery;
pub(crate) mod double;
mod faults;
mod probing;
mod real;
mod splitting;
