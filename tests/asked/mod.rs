//! Reading out of Tempo's query API, against a stand-in that refuses what is too much in every way that Tempo does.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod commands;
mod double;
mod reading;
