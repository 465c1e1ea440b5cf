//! Where the next and the previous page are.
//!
//! The body has them as the documented `?offset=10&limit=10`; the `Link` header (RFC 8288) has them in full, with every filter kept.

use http::HeaderValue;

use super::base::Base;
use super::pairs::Pairs;

/// A page within a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageWindow {
    pub offset: u64,
    /// At least one.
    pub limit: u64,
    /// How many there are in all.
    pub count: u64,
}

/// A longer `Link` is left out: proxies with buffers of 8 KiB drop answers with larger heads.
const LINK_MAX_BYTES: usize = 4 * 1024;

// === impl PageWindow ===

impl PageWindow {
    /// The offset of the next page.
    pub fn next(self) -> Option<u64> {
        self.offset.checked_add(self.limit).filter(|next| *next < self.count)
    }

    /// The offset of the previous page: never negative, and the last page for whoever stands past the end.
    pub fn previous(self) -> Option<u64> {
        if self.offset == 0 {
            return None;
        }
        if self.offset >= self.count {
            return Some(self.count.saturating_sub(1) / self.limit * self.limit);
        }
        Some(self.offset.saturating_sub(self.limit))
    }

    /// The documented form of a link.
    pub fn short(self, offset: u64) -> String {
        format!("?offset={offset}&limit={}", self.limit)
    }

    /// The `Link` header for a page of what is at `path`; `None` if it is the only page.
    pub fn header(self, base: &Base, path: &str, pairs: &Pairs) -> Option<HeaderValue> {
        let link = |offset, relation| format!("<{}{path}{}>; rel=\"{relation}\"", base.as_str(), pairs.link(offset, self.limit));
        let next = self.next().map(|offset| link(offset, "next"));
        let previous = self.previous().map(|offset| link(offset, "prev"));
        let links: Vec<String> = next.into_iter().chain(previous).collect();
        let value = links.join(", ");
        if value.is_empty() || value.len() > LINK_MAX_BYTES {
            return None;
        }
        HeaderValue::from_str(&value).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn neighbours(offset: u64, limit: u64, count: u64) -> (Option<u64>, Option<u64>) {
        let window = PageWindow { offset, limit, count };
        (window.previous(), window.next())
    }

    #[test]
    fn pages_lead_on_and_back_and_never_below_zero_or_past_the_end() {
        assert_eq!(neighbours(0, 10, 42), (None, Some(10)));
        assert_eq!(neighbours(10, 10, 42), (Some(0), Some(20)));
        assert_eq!(neighbours(5, 10, 42), (Some(0), Some(15)));
        assert_eq!(neighbours(32, 10, 42), (Some(22), None));
        assert_eq!(neighbours(40, 10, 42), (Some(30), None));
        assert_eq!(neighbours(42, 10, 42), (Some(40), None));
        assert_eq!(neighbours(1_000, 10, 42), (Some(40), None));
        assert_eq!(neighbours(1_000, 10, 40), (Some(30), None));
        assert_eq!(neighbours(u64::MAX, u64::MAX, 42), (Some(0), None));
        assert_eq!(neighbours(0, 10, 0), (None, None));
        assert_eq!(neighbours(10, 10, 0), (Some(0), None));
    }

    proptest! {
        #[test]
        fn walking_back_from_anywhere_ends_at_the_start(offset in 0u64..500, limit in 1u64..120, count in 0u64..400) {
            let mut window = PageWindow { offset, limit, count };
            for _ in 0..1_000 {
                let Some(previous) = window.previous() else { break };
                prop_assert!(previous < window.offset);
                window.offset = previous;
            }
            prop_assert_eq!(window.offset, 0);
        }
    }
}
