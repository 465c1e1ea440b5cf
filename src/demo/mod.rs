//! Layer 7: readable agent traffic for a running server, so that a newcomer sees sessions within seconds.
//!
//! - A client like any other: OTLP over HTTP in, the public API for cleaning up. It knows nothing of the server's inside.
//! - What is sent is shaped as the Waxell SDK shapes it: children before parents, streams with their echoes, nested agents, parents that
//!   come late or never.
//! - The generator keeps the truth about what it sends, and a test compares the server's answers with it.
//! - Every session id begins with `demo-`; nothing else is ever removed.

pub mod clean;
pub mod client;
mod dice;
mod progress;
pub mod send;
pub mod sights;
mod span;
mod stage;
mod tale;
mod tales;
pub mod traffic;
pub mod truth;

#[cfg(test)]
mod tests;
