//! Admission: how many bytes of requests are held at once.
//!
//! - Nothing waits here: what does not fit now is refused at once, with a time to come back.
//! - A request pays for its declared length before a byte is read, for its decompressed bytes as they appear, and is paid back when the
//!   answer is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::refusal::Refusal;

/// Bytes in flight, counted over all doors.
#[derive(Clone, Debug)]
pub struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    max_bytes: u64,
    /// Never above `max_bytes`. Raised by [`Permit::grow`], lowered when a permit is dropped.
    used_bytes: AtomicU64,
}

/// The bytes one request holds; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    bytes: u64,
}

// === impl Admission ===

impl Admission {
    pub fn new(max_bytes: u64) -> Self {
        Self { shared: Arc::new(Shared { max_bytes, used_bytes: AtomicU64::new(0) }) }
    }

    /// Lets a request in that holds `n_bytes`, or refuses it as [`Refusal::Overloaded`].
    pub fn admit(&self, n_bytes: usize) -> Result<Permit, Refusal> {
        let mut permit = Permit { shared: self.shared.clone(), bytes: 0 };
        permit.grow(n_bytes)?;
        Ok(permit)
    }

    pub fn inflight_bytes(&self) -> u64 {
        self.shared.used_bytes.load(Ordering::Relaxed)
    }
}

// === impl Permit ===

impl Permit {
    /// Pays for `n_bytes` more. When refused, the permit keeps what it had.
    pub fn grow(&mut self, n_bytes: usize) -> Result<(), Refusal> {
        let n_bytes = n_bytes as u64;
        let fits = |used: u64| used.checked_add(n_bytes).filter(|sum| *sum <= self.shared.max_bytes);
        // Relaxed: the counter guards no other memory.
        self.shared.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| Refusal::Overloaded)?;
        self.bytes += n_bytes;
        Ok(())
    }

    /// Gives back all but `n_bytes`, because the rest was freed.
    pub fn shrink_to(&mut self, n_bytes: usize) {
        let freed = self.bytes.saturating_sub(n_bytes as u64);
        self.shared.used_bytes.fetch_sub(freed, Ordering::Relaxed);
        self.bytes -= freed;
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_never_exceeds_the_limit_and_all_of_it_comes_back() {
        let admission = Admission::new(100);
        let mut first = admission.admit(60).unwrap();
        assert_eq!(admission.admit(41).unwrap_err(), Refusal::Overloaded);
        let second = admission.admit(40).unwrap();
        assert_eq!(first.grow(1), Err(Refusal::Overloaded));
        drop(second);
        first.grow(40).unwrap();
        first.shrink_to(30);
        first.shrink_to(50);
        assert_eq!((first.bytes(), admission.inflight_bytes()), (30, 30));
        drop(first);
        assert_eq!(admission.inflight_bytes(), 0);
        assert_eq!(admission.admit(usize::MAX).unwrap_err(), Refusal::Overloaded);
    }

    #[test]
    fn concurrent_requests_cannot_overdraw() {
        let admission = Admission::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let permit = admission.admit(300);
                        assert!(admission.inflight_bytes() <= 1000);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(admission.inflight_bytes(), 0);
    }
}
