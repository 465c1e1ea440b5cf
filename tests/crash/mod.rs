//! The real binary, killed and started again: what was acknowledged is there, once, and the same as before.

#![allow(clippy::unwrap_used)] // A test that cannot go on has failed.

mod damage;
mod deleting;
mod descriptors;
mod kill;
mod lifecycle;
mod shown;
mod traffic;
mod visible;
