//! An encoded request as a list of byte segments: it is put together only where it is sent, so that spans are not copied before that.

use std::sync::Arc;

use bytes::Bytes;

use crate::wire::otlp::stamp::Stamped;

/// A clone shares the bytes.
#[derive(Clone, Debug, Default)]
pub struct SegmentedBytes(Vec<Segment>);

#[derive(Clone, Debug)]
enum Segment {
    /// As it was received, or as we made it.
    Whole(Bytes),
    Stamped(Arc<Stamped>),
}

// === impl SegmentedBytes ===

impl SegmentedBytes {
    pub(in crate::tempo) fn len(&self) -> usize {
        self.0.iter().map(Segment::len).sum()
    }

    pub(in crate::tempo) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As one buffer; copied unless it is a single segment.
    pub(in crate::tempo) fn contiguous(&self) -> Bytes {
        match &self.0[..] {
            [Segment::Whole(one)] => one.clone(),
            _ => {
                let mut whole = Vec::with_capacity(self.len());
                self.for_each(|segment| whole.extend_from_slice(segment));
                whole.into()
            }
        }
    }

    pub(in crate::tempo) fn append(&mut self, more: &Self) {
        self.0.extend_from_slice(&more.0);
    }

    /// Calls `see` with each segment, in order.
    pub(in crate::tempo) fn for_each(&self, mut see: impl FnMut(&[u8])) {
        for segment in &self.0 {
            match segment {
                Segment::Whole(bytes) => see(bytes),
                Segment::Stamped(stamped) => stamped.stretches().for_each(&mut see),
            }
        }
    }
}

impl From<Bytes> for SegmentedBytes {
    fn from(bytes: Bytes) -> Self {
        Self(vec![Segment::Whole(bytes)])
    }
}

impl From<Stamped> for SegmentedBytes {
    fn from(stamped: Stamped) -> Self {
        Self(vec![Segment::Stamped(Arc::new(stamped))])
    }
}

// === impl Segment ===

impl Segment {
    fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Stamped(stamped) => stamped.len(),
        }
    }
}
