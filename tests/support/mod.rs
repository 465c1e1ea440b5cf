//! What tests of several areas share.

pub mod dice;
pub mod posts;
pub mod server;
pub mod spans;
pub mod tempo;
