//! The store of one machine against the plainest computation of what it must show.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod clock;
mod coding_agents;
mod deletion;
mod failures;
pub mod house;
mod idle;
mod lag;
mod laws;
mod long_sessions;
mod looking_back;
mod memory;
mod notes;
mod opening;
mod parents;
mod programs;
mod questions;
mod readers;
mod reports;
mod reports_kept;
mod retention;
mod retold;
pub mod series;
mod tenants;
pub mod truth;
mod turns;
mod untraced;
mod verdicts;
