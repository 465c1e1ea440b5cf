//! Forwarding: the journal's entries to Tempo, at least once and in order.
//!
//! ```text
//! source ──► pump ──► (stamp) ──► lane per tenant: batch, send, split ──► ledger ──► position
//!              one memory for all          asks, waits and halves            only over a prefix that Tempo has taken whole
//! ```
//!
//! - A position is passed when Tempo has everything before it, and noted before and after (`watermark`, `keeping`).
//! - Memory for what is read and not yet taken is bounded; when it is used up, reading waits.
//! - Nothing is given up but a span that is refused on its own.
//! - What an entry means is not known here: it is bytes, with a place in the journal.

mod backoff;
mod batch;
mod forward_log;
pub mod forwarder;
mod guard;
mod keeping;
mod lane;
mod ledger;
mod pace;
mod pump;
pub mod rewind;
mod shared;
pub mod source;
mod split;
mod status;
mod watermark;
