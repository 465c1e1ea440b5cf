//! From what may hold a phrase, in the journal and in Tempo, to the runs in which it was said.
//!
//! - Of a call's input only what is behind the last answer counts: the rest is what was said before, in other runs.
//! - Instructions are not looked through: they are the same in every run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;

use super::excerpt::{Excerpt, Phrase};
use super::in_tempo::{End, InTempo};
use super::turns::{Turn, turns_of};
use crate::model::Str;
use crate::model::facts::SpanKind;
use crate::model::ids::{RunId, SessionId, SpanId, Tenant, TraceId};
use crate::model::time::UnixNanos;
use crate::store::said::{Heard, Looked, SpanTexts};
use crate::store::view::TraceView;
use crate::ui::Ui;
use crate::ui::messages::places::is_of_input;
use crate::ui::messages::{self, Message, Part, Role};
use crate::ui::refusal::Refusal;
use crate::ui::spans::Gathered;

/// Runs that a page shows.
const HITS_MAX: usize = 50;
/// Spans and posts that are read for one page: most that hold the phrase in their history say nothing new.
const READ_MAX: usize = 1_000;
/// A shorter value was not cut by Tempo.
const CUT_MIN_BYTES: usize = 1_024;

pub(super) struct Answer {
    pub(super) hits: Vec<Hit>,
    pub(super) looked: Looked,
    /// How far it was looked in Tempo, where there is one.
    pub(super) in_tempo: Option<(Option<UnixNanos>, End)>,
    /// More was found than is shown.
    pub(super) is_full: bool,
}

/// A run in which it was said.
pub(super) struct Hit {
    pub(super) at: UnixNanos,
    pub(super) session: Option<SessionId>,
    /// `None` where it is not known.
    pub(super) turn: Option<Turn>,
    pub(super) agent: Str,
    /// Who said it, in words.
    pub(super) speaker: &'static str,
    pub(super) excerpt: Excerpt,
    /// The path of the span, or of the run where it was posted.
    pub(super) to_span: String,
    pub(super) is_posted: bool,
    run: RunId,
}

/// A search under way.
struct Finding<'a> {
    ui: &'a Ui,
    tenant: &'a Tenant,
    phrase: Phrase,
    /// Traces that were opened; `None` if the index has no run of it.
    traces: BTreeMap<TraceId, Option<TraceView>>,
    seen: BTreeSet<RunId>,
    hits: Vec<Hit>,
    n_read: usize,
}

pub(super) fn find(ui: &Ui, tenant: &Tenant, phrase: &str, in_tempo: Option<InTempo>) -> Result<Answer, Refusal> {
    let phrase_of = Phrase::new(phrase);
    let mut finding =
        Finding { ui, tenant, phrase: phrase_of, traces: BTreeMap::new(), seen: BTreeSet::new(), hits: Vec::new(), n_read: 0 };
    let mut failed = None;
    let looked = ui.store.search_said(tenant, phrase, &mut |heard| match finding.take(heard) {
        Ok(flow) => flow,
        Err(refusal) => {
            failed = Some(refusal);
            ControlFlow::Break(())
        }
    })?;
    if let Some(refusal) = failed {
        return Err(refusal);
    }
    let in_tempo = match in_tempo {
        Some(found) => {
            finding.take_from_tempo(&found)?;
            Some((found.since, found.end))
        }
        None => None,
    };
    let is_full = finding.is_full();
    let mut hits = finding.hits;
    // They were found in the order in which they came here.
    hits.sort_by_key(|hit| Reverse(hit.at));
    number_turns(ui, tenant, &mut hits)?;
    Ok(Answer { hits, looked, in_tempo, is_full })
}

fn number_turns(ui: &Ui, tenant: &Tenant, hits: &mut [Hit]) -> Result<(), Refusal> {
    let mut sessions: BTreeMap<SessionId, BTreeSet<RunId>> = BTreeMap::new();
    for hit in hits.iter() {
        if let Some(session) = &hit.session {
            sessions.entry(session.clone()).or_default().insert(hit.run);
        }
    }
    for (session, runs) in sessions {
        let turns = turns_of(&*ui.store, tenant, &session, &runs)?;
        for hit in hits.iter_mut() {
            hit.turn = hit.turn.or_else(|| turns.get(&hit.run).copied());
        }
    }
    Ok(())
}

// === impl Finding ===

impl Finding<'_> {
    fn is_full(&self) -> bool {
        self.hits.len() >= HITS_MAX || self.n_read >= READ_MAX
    }

    fn take(&mut self, heard: Heard) -> Result<ControlFlow<()>, Refusal> {
        match heard {
            Heard::Post(run) => self.post(run)?,
            Heard::Spans { request, spans } => {
                for (trace, span) in spans {
                    if self.is_full() {
                        break;
                    }
                    self.span(&request, trace, span)?;
                }
            }
        }
        Ok(if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn take_from_tempo(&mut self, found: &InTempo) -> Result<(), Refusal> {
        for SpanTexts { trace, span, texts } in &found.spans {
            if self.is_full() {
                break;
            }
            match found.traces.get(trace) {
                Some(whole) => self.span(whole, *trace, *span)?,
                None => {
                    let texts = texts.iter().filter(|(key, text)| !is_cut_input(key, text));
                    let attributes = texts.map(|(key, text)| (key.clone(), text.as_str().into())).collect();
                    self.judge(*trace, *span, &attributes, &[])?;
                }
            }
        }
        Ok(())
    }

    fn span(&mut self, request: &Bytes, trace: TraceId, id: SpanId) -> Result<(), Refusal> {
        let requests = std::slice::from_ref(request);
        let Some(carried) = Gathered::new(requests, &BTreeSet::from([trace])).read(trace, id, &|_| true) else { return Ok(()) };
        let events: Vec<messages::Event<'_>> = carried.events.iter().map(|event| (&*event.name, &event.attributes)).collect();
        self.judge(trace, id, &carried.attributes, &events)
    }

    /// Whether a span says it, and if so in which run.
    fn judge(
        &mut self,
        trace: TraceId,
        id: SpanId,
        attributes: &BTreeMap<String, serde_json::Value>,
        events: &[messages::Event<'_>],
    ) -> Result<(), Refusal> {
        self.n_read += 1;
        if !self.traces.contains_key(&trace) {
            self.traces.insert(trace, self.ui.store.trace(self.tenant, trace)?);
        }
        let Some(view) = self.traces.get(&trace).and_then(Option::as_ref) else { return Ok(()) };
        let Some(span) = view.spans.iter().find(|span| span.span == id) else { return Ok(()) };
        let Some(run) = span.run.filter(|run| !self.seen.contains(run)) else { return Ok(()) };
        let Some(run) = view.runs.iter().find(|known| known.id == run) else { return Ok(()) };
        let found = if span.kind == SpanKind::Tool {
            let told = messages::told(&span.name, attributes, events);
            in_parts(&self.phrase, &[Part::Call(told.call)])
                .map(|found| ("given to a tool", found))
                .or_else(|| in_parts(&self.phrase, &told.result).map(|found| ("from a tool", found)))
        } else {
            let said = messages::said(attributes, events);
            in_messages(&self.phrase, &said.output).or_else(|| in_messages(&self.phrase, new_in(&said.input)))
        };
        if let Some((speaker, excerpt)) = found {
            self.seen.insert(run.id);
            self.hits.push(Hit {
                at: span.start,
                session: run.session.clone(),
                turn: None,
                agent: run.agent.clone(),
                speaker,
                excerpt,
                to_span: format!("/traces/{trace}?run={}&span={id}#span", run.id.get()),
                is_posted: false,
                run: run.id,
            });
        }
        Ok(())
    }

    fn post(&mut self, id: RunId) -> Result<(), Refusal> {
        if self.seen.contains(&id) {
            return Ok(());
        }
        self.n_read += 1;
        let Some(view) = self.ui.store.run(self.tenant, id)? else { return Ok(()) };
        let reported = |text: Option<&str>, role: Role| text.map(|text| messages::reported(text, &role)).unwrap_or_default();
        let mut said = reported(view.result.as_deref(), Role::Assistant);
        said.extend(reported(view.inputs.as_deref(), Role::User));
        for call in &view.calls {
            said.extend(reported(call.response.as_deref(), Role::Assistant));
            said.extend(reported(call.prompt.as_deref(), Role::User));
        }
        said.extend(view.steps.iter().flat_map(|step| reported(step.output.as_deref(), Role::Tool)));
        if let Some((speaker, excerpt)) = in_messages(&self.phrase, &said) {
            self.seen.insert(view.run.id);
            self.hits.push(Hit {
                at: view.run.started_at,
                session: view.run.session.clone(),
                turn: None,
                agent: view.run.agent.clone(),
                speaker,
                excerpt,
                to_span: format!("/runs/{}", view.run.id.get()),
                is_posted: true,
                run: view.run.id,
            });
        }
        Ok(())
    }
}

/// Tempo keeps the beginning of a long value (2,048 bytes unless it is configured otherwise). Of what went into a call that is what was said
/// before, and what was new is gone.
fn is_cut_input(key: &str, text: &str) -> bool {
    let is_structure = text.starts_with(['[', '{']);
    text.len() >= CUT_MIN_BYTES && is_structure && is_of_input(key) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err()
}

/// What was not said before.
fn new_in(input: &[Message]) -> &[Message] {
    let behind = input.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |at| at + 1);
    &input[behind..]
}

fn in_messages(phrase: &Phrase, messages: &[Message]) -> Option<(&'static str, Excerpt)> {
    let said = messages.iter().filter(|message| message.role != Role::System);
    said.filter_map(|message| Some((speaker(&message.role), in_parts(phrase, &message.parts)?))).next()
}

fn speaker(role: &Role) -> &'static str {
    match role {
        Role::User => "asked",
        Role::Tool => "from a tool",
        Role::System => "instructions",
        Role::Assistant | Role::Other(_) => "answered",
    }
}

fn in_parts(phrase: &Phrase, parts: &[Part]) -> Option<Excerpt> {
    parts.iter().find_map(|part| match part {
        Part::Text(text) | Part::Reasoning(text) => phrase.find(text),
        Part::Call(call) => phrase.find(&match &call.arguments {
            serde_json::Value::Null => call.name.clone(),
            serde_json::Value::String(text) => format!("{} {text}", call.name),
            arguments => format!("{} {arguments}", call.name),
        }),
        Part::Answer(answer) => in_parts(phrase, &answer.parts),
        Part::Data(json) => phrase.find(&json.to_string()),
        Part::File(_) | Part::Image(_) => None,
    })
}
