//! The forwarder against a stand-in for Tempo; against a real one it is tested by `tests/tempo/forwarding.rs`.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod asking;
mod bench;
mod delivery;
pub(crate) mod double;
mod faults;
pub(crate) mod holder;
mod probing;
mod splitting;
mod tenants;
