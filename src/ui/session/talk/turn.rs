//! A turn of a conversation: what a run was asked, what it did, what it answered; from its spans and from what its SDK posted.
//!
//! - What models said comes from their spans; of a wrapper and the call in it, and of two instrumentations of one call, one is shown.
//! - A call that a model asked for and the span of the tool are one step: matched by the id of the call, else by name and order. Without a
//!   span the answer is looked for in what the model was given next.
//! - A run that was started in another is a step of it.
//! - Pure, and bounded: spans are read as long as the page has room for them.

use std::cell::Cell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::failure::failure;
use super::unsaid;
use crate::model::Str;
use crate::model::facts::{SpanKind, SpanStatus};
use crate::model::ids::{RunId, SpanId, TraceId};
use crate::model::logs::{ANSWERED_SPAN, ASKED_SPAN};
use crate::model::run::{Run, RunStatus};
use crate::model::time::{Nanos, UnixNanos};
use crate::store::view::{SpanView, TraceView};
use crate::ui::messages::places::is_of_input;
use crate::ui::messages::{self, Call, Message, Part, Role, Said};
use crate::ui::spans::{Carried, Gathered};

/// Runs within one another that are shown in place; those within them are links.
const DEPTH_MAX: usize = 4;
/// Steps of one turn.
const STEPS_MAX: usize = 200;
/// Spans of tools that are looked at: some are told twice.
const TOOLS_MAX: usize = 2 * STEPS_MAX;
/// Spans that are looked through where neither the run's own nor a model's says anything.
const OTHERS_MAX: usize = 30;

#[derive(Debug)]
pub(super) struct Turn {
    pub(super) run: Run,
    /// The instructions that its first call was given.
    pub(super) system: Vec<Message>,
    pub(super) asked: Vec<Message>,
    pub(super) steps: Vec<Step>,
    pub(super) error: Option<String>,
    /// Steps, or spans, that are not shown.
    pub(super) is_cut: bool,
    /// It asked for numbers, not for words: an embedding.
    pub(super) is_of_numbers: bool,
}

#[derive(Debug)]
pub(super) enum Step {
    Said(Message),
    Called(Called),
    /// A run that was started in this one.
    Delegated(Box<Turn>),
    /// A call of a model that failed, and why.
    Failed(String),
}

#[derive(Debug)]
pub(super) struct Called {
    pub(super) call: Call,
    /// `None` where nobody tells.
    pub(super) result: Option<Vec<Part>>,
    pub(super) is_error: bool,
    pub(super) error: Option<String>,
    pub(super) duration: Option<Nanos>,
    pub(super) span: Option<SpanId>,
    /// The tool that it is counted by.
    pub(super) tool: Option<Str>,
}

/// What a page may still read and show.
pub(super) struct PageBudget {
    /// Bytes of spans that may still be read.
    pub(super) bytes: Cell<usize>,
    /// Runs within others that may still be shown.
    pub(super) runs: Cell<usize>,
}

/// One trace: its runs, its spans, and what they carry.
pub(super) struct Trace<'a> {
    id: TraceId,
    runs: &'a [Run],
    spans: FxHashMap<SpanId, &'a SpanView>,
    of_run: FxHashMap<RunId, Vec<&'a SpanView>>,
    gathered: &'a Gathered<'a>,
    budget: &'a PageBudget,
}

/// What a model said, and when.
pub(super) struct Spoken<'a> {
    pub(super) span: &'a SpanView,
    pub(super) output: Vec<Message>,
    pub(super) error: Option<String>,
}

// === impl Turn ===

impl Turn {
    pub(super) fn bare(run: Run) -> Self {
        let mut turn =
            Self { run, system: Vec::new(), asked: Vec::new(), steps: Vec::new(), error: None, is_cut: false, is_of_numbers: false };
        turn.error = turn.kept_error();
        turn
    }

    /// Whether there is nothing to read in it.
    pub(super) fn is_silent(&self) -> bool {
        self.asked.is_empty() && self.steps.is_empty() && self.error.is_none()
    }

    /// Whether somebody said this in it.
    pub(super) fn says(&self, text: &str) -> bool {
        let text = text.trim();
        self.steps.iter().any(|step| matches!(step, Step::Said(message) if message.said().trim() == text))
    }

    /// Why its calls failed.
    pub(super) fn failures(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| if let Step::Failed(error) = step { Some(&**error) } else { None })
    }

    /// Where its spans are gone, or do not say it themselves: what is kept of them, unless a step tells it.
    fn kept_error(&self) -> Option<String> {
        let is_told = self.steps.iter().any(|step| match step {
            Step::Failed(_) => true,
            Step::Called(called) => called.error.is_some(),
            _ => false,
        });
        self.run.error.as_deref().filter(|_| !is_told).map(str::to_owned)
    }

    /// Whether anything that was said in it was captured, and not only that something was done.
    pub(super) fn has_words(&self) -> bool {
        let is_told = |step: &Step| match step {
            Step::Said(_) => true,
            Step::Called(called) => !called.call.arguments.is_null() || called.result.is_some(),
            Step::Delegated(child) => child.has_words(),
            Step::Failed(_) => false,
        };
        !self.asked.is_empty() || self.steps.iter().any(is_told)
    }

    fn has_answer(&self) -> bool {
        let is_answer = |part: &Part| matches!(part, Part::Text(_) | Part::Data(_) | Part::Image(_));
        self.steps.iter().any(|step| matches!(step, Step::Said(message) if message.parts.iter().any(is_answer)))
    }
}

// === impl Trace ===

impl<'a> Trace<'a> {
    pub(super) fn new(view: &'a TraceView, gathered: &'a Gathered<'a>, budget: &'a PageBudget) -> Self {
        let mut of_run: FxHashMap<RunId, Vec<&SpanView>> = FxHashMap::default();
        for span in &view.spans {
            if let Some(run) = span.run {
                of_run.entry(run).or_default().push(span);
            }
        }
        let spans = view.spans.iter().map(|span| (span.span, span)).collect();
        Self { id: view.trace, runs: &view.runs, spans, of_run, gathered, budget }
    }

    pub(super) fn turn(&self, run: &Run, depth: usize) -> Turn {
        let mut turn = Turn::bare(run.clone());
        let none = Vec::new();
        let spans = self.of_run.get(&run.id).unwrap_or(&none);
        let own = self.read(run.key.span, &|_| true);
        let own_said = own.as_ref().map(said).unwrap_or_default();
        self.asked(&mut turn, spans, &own_said);
        turn.is_of_numbers =
            spans.iter().any(|span| span.kind == SpanKind::Embedding) && !spans.iter().any(|span| span.kind == SpanKind::Llm);
        let mut steps = Steps::default();
        let mut spoken = self.spoken(spans);
        if spoken.iter().all(|spoken| spoken.output.is_empty() && spoken.error.is_none())
            && let Some(span) = self.spans.get(&run.key.span)
            && own_said.output.iter().any(|message| message.parts.iter().any(|part| matches!(part, Part::Call(_))))
        {
            spoken = vec![Spoken { span, output: own_said.output.clone(), error: None }];
        }
        unsaid::fill(self, &mut spoken);
        spoken.iter().for_each(|spoken| steps.say(spoken));
        for tool in spans.iter().filter(|span| may_be_tool(span) && span.span != run.key.span).take(TOOLS_MAX) {
            self.call(&mut steps, tool);
        }
        self.answers(&mut steps, &spoken);
        for child in self.runs.iter().filter(|child| child.parent == Some(run.id) && child.id != run.id) {
            let Some(left) = self.budget.runs.get().checked_sub(1) else { break };
            self.budget.runs.set(left);
            let child = if depth < DEPTH_MAX { self.turn(child, depth + 1) } else { Turn::bare(child.clone()) };
            steps.list.push((child.run.started_at, Step::Delegated(Box::new(child))));
        }
        steps.list.sort_by_key(|(at, _)| *at);
        turn.is_cut = steps.list.len() > STEPS_MAX || self.budget.bytes.get() == 0;
        turn.steps = steps.list.into_iter().map(|(_, step)| step).take(STEPS_MAX).collect();
        if run.status == RunStatus::Error {
            turn.error = own.as_ref().and_then(failure).or_else(|| turn.kept_error());
        }
        if !turn.has_answer() && turn.failures().next().is_none() {
            let answer = answer_in(own_said.output).or_else(|| self.answer_elsewhere(spans, run));
            // A structure is better than nothing.
            let is_answer = |answer: &Message| turn.steps.is_empty() || !answer.said().is_empty();
            turn.steps.extend(answer.filter(is_answer).map(Step::Said));
        }
        turn
    }

    pub(super) fn read(&self, span: SpanId, wants: &dyn Fn(&str) -> bool) -> Option<Carried> {
        let size = self.gathered.size(self.id, span, wants)?;
        let bytes = &self.budget.bytes;
        if size > bytes.get() {
            bytes.set(0);
            return None;
        }
        bytes.set(bytes.get() - size);
        self.gathered.read(self.id, span, wants)
    }

    /// The user's words as the run's own span has them, else as its first call does, with the instructions of that one.
    fn asked(&self, turn: &mut Turn, spans: &[&SpanView], own: &Said) {
        turn.asked = last_asked(&own.input);
        for span in spans.iter().filter(|span| speaks(span)).take(OTHERS_MAX) {
            let Some(said) = self.read(span.span, &|_| true).as_ref().map(said) else { continue };
            if turn.system.is_empty() {
                turn.system = said.input.iter().filter(|message| message.role == Role::System).cloned().collect();
            }
            if turn.asked.is_empty() {
                turn.asked = last_asked(&said.input);
            }
            if !said.input.is_empty() {
                break;
            }
        }
        if turn.asked.is_empty() {
            let others = spans.iter().filter(|span| !speaks(span) && span.kind != SpanKind::Tool).take(OTHERS_MAX);
            let asked = others.filter_map(|span| self.read(span.span, &|_| true)).map(|carried| last_asked(&said(&carried).input));
            turn.asked = asked.into_iter().find(|asked| !asked.is_empty()).unwrap_or_default();
        }
        if turn.asked.is_empty() {
            // A structure is better than nothing.
            turn.asked = own.input.iter().rfind(|message| message.role == Role::User).cloned().into_iter().collect();
        }
    }

    /// What models said in a run: of each call the innermost span that tells, and of equal ones at a time the first.
    fn spoken(&self, spans: &[&'a SpanView]) -> Vec<Spoken<'a>> {
        let mut found: Vec<Spoken<'a>> = Vec::new();
        for span in spans.iter().filter(|span| speaks(span)).take(STEPS_MAX) {
            let Some(carried) = self.read(span.span, &|key| !is_of_input(key)) else { continue };
            let mut output = said(&carried).output;
            // What repeats the question is no answer: the state of a framework.
            if output.iter().any(|message| matches!(message.role, Role::User | Role::System)) {
                output.clear();
            }
            let error = (span.status == SpanStatus::Error).then(|| failure(&carried)).flatten();
            found.push(Spoken { span, output, error });
        }
        let mut wrappers: FxHashSet<SpanId> = FxHashSet::default();
        for spoken in found.iter().filter(|spoken| !spoken.output.is_empty() || spoken.error.is_some()) {
            wrappers.extend(self.above(spoken.span).filter(|above| speaks(above)).map(|above| above.span));
        }
        found.retain(|spoken| !wrappers.contains(&spoken.span.span));
        let mut kept: Vec<Spoken<'a>> = Vec::new();
        for spoken in found {
            let is_twin = |held: &&mut Spoken<'_>| is_at_once(held.span, spoken.span) && is_same(held, &spoken);
            if kept.iter_mut().rev().take(8).find(is_twin).is_none() {
                kept.push(spoken);
            }
        }
        kept
    }

    /// The spans around one, up to a tool's or an agent's.
    fn above(&self, span: &SpanView) -> impl Iterator<Item = &'a SpanView> {
        let parent = |span: &SpanView| span.parent.and_then(|parent| self.spans.get(&parent)).copied();
        let ends = |span: &&SpanView| matches!(span.kind, SpanKind::Tool | SpanKind::Agent | SpanKind::Workflow);
        std::iter::successors(parent(span), move |span| parent(span)).take(64).take_while(move |span| !ends(span))
    }

    /// The span of a tool: the answer to a call that a model asked for, or a step of its own.
    fn call(&self, steps: &mut Steps, span: &SpanView) {
        let Some(carried) = self.read(span.span, &|_| true) else { return };
        let told = messages::told(&span.name, &carried.attributes, &events(&carried));
        if span.kind != SpanKind::Tool && !told.is_named {
            return;
        }
        let is_error = span.status == SpanStatus::Error;
        let called = Called {
            call: told.call,
            result: Some(told.result).filter(|result| !result.is_empty()),
            is_error,
            error: is_error.then(|| failure(&carried)).flatten(),
            duration: span.end.map(|end| end.since(span.start)),
            span: Some(span.span),
            tool: span.tool.clone(),
        };
        steps.call(called, span.start, span.parent);
    }

    /// Of calls whose tool has no span: what the model was given next.
    fn answers(&self, steps: &mut Steps, spoken: &[Spoken<'_>]) {
        let mut looked = UnixNanos::ZERO;
        for spoken in spoken.iter().skip(1) {
            // What is not in the next input is in none.
            if !steps.is_waiting(looked, spoken.span.start) {
                continue;
            }
            let Some(carried) = self.read(spoken.span.span, &|_| true) else { continue };
            let input = said(&carried).input;
            if !input.is_empty() {
                looked = spoken.span.start;
            }
            for part in input.into_iter().flat_map(|message| message.parts) {
                if let Part::Answer(answer) = part {
                    steps.answer(answer);
                }
            }
        }
    }

    fn answer_elsewhere(&self, spans: &[&SpanView], run: &Run) -> Option<Message> {
        let others = spans.iter().rev().filter(|span| span.kind != SpanKind::Tool && !speaks(span) && span.span != run.key.span);
        others
            .take(OTHERS_MAX)
            .filter_map(|span| self.read(span.span, &|key| !is_of_input(key)))
            .find_map(|carried| answer_in(said(&carried).output))
    }
}

/// Spans that say of themselves that they are tools, and those that only look like it.
fn may_be_tool(span: &SpanView) -> bool {
    let looks = matches!(span.kind, SpanKind::Other | SpanKind::Step) && span.name.to_ascii_lowercase().contains("tool");
    span.kind == SpanKind::Tool || looks
}

/// Whether a span may hold what a model was asked and answered.
fn speaks(span: &SpanView) -> bool {
    let is_call = span.call.is_some() && matches!(span.kind, SpanKind::Other | SpanKind::Step);
    span.kind == SpanKind::Llm || is_call || span.is_of_log && [ASKED_SPAN, ANSWERED_SPAN].contains(&&*span.name)
}

fn events(carried: &Carried) -> Vec<messages::Event<'_>> {
    carried.events.iter().map(|event| (&*event.name, &event.attributes)).collect()
}

pub(super) fn said(carried: &Carried) -> Said {
    messages::said(&carried.attributes, &events(carried))
}

/// The last words of the user in what went in: the messages behind the last answer.
fn last_asked(input: &[Message]) -> Vec<Message> {
    let is_asked = |message: &&Message| message.role == Role::User && message.parts.iter().any(|part| !matches!(part, Part::Data(_)));
    let Some(last) = input.iter().rposition(|message| is_asked(&message)) else { return Vec::new() };
    let first = input[..last].iter().rposition(|message| message.role != Role::User).map_or(0, |at| at + 1);
    input[first..=last].iter().filter(is_asked).cloned().collect()
}

/// The last thing that was said in what came out.
fn answer_in(output: Vec<Message>) -> Option<Message> {
    let is_answer = |message: &Message| {
        matches!(message.role, Role::Assistant | Role::Other(_))
            && message.parts.iter().any(|part| !matches!(part, Part::Call(_) | Part::Reasoning(_)))
    };
    let mut answer = output.into_iter().rfind(is_answer)?;
    answer.parts.retain(|part| !matches!(part, Part::Call(_)));
    Some(answer)
}

fn is_at_once(one: &SpanView, other: &SpanView) -> bool {
    let end = |span: &SpanView| span.end.unwrap_or(UnixNanos::MAX);
    one.start <= end(other) && other.start <= end(one)
}

/// Whether two spans tell of one call: they say the same, or one of them says nothing.
fn is_same(one: &Spoken<'_>, other: &Spoken<'_>) -> bool {
    let words = |spoken: &Spoken<'_>| -> String { spoken.output.iter().map(|message| message.said().trim().to_owned()).collect() };
    let calls = |spoken: &Spoken<'_>| -> Vec<String> {
        let parts = spoken.output.iter().flat_map(|message| &message.parts);
        parts.filter_map(|part| if let Part::Call(call) = part { Some(format!("{}{}", call.name, call.arguments)) } else { None }).collect()
    };
    words(one) == words(other) && calls(one) == calls(other) && one.error.is_some() == other.error.is_some()
}

/// The steps of a turn while they are put together.
#[derive(Default)]
struct Steps {
    list: Vec<(UnixNanos, Step)>,
    /// Of the spans of tools that are in the list, which.
    told: FxHashMap<SpanId, usize>,
}

// === impl Steps ===

impl Steps {
    fn say(&mut self, spoken: &Spoken<'_>) {
        let at = spoken.span.start;
        for message in &spoken.output {
            let mut rest = Vec::new();
            for part in &message.parts {
                match part {
                    Part::Call(call) => {
                        self.flush(at, &message.role, &mut rest);
                        let called = Called {
                            call: call.clone(),
                            result: None,
                            is_error: false,
                            error: None,
                            duration: None,
                            span: None,
                            tool: None,
                        };
                        self.list.push((at, Step::Called(called)));
                    }
                    // A model answers itself where it has tools of its own.
                    Part::Answer(answer) => self.answer(answer.clone()),
                    other => rest.push(other.clone()),
                }
            }
            self.flush(at, &message.role, &mut rest);
        }
        if let Some(error) = &spoken.error {
            self.list.push((at, Step::Failed(error.clone())));
        }
    }

    fn flush(&mut self, at: UnixNanos, role: &Role, parts: &mut Vec<Part>) {
        if !parts.is_empty() {
            let role = if matches!(role, Role::Other(_)) { role.clone() } else { Role::Assistant };
            self.list.push((at, Step::Said(Message { role, parts: std::mem::take(parts) })));
        }
    }

    fn calls(&mut self) -> impl Iterator<Item = (usize, UnixNanos, &mut Called)> {
        self.list.iter_mut().enumerate().filter_map(|(n, (at, step))| match step {
            Step::Called(called) => Some((n, *at, called)),
            _ => None,
        })
    }

    /// `above` is the span around it: if that is a tool's, it is a wrapper that tells of the same.
    fn call(&mut self, told: Called, at: UnixNanos, above: Option<SpanId>) {
        let span = told.span;
        let by_id = self.calls().find(|(_, _, called)| called.call.id.is_some() && called.call.id == told.call.id).map(|(n, ..)| n);
        let within = above.and_then(|above| self.told.get(&above)).copied();
        let by_name = || {
            let fits = |called: &Called| called.span.is_none() && is_tool(&called.call.name, &told.call.name);
            self.calls().find(|(_, asked, called)| *asked <= at && fits(called)).map(|(n, ..)| n)
        };
        let place = by_id.or(within).or_else(by_name);
        let held = place.and_then(|place| self.list.get_mut(place));
        let Some((_, Step::Called(held))) = held else {
            self.told.extend(span.map(|span| (span, self.list.len())));
            self.list.push((at, Step::Called(told)));
            return;
        };
        if held.call.arguments.is_null() {
            held.call.arguments = told.call.arguments;
        }
        held.result = held.result.take().or(told.result);
        held.is_error |= told.is_error;
        held.error = held.error.take().or(told.error);
        held.duration = held.duration.or(told.duration);
        held.span = held.span.or(told.span);
        held.tool = held.tool.take().or(told.tool);
        self.told.extend(span.zip(place));
    }

    /// Whether a call that was made in this time has no answer.
    fn is_waiting(&mut self, from: UnixNanos, before: UnixNanos) -> bool {
        self.calls().any(|(_, at, called)| called.result.is_none() && (from..before).contains(&at))
    }

    fn answer(&mut self, answer: messages::Answer) {
        let is_known = answer.id.is_some() && self.calls().any(|(_, _, called)| called.call.id == answer.id);
        // Where ids are not told, or not the same in both places: the first that waits, by its name if that is told.
        let fits = |called: &Called| match is_known {
            true => called.call.id == answer.id,
            false => answer.name.as_deref().is_none_or(|name| is_tool(&called.call.name, name)),
        };
        let held = self.calls().map(|(_, _, called)| called).find(|called| called.result.is_none() && fits(called));
        if let Some(held) = held {
            held.is_error |= answer.is_error;
            held.result = Some(answer.parts).filter(|parts| !parts.is_empty());
        }
    }
}

/// Whether two names are of one tool: some say its module, too.
fn is_tool(called: &str, told: &str) -> bool {
    called == told
        || told.ends_with(called) && !called.is_empty()
        || called.ends_with(told) && !told.is_empty()
        || told.starts_with(called) && told[called.len()..].starts_with('.')
}
