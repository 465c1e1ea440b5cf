//! An id at the end of a path.
//!
//! - All that follows is the id, percent-decoded once; a bare `/` belongs to it, since proxies decode `%2F`.
//! - One slash at the end is not part of it: a path means the same with and without one. An id that itself ends in a slash is written
//!   with `%2F`, or with two slashes.
//! - `+` is itself: only query strings have it for a space.

use percent_encoding::percent_decode_str;

use crate::model::ids::SessionId;

/// What stands behind the route, decoded; `None` for what is not UTF-8.
pub fn decoded(rest: &str) -> Option<String> {
    String::from_utf8(percent_decode_str(rest.strip_suffix('/').unwrap_or(rest)).collect()).ok()
}

/// The session called by what stands behind the route; `None` for what none can be called: empty, too long or not UTF-8.
pub fn session_id(rest: &str) -> Option<SessionId> {
    SessionId::new(&decoded(rest)?)
}
