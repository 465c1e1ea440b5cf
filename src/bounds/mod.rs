//! Layer 1: what all requests together may take at one time: memory, blocking work, streamed answers.
//!
//! - Every bound is fixed at the start. What does not fit is refused at once or after a short wait, with a time to come again.
//! - Each use of memory has a share of its own, so that one cannot starve another, and the shares add up to the budget of the process
//!   (`app::budget`).
//! - Nothing here knows what an answer means.

pub mod flights;
pub mod lanes;
pub mod memory;
pub mod stream;
