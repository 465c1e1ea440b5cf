//! What Tempo has, read back: for `verify`, for `rebuild`, and before spans are sent that it may have already.
//!
//! ```text
//! scan: windows of time, then ids ──► stamped: what stamps say ──► verify
//!                                └──► restored: spans again    ──► rebuild
//! ask: one trace by its id        ──► what need not be sent again
//! ```
//!
//! - A question that is too much is asked in smaller parts; what no question gets is named, and the rest is read all the same.
//! - Memory is that of a window, or of the traces that are asked for at one time.
//! - Nothing is written, and nothing is decided: who asks compares, journals or leaves out.

pub(super) mod ask;
pub mod restored;
pub mod scan;
pub mod stamped;
