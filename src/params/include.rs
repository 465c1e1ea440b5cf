//! `include=`: which groups of further keys an answer shall have.

use super::BadParam;
use super::pairs::Pairs;

/// A group of keys beyond the documented ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Include {
    /// Tokens by kind, calls, what has no price, what was left out.
    Usage,
    Users,
    Models,
    /// How many runs failed, and how many still run.
    Errors,
    /// What was judged of each run, and averages by name.
    Scores,
    /// Where it can be looked at in Tempo.
    Links,
    /// Why a run has the figures it has.
    Explain,
    /// The run that each run was started in.
    Parents,
    /// What a person noted of a session.
    Note,
    /// What was asked first in a session.
    Question,
}

/// A set of [`Include`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Includes(u16);

// === impl Include ===

impl Include {
    pub const ALL: [Self; 10] = [
        Self::Usage,
        Self::Users,
        Self::Models,
        Self::Errors,
        Self::Scores,
        Self::Links,
        Self::Explain,
        Self::Parents,
        Self::Note,
        Self::Question,
    ];

    /// The name in `include=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Users => "users",
            Self::Models => "models",
            Self::Errors => "errors",
            Self::Scores => "scores",
            Self::Links => "links",
            Self::Explain => "explain",
            Self::Parents => "parents",
            Self::Note => "note",
            Self::Question => "question",
        }
    }
}

// === impl Includes ===

impl Includes {
    /// Reads a comma-separated list. What is known but not among `available` is ignored and noted; what is unknown is refused.
    pub fn read(pairs: &mut Pairs, available: &[Include]) -> Result<Self, BadParam> {
        let mut includes = Self::default();
        let mut unavailable = Vec::new();
        for name in pairs.get("include").unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let Some(include) = Include::ALL.into_iter().find(|include| include.as_str() == name) else {
                let names = Include::ALL.map(Include::as_str).join(", ");
                return Err(BadParam::new("include", name, &format!("a comma-separated list of {names}")));
            };
            if available.contains(&include) {
                includes.0 |= 1 << include as u8;
            } else {
                unavailable.push(include);
            }
        }
        for include in unavailable {
            pairs.ignore(&format!("include={}", include.as_str()));
        }
        Ok(includes)
    }

    pub fn has(self, include: Include) -> bool {
        self.0 & (1 << include as u8) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
