//! What needs a real Tempo: `TEMPO_BIN` names the binary of a Tempo 3. See `.ci/tempo`.
//!
//! A target of its own, so that tests that were skipped are not among those that passed.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

#[path = "../forward/bench.rs"]
#[allow(dead_code)] // The forwarder's own tests use the rest.
mod bench;
/// What real packages sent.
#[path = "../dialects/recording.rs"]
#[allow(dead_code)] // The target that they are for judges them.
mod recording;
#[path = "../support/mod.rs"]
mod support;
/// The load tool.
#[path = "../../benches/load/mod.rs"]
mod tool;

mod beside;
mod coding_agents;
mod cookbook;
mod dense;
mod dialects;
mod forwarding;
mod kills;
mod newcomer;
mod panels;
mod proof;
mod rebuild;
mod said;
mod unchanged;
mod verify;
