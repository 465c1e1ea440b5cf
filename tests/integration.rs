//! One integration target: one link step, many modules.

mod api;
mod cli;
mod conformance;
mod crash;
mod e2e;
mod forward;
mod proto;
mod receive;
mod support;
mod tidy;
