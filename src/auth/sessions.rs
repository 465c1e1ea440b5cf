//! Browser sessions: random tokens that stand for a login.
//!
//! A token is 64 hexadecimal digits: 16 random bytes that find the session, then 16 that prove it. The first half is the map's key, so
//! its look-up may take what time it likes; the second half is compared in constant time.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use super::Login;
use super::hash::KeyHash;
use crate::model::ids::Tenant;

/// How long a login lasts: a working week, so that nobody logs in twice a day.
pub const SESSION_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Logins held at once. When full, the one that would end first makes room.
pub const SESSIONS_MAX: usize = 4096;

const HALF_BYTES: usize = 16;

/// The sessions issued so far.
#[derive(Default)]
pub(super) struct Sessions {
    /// Read by every request that bears a cookie, written at login and logout.
    issued: Mutex<HashMap<[u8; HALF_BYTES], Issued>>,
}

struct Issued {
    proof: [u8; HALF_BYTES],
    tenant: Tenant,
    /// The key that was logged in with: the session ends with it.
    key: KeyHash,
    ends_at: Instant,
}

// === impl Sessions ===

impl Sessions {
    pub(super) fn issue(&self, login: Login, now: Instant) -> Result<String, getrandom::Error> {
        let (mut id, mut proof) = ([0; HALF_BYTES], [0; HALF_BYTES]);
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut proof)?;
        let mut issued = self.issued.lock();
        issued.retain(|_, session| session.ends_at > now);
        if issued.len() >= SESSIONS_MAX
            && let Some(first) = issued.iter().min_by_key(|(_, session)| session.ends_at).map(|(id, _)| *id)
        {
            issued.remove(&first);
        }
        issued.insert(id, Issued { proof, tenant: login.tenant, key: login.key, ends_at: now + SESSION_TTL });
        Ok(id.iter().chain(&proof).fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }

    /// The tenant of a token that was issued and has not ended.
    pub(super) fn tenant(&self, token: &[u8], now: Instant) -> Option<Tenant> {
        let (id, proof) = halves(token)?;
        let issued = self.issued.lock();
        let session = issued.get(&id)?;
        let proven = bool::from(session.proof.ct_eq(&proof));
        (proven && session.ends_at > now).then(|| session.tenant.clone())
    }

    /// Ends every session whose key does not hold any more; returns how many.
    pub(super) fn keep(&self, holds: impl Fn(&KeyHash, &Tenant) -> bool) -> usize {
        let mut issued = self.issued.lock();
        let n_before = issued.len();
        issued.retain(|_, session| holds(&session.key, &session.tenant));
        n_before - issued.len()
    }

    pub(super) fn revoke(&self, token: &str) {
        let Some((id, proof)) = halves(token.as_bytes()) else { return };
        let mut issued = self.issued.lock();
        if issued.get(&id).is_some_and(|session| bool::from(session.proof.ct_eq(&proof))) {
            issued.remove(&id);
        }
    }
}

/// The two halves of a token of exactly 64 hexadecimal digits.
fn halves(token: &[u8]) -> Option<([u8; HALF_BYTES], [u8; HALF_BYTES])> {
    if token.len() != 4 * HALF_BYTES {
        return None;
    }
    let mut bytes = [0; 2 * HALF_BYTES];
    for (byte, digits) in bytes.iter_mut().zip(token.chunks_exact(2)) {
        let digit = |ascii: u8| char::from(ascii).to_digit(16);
        *byte = u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?;
    }
    let (id, proof) = bytes.split_at(HALF_BYTES);
    Some((id.try_into().ok()?, proof.try_into().ok()?))
}
