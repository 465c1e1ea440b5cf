//! The query plane `/api/v1/observe/query/`: what the `wax` command asks with an API key.
//!
//! - Its shapes are those that `wax` 0.1.9 reads, read from its source (`docs/sdk.md`); where it knows two names of a field both are there.
//! - Whatever it asks for is answered: numbers are clamped, unknown words are ignored, and nothing is refused for its form.
//! - `wax` divides and adds costs and durations, so they are numbers, never null: an unknown cost counts 0, and a run that is going on has
//!   lasted as long as it has been heard of.
//! - Sums are kept by the store once they were asked for; what lists runs or users is computed from the runs of the window, from one state.

pub(super) mod detail;
pub(super) mod gather;
pub(super) mod overview;
pub(super) mod sessions;
pub(super) mod traces;
pub(super) mod users;
mod window;

use http::Uri;

use super::whole::Question;
use crate::model::ids::Tenant;

/// What is asked: nothing here has links, so the address is all of it.
fn question(tenant: &Tenant, uri: &Uri) -> Question {
    Question::new(tenant, uri, "")
}

/// Runs that one answer lists at most.
const RUNS_MAX: usize = 100;
/// Sessions, agents and users that one answer lists at most; `wax` takes the first ones it wants.
pub(super) const GROUPS_MAX: usize = 1_000;
