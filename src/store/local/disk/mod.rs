//! The index database: everything that is said to SQLite.
//!
//! - One file, written by checkpoints, each one transaction with the journal position it covers (`write.rs`), and while it is opened or
//!   begins anew (`schema.rs`, `renew.rs`).
//! - All statements stand in one list with their query plans (`statements.rs`).
//! - Where runs are by number, activity and user, and traces by id, is in sorted segments of our own, which are rows of the database too
//!   (`places/`).
//! - Readers have connections of their own and never wait for a checkpoint (`read.rs`).
//! - What is newer than disk lies in memory (`state/recent.rs`), and goes before it: here where one run or the runs of a session are read
//!   (`runs_by.rs`, `read.rs`), else by the caller.

pub mod load;
pub mod places;
#[cfg(test)]
mod plans;
pub mod read;
pub mod renew;
pub mod rows;
pub mod runs_by;
pub mod schema;
pub mod session_runs;
pub mod statements;
pub mod traces;
pub mod write;
