//! Raw spans of one trace, read out of encoded requests as far as a page needs them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde_json::{Map, Number, Value as Json};

use crate::model::ids::{SpanId, TraceId};
use crate::model::logs::is_beside_spans;
use crate::model::time::UnixNanos;
use crate::wire::otlp::{self, Attribute, Span, Value, array_values, map_entries};

/// Attributes of one span that a page shows, and events.
const ATTRIBUTES_MAX: usize = 256;
const EVENTS_MAX: usize = 64;
/// Attributes of one span in which messages are looked for: some dialects need several for each message.
const TOLD_MAX: usize = 4_096;

const TOOL_KEYS: [&str; 3] = ["gen_ai.tool.name", "tool_name", "ai.toolCall.name"];

/// Arrays and maps in one another that are shown. What we took is less deep (`limits.max_attribute_depth`), but others may have sent to Tempo
/// what we did not look at, and each level takes stack.
const DEPTH_MAX: u32 = 100;

/// One span with all that was sent of it.
pub(super) struct RawSpan {
    pub(super) scope: String,
    pub(super) status_message: String,
    /// By key, the last of repeated ones.
    pub(super) attributes: BTreeMap<String, Json>,
    pub(super) resource: BTreeMap<String, Json>,
    pub(super) events: Vec<RawEvent>,
}

pub(super) struct RawEvent {
    pub(super) at: UnixNanos,
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, Json>,
}

/// Enough of a span for its line in the waterfall.
pub(super) struct Outline {
    pub(super) span: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: String,
    pub(super) tool: Option<String>,
    pub(super) start: UnixNanos,
    pub(super) end: UnixNanos,
    pub(super) status_code: i32,
}

/// Whether it is the sender's own copy, and how much that says.
type Rank = (bool, usize);

/// Of two copies of a span the greater is shown: what a log event adds to a span comes after that.
fn rank(scope: &str, n_attributes: usize) -> Rank {
    (!is_beside_spans(scope), n_attributes)
}

/// Every span of the trace, the last copy of each. Of those that are tools the attributes are looked through for its name.
pub(super) fn outlines(requests: &[Bytes], trace: TraceId, is_tool: &dyn Fn(SpanId) -> bool) -> BTreeMap<SpanId, Outline> {
    let mut found = BTreeMap::new();
    each(requests, trace, &mut |_, scope, span| {
        let Some(id) = SpanId::from_bytes(span.span_id) else { return };
        let outline = Outline {
            span: id,
            parent: SpanId::from_bytes(span.parent_span_id),
            name: span.name.to_owned(),
            tool: if is_tool(id) { tool(&span) } else { None },
            start: UnixNanos::from_wire(span.start_time_unix_nano),
            end: UnixNanos::from_wire(span.end_time_unix_nano),
            status_code: span.status_code,
        };
        if rank(scope, 0).0 {
            found.insert(id, outline);
        } else {
            found.entry(id).or_insert(outline);
        }
    });
    found
}

/// The tool that a span names, by the conventions, or as Claude Code or the AI SDK of Vercel has it.
fn tool(span: &Span<'_>) -> Option<String> {
    let named = span.attributes().map_while(Result::ok).take(ATTRIBUTES_MAX).find(|attribute| TOOL_KEYS.contains(&attribute.key));
    named.and_then(|attribute| if let Value::Str(tool) = attribute.value { Some(tool.to_owned()) } else { None })
}

/// One span whole; of several copies the sender's own, and of those the one with the most attributes.
pub(super) fn whole(requests: &[Bytes], trace: TraceId, wanted: SpanId) -> Option<RawSpan> {
    let mut found: Option<RawSpan> = None;
    each(requests, trace, &mut |resource, scope, span| {
        if SpanId::from_bytes(span.span_id) != Some(wanted) {
            return;
        }
        let read = read(resource, scope, &span);
        let rank_of = |span: &RawSpan| rank(&span.scope, span.attributes.len());
        if found.as_ref().is_none_or(|held| rank_of(held) <= rank_of(&read)) {
            found = Some(read);
        }
    });
    found
}

/// Spans of several traces, found in one pass over the requests that hold them; what each carries is read when it is asked for.
pub(super) struct Gathered<'a>(FxHashMap<(TraceId, SpanId), (Rank, Span<'a>)>);

/// What a span carries, as far as it was asked for.
pub(super) struct Carried {
    pub(super) attributes: BTreeMap<String, Json>,
    pub(super) events: Vec<RawEvent>,
    pub(super) status_message: String,
}

// === impl Gathered ===

impl<'a> Gathered<'a> {
    /// Of several copies of a span the sender's own, and of those the one with the most attributes.
    pub(super) fn new(requests: &'a [Bytes], traces: &BTreeSet<TraceId>) -> Self {
        let mut found: FxHashMap<(TraceId, SpanId), (Rank, Span<'a>)> = FxHashMap::default();
        for request in requests {
            for resource_spans in otlp::resource_spans(request).map_while(Result::ok) {
                for scope_spans in resource_spans.scope_spans().map_while(Result::ok) {
                    for span in scope_spans.spans().map_while(Result::ok) {
                        let ids = TraceId::from_bytes(span.trace_id).zip(SpanId::from_bytes(span.span_id));
                        let Some(ids) = ids.filter(|(trace, _)| traces.contains(trace)) else { continue };
                        let rank = rank(scope_spans.scope_name, span.attributes().map_while(Result::ok).count());
                        if found.get(&ids).is_none_or(|(held, _)| *held <= rank) {
                            found.insert(ids, (rank, span));
                        }
                    }
                }
            }
        }
        Self(found)
    }

    /// About the bytes of a span that `wants` picks.
    pub(super) fn size(&self, trace: TraceId, span: SpanId, wants: &dyn Fn(&str) -> bool) -> Option<usize> {
        let (_, span) = self.0.get(&(trace, span))?;
        let attributes = span.attributes().map_while(Result::ok);
        let left: usize = attributes.filter(|attribute| !wants(attribute.key)).map(|attribute| size(attribute.value)).sum();
        Some(span.bytes.len().saturating_sub(left))
    }

    /// What a span carries, of its attributes those that `wants` picks.
    pub(super) fn read(&self, trace: TraceId, span: SpanId, wants: &dyn Fn(&str) -> bool) -> Option<Carried> {
        let (_, span) = self.0.get(&(trace, span))?;
        let wanted = span.attributes().map_while(Result::ok).filter(|attribute| wants(attribute.key)).take(TOLD_MAX);
        Some(Carried {
            attributes: wanted.map(|attribute| (attribute.key.to_owned(), json(attribute.value, 0))).collect(),
            events: span.events().map_while(Result::ok).take(EVENTS_MAX).map(event).collect(),
            status_message: span.status_message.to_owned(),
        })
    }
}

/// The attributes of every span of the trace that `wants` picks.
pub(super) fn attributes_of(
    requests: &[Bytes],
    trace: TraceId,
    wants: &dyn Fn(SpanId) -> bool,
) -> BTreeMap<SpanId, BTreeMap<String, Json>> {
    let mut found: BTreeMap<SpanId, (Rank, BTreeMap<String, Json>)> = BTreeMap::new();
    each(requests, trace, &mut |_, scope, span| {
        let Some(id) = SpanId::from_bytes(span.span_id).filter(|id| wants(*id)) else { return };
        let attributes = collect(span.attributes().map_while(Result::ok));
        let rank = rank(scope, attributes.len());
        if found.get(&id).is_none_or(|(held, _)| *held <= rank) {
            found.insert(id, (rank, attributes));
        }
    });
    found.into_iter().map(|(id, (_, attributes))| (id, attributes)).collect()
}

/// The spans of the trace in whose values `text` stands: of attributes, of those of events, and the message of the status.
pub(super) fn holding(requests: &[Bytes], trace: TraceId, text: &str) -> BTreeSet<SpanId> {
    let mut found = BTreeSet::new();
    each(requests, trace, &mut |_, _, span| {
        let mut attributes = span.attributes().map_while(Result::ok);
        let has = contains(span.status_message, text)
            || attributes.any(|attribute| holds(attribute.value, text, 0))
            || span
                .events()
                .map_while(Result::ok)
                .any(|event| event.attributes().map_while(Result::ok).any(|attribute| holds(attribute.value, text, 0)));
        if has && let Some(id) = SpanId::from_bytes(span.span_id) {
            found.insert(id);
        }
    });
    found
}

/// Whether `text` stands in it as it is shown. `depth` counts the arrays and maps around it.
fn holds(value: Value<'_>, text: &str, depth: u32) -> bool {
    match value {
        Value::Str(value) => contains(value, text),
        Value::Array(_) | Value::Map(_) if depth >= DEPTH_MAX => false,
        Value::Array(array) => array_values(array).map_while(Result::ok).any(|value| holds(value, text, depth + 1)),
        Value::Map(map) => {
            map_entries(map).map_while(Result::ok).any(|entry| contains(entry.key, text) || holds(entry.value, text, depth + 1))
        }
        Value::Empty | Value::Bytes(_) => false,
        Value::Bool(_) | Value::Int(_) | Value::Double(_) => contains(&json(value, depth).to_string(), text),
    }
}

/// Whether `part` stands in it; ASCII letters match both cases.
pub(super) fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let Some((&first, rest)) = part.split_first() else { return true };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, text)
        .any(|at| text.get(at + 1..at + part.len()).is_some_and(|found| found.eq_ignore_ascii_case(rest)))
}

type Each<'f> = dyn FnMut(&[Attribute<'_>], &str, Span<'_>) + 'f;

fn each(requests: &[Bytes], trace: TraceId, take: &mut Each<'_>) {
    for request in requests {
        for resource_spans in otlp::resource_spans(request).map_while(Result::ok) {
            let resource: Vec<_> = resource_spans.attributes().map_while(Result::ok).collect();
            for scope_spans in resource_spans.scope_spans().map_while(Result::ok) {
                for span in scope_spans.spans().map_while(Result::ok).filter(|span| span.trace_id == trace.as_bytes()) {
                    take(&resource, scope_spans.scope_name, span);
                }
            }
        }
    }
}

fn event(event: otlp::SpanEvent<'_>) -> RawEvent {
    RawEvent {
        at: UnixNanos::from_wire(event.time_unix_nano),
        name: event.name.to_owned(),
        attributes: collect(event.attributes().map_while(Result::ok)),
    }
}

fn read(resource: &[Attribute<'_>], scope: &str, span: &Span<'_>) -> RawSpan {
    RawSpan {
        scope: scope.to_owned(),
        status_message: span.status_message.to_owned(),
        attributes: collect(span.attributes().map_while(Result::ok)),
        resource: collect(resource.iter().copied()),
        events: span.events().map_while(Result::ok).take(EVENTS_MAX).map(event).collect(),
    }
}

fn collect<'a>(attributes: impl Iterator<Item = Attribute<'a>>) -> BTreeMap<String, Json> {
    attributes.take(ATTRIBUTES_MAX).map(|attribute| (attribute.key.to_owned(), json(attribute.value, 0))).collect()
}

/// Of a text; structures are seldom large.
fn size(value: Value<'_>) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

/// A value as JSON has it; bytes as their number, since nobody reads them. `depth` counts the arrays and maps around it.
fn json(value: Value<'_>, depth: u32) -> Json {
    match value {
        Value::Array(_) | Value::Map(_) if depth >= DEPTH_MAX => "…".into(),
        Value::Empty => Json::Null,
        Value::Str(text) => text.into(),
        Value::Bool(is) => is.into(),
        Value::Int(number) => number.into(),
        Value::Double(number) => Number::from_f64(number).map_or_else(|| number.to_string().into(), Json::Number),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()).into(),
        Value::Array(array) => array_values(array).map_while(Result::ok).map(|value| json(value, depth + 1)).collect(),
        Value::Map(map) => Json::Object(
            map_entries(map).map_while(Result::ok).map(|entry| (entry.key.to_owned(), json(entry.value, depth + 1))).collect::<Map<_, _>>(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of one field that holds `content`.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let mut message = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(content);
        message
    }

    /// Spans in Tempo need not have come through us: nested without end, they once took the stack, and the server with it.
    #[test]
    fn a_value_of_any_depth_is_shown_as_far_as_it_can_be_read() {
        let mut value = Vec::new();
        for _ in 0..20_000 {
            // AnyValue.array_value, ArrayValue.values
            value = field(5, &field(1, &value));
        }
        let attribute = [field(1, b"deep"), field(2, &value)].concat();
        let span = [field(1, &[7; 16]), field(2, &[1; 8]), field(9, &attribute)].concat();
        let requests = [Bytes::from(field(1, &field(2, &field(2, &span))))];
        let (trace, id) = (TraceId::from_bytes(&[7; 16]).unwrap(), SpanId::from_bytes(&[1; 8]).unwrap());
        let shown = whole(&requests, trace, id).unwrap().attributes["deep"].to_string();
        assert_eq!(shown, format!("{}\"…\"{}", "[".repeat(100), "]".repeat(100)));
        assert_eq!(outlines(&requests, trace, &|_| true).len(), 1);
    }

    #[test]
    fn a_text_is_found_in_either_case_and_only_whole() {
        for (text, part, is) in [
            ("", "", true),
            ("abc", "", true),
            ("Order 92203", "order 9", true),
            ("aaab", "aab", true),
            ("ab", "abc", false),
            ("GRÜN", "rÜ", true),
            ("naïve", "Ï", false),
        ] {
            assert_eq!(contains(text, part), is, "{part} in {text}");
        }
    }

    #[test]
    fn a_value_is_searched_as_deep_as_it_is_shown() {
        let text = |text: &str| field(1, text.as_bytes());
        // ArrayValue.values of AnyValue, then KeyValueList.values of KeyValue.
        let array = field(5, &[field(1, &text("one")), field(1, &text("Two"))].concat());
        let map = field(6, &field(1, &[field(1, b"city"), field(2, &text("Porto"))].concat()));
        let attribute = |value: &[u8]| field(9, &[field(1, b"key"), field(2, value)].concat());
        let span = [field(1, &[7; 16]), field(2, &[1; 8]), attribute(&array), attribute(&map), attribute(&[3 << 3, 42])].concat();
        let requests = [Bytes::from(field(1, &field(2, &field(2, &span))))];
        let trace = TraceId::from_bytes(&[7; 16]).unwrap();
        for (wanted, is) in [("two", true), ("CITY", true), ("porto", true), ("42", true), ("key", false), ("three", false)] {
            assert_eq!(holding(&requests, trace, wanted).len(), usize::from(is), "{wanted}");
        }
    }
}
