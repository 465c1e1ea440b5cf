//! From the attributes of a span to what they say.

use std::borrow::Cow;

use super::asked::{self, Asked};
use super::json;
use super::kind::classify;
use super::known::Known;
use super::scopes::Reading;
use super::settings::Precedence;
use super::sources::{KindBy, Mended, Notes, Question as Q};
use super::tables::{Convention, Meaning, Part, Row};
use super::text::{cut, cut_id, id, name, plain, telling, unquoted};
use super::tier;
use super::usage::Claims;
use super::{Conventions, Oddities, Oddity, Scope};
use crate::model::facts::SpanKind;
use crate::model::ids::SessionId;
use crate::model::usage::{SPAN_TOKENS_MAX, ServiceTier, Usage};
use crate::wire::otlp::{Attribute, Value};

/// What the attributes of one span say, each question answered once.
#[derive(Default)]
pub(super) struct Said<'a> {
    session: Option<(Precedence, Cow<'a, str>)>,
    pub run_id: Option<Cow<'a, str>>,
    pub agent: Option<&'a str>,
    pub workflow: Option<&'a str>,
    pub user: Option<Cow<'a, str>>,
    pub user_group: Option<Cow<'a, str>>,
    pub model: Option<&'a str>,
    pub provider: Option<&'a str>,
    pub response: Option<&'a str>,
    pub tier: Option<ServiceTier>,
    /// What the tool is called whose span it is.
    pub tool: Option<&'a str>,
    /// Why it failed, as attributes tell it that only a span has which did.
    pub failure: Option<&'a str>,
    /// Why, if it did.
    pub weak_failure: Option<&'a str>,
    pub asked: Asked<'a>,
    pub usage: Usage,
    pub kind: SpanKind,
    pub has_response_model: bool,
    pub is_framework: bool,
    /// An attribute says so; the status of the span need not.
    pub has_failed: bool,
}

// === impl Said ===

impl<'a> Said<'a> {
    pub(super) fn read(known: &Known<'a>, span_name: &'a str, scope: &Scope<'_>, oddities: &mut Oddities) -> Self {
        let mut said = Self::default();
        said.read_noting(known, span_name, scope, oddities, &mut ());
        said
    }

    /// The same, and takes note of what answered each question.
    pub(super) fn read_noting(
        &mut self,
        known: &Known<'a>,
        span_name: &'a str,
        scope: &Scope<'_>,
        oddities: &mut Oddities,
        notes: &mut impl Notes,
    ) {
        let (reading, conventions) = (scope.reading, scope.conventions);
        let said = self;
        let (mut own_agent, mut own_user) = (None, None);
        let (mut entity, mut weak_model, mut kind, mut claims) = (None, None, None, None);
        let (mut graph_agent, mut function, mut is_use) = (None, None, false);
        let (mut is_agent_entity, mut is_repetition, mut metadata_user) = (false, false, None);
        let mut makes_agent = false;
        for number in known.numbers() {
            let row = conventions.row(number);
            if row.is_some_and(|row| said.is_settled(row.meaning) || kind.is_some() && is_kind_alone(row)) {
                continue;
            }
            let Some(value) = known.value(number).map(|value| plain(row, value)) else { continue };
            let Some(row) = row else {
                let (question, is_new) = match conventions.meaning(number) {
                    Meaning::Agent => (Q::OwnAgent, answer(&mut own_agent, name(value))),
                    Meaning::User => (Q::OwnUser, answer(&mut own_user, id(value).map(cut_id))),
                    _ => (Q::Session, said.offer_session(conventions.precedence(number), session_id(None, value, oddities))),
                };
                notes.answered(question, number, is_new);
                continue;
            };
            let (question, is_new) = match row.meaning {
                Meaning::Session | Meaning::WeakSession => {
                    (Q::Session, said.offer_session(conventions.precedence(number), session_id(Some(row), value, oddities)))
                }
                Meaning::RunId => (Q::RunId, answer(&mut said.run_id, id(value).map(cut_id))),
                Meaning::GraphAgent => (Q::GraphAgent, answer(&mut graph_agent, name(value))),
                Meaning::Metadata => {
                    metadata_user = metadata(value, "user_id");
                    (Q::GraphAgent, answer(&mut graph_agent, metadata(value, "lc_agent_name")))
                }
                Meaning::Function => {
                    function = name(value);
                    (Q::Function, true)
                }
                Meaning::Tier => (Q::Tier, answer(&mut said.tier, name(value).and_then(tier::of))),
                Meaning::Response => (Q::Response, answer(&mut said.response, name(value))),
                Meaning::Repetition => {
                    let repeats = name(value).is_some_and(|word| is_repeating(row.key, word));
                    is_repetition |= repeats;
                    (Q::Repetition, repeats)
                }
                Meaning::Level => {
                    said.has_failed = name(value) == Some(FAILURE);
                    (Q::Level, said.has_failed)
                }
                Meaning::Agent => (Q::Agent, answer(&mut said.agent, name(value))),
                Meaning::EntityName => {
                    entity = name(value);
                    (Q::EntityName, true)
                }
                Meaning::Workflow => (Q::Workflow, answer(&mut said.workflow, name(value))),
                Meaning::User => (Q::User, answer(&mut said.user, id(value).map(cut_id))),
                Meaning::UserGroup => (Q::UserGroup, answer(&mut said.user_group, id(value).map(cut_id))),
                Meaning::Model => (Q::Model, answer(&mut said.model, model(value))),
                Meaning::ResponseModel => {
                    let model = model(value);
                    said.has_response_model = model.is_some();
                    (Q::Model, answer(&mut said.model, model))
                }
                Meaning::WeakModel => (Q::WeakModel, answer(&mut weak_model, model(value))),
                Meaning::Parameters => (Q::WeakModel, answer(&mut weak_model, metadata(value, "model"))),
                Meaning::Provider => (Q::Provider, answer(&mut said.provider, name(value).filter(|name| !is_framework(name)))),
                Meaning::Kind => {
                    let word = name(value);
                    // Of keys behind the one that answered nobody asks what the span is.
                    let asked = word.filter(|_| kind.is_none() || row.key == ENTITY_KIND);
                    let by_scope = asked.and_then(|word| reading?.kind(row.key, word));
                    let told = by_scope.or_else(|| asked.and_then(|word| classify(number, word)));
                    is_use |= row.key == USE && word.is_some_and(|word| USES.contains(&word));
                    makes_agent |= row.key == OPERATION && word == Some("create_agent");
                    is_agent_entity |= row.key == ENTITY_KIND && told == Some(SpanKind::Agent);
                    is_repetition |= word.is_some_and(|word| is_repeating(row.key, word));
                    let is_new = answer(&mut kind, told);
                    if is_new {
                        notes.kind(if by_scope.is_some() { KindBy::ScopeRule } else { KindBy::Attribute });
                    }
                    (Q::Kind, is_new)
                }
                Meaning::Framework => {
                    said.is_framework = !matches!(value, Value::Bool(false));
                    (Q::Framework, said.is_framework)
                }
                Meaning::Tool => (Q::Tool, answer(&mut said.tool, name(value))),
                Meaning::Failure => (Q::Failure, answer(&mut said.failure, telling(value))),
                Meaning::WeakFailure => (Q::WeakFailure, answer(&mut said.weak_failure, telling(value))),
                Meaning::Asked => (Q::Asked, said.asked.offer(value)),
                Meaning::AskedOfRole => (Q::Asked, said.asked.offer_of_role(value)),
                Meaning::AskedRole => {
                    said.asked.role(value);
                    continue;
                }
                // What a flow or a tool answered is anybody's JSON.
                Meaning::Usage(_, Part::AnswerJson) if kind.is_some_and(|kind: SpanKind| !kind.is_model()) => continue,
                Meaning::Usage(namespace, part) => {
                    let is_new = claims.get_or_insert_with(Claims::default).add(namespace, part, value, oddities);
                    notes.number(namespace, part, number, is_new);
                    continue;
                }
            };
            notes.answered(question, number, is_new);
        }
        if is_agent_entity {
            notes.answered_by(Q::Agent, Q::EntityName, answer(&mut said.agent, entity));
        }
        notes.answered_by(Q::Agent, Q::OwnAgent, own_agent.is_some());
        notes.answered_by(Q::User, Q::OwnUser, own_user.is_some());
        said.agent = own_agent.or(said.agent);
        said.user = own_user.or(said.user.take());
        notes.answered_by(Q::User, Q::GraphAgent, answer(&mut said.user, metadata_user.map(|user| Cow::Borrowed(cut(user)))));
        if let Some(reading) = reading {
            if let Some(overruled) = reading.kind_by_ending(span_name) {
                kind = Some(overruled);
                notes.kind(KindBy::SpanName);
            }
            if kind.is_none() {
                kind = reading.kind_by_name(span_name);
                notes.kind(KindBy::SpanName);
            }
            if matches!(kind, Some(SpanKind::Agent | SpanKind::Workflow))
                && answer(&mut said.agent, known.agent().and_then(name).map(unquoted))
            {
                notes.agent_by_scope(reading.agent_key);
            }
        }
        if graph_agent == Some(span_name) && matches!(kind, None | Some(SpanKind::Step)) {
            kind = Some(SpanKind::Agent);
            notes.kind(KindBy::AgentName);
            notes.answered_by(Q::Agent, Q::GraphAgent, answer(&mut said.agent, graph_agent));
        }
        let scope_agent = reading.and_then(|reading| reading.agent);
        if is_use && function.is_some() && matches!(kind, Some(SpanKind::Step | SpanKind::Agent)) && scope_agent.is_none() {
            kind = Some(SpanKind::Agent);
            notes.kind(KindBy::Use);
            notes.answered_by(Q::Agent, Q::Function, answer(&mut said.agent, function));
        }
        if is_repetition {
            said.model = None;
            said.kind = SpanKind::Step;
            notes.kind(KindBy::Repetition);
            return;
        }
        if makes_agent {
            // It is made before anybody asks it anything: that is part of no session, whatever was put on every span.
            said.session = None;
            notes.unanswered(Q::Session);
        }
        if let Some(claims) = claims {
            let (usage, settled) = claims.settle(oddities);
            said.usage = usage;
            notes.settled(settled);
        }
        let output_excludes_reasoning = reading.is_some_and(|reading| reading.output_excludes_reasoning);
        notes.mended(said.mend_usage(scope.input_excludes_cache, output_excludes_reasoning, oddities));
        if answer(&mut said.provider, said.model.and_then(bedrock)) {
            notes.provider_by_model();
        }
        // The turn of such an agent says which model its calls are of.
        let is_turn = scope_agent.is_some() && kind == Some(SpanKind::Agent);
        let uses_model = said.usage.is_stated() || kind.is_some_and(SpanKind::is_model) || is_turn;
        if uses_model {
            notes.answered_by(Q::Model, Q::WeakModel, answer(&mut said.model, weak_model));
        }
        let is_call = said.usage.is_stated() && said.model.is_some();
        if kind.is_none() {
            notes.kind(if is_call { KindBy::ModelAndUsage } else { KindBy::Nothing });
        }
        said.kind = kind.unwrap_or(if is_call { SpanKind::Llm } else { SpanKind::Other });
        if !asked::is_asked(said.kind) {
            notes.unanswered(Q::Asked);
        }
        if said.kind == SpanKind::Tool {
            said.tool = said.tool.or(entity);
        }
        if said.names_session() || said.kind != SpanKind::Other {
            notes.answered_by(Q::Agent, Q::OwnAgent, answer(&mut said.agent, scope_agent));
        }
        if reading.is_some_and(|reading| reading.is_session_weak)
            && let Some((precedence, _)) = &mut said.session
        {
            precedence.is_weak = true;
        }
    }

    /// The session the span names, and whether a framework may have minted it. An id that is too long is still its answer: no lesser key
    /// may put the span into another session.
    pub(super) fn session(&self, oddities: &mut Oddities) -> (Option<SessionId>, bool) {
        let Some((precedence, id)) = &self.session else { return (None, false) };
        let session = SessionId::new(id);
        if session.is_none() {
            oddities.insert(Oddity::SessionIdTooLong);
        }
        (session, precedence.is_weak)
    }

    /// Whether keys further down need not be read for what they say, since one has answered.
    #[inline]
    fn is_settled(&self, meaning: Meaning) -> bool {
        match meaning {
            Meaning::RunId => self.run_id.is_some(),
            Meaning::Agent => self.agent.is_some(),
            Meaning::Workflow => self.workflow.is_some(),
            Meaning::User => self.user.is_some(),
            Meaning::Model | Meaning::Parameters => self.model.is_some(),
            Meaning::Provider => self.provider.is_some(),
            Meaning::Response => self.response.is_some(),
            Meaning::Tool => self.tool.is_some(),
            _ => false,
        }
    }

    /// Whether it says who or what the span belongs to.
    pub(super) fn has_labels(&self) -> bool {
        let has_names = self.agent.is_some() || self.workflow.is_some();
        has_names || self.session.is_some() || self.run_id.is_some() || self.user.is_some() || self.user_group.is_some()
    }

    pub(super) fn names_session(&self) -> bool {
        self.session.is_some()
    }

    /// The key that stands first among the session keys answers.
    fn offer_session(&mut self, precedence: Option<Precedence>, id: Option<Cow<'a, str>>) -> bool {
        let (Some(precedence), Some(id)) = (precedence, id) else { return false };
        let is_first = self.session.as_ref().is_none_or(|(known, _)| precedence < *known);
        if is_first {
            self.session = Some((precedence, id));
        }
        is_first
    }

    /// Makes the input hold what was cached, and the output what was thought.
    fn mend_usage(&mut self, input_excludes_cache: bool, output_excludes_reasoning: bool, oddities: &mut Oddities) -> Mended {
        let mut mended = Mended::default();
        let usage = &mut self.usage;
        let cached = usage.cache_read_tokens.unwrap_or(0) + usage.cache_write_tokens.unwrap_or(0);
        if let Some(input) = usage.input_tokens
            && cached > 0
            && (input_excludes_cache
                || usage.cache_read_tokens.unwrap_or(0) > input
                || usage.total_tokens.is_some_and(|total| total == input + usage.output_tokens.unwrap_or(0) + cached))
        {
            usage.input_tokens = believable(input + cached, oddities);
            mended.cached_added = Some(cached);
        }
        let is_google = || {
            self.provider.is_some_and(|name| GOOGLE.iter().any(|word| name.contains(word)))
                || self.model.is_some_and(|name| name.rsplit('/').next().is_some_and(|name| name.starts_with("gemini")))
        };
        if let (Some(input), Some(output), Some(total)) = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
            && total > input + output
            && is_google()
        {
            usage.output_tokens = Some(total - input);
            mended.thought_added = Some(total - input - output);
        } else if output_excludes_reasoning
            && usage.total_tokens.is_none()
            && let (Some(output), Some(thought)) = (usage.output_tokens, usage.reasoning_tokens.filter(|&thought| thought > 0))
        {
            usage.output_tokens = believable(output + thought, oddities);
            mended.thought_added = Some(thought);
        }
        mended
    }
}

// === impl Reading ===

impl Reading {
    fn kind(&self, key: &str, word: &str) -> Option<SpanKind> {
        self.kinds.iter().find(|(known, words, _)| *known == key && *words == word).map(|(_, _, kind)| *kind)
    }

    fn kind_by_ending(&self, span_name: &str) -> Option<SpanKind> {
        self.ending.iter().find(|(ending, _)| span_name.ends_with(ending)).map(|(_, kind)| *kind)
    }

    fn kind_by_name(&self, span_name: &str) -> Option<SpanKind> {
        self.named.iter().find(|(beginning, _)| span_name.starts_with(beginning)).map(|(_, kind)| *kind)
    }
}

/// Whether the words of a row that tells the kind tell nothing else: then nobody asks it once the kind is known.
fn is_kind_alone(row: &Row) -> bool {
    row.meaning == Meaning::Kind && ![ENTITY_KIND, USE, OPERATION, "span.type"].contains(&row.key)
}

/// Its word `agent` makes an agent of the entity that the span names.
const ENTITY_KIND: &str = "traceloop.span.kind";

const USE: &str = "ai.operationId";
const OPERATION: &str = "gen_ai.operation.name";

/// The words of `ai.operationId` for the outer spans of calls that answer.
const USES: &[&str] = &["ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject"];

/// The keys and words of spans that tell once more what another span tells.
const REPETITIONS: &[(&str, &str)] = &[("ag2.span.type", "usage"), ("span.type", "llm")];

fn is_repeating(key: &str, word: &str) -> bool {
    REPETITIONS.iter().any(|(known, says)| *says == word && *known == key)
}

/// What Langfuse's level says of what failed. Its SDK for JavaScript leaves the status of the span unset.
const FAILURE: &str = "ERROR";

/// What frameworks write where a provider is to be named: then nobody is.
const FRAMEWORKS: &[&str] = &[
    "ag2",
    "agent_framework",
    "agno",
    "autogen",
    "claude_agent_sdk",
    "crewai",
    "dspy",
    "eino",
    "google_adk",
    "haystack",
    "langchain",
    "langgraph",
    "llama_index",
    "llamaindex",
    "mastra",
    "microsoft.agent_framework",
    "openai_agents",
    "pydantic_ai",
    "semantic_kernel",
    "smolagents",
    "strands_agents",
];

/// In any case, and whatever parts the words.
fn is_framework(name: &str) -> bool {
    let plain = |letter: u8| if matches!(letter, b'-' | b' ') { b'_' } else { letter.to_ascii_lowercase() };
    FRAMEWORKS.iter().any(|known| known.len() == name.len() && name.bytes().map(plain).eq(known.bytes()))
}

/// What the names of Google's providers hold: their total counts what was thought, their output does not.
const GOOGLE: &[&str] = &["gemini", "vertex", "google", "gcp."];

/// Who serves a model that is named as Amazon Bedrock names it, such as `us.anthropic.claude-…` and `amazon.nova-…`.
fn bedrock(model: &str) -> Option<&'static str> {
    const REGIONS: &[&str] = &["us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au."];
    const VENDORS: &[&str] = &["anthropic.", "amazon.", "meta.", "mistral.", "cohere.", "ai21.", "deepseek."];
    let model = REGIONS.iter().find_map(|region| model.strip_prefix(region)).unwrap_or(model);
    VENDORS.iter().any(|vendor| model.starts_with(vendor)).then_some("aws.bedrock")
}

fn believable(tokens: u64, oddities: &mut Oddities) -> Option<u64> {
    if tokens > SPAN_TOKENS_MAX {
        oddities.insert(Oddity::TokensInvalid);
    }
    Some(tokens.min(SPAN_TOKENS_MAX))
}

/// A model that is named. The others are what Spring AI, LangChain4j and Pipecat write where none is.
fn model(value: Value<'_>) -> Option<&str> {
    name(value).filter(|model| !["none", "unknown"].contains(model))
}

/// A text in the JSON that OpenInference passes on: as `metadata` what LangChain knows of a run, or what was asked of a model.
fn metadata<'a>(value: Value<'a>, key: &str) -> Option<&'a str> {
    match value {
        Value::Str(text) => json::member(text, key),
        _ => None,
    }
}

/// The session that the attributes of a resource name, and the number of the key that names it.
pub(super) fn session_of<'a>(
    conventions: &Conventions,
    resource: impl Iterator<Item = Attribute<'a>>,
    oddities: &mut Oddities,
) -> Option<(SessionId, u16)> {
    let ids = resource.filter_map(|attribute| {
        let number = conventions.number(attribute.key.as_bytes())?;
        let (precedence, row) = (conventions.precedence(number)?, conventions.row(number));
        let value = plain(row, attribute.value);
        let is_everywhere = row.is_none_or(|row| row.only_in.is_empty());
        Some((precedence, number, session_id(row, value, oddities).filter(|_| is_everywhere)?))
    });
    let (_, number, id) = ids.min_by_key(|(precedence, ..)| *precedence)?;
    let session = SessionId::new(&id);
    if session.is_none() {
        oddities.insert(Oddity::SessionIdTooLong);
    }
    Some((session?, number))
}

/// A value that can be no id counts as odd.
fn session_id<'a>(row: Option<&Row>, value: Value<'a>, oddities: &mut Oddities) -> Option<Cow<'a, str>> {
    if row.is_some_and(|row| row.key == "thread.id") {
        // The number of a thread of the system, almost everywhere: only what cannot be one is a conversation.
        return id(value).filter(|id| !id.bytes().all(|digit| digit.is_ascii_digit()));
    }
    if let (Some("metadata.requester_metadata"), Value::Str(text)) = (row.map(|row| row.key), value) {
        return json::member(text, "session_id").map(Cow::Borrowed);
    }
    if !matches!(value, Value::Empty | Value::Str(_) | Value::Int(_)) {
        oddities.insert(Oddity::SessionIdWrongType);
    }
    // What Spring AI calls a conversation that nobody named.
    id(value).filter(|id| id != "default" || row.is_none_or(|row| row.convention != Convention::SpringAi))
}

/// Whether it is what answers now.
fn answer<T>(slot: &mut Option<T>, said: Option<T>) -> bool {
    let is_new = slot.is_none() && said.is_some();
    if is_new {
        *slot = said;
    }
    is_new
}
