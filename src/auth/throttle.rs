//! Slows down whoever presents wrong keys, at every door.
//!
//! - By address, IPv6 by its /64, which is what one subscriber has: so many wrong keys, then one more every few seconds.
//! - Only wrong keys count and only they are slowed: a right one goes through from any address, since a whole office may share one.
//! - Bounded: when as many addresses are remembered as there is room for, the one that failed longest ago is forgotten.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::log_limiter::LogLimiter;
/// Failures that an address has at once.
const BURST: u32 = 10;
/// It gets one back after this long: 600 guesses an hour, of keys of at least eight characters.
const REFILL: Duration = Duration::from_secs(6);
/// Addresses remembered.
const ADDRESSES_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct Throttle {
    /// Written by every wrong key.
    failed: Mutex<Failed>,
    log_limiter: LogLimiter,
}

#[derive(Default)]
struct Failed {
    /// When each address will have all its tries back; how far that lies ahead tells how many it has used.
    whole_again: HashMap<IpAddr, Instant>,
}

// === impl Throttle ===

impl Throttle {
    /// Takes note of a wrong key. `Err` with the time to wait if the address had no try left.
    pub(super) fn has_failed(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let mut failed = self.failed.lock();
        let network = network(address);
        let most = REFILL * (BURST - 1);
        let debt = failed.whole_again.get(&network).map_or(Duration::ZERO, |whole| whole.saturating_duration_since(now));
        if debt > most {
            drop(failed);
            self.log(network, now);
            return Err(debt - most);
        }
        failed.make_room_for(network, now);
        failed.whole_again.insert(network, now + debt + REFILL);
        Ok(())
    }

    fn log(&self, network: IpAddr, now: Instant) {
        let Some(n_refused) = self.log_limiter.due("wrong_keys", 1, now) else { return };
        tracing::warn!(n_refused, address = %network, "wrong keys keep coming from an address: they are answered with 429 until it waits");
    }
}

// === impl Failed ===

impl Failed {
    fn make_room_for(&mut self, network: IpAddr, now: Instant) {
        let whole_again = &mut self.whole_again;
        if whole_again.len() < ADDRESSES_MAX || whole_again.contains_key(&network) {
            return;
        }
        whole_again.retain(|_, whole| *whole > now);
        if whole_again.len() >= ADDRESSES_MAX
            && let Some(first) = whole_again.iter().min_by_key(|(_, whole)| **whole).map(|(address, _)| *address)
        {
            whole_again.remove(&first);
        }
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
            assert_eq!(throttle.has_failed(address("10.0.0.1"), now), Ok(()));
        }
        assert_eq!(throttle.has_failed(address("10.0.0.1"), now), Err(REFILL));
        assert_eq!(throttle.has_failed(address("::ffff:10.0.0.1"), now), Err(REFILL), "what is refused does not lengthen the wait");
        assert_eq!(throttle.has_failed(address("10.0.0.2"), now), Ok(()));
        assert_eq!(throttle.has_failed(address("10.0.0.1"), now + REFILL), Ok(()));
        assert_eq!(throttle.has_failed(address("10.0.0.1"), now + REFILL), Err(REFILL));
    }

    #[test]
    fn one_subscriber_is_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..BURST {
            assert!(throttle.has_failed(address(&format!("2001:db8::{n}")), now).is_ok());
        }
        assert!(throttle.has_failed(address("2001:db8::ffff"), now).is_err());
        assert!(throttle.has_failed(address("2001:db8:0:1::1"), now).is_ok());
    }

    #[test]
    fn it_never_remembers_more_addresses_than_there_is_room_for() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..10_000_u32 {
            let _ = throttle.has_failed(Some(IpAddr::V4(Ipv4Addr::from_bits(n))), now + Duration::from_millis(n.into()));
        }
        assert!(throttle.failed.lock().whole_again.len() <= ADDRESSES_MAX);
    }
}
