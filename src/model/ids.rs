//! Identifiers. Each is validated where it is made, so that holding one is proof that it is well formed.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

/// The longest session id that is accepted, in bytes.
///
/// Tempo cuts attribute values at 2048 bytes and TraceQL could not find a longer id; 512 leaves every real id room (`docs/limits.md`).
pub const SESSION_ID_MAX_BYTES: usize = 512;

/// The 16 bytes of an OpenTelemetry trace id, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

/// The 8 bytes of an OpenTelemetry span id, never all zero, as a big-endian number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

/// What a run is known by inside one tenant: the trace and the span that is the run.
///
/// A provisional run, whose root has not arrived, is known by its trace and [`RunKey::PROVISIONAL`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunKey {
    pub trace: TraceId,
    pub span: SpanId,
}

/// What a span is known by inside one tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpanKey {
    pub trace: TraceId,
    pub span: SpanId,
}

/// The number a run is shown and looked up by: positive and below 2^53, so that every JSON client keeps it exact. Never a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(u64);

/// The identifier that groups runs: any UTF-8 of 1 to [`SESSION_ID_MAX_BYTES`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

/// Whose data it is. The name comes from the key that was presented, never from what a span claims.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

// === impl TraceId ===

impl TraceId {
    const RESERVED: [u8; 8] = *b"\0sfrun\0\0";

    /// `None` unless there are exactly 16 bytes and one of them is not zero (OTLP: an all-zero id is invalid).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let id: [u8; 16] = bytes.try_into().ok()?;
        (id != [0; 16]).then_some(Self(id))
    }

    /// Reads 32 hexadecimal digits, either case.
    pub fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        Self::from_bytes(&u128::from_str_radix(hex, 16).ok()?.to_be_bytes())
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id under which what was reported of a run is kept: no trace of any exporter, whose ids are random.
    pub fn of_report(run: RunId) -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&Self::RESERVED);
        id[8..].copy_from_slice(&run.get().to_be_bytes());
        Self(id)
    }

    /// The least and the greatest id that [`TraceId::of_report`] gives.
    pub fn reports() -> (Self, Self) {
        let id = |run: u64| Self((u128::from(u64::from_be_bytes(Self::RESERVED)) << 64 | u128::from(run)).to_be_bytes());
        (id(0), id(u64::MAX))
    }

    /// Whether it begins as [`TraceId::of_report`] does. A span that claims such a trace is not folded.
    pub fn is_reserved(&self) -> bool {
        self.0[..8] == Self::RESERVED
    }

    /// The run of which this is [`TraceId::of_report`].
    pub fn reported_run(&self) -> Option<RunId> {
        let number: [u8; 8] = self.0[8..].try_into().ok()?;
        if self.is_reserved() { RunId::new(u64::from_be_bytes(number)) } else { None }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl SpanId ===

impl SpanId {
    /// `None` unless there are exactly 8 bytes and one of them is not zero.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_u64(u64::from_be_bytes(bytes.try_into().ok()?))
    }

    /// Reads 16 hexadecimal digits, either case.
    pub fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 16 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        Self::from_u64(u64::from_str_radix(hex, 16).ok()?)
    }

    pub fn from_u64(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    pub fn to_u64(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl RunKey ===

impl RunKey {
    /// Stands for the span of a run whose root span is not known yet. No exporter's random ids will meet it.
    pub const PROVISIONAL: SpanId = SpanId(NonZeroU64::MAX);
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

// === impl RunId ===

impl RunId {
    /// One more than the largest id.
    pub const LIMIT: u64 = 1 << 53;

    /// The id of a run that only its spans told of: the same after a restart, a rebuild, and on another node.
    ///
    /// Trace and span ids are random already, so folding them together and mixing once (the finalizer of SplitMix64) spreads them evenly
    /// over 1 .. 2^53. The arithmetic is frozen: ids are bookmarked.
    pub fn derive(key: RunKey) -> Self {
        let trace = u128::from_be_bytes(key.trace.0);
        let mut z = (trace as u64) ^ ((trace >> 64) as u64).rotate_left(23) ^ key.span.to_u64().rotate_left(41);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        Self((z >> 11).max(1))
    }

    /// The smallest id that is given to a run that the SDK starts. Below it are the numbers that other servers count up.
    pub const MINTED_MIN: u64 = 1 << 40;

    /// An id for a run that is being started, from random bits.
    pub fn mint(random: u64) -> Self {
        Self(Self::MINTED_MIN + random % (Self::LIMIT - Self::MINTED_MIN))
    }

    /// Reads the text in which the SDK repeats it; `None` for what cannot have been given here.
    pub fn from_minted(text: &str) -> Option<Self> {
        let number: u64 = text.parse().ok()?;
        Self::new(number).filter(|_| number >= Self::MINTED_MIN && !text.starts_with(['0', '+']))
    }

    /// The span id that stands for a run where no span of it is known.
    pub fn to_span(self) -> SpanId {
        // Never zero and never PROVISIONAL, which has the highest bits set.
        SpanId(NonZeroU64::new(self.0).unwrap_or(NonZeroU64::MIN))
    }

    /// `None` outside 1 .. 2^53.
    pub fn new(number: u64) -> Option<Self> {
        (1..Self::LIMIT).contains(&number).then_some(Self(number))
    }

    pub fn get(self) -> u64 {
        self.0
    }
}

// === impl SessionId ===

impl SessionId {
    /// `None` if it is empty or longer than [`SESSION_ID_MAX_BYTES`].
    pub fn new(id: &str) -> Option<Self> {
        (1..=SESSION_ID_MAX_BYTES).contains(&id.len()).then(|| Self(id.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

// === impl Tenant ===

impl Tenant {
    /// The tenant of everything when authentication is off.
    pub const DEFAULT: &'static str = "default";

    /// `None` unless the name is 1 to 150 bytes of `[A-Za-z0-9_.-]`, and not `.` or `..`: what Tempo accepts as `X-Scope-OrgID` in one piece.
    pub fn new(name: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let ok = (1..=150).contains(&name.len()) && name.bytes().all(allowed) && name != "." && name != "..";
        ok.then(|| Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_run_id_is_frozen_and_exact_in_every_json_client() {
        let key = RunKey {
            trace: TraceId::from_hex("abcdef1234567890abcdef1234567890").unwrap(),
            span: SpanId::from_u64(0xfc58_5594_0fa6_b1b1).unwrap(),
        };
        assert_eq!(RunId::derive(key).get(), 8_474_439_409_495_412);
    }

    #[test]
    fn zero_short_and_signed_ids_are_refused() {
        assert_eq!(TraceId::from_bytes(&[0; 16]), None);
        assert_eq!(TraceId::from_bytes(&[1; 15]), None);
        assert_eq!(TraceId::from_hex("+bcdef1234567890abcdef1234567890"), None);
        assert_eq!(SpanId::from_bytes(&[0; 8]), None);
        assert_eq!(SpanId::from_bytes(&[1; 9]), None);
        assert_eq!(SessionId::new(""), None);
        assert_eq!(SessionId::new(&"x".repeat(513)), None);
        assert_eq!(Tenant::new("a|b"), None);
    }
}
