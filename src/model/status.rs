//! How the server is, as the status page and `GET /api/v1/status/` show it: both are made of this and of nothing else, so they say the same.
//!
//! A fact has a key, which is its name in JSON, a label, which is its name on the page, and a value that knows its unit.

use super::time::{Nanos, UnixNanos};

/// From which share of a limit on something is near it.
pub const NEAR: f64 = 0.8;

/// Everything that is said at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct ServerStatus {
    pub at: UnixNanos,
    pub scope: Scope,
    /// Worst first.
    pub warnings: Vec<Warning>,
    /// Fullest first.
    pub limits: Vec<Gauge>,
    pub sections: Vec<Section>,
}

/// Whose figures are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Everything.
    Server,
    /// What concerns every tenant, and the visitor's own: nothing of what others are, do or have.
    Tenant,
}

/// Something that should be looked at, in words, with what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    pub severity: Severity,
    /// The key of the section or the limit that it is about.
    pub about: &'static str,
    pub text: String,
    pub next_step: String,
}

/// The most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Data is refused or not shown now.
    Critical,
    /// It will be, or something was lost.
    Warning,
}

/// How much of a limit is used.
#[derive(Clone, PartialEq, Debug)]
pub struct Gauge {
    pub key: &'static str,
    pub label: &'static str,
    pub used: u64,
    pub limit: u64,
    pub unit: Unit,
    /// From which share on it is near: [`NEAR`], unless that would be an alarm without a cause.
    pub near: f64,
    /// What changes the limit.
    pub setting: &'static str,
    /// What happens beyond it, and what to do.
    pub advice: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Bytes,
    Count,
    Seconds,
}

/// Facts that belong together.
#[derive(Clone, PartialEq, Debug)]
pub struct Section {
    pub key: &'static str,
    pub title: &'static str,
    pub facts: Vec<Fact>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Fact {
    pub key: &'static str,
    pub label: &'static str,
    pub value: Value,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Text(String),
    Count(u64),
    Bytes(u64),
    Duration(Nanos),
    Moment(UnixNanos),
    Yes(bool),
    /// Not known, or there is none; the words say which.
    None(&'static str),
}

// === impl Scope ===

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tenant => "tenant",
        }
    }
}

// === impl Severity ===

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

// === impl ServerStatus ===

impl ServerStatus {
    /// The worst that is warned of; `None`: all is well.
    pub fn severity(&self) -> Option<Severity> {
        self.warnings.iter().map(|warning| warning.severity).min()
    }

    /// `ok`, `warning` or `critical`.
    pub fn word(&self) -> &'static str {
        self.severity().map_or("ok", Severity::as_str)
    }
}

// === impl Gauge ===

impl Gauge {
    /// From 0 to 1, and more where the limit is exceeded; a limit of 0 is no limit.
    pub fn ratio(&self) -> f64 {
        if self.limit == 0 { 0.0 } else { self.used as f64 / self.limit as f64 }
    }

    pub fn is_near(&self) -> bool {
        self.ratio() >= self.near
    }

    /// Whole percents, rounded down: 100 only when it is full.
    pub fn percent(&self) -> u64 {
        (self.ratio() * 100.0).clamp(0.0, 999.0) as u64
    }
}

// === impl Unit ===

impl Unit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::Seconds => "seconds",
        }
    }
}

// === impl Section ===

impl Section {
    pub fn new(key: &'static str, title: &'static str) -> Self {
        Self { key, title, facts: Vec::new() }
    }

    pub fn with(mut self, key: &'static str, label: &'static str, value: impl Into<Value>) -> Self {
        self.facts.push(Fact { key, label, value: value.into() });
        self
    }

    /// With a fact that may be unknown.
    pub fn with_or(self, key: &'static str, label: &'static str, value: Option<impl Into<Value>>, otherwise: &'static str) -> Self {
        self.with(key, label, value.map_or(Value::None(otherwise), Into::into))
    }
}

// === impl Value ===

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Yes(yes)
    }
}

impl From<Nanos> for Value {
    fn from(length: Nanos) -> Self {
        Self::Duration(length)
    }
}

impl From<UnixNanos> for Value {
    fn from(at: UnixNanos) -> Self {
        Self::Moment(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_near_from_four_fifths_on_and_none_never_is() {
        let gauge = |used, limit| Gauge { key: "k", label: "l", used, limit, unit: Unit::Count, near: NEAR, setting: "", advice: "" };
        assert!(!gauge(79, 100).is_near() && gauge(80, 100).is_near() && gauge(101, 100).is_near() && !gauge(5, 0).is_near());
        assert_eq!((gauge(999, 1000).percent(), gauge(1000, 1000).percent(), gauge(5, 0).percent()), (99, 100, 0));
    }
}
