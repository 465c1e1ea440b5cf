//! Layer 3: all exchange with Tempo.
//!
//! ```text
//! journal ──► Pump ──► Hold: wait, stamp ──► Lane per tenant: batch ──► send ──► Ledger ──► position
//!                       on a few threads                │  one request in flight     only over a prefix that
//!                       for all tenants                 └► split, bisect, wait       Tempo has taken whole
//! ```
//!
//! - Every accepted span is sent at least once, in the bytes it came in, apart from stamps ([`stamp`]): encoded requests are concatenated, never decoded.
//! - A failure is classified once, in [`failure`]: what Tempo certainly does not have is sent again soon, what it may have is sent again only when
//!   Tempo can distinguish the copy from the original, what is too large is split, and only a span that is refused on its own is given up.
//! - What waits is in the journal; memory holds at most `max_pending_bytes`.
//! - A batch goes to one tenant; tenants do not wait for each other until that memory is full of what one of them cannot deliver.
//! - It never reads a span's contents, never logs one, and never decides what a session is: stamps are made from what the fold decided ([`stamp::Verdicts`]).

pub mod ask;
mod backoff;
mod batch;
pub mod client;
mod drain;
pub mod failure;
pub mod forwarder;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod guard;
mod keeping;
mod lane;
mod ledger;
pub mod metrics;
pub mod options;
mod pace;
pub mod probe;
mod pump;
pub mod query;
mod report;
pub mod restored;
pub mod rewind;
pub mod scan;
mod segmented;
pub mod source;
mod split;
pub mod stamp;
pub mod stamped;
mod status;
pub mod target;
pub mod tls;
mod watermark;

/// The metadata key every export carries, with this instance's id. A request that comes in with our own id has gone in a circle.
pub const INSTANCE_HEADER: &str = "x-sessionfold-instance";

/// The metadata key with the ids of the instances that the spans of an export came through before this one.
pub const VIA_HEADER: &str = "x-sessionfold-via";
