//! Which attribute of a span answered each question, for whoever asks why.
//!
//! - It is the same reading ([`Said::read_noting`]) that makes facts, with a notebook; ordinary reading has none, and pays nothing.
//! - Values are shown as they were sent, cut.

use super::known::Known;
use super::reading::Said;
use super::tables::{Namespace, Part};
use super::{Conventions, Oddities, Oddity, Resource, Scope};
use crate::model::facts::SpanKind;
use crate::wire::otlp::{Attribute, Value};

/// A value that is shown is cut behind this many bytes.
const VALUE_MAX_BYTES: usize = 120;

/// Where what is known of a span came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    pub kind: SpanKind,
    pub kind_by: KindBy,
    pub answers: Vec<Answer>,
    /// What was changed of the numbers that were sent, in words.
    pub changes: Vec<String>,
    /// What was not believed.
    pub oddities: Vec<Oddity>,
}

/// A question and the attribute that answered it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Such as `session`, `input tokens`.
    pub question: &'static str,
    pub key: String,
    pub value: String,
    pub is_of_resource: bool,
}

/// What says what a span is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KindBy {
    /// The word of an attribute.
    Attribute,
    /// The same, read as this scope means it.
    ScopeRule,
    /// How its name begins, in this scope.
    SpanName,
    /// It bears the name of the agent that it was made for.
    AgentName,
    /// It is a named use of the Vercel AI SDK.
    Use,
    /// It says of itself that it repeats what others tell.
    Repetition,
    ModelAndUsage,
    #[default]
    Nothing,
}

/// What is asked of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    Kind,
    Session,
    RunId,
    Agent,
    Workflow,
    User,
    UserGroup,
    Model,
    Provider,
    Response,
    Tier,
    Framework,
    Repetition,
    Level,
    Tool,
    Asked,
    Failure,
    /// Answers that count only under a condition; see `reading`.
    OwnAgent,
    OwnUser,
    EntityName,
    GraphAgent,
    Function,
    WeakModel,
    WeakFailure,
}

/// Which namespace told each part of the usage.
#[derive(Clone, Copy, Default)]
pub(super) struct Settled {
    pub tokens: Option<usize>,
    pub cache_read: Option<usize>,
    pub cache_write: Option<usize>,
    pub cache_write_1h: Option<usize>,
    pub reasoning: Option<usize>,
    pub cost: Option<usize>,
    /// The namespace told the cost in two halves.
    pub is_cost_of_halves: bool,
}

/// Tokens that were added to what was sent.
#[derive(Clone, Copy, Default)]
pub(super) struct Mended {
    pub cached_added: Option<u64>,
    pub thought_added: Option<u64>,
}

/// What a reading tells on its way. Does nothing unless told otherwise.
pub(super) trait Notes {
    fn answered(&mut self, _: Question, _number: u16, _is_new: bool) {}
    /// The answer to one question answers another.
    fn answered_by(&mut self, _: Question, _by: Question, _is_new: bool) {}
    /// The answer does not hold.
    fn unanswered(&mut self, _: Question) {}
    fn kind(&mut self, _: KindBy) {}
    fn agent_by_scope(&mut self, _key: Option<&'static str>) {}
    fn provider_by_model(&mut self) {}
    fn number(&mut self, _: Namespace, _: Part, _number: u16, _is_new: bool) {}
    fn settled(&mut self, _: Settled) {}
    fn mended(&mut self, _: Mended) {}
}

impl Notes for () {}

/// Notes that are kept.
#[derive(Default)]
struct Notebook {
    kind_by: KindBy,
    answers: Vec<(Question, u16)>,
    numbers: Vec<(usize, Part, u16)>,
    agent_key: Option<&'static str>,
    is_provider_by_model: bool,
    settled: Settled,
    mended: Mended,
}

impl Notes for Notebook {
    fn answered(&mut self, question: Question, number: u16, is_new: bool) {
        if is_new {
            self.unanswered(question);
            self.answers.push((question, number));
        }
    }

    fn unanswered(&mut self, question: Question) {
        self.answers.retain(|(known, _)| *known != question);
    }

    fn answered_by(&mut self, question: Question, by: Question, is_new: bool) {
        if let Some(number) = self.answer(by).filter(|_| is_new) {
            self.answered(question, number, true);
        }
    }

    fn kind(&mut self, by: KindBy) {
        self.kind_by = by;
    }

    fn agent_by_scope(&mut self, key: Option<&'static str>) {
        self.agent_key = key;
    }

    fn provider_by_model(&mut self) {
        self.is_provider_by_model = true;
    }

    fn number(&mut self, namespace: Namespace, part: Part, number: u16, is_new: bool) {
        if is_new {
            self.numbers.push((namespace as usize, part, number));
        }
    }

    fn settled(&mut self, settled: Settled) {
        self.settled = settled;
    }

    fn mended(&mut self, mended: Mended) {
        self.mended = mended;
    }
}

impl Notebook {
    fn answer(&self, question: Question) -> Option<u16> {
        self.answers.iter().find(|(known, _)| *known == question).map(|(_, number)| *number)
    }

    /// The keys that told a number: the last that was taken stands, and a part of a JSON object is told by all of it.
    fn keys_of(&self, namespace: Option<usize>, parts: &[&[Part]]) -> Vec<u16> {
        let Some(namespace) = namespace else { return Vec::new() };
        let told = |part: &&Part| self.numbers.iter().rfind(|(of, told, _)| *of == namespace && told == *part).map(|(.., number)| *number);
        let last = |alike: &&[Part]| alike.iter().filter_map(|part| told(&part)).max();
        parts.iter().filter_map(last).collect()
    }
}

// === impl Sources ===

impl Sources {
    pub(super) fn of(name: &str, attributes: &[Attribute<'_>], scope: &Scope<'_>, resource: &Resource) -> Self {
        let (mut notes, mut oddities) = (Notebook::default(), Oddities::default());
        let known = Known::collect(attributes.iter().copied(), scope);
        let mut said = Said::default();
        said.read_noting(&known, name, scope, &mut oddities, &mut notes);
        let conventions = scope.conventions;
        let value_of = |key: &str| attributes.iter().find(|attribute| attribute.key == key).map_or_else(String::new, |it| shown(it.value));
        let mut answers = Vec::new();
        let mut add = |question, key: &str| {
            answers.push(Answer { question, key: key.to_owned(), value: value_of(key), is_of_resource: false });
        };
        for (question, words) in QUESTIONS {
            if let Some(key) = notes.answer(*question).and_then(|number| conventions.key(number)) {
                add(words, key);
            } else if *question == Question::Agent
                && let Some(key) = notes.agent_key
            {
                add(words, key);
            }
        }
        if said.kind != SpanKind::Step || notes.kind_by != KindBy::Repetition {
            for (words, namespace, parts) in numbers(&notes.settled, &said) {
                notes.keys_of(namespace, parts).into_iter().filter_map(|number| conventions.key(number)).for_each(|key| add(words, key));
            }
        }
        if let Some(session) = resource.session.as_ref().filter(|_| !said.names_session())
            && let Some(key) = resource.key.and_then(|number| conventions.key(number))
        {
            let value = cut_value(session.as_str());
            answers.push(Answer { question: "session", key: key.to_owned(), value, is_of_resource: true });
        }
        let mut changes = Vec::new();
        if let Some(cached) = notes.mended.cached_added {
            changes.push(format!("{cached} cached tokens were added to the input, which leaves them out"));
        }
        if let Some(thought) = notes.mended.thought_added {
            changes.push(format!("{thought} tokens of the total were added to the output, which leaves out what was thought"));
        }
        if notes.is_provider_by_model {
            changes.push("the provider is known by how the model is named".to_owned());
        }
        Self { kind: said.kind, kind_by: notes.kind_by, answers, changes, oddities: oddities.list() }
    }
}

/// The questions that are shown, in this order.
const QUESTIONS: &[(Question, &str)] = &[
    (Question::Kind, "kind"),
    (Question::Repetition, "repetition"),
    (Question::Session, "session"),
    (Question::RunId, "run id"),
    (Question::Agent, "agent"),
    (Question::Workflow, "workflow"),
    (Question::User, "user"),
    (Question::UserGroup, "user group"),
    (Question::Model, "model"),
    (Question::Provider, "provider"),
    (Question::Response, "answer's id"),
    (Question::Tier, "service tier"),
    (Question::Framework, "framework"),
    (Question::Level, "level"),
    (Question::Tool, "tool"),
    (Question::Asked, "asked"),
    (Question::Failure, "failure"),
];

type Number = (&'static str, Option<usize>, &'static [&'static [Part]]);

/// The numbers of a span, who told them, and as which parts: of those in one group the later one stands.
fn numbers(settled: &Settled, said: &Said<'_>) -> Vec<Number> {
    const COST: &[&[Part]] = &[&[Part::Cost, Part::CostJson]];
    const HALVES: &[&[Part]] = &[&[Part::CostOfInput], &[Part::CostOfOutput]];
    let usage = &said.usage;
    let known = |namespace: Option<usize>, number: Option<u64>| namespace.filter(|_| number.is_some());
    let total = if usage.input_tokens.or(usage.output_tokens).is_none() { usage.total_tokens } else { None };
    vec![
        ("input tokens", known(settled.tokens, usage.input_tokens), &[&[Part::Input, Part::TokensJson, Part::AnswerJson]]),
        ("output tokens", known(settled.tokens, usage.output_tokens), &[&[Part::Output, Part::TokensJson, Part::AnswerJson]]),
        ("total tokens", known(settled.tokens, total), &[&[Part::Total, Part::TokensJson, Part::AnswerJson]]),
        ("cached tokens", known(settled.cache_read, usage.cache_read_tokens), &[&[Part::CacheRead, Part::TokensJson, Part::AnswerJson]]),
        ("cache writes", known(settled.cache_write, usage.cache_write_tokens), &[&[Part::CacheWrite, Part::TokensJson, Part::AnswerJson]]),
        ("one-hour cache writes", settled.cache_write_1h, &[&[Part::CacheWrite1h, Part::TokensJson, Part::AnswerJson]]),
        ("reasoning tokens", known(settled.reasoning, usage.reasoning_tokens), &[&[Part::Reasoning, Part::TokensJson, Part::AnswerJson]]),
        ("cost", known(settled.cost, usage.cost.map(|cost| cost.0)), if settled.is_cost_of_halves { HALVES } else { COST }),
    ]
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Str(text) => cut_value(text),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        _ => String::new(),
    }
}

fn cut_value(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(VALUE_MAX_BYTES)];
    if cut.len() < text.len() { format!("{cut}…") } else { cut.to_owned() }
}

// === impl Conventions ===

impl Conventions {
    fn key(&self, number: u16) -> Option<&str> {
        let own = || self.own_keys().find(|(_, known)| *known == number).map(|(key, _)| key);
        self.row(number).map(|row| row.key).or_else(own)
    }
}

// === impl KindBy ===

impl KindBy {
    pub fn code(self) -> &'static str {
        match self {
            Self::Attribute => "attribute",
            Self::ScopeRule => "scope_rule",
            Self::SpanName => "span_name",
            Self::AgentName => "agent_name",
            Self::Use => "named_use",
            Self::Repetition => "repetition",
            Self::ModelAndUsage => "model_and_usage",
            Self::Nothing => "nothing",
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Attribute => "an attribute says so",
            Self::ScopeRule => "an attribute says so, as spans of this scope mean it",
            Self::SpanName => "no attribute says so; in this scope the span's name does",
            Self::AgentName => "it bears the name of the agent that it was made for",
            Self::Use => "it is the outer span of a use of the Vercel AI SDK that has a name",
            Self::Repetition => "it says of itself that it repeats what other spans tell",
            Self::ModelAndUsage => "no attribute says so; it names a model and what was used",
            Self::Nothing => "no attribute says what it is",
        }
    }
}
