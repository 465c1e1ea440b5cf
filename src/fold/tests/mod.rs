//! The laws of the fold as properties, and every rule by a case made by hand.

mod build;
mod calls;
mod laws;
mod merges;
mod oracle;
mod runs;
mod set;
mod shapes;
