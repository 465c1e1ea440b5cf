//! Layer 5: who may do what, and whose data it is.
//!
//! - The tenant comes from the credential and from nothing else; with authentication off it is always [`Tenant::default`].
//! - Any one valid credential suffices. An unknown one beside it never spoils it: every Django application on the same host leaves a
//!   `sessionid` cookie behind.
//! - Keys are compared in constant time over all keys, without an early exit.
//! - Never logs, prints or returns a key or a token.

mod exposure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod keys;
mod sessions;
#[cfg(test)]
mod tests;
mod throttle;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, StatusCode};

use crate::model::ids::Tenant;

pub use exposure::exposure_error;
pub use keys::{InvalidKey, KEY_MAX_BYTES, KEY_MIN_BYTES, KeyEntry, Keys};
pub use sessions::{SESSION_TTL, SESSIONS_MAX};

/// The header, and gRPC metadata key, that the Waxell SDK sends its key in.
pub const KEY_HEADER: &str = "x-wax-key";

/// The cookies a browser session may be carried in: our own, and the one that the documented API names.
pub const SESSION_COOKIES: [&str; 2] = ["sessionfold_session", "sessionid"];

/// What a 401 must carry in `WWW-Authenticate`.
pub const CHALLENGE: &str = "Bearer realm=\"sessionfold\"";

/// Credentials looked at in one request; more are ignored, so that a request cannot buy unbounded comparisons.
const CREDENTIALS_MAX: usize = 16;

/// What a caller wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// Send traces.
    Ingest,
    /// Ask for sessions, and delete them.
    Read,
}

/// Why a request may not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// No credential, or none that is known.
    Missing,
    /// A known key that was not given this right.
    WrongRight,
}

/// Decides about every request at every door.
pub struct Authenticator {
    /// `None`: authentication is off and every credential is ignored.
    keys: Option<Keys>,
    /// The browser sessions issued since the start; they do not outlive the process.
    sessions: sessions::Sessions,
    /// Who has failed to log in.
    throttle: throttle::Throttle,
}

// === impl Authenticator ===

impl Authenticator {
    /// Lets everyone in, as the default tenant.
    pub fn off() -> Self {
        Self { keys: None, sessions: sessions::Sessions::default(), throttle: throttle::Throttle::default() }
    }

    pub fn with_keys(keys: Keys) -> Self {
        Self { keys: Some(keys), sessions: sessions::Sessions::default(), throttle: throttle::Throttle::default() }
    }

    pub fn is_on(&self) -> bool {
        self.keys.is_some()
    }

    /// The tenant of a request that needs one right.
    pub fn from_headers(&self, headers: &HeaderMap, need: Right) -> Result<Tenant, Denied> {
        self.from_headers_at(headers, need, Instant::now())
    }

    /// As [`Authenticator::from_headers`], with the time as an argument.
    pub fn from_headers_at(&self, headers: &HeaderMap, need: Right, now: Instant) -> Result<Tenant, Denied> {
        let Some(keys) = &self.keys else { return Ok(Tenant::default()) };
        let mut denied = Denied::Missing;
        for presented in credentials(headers).take(CREDENTIALS_MAX) {
            let (secret, is_cookie) = match presented {
                Credential::Key(secret) => (secret, false),
                Credential::Cookie(secret) => (secret, true),
            };
            // A browser sends cookies on its own, so a cookie never carries the right to write spans.
            if is_cookie
                && need == Right::Read
                && let Some(tenant) = self.sessions.tenant(secret, now)
            {
                return Ok(tenant);
            }
            match keys.find(secret) {
                Some(entry) if entry.rights.contains(&need) && !(is_cookie && need == Right::Ingest) => return Ok(entry.tenant.clone()),
                Some(_) => denied = Denied::WrongRight,
                None => {}
            }
        }
        Err(denied)
    }

    /// The tenant that a key typed into the login form may read; `None` for a key that is unknown or may not read.
    /// With authentication off there is nothing to log in to, and the answer is the default tenant.
    pub fn login(&self, key: &str) -> Result<Tenant, Denied> {
        let Some(keys) = &self.keys else { return Ok(Tenant::default()) };
        let entry = keys.find(key.as_bytes()).ok_or(Denied::Missing)?;
        if entry.rights.contains(&Right::Read) { Ok(entry.tenant.clone()) } else { Err(Denied::WrongRight) }
    }

    /// Whether this address may try to log in; else how long it has to wait. The address is the connection's: behind a proxy all
    /// visitors have the proxy's.
    pub fn may_try(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        self.throttle.may_try(address, now)
    }

    /// Takes note of a login that failed.
    pub fn has_failed(&self, address: Option<IpAddr>, now: Instant) {
        self.throttle.has_failed(address, now);
    }

    /// Begins a browser session that may read `tenant` for [`SESSION_TTL`], and returns the cookie's value.
    /// Fails only if the system has no random numbers to give.
    pub fn issue(&self, tenant: Tenant) -> Result<String, getrandom::Error> {
        self.sessions.issue(tenant, Instant::now())
    }

    /// Ends a browser session; an unknown token is no error.
    pub fn revoke(&self, token: &str) {
        self.sessions.revoke(token);
    }
}

// === impl Denied ===

impl Denied {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Missing => StatusCode::UNAUTHORIZED,
            Self::WrongRight => StatusCode::FORBIDDEN,
        }
    }

    /// The `detail` of the API's JSON answer: the words of the framework whose API ours speaks.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Missing => "Authentication credentials were not provided.",
            Self::WrongRight => "You do not have permission to perform this action.",
        }
    }
}

/// One thing in a request that may prove who sent it.
enum Credential<'a> {
    Key(&'a [u8]),
    Cookie(&'a [u8]),
}

/// Every credential of a request: keys first, then cookies, each in the order sent.
fn credentials(headers: &HeaderMap) -> impl Iterator<Item = Credential<'_>> {
    let keys = headers.get_all(KEY_HEADER).iter().map(|value| value.as_bytes().trim_ascii());
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let cookies = headers.get_all(COOKIE).iter().flat_map(|value| session_cookies(value.as_bytes()));
    keys.chain(bearers).map(Credential::Key).chain(cookies.map(Credential::Cookie))
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.trim_ascii().split_at_checked("bearer".len())?;
    (scheme.eq_ignore_ascii_case(b"bearer") && token.first() == Some(&b' ')).then(|| token.trim_ascii())
}

/// The values of [`SESSION_COOKIES`] in one `Cookie` header.
fn session_cookies(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b';').filter_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        SESSION_COOKIES.iter().any(|known| known.as_bytes() == name).then_some(unquoted)
    })
}
