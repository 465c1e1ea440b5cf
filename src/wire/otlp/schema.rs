//! Which fields the messages of an OTLP trace request have (and of a log request: [`LOGS_REQUEST`]), and of which wire type: the table [`super::inspect`] checks by.
//!
//! Source: the `opentelemetry-proto` crate named in `Cargo.toml`, whose prost types are the oracle of the tests.

use crate::wire::protobuf::reader::{DELIMITED, FIXED32, FIXED64, VARINT};

/// The type of one field, as far as its bytes can be wrong.
#[derive(Clone, Copy)]
pub(in crate::wire) enum Kind {
    Text,
    Bytes,
    Varint,
    Fixed64,
    Fixed32,
    Message(&'static Schema),
    /// `ArrayValue` or `KeyValueList`: what makes values nest.
    Nest(&'static Schema),
}

/// What to do with a field, by its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(in crate::wire) enum Action {
    /// Not a field of this message: passed by.
    Unknown,
    WrongWireType,
    Text,
    Bytes,
    Varint,
    Fixed64,
    Fixed32,
    Message,
    Nest,
}

/// The fields of a message.
pub(in crate::wire) struct Schema {
    /// In words.
    name: &'static str,
    /// By key, so that one look-up tells the type of the field and whether the wire type is right.
    actions: [Action; N_FIELDS * 8],
    /// The types of those that are messages, by field number.
    messages: [Option<&'static Schema>; N_FIELDS],
}

pub(in crate::wire) static REQUEST: Schema = schema("request", &[(1, Kind::Message(&RESOURCE_SPANS))]);
pub(in crate::wire) static RESOURCE_SPANS: Schema =
    schema("resource", &[(1, Kind::Message(&RESOURCE)), (2, Kind::Message(&SCOPE_SPANS)), (3, Kind::Text)]);
pub(in crate::wire) static SCOPE_SPANS: Schema = schema("scope", &[(1, Kind::Message(&SCOPE)), (2, Kind::Message(&SPAN)), (3, Kind::Text)]);
pub(in crate::wire) static SPAN: Schema = schema(
    "span",
    &[
        (1, Kind::Bytes),
        (2, Kind::Bytes),
        (3, Kind::Text),
        (4, Kind::Bytes),
        (5, Kind::Text),
        (6, Kind::Varint),
        (7, Kind::Fixed64),
        (8, Kind::Fixed64),
        (9, Kind::Message(&KEY_VALUE)),
        (10, Kind::Varint),
        (11, Kind::Message(&EVENT)),
        (12, Kind::Varint),
        (13, Kind::Message(&LINK)),
        (14, Kind::Varint),
        (15, Kind::Message(&STATUS)),
        (16, Kind::Fixed32),
    ],
);

/// An `ExportLogsServiceRequest`.
pub(in crate::wire) static LOGS_REQUEST: Schema = schema("request", &[(1, Kind::Message(&RESOURCE_LOGS))]);
static RESOURCE_LOGS: Schema = schema("resource", &[(1, Kind::Message(&RESOURCE)), (2, Kind::Message(&SCOPE_LOGS)), (3, Kind::Text)]);
static SCOPE_LOGS: Schema = schema("scope", &[(1, Kind::Message(&SCOPE)), (2, Kind::Message(&LOG_RECORD)), (3, Kind::Text)]);
static LOG_RECORD: Schema = schema(
    "log record",
    &[
        (1, Kind::Fixed64),
        (2, Kind::Varint),
        (3, Kind::Text),
        (5, Kind::Message(&ANY_VALUE)),
        (6, Kind::Message(&KEY_VALUE)),
        (7, Kind::Varint),
        (8, Kind::Fixed32),
        (9, Kind::Bytes),
        (10, Kind::Bytes),
        (11, Kind::Fixed64),
        (12, Kind::Text),
    ],
);

static RESOURCE: Schema = schema("resource", &[(1, Kind::Message(&KEY_VALUE)), (2, Kind::Varint), (3, Kind::Message(&ENTITY_REF))]);
static ENTITY_REF: Schema = schema("resource", &[(1, Kind::Text), (2, Kind::Text), (3, Kind::Text), (4, Kind::Text)]);
static SCOPE: Schema = schema("scope", &[(1, Kind::Text), (2, Kind::Text), (3, Kind::Message(&KEY_VALUE)), (4, Kind::Varint)]);
static EVENT: Schema = schema("event", &[(1, Kind::Fixed64), (2, Kind::Text), (3, Kind::Message(&KEY_VALUE)), (4, Kind::Varint)]);
static LINK: Schema = schema(
    "link",
    &[(1, Kind::Bytes), (2, Kind::Bytes), (3, Kind::Text), (4, Kind::Message(&KEY_VALUE)), (5, Kind::Varint), (6, Kind::Fixed32)],
);
static STATUS: Schema = schema("status", &[(2, Kind::Text), (3, Kind::Varint)]);
pub(in crate::wire) static KEY_VALUE: Schema = schema("attribute", &[(1, Kind::Text), (2, Kind::Message(&ANY_VALUE)), (3, Kind::Varint)]);
pub(in crate::wire) static ANY_VALUE: Schema = schema(
    "attribute",
    &[
        (1, Kind::Text),
        (2, Kind::Varint),
        (3, Kind::Varint),
        (4, Kind::Fixed64),
        (5, Kind::Nest(&ARRAY_VALUE)),
        (6, Kind::Nest(&KEY_VALUE_LIST)),
        (7, Kind::Bytes),
        (8, Kind::Varint),
    ],
);
static ARRAY_VALUE: Schema = schema("attribute", &[(1, Kind::Message(&ANY_VALUE))]);
pub(in crate::wire) static KEY_VALUE_LIST: Schema = schema("attribute", &[(1, Kind::Message(&KEY_VALUE))]);

/// One more than the largest field number of any message above.
const N_FIELDS: usize = 17;

const fn schema(name: &'static str, fields: &[(usize, Kind)]) -> Schema {
    let mut schema = Schema { name, actions: [Action::Unknown; N_FIELDS * 8], messages: [None; N_FIELDS] };
    let mut n = 0;
    while n < fields.len() {
        let (number, kind) = fields[n];
        let (wire_type, action, message) = match kind {
            Kind::Text => (DELIMITED, Action::Text, None),
            Kind::Bytes => (DELIMITED, Action::Bytes, None),
            Kind::Varint => (VARINT, Action::Varint, None),
            Kind::Fixed64 => (FIXED64, Action::Fixed64, None),
            Kind::Fixed32 => (FIXED32, Action::Fixed32, None),
            Kind::Message(schema) => (DELIMITED, Action::Message, Some(schema)),
            Kind::Nest(schema) => (DELIMITED, Action::Nest, Some(schema)),
        };
        let mut other = 0;
        while other < 8 {
            schema.actions[number * 8 + other] = Action::WrongWireType;
            other += 1;
        }
        schema.actions[number * 8 + wire_type as usize] = action;
        schema.messages[number] = message;
        n += 1;
    }
    schema
}

// === impl Schema ===

impl Schema {
    #[inline(always)]
    pub(in crate::wire) fn action(&self, key: u32) -> Action {
        self.actions.get(key as usize).copied().unwrap_or(Action::Unknown)
    }

    /// The type of a field that is a message.
    #[inline(always)]
    pub(in crate::wire) fn message(&self, number: u32) -> Option<&'static Self> {
        self.messages.get(number as usize).copied().flatten()
    }

    pub(in crate::wire) fn name(&self) -> &'static str {
        self.name
    }
}
