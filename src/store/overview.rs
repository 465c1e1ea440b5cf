//! What a tenant has sent as a whole: for those who look for a session and find none.

use crate::model::Str;

/// Services that are named one by one; those beyond are counted together.
pub const SERVICES_MAX: usize = 32;

/// Runs without a session are counted up to here, so that telling of them stays cheap however many there are.
pub const SESSIONLESS_MAX: u64 = 10_000;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overview {
    /// Every span that was accepted, repeated ones again.
    pub n_spans: u64,
    /// Runs that are in no session; [`SESSIONLESS_MAX`] stands for "so many or more".
    pub n_sessionless_runs: u64,
    /// Spans by `service.name`, most first. At most [`SERVICES_MAX`]; what states no name, or came when there were as many, is in none.
    pub services: Vec<(Str, u64)>,
}
