//! The whole product as its users meet it: the real binary, recorded requests of the real SDK, a real Tempo where there is one.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod commands;
mod cookbook;
mod panels;
mod proof;
mod rebuild;
mod stamps;
mod tempo;
mod unchanged;
mod verify;
mod views;
