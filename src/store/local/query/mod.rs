//! What is asked of the store: from the state in memory and the rows on disk, while the fold goes on.

pub(in crate::store::local) mod callers;
pub(in crate::store::local) mod elsewhere;
pub(in crate::store::local) mod explain;
pub(in crate::store::local) mod facts;
pub(in crate::store::local) mod find;
pub(in crate::store::local) mod first_questions;
pub(in crate::store::local) mod last_errors;
pub(in crate::store::local) mod leading;
pub(in crate::store::local) mod look_back;
pub(in crate::store::local) mod ranking;
pub(in crate::store::local) mod raw;
pub(in crate::store::local) mod said;
pub(in crate::store::local) mod series;
pub(in crate::store::local) mod session_scores;
pub(in crate::store::local) mod session_users;
pub(in crate::store::local) mod sessionless;
pub(in crate::store::local) mod verdicts;
pub(in crate::store::local) mod view;
pub(in crate::store::local) mod window;
