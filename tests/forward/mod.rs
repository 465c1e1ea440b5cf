//! The forwarder against a stand-in for Tempo, and against a real one.

mod bench;
mod delivery;
mod double;
mod faults;
mod probing;
mod real;
mod splitting;
