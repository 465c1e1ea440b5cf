//! The memory of one fold: what is worked out for each span and each run until the runs are made lies in one piece, which is given back at
//! once. A trace of a few spans would otherwise allocate and free some thirty short vectors, a quarter of what its fold took.
//!
//! - What lies here is never dropped by itself, so [`Scratch::filled`] takes only what can be copied; a [`List`] drops what it holds.

use bumpalo::Bump;

pub(super) struct Scratch(Bump);

/// A vector in a [`Scratch`]. Growing leaves its old place unused until the end.
pub(super) type List<'a, T> = bumpalo::collections::Vec<'a, T>;

/// About what a fold needs for each span and beside them, in bytes; where that is too little, it asks for more.
const SPAN_BYTES: usize = 320;
const REST_BYTES: usize = 2_048;

// === impl Scratch ===

impl Scratch {
    pub fn for_spans(n_spans: usize) -> Self {
        Self(Bump::with_capacity(n_spans.saturating_mul(SPAN_BYTES).saturating_add(REST_BYTES)))
    }

    /// `n` times the same, to be changed in place.
    #[allow(clippy::mut_from_ref)] // Each call gives a place of its own.
    pub fn filled<T: Copy>(&self, n: usize, value: T) -> &mut [T] {
        self.0.alloc_slice_fill_copy(n, value)
    }

    /// Empty, with room for `capacity`.
    pub fn list<T>(&self, capacity: usize) -> List<'_, T> {
        List::with_capacity_in(capacity, &self.0)
    }
}
