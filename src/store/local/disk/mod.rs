//! The index database: everything that is said to SQLite.
//!
//! - One file, written by checkpoints alone, each one transaction with the journal position it covers (`write.rs`).
//! - All statements stand in one list with their query plans (`statements.rs`).
//! - Where runs are by number, activity and user is in sorted segments of our own, which are rows of the database too (`places/`).
//! - Readers have connections of their own and never wait for a checkpoint (`read.rs`).
//! - What is newer than disk lies in memory; callers lay it over what they read here.

pub mod load;
pub mod lookups;
pub mod places;
#[cfg(test)]
mod plans;
pub mod read;
pub mod renew;
pub mod rows;
pub mod runs_by;
pub mod schema;
pub mod statements;
pub mod write;
