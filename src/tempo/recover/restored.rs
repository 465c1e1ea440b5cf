//! Spans as Tempo gives them back by search: everything of them that the fold reads, and nothing else.
//!
//! - Search says which attributes a span has, and not whether they are its own or its resource's. So resources are asked about in a second
//!   search of the same window, and only where there is a resource that says something the fold reads.
//! - A long trace is in every window that it reaches into; where it is there just as it was in the one before, it is left out.
//! - A trace of many spans is read by its id, whole; one that is too large for that, by parts of its spans.
//! - Why a run failed comes back with its own span, as the message of its status: events, which may be what says it, do not.
//! - Not given back: events (and so why other spans failed where only an event says it), links, and of every attribute what lies beyond the length that Tempo keeps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

use super::scan::tags;
use super::scan::unread::Unread;
use super::scan::whole::Whole;
use super::scan::{Question, Scan};
use super::stamped::{self, Stamped};
use crate::conventions::Conventions;
use crate::model::ids::{SpanId, Tenant, TraceId};
use crate::tempo::keys::ERROR;
use crate::tempo::query::search::{Attribute, FoundSpan, FoundTrace, Window};
use crate::tempo::query::{QueryClient, QueryError};
use crate::wire::otlp;

/// Reads a range of time.
pub struct Restoring<'a> {
    client: &'a QueryClient,
    tenant: &'a Tenant,
    conventions: &'a Conventions,
    scan: Scan<'a>,
    /// Keys that some resource has and the fold reads; mostly none.
    resource_keys: Vec<String>,
    /// What the last window held, by trace, and what this one holds as far as it is read.
    last: HashMap<TraceId, u64>,
    this: HashMap<TraceId, u64>,
    /// Of the window that is being read.
    resources: (Window, Resources),
}

/// What one window gave back, or a part of it.
#[derive(Debug)]
pub struct GivenBack {
    pub window: Window,
    /// Nothing more of this window follows.
    pub is_last: bool,
    /// Every trace of the part.
    pub present: Vec<TraceId>,
    /// Those that are not just as they were in the last window.
    pub traces: Vec<TraceSpans>,
}

/// The spans of one trace that a window holds.
#[derive(Debug)]
pub struct TraceSpans {
    pub trace: TraceId,
    pub n_spans: usize,
    pub stamped: Vec<Stamped>,
    /// An encoded `ExportTraceServiceRequest`.
    pub request: Bytes,
}

/// Attributes of the resources of spans.
pub(in crate::tempo) type Resources = HashMap<(TraceId, SpanId), Vec<(String, Attribute)>>;

/// Tempo refuses to say which tags there are in more than 168 hours.
const TAGS_SECONDS: u64 = 24 * 3600 * 6;
/// Traces that are read by their ids at one time.
const TRACES_AT_ONCE: usize = 4;
const SERVICE_NAME: &str = "service.name";
const PARENT: &str = "span:parentID";
const SCOPE_NAME: &str = "instrumentation:name";
pub(super) const STATUS_MESSAGE: &str = "statusMessage";

// === impl Restoring ===

impl<'a> Restoring<'a> {
    pub async fn begin(
        client: &'a QueryClient,
        tenant: &'a Tenant,
        conventions: &'a Conventions,
        range: Window,
    ) -> Result<Self, QueryError> {
        let mut known = HashSet::new();
        for start in (range.start..range.end).step_by(TAGS_SECONDS as usize) {
            let window = Window { start, end: range.end.min(start + TAGS_SECONDS) };
            known.extend(tags::of_resources(client, tenant, window).await?);
        }
        let resource_keys = conventions.resource_keys().map(str::to_owned).filter(|key| known.contains(key)).collect();
        // Of a resource only what no row of the tables reads, so that it cannot be taken for the span's own.
        let others = [PARENT, SCOPE_NAME, STATUS_MESSAGE].map(str::to_owned).into_iter().chain([format!("resource.{SERVICE_NAME}")]);
        let keys = conventions.span_keys().map(|key| format!("span.{key}"));
        let question = Question::of_all_spans(stamped::selected().chain(others).chain(keys));
        let scan = Scan::new(client, tenant, question, range);
        Ok(Self {
            client,
            tenant,
            conventions,
            scan,
            resource_keys,
            last: HashMap::new(),
            this: HashMap::new(),
            resources: (Window { start: 0, end: 0 }, Resources::new()),
        })
    }

    /// The next part; `None` at the end of the range.
    pub async fn next(&mut self) -> Result<Option<GivenBack>, QueryError> {
        let Some(read) = self.scan.next().await? else { return Ok(None) };
        if self.resources.0 != read.window && !read.traces.is_empty() {
            self.resources = (read.window, self.resources(read.window).await?);
        }
        let present = Vec::with_capacity(read.traces.len());
        let mut given = GivenBack { window: read.window, is_last: read.is_last, present, traces: Vec::new() };
        for found in read.traces {
            let digest = digest(&found);
            if self.is_news(&mut given, found.trace, digest) {
                given.traces.push(trace_spans(found, &self.resources.1, self.conventions));
            }
        }
        let mut wholes = Vec::new();
        let (scan, window) = (&self.scan, read.window);
        let mut reading = stream::iter(read.large)
            .map(|trace| async move { Ok::<_, QueryError>((trace, scan.whole(trace, window).await?)) })
            .buffer_unordered(TRACES_AT_ONCE);
        while let Some(whole) = reading.try_next().await? {
            wholes.push(whole);
        }
        drop(reading);
        for (trace, whole) in wholes {
            match whole {
                Whole::Absent => {}
                Whole::Encoded(request) => {
                    let n_spans = count_spans(&request);
                    if self.is_news(&mut given, trace, n_spans as u64) {
                        given.traces.push(TraceSpans { trace, n_spans, stamped: stamped::of_bytes(&request)?, request });
                    }
                }
                Whole::Spans(found) => {
                    if self.is_news(&mut given, trace, digest(&found)) {
                        let resources = self.resources_of(trace, window).await?;
                        given.traces.push(trace_spans(found, &resources, self.conventions));
                    }
                }
                Whole::Unread(unread) => self.scan.note_unread(unread),
            }
        }
        if given.is_last {
            self.last = std::mem::take(&mut self.this);
        }
        Ok(Some(given))
    }

    /// What could not be read.
    pub fn unread(&self) -> &[Unread] {
        self.scan.unread()
    }

    /// Takes note of a trace; whether it is not just as it was in the last window.
    fn is_news(&mut self, given: &mut GivenBack, trace: TraceId, digest: u64) -> bool {
        given.present.push(trace);
        self.this.insert(trace, digest);
        self.last.get(&trace) != Some(&digest)
    }

    pub fn is_streaming(&self) -> bool {
        self.scan.is_streaming()
    }

    async fn resources(&mut self, window: Window) -> Result<Resources, QueryError> {
        let mut resources = Resources::new();
        let Some(question) = self.about_resources() else { return Ok(resources) };
        let mut scan = Scan::new(self.client, self.tenant, question, window);
        while let Some(read) = scan.next().await? {
            for FoundTrace { trace, spans, .. } in read.traces {
                resources.extend(spans.into_iter().map(|span| ((trace, span.span), span.attributes)));
            }
        }
        for unread in scan.unread() {
            self.scan.note_unread(unread.clone());
        }
        Ok(resources)
    }

    /// The same of one trace that is too large to be read by its id.
    async fn resources_of(&self, trace: TraceId, window: Window) -> Result<Resources, QueryError> {
        let Some(question) = self.about_resources() else { return Ok(Resources::new()) };
        match Scan::new(self.client, self.tenant, question, window).whole_in_parts(trace, window).await? {
            Whole::Spans(found) => Ok(found.spans.into_iter().map(|span| ((trace, span.span), span.attributes)).collect()),
            _ => Ok(Resources::new()),
        }
    }

    /// `None` where no resource says anything that the fold reads.
    fn about_resources(&self) -> Option<Question> {
        let keys: Vec<_> = self.resource_keys.iter().map(|key| format!("resource.{key}")).collect();
        let conditions: Vec<_> = keys.iter().map(|key| format!("{key} != nil")).collect();
        (!keys.is_empty()).then(|| Question::new(move |query| _ = query.list(&conditions, " || "), keys))
    }
}

fn count_spans(request: &[u8]) -> usize {
    let resources = otlp::resource_spans(request).filter_map(Result::ok);
    let scopes = resources.flat_map(|resource| resource.scope_spans().filter_map(Result::ok));
    scopes.map(|scope| scope.spans().filter_map(Result::ok).count()).sum()
}

/// Two equal numbers, equal contents, whatever their order.
fn digest(found: &FoundTrace) -> u64 {
    let of_span = |span: &FoundSpan| {
        let mut hasher = DefaultHasher::new();
        (span.span.to_u64(), span.start_unix_nanos, span.duration_nanos, span.attributes.len()).hash(&mut hasher);
        hasher.finish()
    };
    found.spans.iter().map(of_span).fold(found.spans.len() as u64, u64::wrapping_add)
}

pub(in crate::tempo) fn trace_spans(found: FoundTrace, resources: &Resources, conventions: &Conventions) -> TraceSpans {
    let FoundTrace { trace, spans, .. } = found;
    let stamped = spans.iter().filter_map(|span| Stamped::of_found(trace, span)).collect();
    let n_spans = spans.len();
    // By resource and scope, as OTLP has them.
    let mut grouped: BTreeMap<(String, String), (Vec<KeyValue>, Vec<Span>)> = BTreeMap::new();
    for span in spans {
        let service = span.text(SERVICE_NAME).unwrap_or_default().to_owned();
        let scope = span.text(SCOPE_NAME).unwrap_or_default().to_owned();
        let said = resources.get(&(trace, span.span)).map(Vec::as_slice).unwrap_or_default();
        let resource: Vec<KeyValue> =
            said.iter().filter(|(key, _)| conventions.resource_keys().any(|known| known == key)).map(key_value).collect();
        let name = KeyValue { value: Some(text(&service)), ..KeyValue { key: SERVICE_NAME.to_owned(), ..KeyValue::default() } };
        let group = grouped.entry((format!("{service}\0{resource:?}"), scope)).or_default();
        if group.0.is_empty() {
            group.0 = std::iter::once(name).chain(resource).collect();
        }
        group.1.push(span_of(trace, span));
    }
    let resource_spans = grouped.into_iter().map(|((_, scope), (attributes, spans))| ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope { name: scope, ..InstrumentationScope::default() }),
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    });
    let request = ExportTraceServiceRequest { resource_spans: resource_spans.collect() };
    TraceSpans { trace, n_spans, stamped, request: request.encode_to_vec().into() }
}

fn span_of(trace: TraceId, span: FoundSpan) -> Span {
    let parent = span.text(PARENT).and_then(|hex| u64::from_str_radix(hex, 16).ok()).and_then(SpanId::from_u64);
    let code = match span.text("status") {
        Some("ok") => 1,
        Some("error") => 2,
        _ => 0,
    };
    let message = span.text(ERROR).or(span.text(STATUS_MESSAGE)).unwrap_or_default().to_owned();
    Span {
        trace_id: trace.as_bytes().to_vec(),
        span_id: span.span.to_bytes().to_vec(),
        parent_span_id: parent.map(|parent| parent.to_bytes().to_vec()).unwrap_or_default(),
        start_time_unix_nano: span.start_unix_nanos,
        // An end before the start comes as a length below zero, read without its sign.
        end_time_unix_nano: span.start_unix_nanos.wrapping_add(span.duration_nanos),
        status: Some(Status { code, message }),
        attributes: span.attributes.iter().filter(|(key, _)| !is_ours(key)).map(key_value).collect(),
        name: span.name,
        ..Span::default()
    }
}

/// What was selected beside the keys that the fold reads. The span's name is not among them: it comes apart from the attributes, and one of
/// that key is the span's own.
fn is_ours(key: &str) -> bool {
    matches!(key, "status" | STATUS_MESSAGE | SERVICE_NAME | PARENT | SCOPE_NAME)
        || key.starts_with("sessionfold.")
        || key.starts_with("by(")
}

fn key_value((key, value): &(String, Attribute)) -> KeyValue {
    let value = match value {
        Attribute::Text(words) => text(words),
        Attribute::Int(number) => AnyValue { value: Some(any_value::Value::IntValue(*number)) },
        Attribute::Double(number) => AnyValue { value: Some(any_value::Value::DoubleValue(*number)) },
        Attribute::Bool(is) => AnyValue { value: Some(any_value::Value::BoolValue(*is)) },
    };
    KeyValue { key: key.clone(), value: Some(value), ..KeyValue::default() }
}

fn text(words: &str) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(words.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conventions::{self, Strings};
    use crate::model::facts::SpanFact;
    use crate::model::time::UnixNanos;
    use crate::wire::otlp;

    fn facts(request: &[u8]) -> Vec<(TraceId, SpanFact)> {
        let mut facts = Vec::new();
        for resource in otlp::resource_spans(request).map(Result::unwrap) {
            let known = Conventions::default();
            let said = known.resource(resource.attributes().map(Result::unwrap));
            for scope in resource.scope_spans().map(Result::unwrap) {
                let (now, strings) = (UnixNanos(1 << 62), &mut Strings::default());
                let known = known.scope(scope.scope_name, strings);
                for span in scope.spans().map(Result::unwrap) {
                    let extracted = conventions::extract(&span, &known, &said, now, strings).unwrap();
                    facts.push((extracted.trace, extracted.fact));
                }
            }
        }
        facts.sort_by_key(|(trace, fact)| (*trace, fact.span));
        facts
    }

    /// What search answers of a span, with the attributes that are selected.
    fn found(span: Span, scope: &str) -> (TraceId, FoundSpan) {
        let status = ["unset", "ok", "error"][span.status.as_ref().map_or(0, |status| status.code) as usize];
        let parent = SpanId::from_bytes(&span.parent_span_id).map_or(0, SpanId::to_u64);
        let mut attributes = vec![
            ("status".to_owned(), Attribute::Text(status.to_owned())),
            (PARENT.to_owned(), Attribute::Text(format!("{parent:016x}"))),
            (SCOPE_NAME.to_owned(), Attribute::Text(scope.to_owned())),
        ];
        let message = span.status.map(|status| status.message).filter(|message| !message.is_empty());
        attributes.extend(message.map(|message| (STATUS_MESSAGE.to_owned(), Attribute::Text(message))));
        for KeyValue { key, value, .. } in span.attributes {
            if !Conventions::default().span_keys().any(|known| known == key) {
                continue;
            }
            let value = match value.unwrap().value.unwrap() {
                any_value::Value::StringValue(text) => Attribute::Text(text),
                any_value::Value::IntValue(number) => Attribute::Int(number),
                any_value::Value::DoubleValue(number) => Attribute::Double(number),
                any_value::Value::BoolValue(is) => Attribute::Bool(is),
                // Search returns them in a form that is not read.
                _ => continue,
            };
            attributes.push((key, value));
        }
        let found = FoundSpan {
            span: SpanId::from_bytes(&span.span_id).unwrap(),
            name: span.name,
            start_unix_nanos: span.start_time_unix_nano,
            duration_nanos: span.end_time_unix_nano.wrapping_sub(span.start_time_unix_nano),
            attributes,
        };
        (TraceId::from_bytes(&span.trace_id).unwrap(), found)
    }

    fn given_back(request: &[u8], resources: &Resources) -> Vec<u8> {
        let request = ExportTraceServiceRequest::decode(request).unwrap();
        let mut traces: BTreeMap<TraceId, Vec<FoundSpan>> = BTreeMap::new();
        for scope in request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans) {
            let name = scope.scope.map(|scope| scope.name).unwrap_or_default();
            for span in scope.spans {
                let (trace, span) = found(span, &name);
                traces.entry(trace).or_default().push(span);
            }
        }
        let traces = traces.into_iter().map(|(trace, spans)| FoundTrace { trace, matched: spans.len() as u64, spans });
        traces.flat_map(|found| trace_spans(found, resources, &Conventions::default()).request).collect()
    }

    /// What the second search says about the resources.
    fn resources_of(request: &[u8]) -> Resources {
        let mut resources = Resources::new();
        for resource in ExportTraceServiceRequest::decode(request).unwrap().resource_spans {
            let mut said = Vec::new();
            for KeyValue { key, value, .. } in resource.resource.unwrap_or_default().attributes {
                let Some(any_value::Value::StringValue(text)) = value.unwrap().value else { continue };
                said.push((key, Attribute::Text(text)));
            }
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let ids = (TraceId::from_bytes(&span.trace_id).unwrap(), SpanId::from_bytes(&span.span_id).unwrap());
                resources.insert(ids, said.clone());
            }
        }
        resources
    }

    /// Events are not given back.
    fn without_events(request: &[u8]) -> Vec<u8> {
        let mut request = ExportTraceServiceRequest::decode(request).unwrap();
        let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
        scopes.flat_map(|scope| &mut scope.spans).for_each(|span| span.events.clear());
        request.encode_to_vec()
    }

    #[test]
    fn the_fold_reads_of_spans_that_came_back_what_it_read_of_the_spans_themselves() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut folders: Vec<_> = std::fs::read_dir(root.join("dialects/recordings")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.push(root.join("forward/recorded"));
        let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
        let requests: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "pb")).collect();
        assert!(requests.len() > 60, "{}", requests.len());
        for file in requests {
            let request = without_events(&std::fs::read(&file).unwrap());
            let mut before = facts(&request);
            assert!(!before.is_empty());
            // Tempo is not asked for whole conversations.
            before.iter_mut().for_each(|(_, fact)| fact.question = None);
            assert_eq!(facts(&given_back(&request, &resources_of(&request))), before, "{}", file.display());
        }
    }

    /// The run died of a call whose exception is in an event.
    #[test]
    fn why_a_run_failed_comes_back_with_its_own_span() {
        let status = Some(Status { code: 2, message: "error".into() });
        let (trace, mut span) = found(Span { trace_id: vec![7; 16], span_id: vec![1; 8], status, ..Span::default() }, "x");
        span.attributes.push((ERROR.to_owned(), Attribute::Text("RateLimitError: 429".into())));
        let given = trace_spans(FoundTrace { trace, matched: 1, spans: vec![span] }, &Resources::new(), &Conventions::default());
        assert_eq!(facts(&given.request)[0].1.failure.as_ref().map(|reason| &***reason), Some("RateLimitError: 429"));
        assert_eq!(given.stamped[0].error.as_deref(), Some("RateLimitError: 429"));
    }

    #[test]
    fn an_end_before_the_start_and_a_session_of_the_resource_come_back() {
        let span = Span {
            trace_id: vec![7; 16],
            span_id: vec![1; 8],
            name: "x".into(),
            start_time_unix_nano: 20,
            end_time_unix_nano: 5,
            ..Span::default()
        };
        let attributes = vec![KeyValue { key: "session.id".into(), value: Some(text("of the resource")), ..KeyValue::default() }];
        let resource = Some(Resource { attributes, ..Resource::default() });
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let request =
            ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }] };
        let request = request.encode_to_vec();
        let before = facts(&request);
        assert_eq!(before[0].1.resource_session().map(|id| id.as_str()), Some("of the resource"));
        let said = vec![("session.id".to_owned(), Attribute::Text("of the resource".into()))];
        let resources = Resources::from([((before[0].0, before[0].1.span), said)]);
        assert_eq!(facts(&given_back(&request, &resources)), before);
    }
}
