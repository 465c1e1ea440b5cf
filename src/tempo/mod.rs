//! Layer 3: all exchange with Tempo.
//!
//! ```text
//! journal ──► Pump ──► Hold: wait, stamp ──► Lane per tenant: batch ──► send ──► Ledger ──► position
//!                       on a few threads                │  one request in flight     only over a prefix that
//!                       for all tenants                 └► split, bisect, wait       Tempo has taken whole
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`query`] | one question to Tempo's query API, one answer |
//! | [`link`] | the line to its receiver: bytes out, answers in, what a failure means |
//! | [`recover`] | what Tempo has, read back: for `verify`, for `rebuild`, and before spans are sent again |
//! | [`stamp`] | entries wait until they have settled, and are stamped |
//! | [`export`] | the journal's entries on their way to Tempo; it uses all others |
//!
//! A module uses only those above it (`tests/tidy.rs` checks it). What several share lies beside them: [`options`], [`metrics`], [`tls`], the drain, the
//! names of stamps, and the pieces that go from one module to the next.
//!
//! - Every accepted span is sent at least once, in the bytes it came in, apart from stamps ([`stamp`]): encoded requests are concatenated, never decoded.
//! - A failure is classified once, in [`link::failure`]: what Tempo certainly does not have is sent again soon, what it may have is sent again only when
//!   Tempo can distinguish the copy from the original, what is too large is split, and only a span that is refused on its own is given up.
//! - What waits is in the journal; memory holds at most `max_pending_bytes`.
//! - A batch goes to one tenant; tenants do not wait for each other until that memory is full of what one of them cannot deliver.
//! - It never reads a span's contents, never logs one, and never decides what a session is: stamps are made from what the fold decided ([`stamp::Verdicts`]).

mod drain;
pub mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod keys;
pub mod link;
pub mod metrics;
pub mod options;
mod piece;
pub mod probe;
pub mod query;
pub mod recover;
pub mod stamp;
pub mod tls;

/// The metadata key every export carries, with this instance's id. A request that comes in with our own id has gone in a circle.
pub const INSTANCE_HEADER: &str = "x-sessionfold-instance";

/// The metadata key with the ids of the instances that the spans of an export came through before this one.
pub const VIA_HEADER: &str = "x-sessionfold-via";
