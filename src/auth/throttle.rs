//! Slows down those who guess keys at the login form.
//!
//! - By address, IPv6 by its /64, which is what one subscriber has: so many failures, then one more every few seconds.
//! - Only failures count, so whoever has a key never waits, except behind an address that guesses.
//! - Bounded: when as many addresses are remembered as there is room for, the one that failed longest ago is forgotten.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures that an address has at once.
const BURST: u32 = 10;
/// It gets one back after this long: 600 guesses an hour, of keys of at least eight characters.
const REFILL: Duration = Duration::from_secs(6);
/// Addresses remembered.
const ADDRESSES_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct Throttle {
    /// Written by every failed login, read by every login.
    failed: Mutex<HashMap<IpAddr, Failures>>,
}

/// When the address will have all its tries back; how far that lies ahead tells how many it has used.
struct Failures {
    whole_again: Instant,
}

// === impl Throttle ===

impl Throttle {
    /// `Err` with the time to wait if the address has no try left.
    pub(super) fn may_try(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failures) = failed.get(&network(address)) else { return Ok(()) };
        let debt = failures.whole_again.saturating_duration_since(now);
        let most = REFILL * (BURST - 1);
        if debt <= most { Ok(()) } else { Err(debt - most) }
    }

    pub(super) fn has_failed(&self, address: Option<IpAddr>, now: Instant) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let network = network(address);
        if failed.len() >= ADDRESSES_MAX && !failed.contains_key(&network) {
            failed.retain(|_, failures| failures.whole_again > now);
            if failed.len() >= ADDRESSES_MAX
                && let Some(first) = failed.iter().min_by_key(|(_, failures)| failures.whole_again).map(|(address, _)| *address)
            {
                failed.remove(&first);
            }
        }
        let failures = failed.entry(network).or_insert(Failures { whole_again: now });
        failures.whole_again = failures.whole_again.max(now) + REFILL;
    }
}

fn network(address: Option<IpAddr>) -> IpAddr {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(address)) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        Some(address) => address,
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn an_address_that_guesses_has_ten_tries_and_then_one_every_six_seconds() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(throttle.may_try(address("10.0.0.1"), now), Ok(()));
            throttle.has_failed(address("10.0.0.1"), now);
        }
        assert_eq!(throttle.may_try(address("10.0.0.1"), now), Err(REFILL));
        assert_eq!(throttle.may_try(address("::ffff:10.0.0.1"), now), Err(REFILL));
        assert_eq!(throttle.may_try(address("10.0.0.2"), now), Ok(()));
        assert_eq!(throttle.may_try(address("10.0.0.1"), now + REFILL), Ok(()));
        throttle.has_failed(address("10.0.0.1"), now + REFILL);
        assert_eq!(throttle.may_try(address("10.0.0.1"), now + REFILL), Err(REFILL));
    }

    #[test]
    fn one_subscriber_is_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..BURST {
            throttle.has_failed(address(&format!("2001:db8::{n}")), now);
        }
        assert!(throttle.may_try(address("2001:db8::ffff"), now).is_err());
        assert!(throttle.may_try(address("2001:db8:0:1::1"), now).is_ok());
    }

    #[test]
    fn it_never_remembers_more_addresses_than_there_is_room_for() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..10_000_u32 {
            throttle.has_failed(Some(IpAddr::V4(Ipv4Addr::from_bits(n))), now + Duration::from_millis(n.into()));
        }
        assert!(throttle.failed.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
