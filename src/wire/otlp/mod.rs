//! OTLP as it is sent: walked, checked, repaired, stamped and translated from JSON, all on the original bytes.

mod append;
pub mod inspect;
pub mod json;
pub mod logs;
pub mod metrics;
pub mod repair;
pub mod rewrite;
pub(in crate::wire) mod schema;
pub mod signal;
mod spans;
pub mod stamp;
pub mod time_unit;
mod value;
mod walk;

pub use super::protobuf::Malformed;
pub use append::append_attribute;
pub use spans::{ResourceSpans, ScopeSpans, Span, SpanEvent, SpanWalk, VisitAttributes, resource_spans};
pub use value::{Array, Attribute, Map, Value, array_values, map_entries, read_value};
