//! Protobuf as bytes: fields read where they lie, and written. What they mean is the business of [`super::otlp`] and [`super::format`].

pub mod encode;
pub mod reader;
pub mod text;

/// Where and why bytes are not a protobuf message of the expected type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed protobuf at byte {offset}: {what}")]
pub struct Malformed {
    pub offset: usize,
    pub what: &'static str,
}
