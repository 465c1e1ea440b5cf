//! A stamped request before it is put together.
//!
//! - What was sent is shared with the request and not copied: whoever sends it copies it once, to where it leaves.

use bytes::Bytes;

/// A request with its stamps: new bytes, and stretches of the request between them.
#[derive(Debug)]
pub struct Stamped {
    pub(super) request: Bytes,
    pub(super) written: Vec<u8>,
    pub(super) shared: Vec<Shared>,
    pub(super) shared_bytes: usize,
}

/// A piece of the request that is not copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// Where in what is written it belongs.
    pub(super) at: usize,
    pub(super) start: u32,
    pub(super) end: u32,
}

// === impl Stamped ===

impl Stamped {
    pub fn len(&self) -> usize {
        self.written.len() + self.shared_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes, stretch by stretch.
    pub fn stretches(&self) -> impl Iterator<Item = &[u8]> {
        let before = self.shared.iter().scan(0, |done, shared| {
            let written = self.written.get(*done..shared.at);
            *done = shared.at;
            Some([written.unwrap_or_default(), piece(&self.request, shared.start, shared.end)])
        });
        let last = self.shared.last().map_or(0, |shared| shared.at);
        before.flatten().chain([self.written.get(last..).unwrap_or_default()])
    }
}

pub(super) fn piece(request: &[u8], start: u32, end: u32) -> &[u8] {
    request.get(start as usize..end as usize).unwrap_or_default()
}
