//! sessionfold: a sidecar between AI agents and Grafana Tempo.
//!
//! ```text
//! agents ── OTLP gRPC, OTLP HTTP ──► ingest ──► journal (durable, then the ack)
//!                                                  ├──► fold ──► index (memory; on disk by store) ──► api, ui
//!                                                  └──► tempo (forwarder) ──► Grafana Tempo
//! ```
//!
//! The raw request is written once to the journal and made durable before the sender hears OK. The fold, which keeps the index, and the
//! forwarder, which feeds Tempo, are two readers of that journal, each at a position of its own. They read the same bytes, so the HTTP
//! view and the TraceQL view cannot diverge.
//!
//! # Layers
//!
//! A module uses strictly lower layers; siblings never import each other; nothing is re-exported here. `tests/tidy.rs` checks it.
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | 0 | [`model`] | ids, time, usage, facts, run, session, query: values only |
//! | 0 | [`faults`] | what an I/O error means: a shortage that passes, or failed storage |
//! | 0 | [`log_limiter`] | one log line a minute for each cause |
//! | 1 | [`wire`] | OTLP bytes to borrowed views and back; our own stored messages |
//! | 1 | [`clock`] | the time of day, and a clock that goes on in suspend |
//! | 1 | [`journal`] | the append log; payloads are opaque to it |
//! | 1 | [`bounds`] | what all requests together may take: memory, blocking work, streamed answers |
//! | 2 | [`conventions`] | attributes of every dialect to one `SpanFact` |
//! | 2 | [`fold`] | which run a span belongs to and what counts; pure |
//! | 2 | [`prices`] | what a call cost that states no cost |
//! | 3 | [`index`] | the sessions of a tenant in memory: orders, filters, search |
//! | 3 | [`tempo`] | everything said to Tempo |
//! | 4 | [`store`] | the one write path, and the trait behind which it scales |
//! | 5 | [`auth`], [`params`], [`answered`] | shared by the doors |
//! | 6 | [`ingest`], [`api`], [`ui`] | the doors |
//! | 7 | [`config`], [`telemetry`], [`server`], [`app`], [`cli`] | the only modules that know everything |
//! | 7 | [`demo`] | a client: readable traffic for a running server |
//! | 7 | [`fuzz`](self) | what the fuzz targets run; in no ordinary build |

pub mod answered;
pub mod api;
pub mod app;
pub mod auth;
pub mod bounds;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conventions;
pub mod demo;
pub mod faults;
pub mod fold;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod index;
pub mod ingest;
pub mod journal;
pub mod log_limiter;
pub mod model;
pub mod params;
pub mod prices;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tempo;
pub mod ui;
pub mod wire;
