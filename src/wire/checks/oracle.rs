//! What must hold for any bytes at all, prost being the judge. Shared by the unit tests and, by path, by the fuzz targets.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message as _;

use crate::wire::otlp::inspect::{Inspection, Limits, SpanFault, inspect};
use crate::wire::otlp::repair::repair;
use crate::wire::otlp::rewrite::{Edit, rewrite};
use crate::wire::otlp::time_unit::{SUSPECT_BELOW, TimeUnit};
use crate::wire::otlp::{self, Attribute, Malformed, Value};

const NO_LIMIT: Limits = Limits { max_depth: u32::MAX };

/// Inspects, walks and rewrites `bytes`, and panics where prost disagrees.
pub fn check(bytes: &[u8]) {
    exhaust(bytes);
    let inspected = inspect(bytes, NO_LIMIT);
    let decoded = ExportTraceServiceRequest::decode(bytes);
    let found = match (inspected, &decoded) {
        (Err(_), Err(_)) => return,
        (Err(malformed), Ok(_)) => panic!("refused what prost decodes: {malformed}"),
        (Ok(found), Err(error)) => {
            let text = error.to_string();
            assert!(text.contains("UTF-8") || text.contains("recursion"), "took what prost refuses: {text}");
            assert!(!found.faults.is_empty() || found.n_broken_texts > 0, "no span blamed: {text}");
            found
        }
        (Ok(found), Ok(decoded)) => {
            assert_eq!(found, expected_inspection(decoded));
            assert_walk(bytes, decoded);
            found
        }
    };
    check_rewrite(bytes, &decoded.ok(), &found, |_| Edit::Keep);
    let bytes = &check_repair(bytes, &found)[..];
    let found = Inspection { n_broken_texts: 0, repair_bytes: 0, ..found };
    check_rewrite(bytes, &None, &found, |ordinal| match found.faults.iter().any(|fault| fault.0 == ordinal) {
        true => Edit::Drop,
        false => Edit::Keep,
    });
}

/// Repairs inspected bytes: as many bytes as foretold, all of whose text can be read, with the same spans and the same faults of theirs.
/// A second repair changes nothing, and neither does the first where nothing is broken.
pub fn check_repair(bytes: &[u8], found: &Inspection) -> Vec<u8> {
    let repaired = repair(bytes, found.repair_bytes).expect("inspected bytes can be repaired");
    let again = inspect(&repaired.bytes, NO_LIMIT).expect("repaired bytes are well formed");
    assert_eq!(again, Inspection { n_broken_texts: 0, repair_bytes: 0, ..found.clone() });
    assert_eq!(repair(&repaired.bytes, 0).map(|twice| twice.bytes).as_ref(), Ok(&repaired.bytes));
    assert_eq!(repaired.first.is_empty(), found.n_broken_texts == 0);
    if found.n_broken_texts == 0 {
        assert_eq!(repaired.bytes, bytes);
    }
    // Lengths grow with what they count, or shrink where they were clumsy.
    assert!(repaired.bytes.len() <= bytes.len() + found.repair_bytes + 9 * 100 * found.n_broken_texts);
    repaired.bytes
}

/// Rewrites inspected bytes: the result is what the same edit makes of the decoded request (if prost can decode it), and without the
/// faulted spans it is always decodable.
pub fn check_rewrite(
    bytes: &[u8],
    decoded: &Option<ExportTraceServiceRequest>,
    found: &Inspection,
    edit: impl Fn(usize) -> Edit,
) -> Vec<u8> {
    let mut n_asked = 0;
    let rewritten = rewrite(bytes, |ordinal, _| {
        assert_eq!(ordinal, n_asked);
        n_asked += 1;
        edit(ordinal)
    })
    .expect("inspected bytes can be rewritten");
    assert_eq!(n_asked, found.n_spans);
    if (0..found.n_spans).all(|ordinal| edit(ordinal) == Edit::Keep) {
        assert_eq!(rewritten, bytes);
    }
    if let Some(decoded) = decoded {
        let again = ExportTraceServiceRequest::decode(&rewritten[..]).expect("rewritten bytes decode");
        // Encoded, because NaN is not equal to itself.
        assert_eq!(again.encode_to_vec(), apply(decoded.clone(), &edit).encode_to_vec());
    }
    if found.n_broken_texts == 0 && found.faults.iter().all(|&(ordinal, _)| edit(ordinal) == Edit::Drop) {
        let again = ExportTraceServiceRequest::decode(&rewritten[..]).expect("without the faulted spans it decodes");
        assert_eq!(inspect(&rewritten, NO_LIMIT), Ok(expected_inspection(&again)));
        assert!(expected_inspection(&again).faults.is_empty());
    }
    rewritten
}

fn apply(mut request: ExportTraceServiceRequest, edit: &impl Fn(usize) -> Edit) -> ExportTraceServiceRequest {
    let mut ordinal = 0;
    request.resource_spans.retain_mut(|resource| {
        let first = ordinal;
        let mut n_kept = 0;
        resource.scope_spans.retain_mut(|scope| {
            let n_before = scope.spans.len();
            scope.spans.retain_mut(|span| {
                ordinal += 1;
                match edit(ordinal - 1) {
                    Edit::Keep => true,
                    Edit::Drop => false,
                    Edit::Append(fields) => span.merge(&fields[..]).is_ok(),
                }
            });
            n_kept += scope.spans.len();
            n_before == 0 || !scope.spans.is_empty()
        });
        ordinal == first || n_kept > 0
    });
    request
}

/// What inspection must say of a request that prost could decode: only ids and times can be wrong.
fn expected_inspection(request: &ExportTraceServiceRequest) -> Inspection {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let spans: Vec<&proto::Span> = scopes.flat_map(|scope| &scope.spans).collect();
    let fault = |span: &proto::Span| {
        let zero = |id: &[u8]| id.iter().all(|&byte| byte == 0);
        Some(match span {
            _ if span.trace_id.len() != 16 => SpanFault::TraceIdLength,
            _ if span.span_id.len() != 8 => SpanFault::SpanIdLength,
            _ if ![0, 8].contains(&span.parent_span_id.len()) => SpanFault::ParentIdLength,
            _ if zero(&span.trace_id) => SpanFault::TraceIdZero,
            _ if zero(&span.span_id) => SpanFault::SpanIdZero,
            _ => return None,
        })
    };
    let faults = spans.iter().enumerate().filter_map(|(ordinal, span)| Some((ordinal, fault(span)?))).collect();
    let mut by_time_unit: Vec<(TimeUnit, usize)> = Vec::new();
    for unit in spans.iter().map(|span| span.start_time_unix_nano).filter(|time| *time < SUSPECT_BELOW).filter_map(TimeUnit::of) {
        match by_time_unit.iter_mut().find(|(known, _)| *known == unit) {
            Some((_, n_spans)) => *n_spans += 1,
            None => by_time_unit.push((unit, 1)),
        }
    }
    Inspection { n_spans: spans.len(), faults, by_time_unit, ..Inspection::default() }
}

pub(in crate::wire) fn assert_walk(bytes: &[u8], decoded: &ExportTraceServiceRequest) {
    let resources: Vec<_> = all(otlp::resource_spans(bytes));
    assert_eq!(resources.len(), decoded.resource_spans.len());
    for (ours, theirs) in resources.iter().zip(&decoded.resource_spans) {
        let resource = theirs.resource.clone().unwrap_or_default();
        assert_attributes(&all(ours.attributes()), &resource.attributes);
        let scopes = all(ours.scope_spans());
        assert_eq!(scopes.len(), theirs.scope_spans.len());
        for (ours, theirs) in scopes.iter().zip(&theirs.scope_spans) {
            let scope = theirs.scope.clone().unwrap_or_default();
            assert_eq!((ours.scope_name, ours.scope_version), (&*scope.name, &*scope.version));
            assert_attributes(&all(ours.scope_attributes()), &scope.attributes);
            let spans = all(ours.spans());
            assert_eq!(spans.len(), theirs.spans.len());
            let mut walk = ours.walk();
            for (ours, theirs) in spans.iter().zip(&theirs.spans) {
                assert_span(ours, theirs);
                let mut visited = Visited::default();
                let walked = walk.next(&mut visited).expect("there are as many").expect("well formed");
                assert_span(&walked, theirs);
                assert_attributes(&visited.0, &theirs.attributes);
            }
            assert!(walk.next(&mut Visited::default()).is_none());
        }
    }
}

fn assert_span(ours: &otlp::Span<'_>, theirs: &proto::Span) {
    let ids = (ours.trace_id, ours.span_id, ours.parent_span_id);
    assert_eq!(ids, (&*theirs.trace_id, &*theirs.span_id, &*theirs.parent_span_id));
    assert_eq!((ours.trace_state, ours.name), (&*theirs.trace_state, &*theirs.name));
    assert_eq!((ours.flags, ours.kind), (theirs.flags, theirs.kind));
    let times = (ours.start_time_unix_nano, ours.end_time_unix_nano);
    assert_eq!(times, (theirs.start_time_unix_nano, theirs.end_time_unix_nano));
    let status = theirs.status.clone().unwrap_or_default();
    assert_eq!((ours.status_code, ours.status_message), (status.code, &*status.message));
    assert_attributes(&all(ours.attributes()), &theirs.attributes);
    let events = all(ours.events());
    assert_eq!(events.len(), theirs.events.len());
    for (ours, theirs) in events.iter().zip(&theirs.events) {
        assert_eq!((ours.time_unix_nano, ours.name), (theirs.time_unix_nano, &*theirs.name));
        assert_attributes(&all(ours.attributes()), &theirs.attributes);
    }
}

/// The attributes that a walk gives; none of bytes that are malformed.
#[derive(Default)]
struct Visited<'a>(Vec<Attribute<'a>>);

impl<'a> otlp::VisitAttributes<'a> for Visited<'a> {
    fn visit(&mut self, key: &'a [u8], any_value: &'a [u8]) {
        if let (Ok(key), Ok(value)) = (std::str::from_utf8(key), otlp::read_value(any_value)) {
            self.0.push(Attribute { key, value });
        }
    }

    fn visit_read(&mut self, attribute: Attribute<'a>) {
        self.0.push(attribute);
    }
}

fn assert_attributes(ours: &[Attribute<'_>], theirs: &[KeyValue]) {
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.key, theirs.key);
        assert_value(ours.value, theirs.value.as_ref());
    }
}

fn assert_value(ours: Value<'_>, theirs: Option<&AnyValue>) {
    use any_value::Value as Theirs;
    match (ours, theirs.and_then(|value| value.value.as_ref())) {
        (Value::Empty, None | Some(Theirs::StringValueStrindex(_))) => {}
        (Value::Str(ours), Some(Theirs::StringValue(theirs))) => assert_eq!(ours, theirs),
        (Value::Bool(ours), Some(Theirs::BoolValue(theirs))) => assert_eq!(ours, *theirs),
        (Value::Int(ours), Some(Theirs::IntValue(theirs))) => assert_eq!(ours, *theirs),
        (Value::Double(ours), Some(Theirs::DoubleValue(theirs))) => assert_eq!(ours.to_bits(), theirs.to_bits()),
        (Value::Bytes(ours), Some(Theirs::BytesValue(theirs))) => assert_eq!(ours, theirs),
        (Value::Map(ours), Some(Theirs::KvlistValue(theirs))) => assert_attributes(&all(otlp::map_entries(ours)), &theirs.values),
        (Value::Array(ours), Some(Theirs::ArrayValue(theirs))) => {
            let ours = all(otlp::array_values(ours));
            assert_eq!(ours.len(), theirs.values.len());
            for (ours, theirs) in ours.iter().zip(&theirs.values) {
                assert_value(*ours, Some(theirs));
            }
        }
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    }
}

fn all<T>(items: impl Iterator<Item = Result<T, Malformed>>) -> Vec<T> {
    items.collect::<Result<_, _>>().expect("inspected bytes can be walked")
}

/// Walks bytes of any kind to their end: nothing panics, and an error is the last thing.
fn exhaust(bytes: &[u8]) {
    for resource in ended(otlp::resource_spans(bytes)) {
        exhaust_attributes(resource.attributes());
        for scope in ended(resource.scope_spans()) {
            exhaust_attributes(scope.scope_attributes());
            let mut walk = scope.walk();
            for span in ended(scope.spans()) {
                let walked = walk.next(&mut Visited::default());
                assert_eq!(walked.and_then(Result::ok).map(|span| span.bytes), Some(span.bytes));
                exhaust_attributes(span.attributes());
                for event in ended(span.events()) {
                    exhaust_attributes(event.attributes());
                }
            }
        }
    }
}

fn exhaust_attributes<'a>(attributes: impl Iterator<Item = Result<Attribute<'a>, Malformed>>) {
    for attribute in ended(attributes) {
        match attribute.value {
            Value::Array(array) => drop(ended(otlp::array_values(array))),
            Value::Map(map) => drop(ended(otlp::map_entries(map))),
            _ => {}
        }
    }
}

fn ended<T>(mut items: impl Iterator<Item = Result<T, Malformed>>) -> Vec<T> {
    let taken = items.by_ref().map_while(Result::ok).collect();
    assert!(items.next().is_none());
    taken
}
