//! One integration target: one link step, many modules.

mod api;
mod conformance;
mod crash;
mod deploy;
mod demo;
mod e2e;
mod forward;
mod load;
mod proto;
mod receive;
mod store;
mod support;
mod tidy;
