//! One integration target: one link step, many modules.

mod access;
mod api;
mod asked;
mod cli;
mod conformance;
mod crash;
mod demo;
mod deploy;
mod e2e;
mod forward;
mod load;
mod proto;
mod receive;
mod store;
mod support;
mod tidy;
mod ui;
