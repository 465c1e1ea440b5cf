//! Layer 0: the nouns everything else speaks.
//!
//! - No I/O, no serde, no async, no clock: values and arithmetic only.
//! - Ids are newtypes; a bare `String` never crosses a module as an id.
//! - Money is integer nano-USD, time is integer nanoseconds since the Unix epoch.

pub mod build;
pub mod digest;
pub mod durations;
pub mod facts;
pub mod ids;
mod line;
pub mod logs;
pub mod note;
pub mod query;
pub mod question;
pub mod reason;
pub mod report;
pub mod run;
pub mod scopes;
pub mod scores;
pub mod session;
pub mod status;
pub mod stretches;
pub mod tally;
pub mod time;
pub mod tool;
pub mod usage;
pub mod via;

/// A shared, immutable string. Agent names, models and span names repeat without end, so they are shared, not copied.
pub type Str = std::sync::Arc<str>;
