//! Load as agents make it: OTLP requests out of patched templates, fast enough that the receiver is what is measured.
//!
//! `main.rs` is the tool; `benches/pipeline` uses the same parts.

#![allow(dead_code)] // Each of those uses its own part.

pub mod connection;
pub mod logs;
pub mod plan;
pub mod post;
pub mod random;
pub mod run;
pub mod shape;
pub mod truth;
