//! What the journal promises. `support` has a file system that fails on request and that can lose its power.

mod faults;
mod flips;
mod format;
mod limits;
mod model;
mod positions;
mod power;
mod reading;
mod support;
