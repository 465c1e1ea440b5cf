//! Layer 1: bytes on the wire and on disk, as borrowed views and back.

mod encode;
pub mod entry;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod inspect;
pub mod json;
pub mod json_mend;
mod json_schema;
pub mod json_text;
pub mod logs;
pub mod misplaced;
#[cfg(any(test, fuzzing))]
mod oracle;
pub mod otlp;
mod proto;
mod reader;
pub mod repair;
mod reported;
pub mod rewrite;
#[cfg(test)]
mod samples;
mod schema;
pub mod signal;
pub mod stamp;
pub mod stored;
pub mod time_unit;
mod value;
mod walk;
