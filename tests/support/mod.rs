//! What tests of several areas and targets share.

#![allow(dead_code)] // Not every target uses all of it.

pub mod apart;
pub mod coding;
pub mod dashboard;
pub mod dice;
pub mod posts;
pub mod server;
pub mod spans;
pub mod sums;
pub mod tempo;
