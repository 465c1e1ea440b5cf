//! Whole chains, in process: encoded OTLP requests are walked, read by the conventions, joined and folded, and the sessions must be right.
//!
//! Every case is received in four ways that must make no difference: as it was sent; each span in a request of its own in three shuffled
//! orders; and each of those three times over.
#![allow(clippy::unwrap_used)]

mod chain;
mod dialects;
mod hazards;
mod otlp;
mod paths;
mod sdk;
