//! Layer 5: who may do what, and whose data it is.
//!
//! - The tenant comes from the credential and from nothing else; with authentication off it is always [`Tenant::default`].
//! - Any one valid credential suffices. An unknown one beside it never spoils it: every Django application on the same host leaves a
//!   `sessionid` cookie behind.
//! - Keys are held as hashes and compared in constant time over all keys, without an early exit.
//! - The password of `Authorization: Basic`, and its user, may be keys that send, and are heeded of programs only: a browser that has one
//!   sends it on its own, as it does cookies.
//! - Wrong keys are slowed by address, at every door; a right key never is. Cookies are not counted: browsers send them on their own.
//! - Keys can be replaced while it runs; whether there are keys at all cannot.
//! - Never logs, prints or returns a key or a token.

mod exposure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod hash;
mod keys;
mod metrics;
mod sessions;
#[cfg(test)]
mod tests;
mod throttle;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use http::{Extensions, HeaderMap, StatusCode};
use parking_lot::RwLock;

use crate::model::ids::Tenant;
use crate::wire::otlp::json::text::decode_base64;

pub use exposure::exposure_error;
pub use keys::{InvalidKey, KEY_MAX_BYTES, KEY_MIN_BYTES, KeyEntry, Keys, STRONG_KEY_MIN_BYTES, Secret, is_well_formed};
pub use metrics::Metrics;
pub use sessions::{SESSION_TTL, SESSIONS_MAX};

/// The header, and gRPC metadata key, that the Waxell SDK sends its key in.
pub const KEY_HEADER: &str = "x-wax-key";

/// The cookies a browser session may be carried in: our own, and the one that the documented API names.
pub const SESSION_COOKIES: [&str; 2] = ["sessionfold_session", "sessionid"];

/// What a 401 must carry in `WWW-Authenticate`.
pub const CHALLENGE: &str = "Bearer realm=\"sessionfold\"";

/// Credentials looked at in one request; more are ignored, so that a request cannot buy unbounded comparisons.
const CREDENTIALS_MAX: usize = 16;

/// What browsers say of where a request comes from; no page can leave it out.
const FETCH_SITE: &str = "sec-fetch-site";

/// Of a `Basic` credential, in base64: two keys, and some room.
const BASIC_MAX_BYTES: usize = 1024;

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
    /// One unknown key too many from this address: none is worth trying before this time is over.
    Slowed(Duration),
}

/// A key that was typed into the login form, and what it opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    tenant: Tenant,
    key: hash::KeyHash,
}

/// Decides about every request at every door.
pub struct Authenticator {
    /// `None`: authentication is off and every credential is ignored. Read by every request, replaced when the keys change.
    keys: Option<RwLock<Arc<Keys>>>,
    /// The browser sessions issued since the start; they do not outlive the process.
    sessions: sessions::Sessions,
    /// Who has presented wrong keys.
    throttle: throttle::Throttle,
    metrics: Metrics,
}

// === impl Authenticator ===

impl Authenticator {
    /// Lets everyone in, as the default tenant.
    pub fn off() -> Self {
        Self::new(None)
    }

    pub fn with_keys(keys: Keys) -> Self {
        Self::new(Some(RwLock::new(Arc::new(keys))))
    }

    fn new(keys: Option<RwLock<Arc<Keys>>>) -> Self {
        Self { keys, sessions: sessions::Sessions::default(), throttle: throttle::Throttle::default(), metrics: Metrics::default() }
    }

    pub fn is_on(&self) -> bool {
        self.keys.is_some()
    }

    /// Whether everybody who gets in is of one tenant: there are no others whose doings would have to be kept from anybody.
    /// Of the keys that hold now.
    pub fn has_one_tenant(&self) -> bool {
        self.keys().is_none_or(|keys| keys.are_of_one_tenant())
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// From now on these keys hold and no others. Logins with keys that are not among them end; returns how many did.
    /// Where authentication is off it stays off.
    pub fn replace(&self, keys: Keys) -> usize {
        let Some(held) = &self.keys else { return 0 };
        let keys = Arc::new(keys);
        *held.write() = Arc::clone(&keys);
        self.sessions.keep(|key, tenant| keys.may_read(key, tenant))
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        self.keys.as_ref().map(|keys| Arc::clone(&keys.read()))
    }

    /// The tenant of a request that needs one right. `peer` is whom wrong keys are counted against.
    pub fn from_headers(&self, headers: &HeaderMap, peer: Option<IpAddr>, need: Right) -> Result<Tenant, Denied> {
        self.from_headers_at(headers, peer, need, Instant::now())
    }

    /// As [`Authenticator::from_headers`], with the time as an argument.
    pub fn from_headers_at(&self, headers: &HeaderMap, peer: Option<IpAddr>, need: Right, now: Instant) -> Result<Tenant, Denied> {
        let Some(keys) = self.keys() else { return Ok(Tenant::default()) };
        let mut denied = Denied::Missing;
        let mut is_guess = false;
        let basics = if need == Right::Ingest { basics(headers) } else { Vec::new() };
        for presented in credentials(headers, &basics).take(CREDENTIALS_MAX) {
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
                Some(known) if known.rights.contains(&need) && !(is_cookie && need == Right::Ingest) => return Ok(known.tenant.clone()),
                Some(_) => denied = Denied::WrongRight,
                None => is_guess |= !is_cookie && !secret.is_empty(),
            }
        }
        if is_guess && denied == Denied::Missing { Err(self.wrong_key(peer, now)) } else { Err(denied) }
    }

    /// What a key typed into the login form opens; with authentication off there is nothing to log in to.
    pub fn login(&self, key: &str, peer: Option<IpAddr>) -> Result<Login, Denied> {
        let Some(keys) = self.keys() else { return Err(Denied::Missing) };
        match keys.find(key.as_bytes()) {
            Some(known) if known.rights.contains(&Right::Read) => Ok(Login { tenant: known.tenant.clone(), key: known.hash }),
            Some(_) => Err(Denied::WrongRight),
            None => Err(self.wrong_key(peer, Instant::now())),
        }
    }

    fn wrong_key(&self, peer: Option<IpAddr>, now: Instant) -> Denied {
        match self.throttle.has_failed(peer, now) {
            Ok(()) => {
                self.metrics.denied();
                Denied::Missing
            }
            Err(wait) => {
                self.metrics.slowed();
                Denied::Slowed(wait)
            }
        }
    }

    /// Begins a browser session that lasts for [`SESSION_TTL`] or until its key is removed, and returns the cookie's value.
    /// Fails only if the system has no random numbers to give.
    pub fn issue(&self, login: Login) -> Result<String, getrandom::Error> {
        self.sessions.issue(login, Instant::now())
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
            Self::Slowed(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The `detail` of the API's JSON answer: the words of the framework whose API ours speaks.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Missing => "Authentication credentials were not provided.",
            Self::WrongRight => "You do not have permission to perform this action.",
            Self::Slowed(_) => "Too many wrong keys came from this address, and this is another one. Wait, then send a right one.",
        }
    }

    /// What `Retry-After` says, in whole seconds.
    pub fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::Slowed(wait) => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            _ => None,
        }
    }
}

/// The address of the connection that a request came over; behind a proxy it is the proxy's.
pub fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())
}

/// One thing in a request that may prove who sent it.
enum Credential<'a> {
    Key(&'a [u8]),
    Cookie(&'a [u8]),
}

/// Every credential of a request: keys first, then those of `Basic`, then cookies, each in the order sent.
fn credentials<'a>(headers: &'a HeaderMap, basics: &'a [Vec<u8>]) -> impl Iterator<Item = Credential<'a>> {
    let keys = headers.get_all(KEY_HEADER).iter().map(|value| value.as_bytes().trim_ascii());
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let cookies = headers.get_all(COOKIE).iter().flat_map(|value| session_cookies(value.as_bytes()));
    keys.chain(bearers).chain(basics.iter().map(Vec::as_slice)).map(Credential::Key).chain(cookies.map(Credential::Cookie))
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.trim_ascii().split_at_checked("bearer".len())?;
    (scheme.eq_ignore_ascii_case(b"bearer") && token.first() == Some(&b' ')).then(|| token.trim_ascii())
}

/// The password and the user of each `Basic` credential (RFC 7617), which is how Langfuse's SDK sends its two keys; none where a browser
/// asks.
fn basics(headers: &HeaderMap) -> Vec<Vec<u8>> {
    if headers.contains_key(ORIGIN) || headers.contains_key(FETCH_SITE) {
        return Vec::new();
    }
    let pairs = headers.get_all(AUTHORIZATION).iter().take(CREDENTIALS_MAX).filter_map(|value| basic(value.as_bytes()));
    pairs.flat_map(|(user, password)| [password, user]).collect()
}

/// The user and the password of `Basic BASE64`.
fn basic(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = value.trim_ascii().split_at_checked("basic".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic") || encoded.first() != Some(&b' ') || encoded.len() > BASIC_MAX_BYTES {
        return None;
    }
    let pair = decode_base64(std::str::from_utf8(encoded.trim_ascii()).ok()?)?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some((pair[..colon].to_vec(), pair[colon + 1..].to_vec()))
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
