//! The doors, over real sockets: what a sender sees, and what reaches the store.
#![allow(clippy::unwrap_used)]

mod auth;
mod grpc;
mod harness;
mod http;
mod limits;
mod log;
mod logs;
mod mistakes;
mod observe;
mod paths;
mod server;
mod spans;
