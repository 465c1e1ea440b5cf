//! The laws of the fold as properties, and every rule by a case made by hand.

mod build;
mod calls;
mod explain;
mod failure;
mod kept;
mod laws;
mod merges;
mod nested;
mod oracle;
mod questions;
mod runs;
mod sessions;
mod set;
mod shapes;
mod strays;
mod tools;
mod turns;
mod twins;
mod unknown;
