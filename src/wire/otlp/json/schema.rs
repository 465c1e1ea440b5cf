//! The JSON names, numbers and types of every field of an OTLP trace or log request: the table [`super`] translates by.

/// How the value of a field is written in JSON, and how in protobuf.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// Bytes that OTLP writes as hexadecimal digits: ids.
    Hex,
    Base64,
    Bool,
    Int64,
    Int32,
    Uint32,
    Fixed64,
    Fixed32,
    Double,
    /// The names of the numbers 0, 1, 2, …
    Enum(&'static [&'static str]),
    Message(&'static [Field]),
}

pub(super) struct Field {
    pub(super) name: &'static str,
    /// The name in the `.proto` file.
    pub(super) original: &'static str,
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
}

/// The whole body; its number, 0, says that nothing is around it.
pub(super) static REQUEST: Field = one("", "", 0, Kind::Message(&EXPORT_TRACE_SERVICE_REQUEST));

/// The whole body of a request of logs.
pub(super) static LOGS_REQUEST: Field = one("", "", 0, Kind::Message(&EXPORT_LOGS_SERVICE_REQUEST));

static EXPORT_LOGS_SERVICE_REQUEST: [Field; 1] = [many("resourceLogs", "resource_logs", 1, Kind::Message(&RESOURCE_LOGS))];

static RESOURCE_LOGS: [Field; 3] = [
    one("resource", "resource", 1, Kind::Message(&RESOURCE)),
    many("scopeLogs", "scope_logs", 2, Kind::Message(&SCOPE_LOGS)),
    one("schemaUrl", "schema_url", 3, Kind::Text),
];

static SCOPE_LOGS: [Field; 3] = [
    one("scope", "scope", 1, Kind::Message(&SCOPE)),
    many("logRecords", "log_records", 2, Kind::Message(&LOG_RECORD)),
    one("schemaUrl", "schema_url", 3, Kind::Text),
];

static LOG_RECORD: [Field; 11] = [
    one("timeUnixNano", "time_unix_nano", 1, Kind::Fixed64),
    one("observedTimeUnixNano", "observed_time_unix_nano", 11, Kind::Fixed64),
    one("severityNumber", "severity_number", 2, Kind::Enum(&SEVERITY_NUMBERS)),
    one("severityText", "severity_text", 3, Kind::Text),
    one("body", "body", 5, Kind::Message(&ANY_VALUE)),
    many("attributes", "attributes", 6, Kind::Message(&KEY_VALUE)),
    one("droppedAttributesCount", "dropped_attributes_count", 7, Kind::Uint32),
    one("flags", "flags", 8, Kind::Fixed32),
    one("traceId", "trace_id", 9, Kind::Hex),
    one("spanId", "span_id", 10, Kind::Hex),
    one("eventName", "event_name", 12, Kind::Text),
];

static SEVERITY_NUMBERS: [&str; 25] = [
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

static EXPORT_TRACE_SERVICE_REQUEST: [Field; 1] = [many("resourceSpans", "resource_spans", 1, Kind::Message(&RESOURCE_SPANS))];

static RESOURCE_SPANS: [Field; 3] = [
    one("resource", "resource", 1, Kind::Message(&RESOURCE)),
    many("scopeSpans", "scope_spans", 2, Kind::Message(&SCOPE_SPANS)),
    one("schemaUrl", "schema_url", 3, Kind::Text),
];

static RESOURCE: [Field; 3] = [
    many("attributes", "attributes", 1, Kind::Message(&KEY_VALUE)),
    one("droppedAttributesCount", "dropped_attributes_count", 2, Kind::Uint32),
    many("entityRefs", "entity_refs", 3, Kind::Message(&ENTITY_REF)),
];

static ENTITY_REF: [Field; 4] = [
    one("schemaUrl", "schema_url", 1, Kind::Text),
    one("type", "type", 2, Kind::Text),
    many("idKeys", "id_keys", 3, Kind::Text),
    many("descriptionKeys", "description_keys", 4, Kind::Text),
];

static SCOPE_SPANS: [Field; 3] = [
    one("scope", "scope", 1, Kind::Message(&SCOPE)),
    many("spans", "spans", 2, Kind::Message(&SPAN)),
    one("schemaUrl", "schema_url", 3, Kind::Text),
];

static SCOPE: [Field; 4] = [
    one("name", "name", 1, Kind::Text),
    one("version", "version", 2, Kind::Text),
    many("attributes", "attributes", 3, Kind::Message(&KEY_VALUE)),
    one("droppedAttributesCount", "dropped_attributes_count", 4, Kind::Uint32),
];

static SPAN: [Field; 16] = [
    one("traceId", "trace_id", 1, Kind::Hex),
    one("spanId", "span_id", 2, Kind::Hex),
    one("traceState", "trace_state", 3, Kind::Text),
    one("parentSpanId", "parent_span_id", 4, Kind::Hex),
    one("flags", "flags", 16, Kind::Fixed32),
    one("name", "name", 5, Kind::Text),
    one("kind", "kind", 6, Kind::Enum(&SPAN_KINDS)),
    one("startTimeUnixNano", "start_time_unix_nano", 7, Kind::Fixed64),
    one("endTimeUnixNano", "end_time_unix_nano", 8, Kind::Fixed64),
    many("attributes", "attributes", 9, Kind::Message(&KEY_VALUE)),
    one("droppedAttributesCount", "dropped_attributes_count", 10, Kind::Uint32),
    many("events", "events", 11, Kind::Message(&EVENT)),
    one("droppedEventsCount", "dropped_events_count", 12, Kind::Uint32),
    many("links", "links", 13, Kind::Message(&LINK)),
    one("droppedLinksCount", "dropped_links_count", 14, Kind::Uint32),
    one("status", "status", 15, Kind::Message(&STATUS)),
];

static EVENT: [Field; 4] = [
    one("timeUnixNano", "time_unix_nano", 1, Kind::Fixed64),
    one("name", "name", 2, Kind::Text),
    many("attributes", "attributes", 3, Kind::Message(&KEY_VALUE)),
    one("droppedAttributesCount", "dropped_attributes_count", 4, Kind::Uint32),
];

static LINK: [Field; 6] = [
    one("traceId", "trace_id", 1, Kind::Hex),
    one("spanId", "span_id", 2, Kind::Hex),
    one("traceState", "trace_state", 3, Kind::Text),
    many("attributes", "attributes", 4, Kind::Message(&KEY_VALUE)),
    one("droppedAttributesCount", "dropped_attributes_count", 5, Kind::Uint32),
    one("flags", "flags", 6, Kind::Fixed32),
];

static STATUS: [Field; 2] = [one("message", "message", 2, Kind::Text), one("code", "code", 3, Kind::Enum(&STATUS_CODES))];

static KEY_VALUE: [Field; 3] = [
    one("key", "key", 1, Kind::Text),
    one("value", "value", 2, Kind::Message(&ANY_VALUE)),
    one("keyStrindex", "key_strindex", 3, Kind::Int32),
];

pub(super) static ANY_VALUE: [Field; 8] = [
    one("stringValue", "string_value", 1, Kind::Text),
    one("boolValue", "bool_value", 2, Kind::Bool),
    one("intValue", "int_value", 3, Kind::Int64),
    one("doubleValue", "double_value", 4, Kind::Double),
    one("arrayValue", "array_value", 5, Kind::Message(&ARRAY_VALUE)),
    one("kvlistValue", "kvlist_value", 6, Kind::Message(&KEY_VALUE_LIST)),
    one("bytesValue", "bytes_value", 7, Kind::Base64),
    one("stringValueStrindex", "string_value_strindex", 8, Kind::Int32),
];

static ARRAY_VALUE: [Field; 1] = [many("values", "values", 1, Kind::Message(&ANY_VALUE))];
static KEY_VALUE_LIST: [Field; 1] = [many("values", "values", 1, Kind::Message(&KEY_VALUE))];

static SPAN_KINDS: [&str; 6] =
    ["SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"];
static STATUS_CODES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

const fn one(name: &'static str, original: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, original, number, kind, repeated: false }
}

const fn many(name: &'static str, original: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, original, number, kind, repeated: true }
}

// === impl Kind ===

impl Kind {
    /// What is expected there, for an error message.
    pub(super) fn expects(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Hex => "a string of hexadecimal digits",
            Self::Base64 => "a string in base64",
            Self::Bool => "true or false",
            Self::Int64 => "a 64-bit integer, as number or string",
            Self::Int32 => "a 32-bit integer",
            Self::Uint32 | Self::Fixed32 => "an unsigned 32-bit integer",
            Self::Fixed64 => "an unsigned 64-bit integer, as string or number",
            Self::Double => "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
            Self::Enum(_) => "the number or the name of an enum value",
            Self::Message(_) => "an object",
        }
    }
}
