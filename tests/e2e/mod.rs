//! The whole product as its users meet it: the real binary, recorded requests of the real SDK. What needs a real Tempo is in `tests/tempo`.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod circle;
mod commands;
mod doubt;
mod elsewhere;
mod stamps;
mod views;
