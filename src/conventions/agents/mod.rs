//! What coding agents tell by log events, as spans: fold, forwarder, Tempo and pages read nothing else.
//!
//! - An event of the tables becomes one span, from that event alone, under ids computed from it: order, split and repetition of the records
//!   cannot matter. Which run it is of, the fold decides.
//! - Where a record bears the context of a real span that tells of the same, its span joins that trace, and is for the fold alone: Tempo
//!   gets the real one. So is a prompt: the span of its turn is made when that is over (`tempo::stamp`).
//! - What was said is kept only where that is asked for: prompts and answers as spans of their own, which nothing else tells of.
//! - Of a resource only the name and the version of the service are kept, and its session where a record names none: others hold command
//!   lines with prompts in them.
//!
//! Sources: the recordings that `tables` names; decision 061 says why it is done so.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod ids;
mod record;
mod span;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use self::record::{RESOURCE_SESSION_KEY, Record};
use self::tables::{Agent, RENAMED};
use crate::model::facts::Delivery;
use crate::model::logs::{BESIDE_SPANS, SCOPE};
use crate::wire::otlp::logs;
use crate::wire::otlp::{Malformed, Value};

/// What a request of logs comes to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Told {
    /// Encoded `ExportTraceServiceRequest`s: of spans for everybody, and of spans for the fold alone. Empty where there are none.
    pub spans: Vec<u8>,
    pub unforwarded: Vec<u8>,
    /// Records that became spans; of known agents that say nothing about a run; of strangers.
    pub n_taken: u64,
    pub n_noise: u64,
    pub n_strange: u64,
}

/// Reads an encoded `ExportLogsServiceRequest`.
///
/// # Errors
/// [`Malformed`] if it is not one, or if an attribute is not UTF-8: `wire::otlp::repair` mends that.
pub fn tell(request: &[u8], tenant: &str, keep_content: bool) -> Result<Told, Malformed> {
    let mut told = Told::default();
    let (mut spans, mut unforwarded) = (Request::default(), Request::default());
    for resource in logs::resource_logs(request) {
        let resource = resource?;
        let (service, session) = Service::read(&resource)?;
        for scope in resource.scope_logs() {
            let scope = scope?;
            for log in scope.log_records() {
                let log = log?;
                let events = record::event_names(&log)?;
                let Some(agent) = Agent::of(&events, scope.scope_name) else {
                    told.n_strange += 1;
                    continue;
                };
                let made = match agent.event(events[0]) {
                    None => None,
                    Some(what) => {
                        let record = Record::read(agent, events[0], &log, session)?;
                        span::Maker { agent, name: service.name_of(agent), tenant, keep_content, record }.make(what)
                    }
                };
                match made {
                    None => told.n_noise += 1,
                    Some(made) => {
                        told.n_taken += 1;
                        for (span, delivery) in made {
                            let request = if delivery == Delivery::Forwarded { &mut spans } else { &mut unforwarded };
                            let ending = if delivery == Delivery::Never { BESIDE_SPANS } else { "" };
                            request.push((agent.name, ending), &service, span);
                        }
                    }
                }
            }
        }
    }
    (told.spans, told.unforwarded) = (spans.encode(), unforwarded.encode());
    Ok(told)
}

/// Whether a scope is a known agent's. Everything in the metrics of such a scope is told by its events too.
pub fn is_known_scope(scope: &str) -> bool {
    Agent::of(&[], scope).is_some()
}

/// What is kept of a resource.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Service {
    name: String,
    version: String,
}

/// A request that is being made.
#[derive(Default)]
struct Request(BTreeMap<(Scope, Service), Vec<Span>>);

/// The agent, and how the name of the scope ends.
type Scope = (&'static str, &'static str);

// === impl Service ===

impl Service {
    /// With the session that the resource names.
    fn read<'a>(resource: &logs::ResourceLogs<'a>) -> Result<(Self, Option<&'a str>), Malformed> {
        let (mut service, mut session) = (Self::default(), None);
        for attribute in resource.attributes() {
            let attribute = attribute?;
            match (attribute.key, attribute.value) {
                ("service.name", Value::Str(name)) => name.clone_into(&mut service.name),
                ("service.version", Value::Str(version)) => version.clone_into(&mut service.version),
                (RESOURCE_SESSION_KEY, Value::Str(id)) => session = Some(id).filter(|id| !id.is_empty()),
                _ => {}
            }
        }
        Ok((service, session))
    }

    /// What the agent is called: users rename services, so only some names say who it is.
    fn name_of(&self, agent: &Agent) -> &'static str {
        RENAMED.iter().find(|(service, _)| *service == self.name).map_or(agent.name, |(_, name)| name)
    }
}

// === impl Request ===

impl Request {
    fn push(&mut self, scope: Scope, service: &Service, span: Span) {
        self.0.entry((scope, service.clone())).or_default().push(span);
    }

    fn encode(self) -> Vec<u8> {
        let scope = |(agent, ending)| InstrumentationScope { name: format!("{SCOPE}.{agent}{ending}"), ..InstrumentationScope::default() };
        let resource_spans = self.0.into_iter().map(|((of, service), spans)| ResourceSpans {
            resource: Some(Resource {
                attributes: vec![text("service.name", &service.name), text("service.version", &service.version)],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans { scope: Some(scope(of)), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        });
        ExportTraceServiceRequest { resource_spans: resource_spans.collect() }.encode_to_vec()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
