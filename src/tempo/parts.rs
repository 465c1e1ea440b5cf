//! Encoded bytes in parts that nobody puts together before they are sent: one after the other they are what goes to Tempo.

use std::sync::Arc;

use bytes::Bytes;

use crate::wire::stamp::Stamped;

/// Copies share everything.
#[derive(Clone, Debug, Default)]
pub struct Parts(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    /// As it came, or as we made it.
    Whole(Bytes),
    Stamped(Arc<Stamped>),
}

// === impl Parts ===

impl Parts {
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Part::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// In one piece; copied unless it is one.
    pub(super) fn whole(&self) -> Bytes {
        match &self.0[..] {
            [Part::Whole(one)] => one.clone(),
            _ => {
                let mut whole = Vec::with_capacity(self.len());
                self.each(|stretch| whole.extend_from_slice(stretch));
                whole.into()
            }
        }
    }

    pub(super) fn append(&mut self, more: &Self) {
        self.0.extend_from_slice(&more.0);
    }

    /// Shows all bytes, stretch by stretch.
    pub(super) fn each(&self, mut see: impl FnMut(&[u8])) {
        for part in &self.0 {
            match part {
                Part::Whole(bytes) => see(bytes),
                Part::Stamped(stamped) => stamped.stretches().for_each(&mut see),
            }
        }
    }
}

impl From<Bytes> for Parts {
    fn from(bytes: Bytes) -> Self {
        Self(vec![Part::Whole(bytes)])
    }
}

impl From<Stamped> for Parts {
    fn from(stamped: Stamped) -> Self {
        Self(vec![Part::Stamped(Arc::new(stamped))])
    }
}

// === impl Part ===

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Stamped(stamped) => stamped.len(),
        }
    }
}
