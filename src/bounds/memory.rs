//! A ledger of the memory that requests hold while they are answered: taken before it is allocated, given back when it is freed.
//!
//! - Each [`Use`] has a limit in bytes; what would exceed it is refused as [`Spent`] and counted.
//! - The counters are atomics: taking and giving back never waits.
//! - What the ledger counts is what our own buffers hold, not what the allocator or the kernel adds to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// What the memory is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Requests that are being answered, and answers that were not taken yet, without their bodies.
    Requests,
    /// Bodies of whole answers that were not taken yet.
    Answers,
    /// Answers that are written while they are read from disk: JSON and CSV of sessions.
    Streams,
    /// The parts of live pages.
    Pages,
    /// Sums over agents and users while they are added up.
    Sums,
}

/// The limits in bytes, one for each [`Use`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares {
    pub requests: u64,
    pub answers: u64,
    pub streams: u64,
    pub pages: u64,
    pub sums: u64,
}

/// The ledger; clones share it.
#[derive(Clone, Debug)]
pub struct Memory {
    accounts: Arc<[Account; Use::ALL.len()]>,
}

/// One use, as `/metrics` and the status page show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    pub of: &'static str,
    pub used_bytes: u64,
    pub limit_bytes: u64,
    /// Requests refused since the start because this share was spent.
    pub n_refused: u64,
}

#[derive(Debug)]
struct Account {
    limit_bytes: u64,
    /// Never above `limit_bytes`.
    used_bytes: AtomicU64,
    n_refused: AtomicU64,
}

/// Memory that was taken; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    memory: Memory,
    of: Use,
    bytes: u64,
}

/// The share of a use is spent: come again when others have given theirs back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the memory for {} is spent", .0.as_str())]
pub struct Spent(pub Use);

/// Bytes whose permit lives as long as anybody holds a part of them.
struct Owned {
    bytes: Bytes,
    _permit: Permit,
}

// === impl Use ===

impl Use {
    pub const ALL: [Self; 5] = [Self::Requests, Self::Answers, Self::Streams, Self::Pages, Self::Sums];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Answers => "answers",
            Self::Streams => "streamed_answers",
            Self::Pages => "live_pages",
            Self::Sums => "sums",
        }
    }
}

// === impl Shares ===

impl Shares {
    fn of(&self, of: Use) -> u64 {
        match of {
            Use::Requests => self.requests,
            Use::Answers => self.answers,
            Use::Streams => self.streams,
            Use::Pages => self.pages,
            Use::Sums => self.sums,
        }
    }
}

impl Default for Shares {
    /// The shares of a budget of 2 GiB.
    fn default() -> Self {
        let mib = |mib: u64| mib << 20;
        Self { requests: mib(96), answers: mib(128), streams: mib(64), pages: mib(64), sums: mib(256) }
    }
}

// === impl Memory ===

impl Memory {
    pub fn new(shares: &Shares) -> Self {
        let account = |of| Account { limit_bytes: shares.of(of), used_bytes: AtomicU64::new(0), n_refused: AtomicU64::new(0) };
        Self { accounts: Arc::new(Use::ALL.map(account)) }
    }

    /// Takes `n_bytes`, or refuses.
    pub fn take(&self, of: Use, n_bytes: usize) -> Result<Permit, Spent> {
        let mut permit = Permit { memory: self.clone(), of, bytes: 0 };
        permit.grow(n_bytes)?;
        Ok(permit)
    }

    /// The same bytes, paid for until the last part of them is dropped: by the socket they are written to, in the end.
    pub fn hold(&self, of: Use, bytes: Bytes) -> Result<Bytes, Spent> {
        let permit = self.take(of, bytes.len())?;
        Ok(permit.around(bytes))
    }

    /// Whether more than half of a share is taken: those who have much of it should not get more.
    pub fn is_tight(&self, of: Use) -> bool {
        let account = self.account(of);
        account.used_bytes.load(Ordering::Relaxed) > account.limit_bytes / 2
    }

    pub fn standing(&self) -> impl Iterator<Item = Standing> + '_ {
        Use::ALL.into_iter().zip(self.accounts.iter()).map(|(of, account)| Standing {
            of: of.as_str(),
            used_bytes: account.used_bytes.load(Ordering::Relaxed),
            limit_bytes: account.limit_bytes,
            n_refused: account.n_refused.load(Ordering::Relaxed),
        })
    }

    fn account(&self, of: Use) -> &Account {
        &self.accounts[of as usize]
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(&Shares::default())
    }
}

// === impl Permit ===

impl Permit {
    /// Takes `n_bytes` more. When refused, the permit keeps what it had.
    pub fn grow(&mut self, n_bytes: usize) -> Result<(), Spent> {
        let (account, n_bytes) = (self.memory.account(self.of), n_bytes as u64);
        let fits = |used: u64| used.checked_add(n_bytes).filter(|sum| *sum <= account.limit_bytes);
        // Relaxed: the counter guards no other memory.
        if account.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            account.n_refused.fetch_add(1, Ordering::Relaxed);
            return Err(Spent(self.of));
        }
        self.bytes += n_bytes;
        Ok(())
    }

    /// Gives back all but `n_bytes`, because the rest was freed.
    pub fn shrink_to(&mut self, n_bytes: usize) {
        let freed = self.bytes.saturating_sub(n_bytes as u64);
        self.memory.account(self.of).used_bytes.fetch_sub(freed, Ordering::Relaxed);
        self.bytes -= freed;
    }

    /// Ties the permit to these bytes.
    pub fn around(self, bytes: Bytes) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        Bytes::from_owner(Owned { bytes, _permit: self })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(memory: &Memory, of: Use) -> u64 {
        memory.standing().find(|standing| standing.of == of.as_str()).unwrap().used_bytes
    }

    fn small() -> Memory {
        Memory::new(&Shares { requests: 100, answers: 100, streams: 100, pages: 100, sums: 100 })
    }

    #[test]
    fn what_is_taken_never_exceeds_the_share_and_all_of_it_comes_back() {
        let memory = small();
        let mut first = memory.take(Use::Sums, 60).unwrap();
        assert_eq!(memory.take(Use::Sums, 41).unwrap_err(), Spent(Use::Sums));
        assert!(memory.take(Use::Pages, 100).is_ok(), "another use has a share of its own");
        first.grow(40).unwrap();
        assert_eq!(first.grow(1), Err(Spent(Use::Sums)));
        let refused = memory.standing().find(|standing| standing.of == "sums").unwrap().n_refused;
        assert_eq!((used(&memory, Use::Sums), refused), (100, 2));
        drop(first);
        assert_eq!(used(&memory, Use::Sums), 0);
    }

    #[test]
    fn bytes_are_paid_for_until_their_last_part_is_gone() {
        let memory = small();
        let whole = memory.hold(Use::Answers, Bytes::from_static(b"0123456789")).unwrap();
        let part = whole.slice(3..5);
        drop(whole);
        assert_eq!((&part[..], used(&memory, Use::Answers)), (&b"34"[..], 10));
        drop(part);
        assert_eq!(used(&memory, Use::Answers), 0);
        assert!(memory.hold(Use::Answers, Bytes::from(vec![0; 101])).is_err());
    }

    #[test]
    fn those_who_take_at_once_cannot_overdraw() {
        let memory = small();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let permit = memory.take(Use::Requests, 30);
                        assert!(used(&memory, Use::Requests) <= 100);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(used(&memory, Use::Requests), 0);
    }
}
