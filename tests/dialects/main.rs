//! Recordings of real packages of every dialect, and what is right of them: each session must be what its spans allow to be known.
//!
//! ```text
//! recordings/<package>-<version>[--<program>]/otlp-NNN.pb | .json   the requests as the package sent them
//!                                            /expected.json          per session what the program did
//! ```
//!
//! - The programs talk to a server that answers like a model's and notes what it was asked; what it noted is `expected.json`. Most have two
//!   turns in traces of their own, a tool, a stream, an error, and cached and reasoning tokens.
//! - `known: false` marks sessions whose truth the spans do not hold (no usage, no session id): those are not judged.
//! - Each recording is folded as it came, and then every span in a request of its own, shuffled, once and three times: it must make no
//!   difference.
//! - What is known not to be exact stands in `exceptions`, each with its reason; one that is no longer needed fails the test too.
//! - `ONLY=<part of a name> cargo test --test dialects` judges some of them.
//!
//! Prices are those of the table in the binary. Texts of more than 400 characters were taken out of the recordings of coding agents.
#![allow(clippy::unwrap_used)]

// What both targets need is in one file; not all of it is used here.
#[allow(dead_code)]
#[path = "../conformance/chain.rs"]
mod chain;
mod exceptions;
mod judging;
mod packages;
mod page;
mod recording;
mod tests;
