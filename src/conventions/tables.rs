//! Which attribute keys are read, what each means, and which comes before which.
//!
//! - Data only. A row is (whose key it is, the key, what it says); a new dialect is new rows.
//! - The order of the rows is the precedence: of two keys that say the same thing, the one further up stands.
//! - A key is matched as a whole, never by a prefix, and stands here once.
//! - `docs/conventions.md` shows this table to users; a test renders it from here.

use Convention as C;
use Meaning as M;
use Namespace as N;
use Part as P;

/// The most rows the look-up can number.
pub(super) const ROWS_MAX: usize = 300;

/// Who speaks a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Convention {
    Waxell,
    /// The GenAI semantic conventions of OpenTelemetry, present names.
    GenAi,
    /// Their deprecated names and the extensions that others made under `gen_ai.`.
    GenAiOther,
    /// The general semantic conventions of OpenTelemetry.
    OpenTelemetry,
    OpenInference,
    OpenLlmetry,
    VercelAi,
    PydanticAi,
    Langfuse,
    Laminar,
    LangSmith,
    LangChain,
    GoogleAdk,
    CrewAi,
    LiteLlm,
    Mlflow,
    Mastra,
    Ag2,
    Microsoft,
    Copilot,
    Logfire,
    SpringAi,
    Codex,
    Sentry,
    OpenCode,
    ClaudeCode,
    QwenCode,
    VoltAgent,
    Genkit,
    /// In use without being anybody's.
    Plain,
}

/// What a key says about its span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    Session,
    /// As `Session`, where no other is in effect: frameworks mint it when nobody gives one.
    WeakSession,
    /// JSON in which LangChain writes what it knows of a run.
    Metadata,
    /// The agent that LangChain made the span for: the span of that name is the agent.
    GraphAgent,
    /// What the Vercel AI SDK calls one use of it: the agent of the outer span of its calls.
    Function,
    /// The id that the provider gave its answer.
    Response,
    /// How the provider served the call; the words are in `tier`.
    Tier,
    /// The word `usage` says that the span repeats what others tell.
    Repetition,
    /// The word `ERROR` says that the span failed, whatever its status says.
    Level,
    RunId,
    Agent,
    /// The agent's name where `traceloop.span.kind` is `agent`, a step's otherwise.
    EntityName,
    Workflow,
    User,
    UserGroup,
    Model,
    /// As `Model`, and the span names the model that answered.
    ResponseModel,
    /// As `Model`, where something else says that the span used one.
    WeakModel,
    /// JSON of what a call asked for. The `model` in it is one as `WeakModel` is.
    Parameters,
    Provider,
    /// What the span is; the words are in `kinds`.
    Kind,
    /// The span was made by a framework's instrumentation around a provider's.
    Framework,
    /// What a tool is called, of the span of a tool.
    Tool,
    /// Why the span failed, and that it did.
    Failure,
    /// Why, where something else says that it failed.
    WeakFailure,
    /// What it was asked, as text or as JSON in which that stands.
    Asked,
    /// Whose words the next of `AskedOfRole` are.
    AskedRole,
    AskedOfRole,
    Usage(Namespace, Part),
}

/// Keys whose tokens and costs are told together. The numbers of two namespaces are never added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(super) enum Namespace {
    Waxell,
    /// The answer of the model as it came; the numbers of the conventions beside it can leave out what was cached and thought.
    GoogleAdk,
    GenAi,
    OpenInference,
    /// The answer as the provider sent it, of instrumentations that make attributes of a part of its usage.
    OpenInferenceAnswer,
    OpenLlmetry,
    VercelAi,
    PydanticAi,
    Langfuse,
    Mlflow,
    LangSmith,
    LiteLlm,
    Laminar,
    VoltAgent,
    Genkit,
    ClaudeCode,
}

/// One number of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Input,
    Output,
    Total,
    CacheRead,
    CacheWrite,
    /// The part of the cache writes that is kept for an hour.
    CacheWrite1h,
    Reasoning,
    Cost,
    /// Stands only together with, or instead of, the other half, and only where there is no `Cost`.
    CostOfInput,
    CostOfOutput,
    /// A JSON object of tokens.
    TokensJson,
    /// The answer of a model as JSON, in which an object of tokens stands. Read of spans that may be model calls only.
    AnswerJson,
    /// A JSON object of dollars.
    CostJson,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub convention: Convention,
    pub key: &'static str,
    pub meaning: Meaning,
    /// How the names of the scopes begin that it is read in; empty for all.
    pub only_in: &'static [&'static str],
}

/// Every key that is read, in the order of precedence.
pub(super) const ROWS: &[Row] = &[
    // --- the session that an application set, which holds for all that is below
    row(C::Waxell, "waxell.session_id", M::Session),
    row(C::OpenTelemetry, "session.id", M::Session),
    row(C::Langfuse, "langfuse.session.id", M::Session),
    row(C::OpenLlmetry, "traceloop.association.properties.session_id", M::Session),
    row(C::Laminar, "lmnr.association.properties.session_id", M::Session),
    row(C::VercelAi, "ai.telemetry.metadata.sessionId", M::Session),
    row(C::VercelAi, "ai.telemetry.metadata.session_id", M::Session),
    row(C::VercelAi, "ai.settings.context.sessionId", M::Session),
    row(C::VercelAi, "ai.settings.context.session_id", M::Session),
    row(C::Langfuse, "langfuse.trace.metadata.langfuse_session_id", M::Session),
    row(C::Langfuse, "langfuse.observation.metadata.langfuse_session_id", M::Session),
    row(C::LangSmith, "langsmith.metadata.session_id", M::Session),
    row(C::Mastra, "mastra.metadata.sessionId", M::Session),
    row(C::Mlflow, "mlflow.trace.session", M::Session),
    row(C::Microsoft, "microsoft.session.id", M::Session),
    row(C::Copilot, "copilot_chat.session_id", M::Session),
    row(C::GenAiOther, "gen_ai.session.id", M::Session),
    within(&["logfire.openai_agents"], row(C::Logfire, "group_id", M::Session)),
    // --- a thread or conversation that it set, where it set no session
    row(C::LangSmith, "langsmith.metadata.thread_id", M::Session),
    row(C::LangSmith, "langsmith.metadata.conversation_id", M::Session),
    row(C::OpenLlmetry, "traceloop.association.properties.thread_id", M::Session),
    row(C::VercelAi, "ai.telemetry.metadata.threadId", M::Session),
    row(C::SpringAi, "spring.ai.chat.client.conversation.id", M::Session),
    row(C::Mastra, "mastra.metadata.threadId", M::Session),
    // What a client of its proxy sent as `metadata`, as Python prints it: the `session_id` in that.
    within(&["litellm"], row(C::LiteLlm, "metadata.requester_metadata", M::Session)),
    // --- one that a framework may have made up: it names a session only where no other is in effect
    // Codex 0.147 put the turn into `gen_ai.conversation.id`, and the conversation beside the number of a thread into `thread.id`.
    within(&["codex", VOLT_AGENT, PIPECAT], row(C::Plain, "conversation.id", M::WeakSession)),
    within(&["codex"], row(C::Codex, "thread.id", M::WeakSession)),
    row(C::GenAi, "gen_ai.conversation.id", M::WeakSession),
    row(C::Microsoft, "gen_ai.thread.id", M::WeakSession),
    row(C::GoogleAdk, "gcp.vertex.agent.session_id", M::WeakSession),
    row(C::Genkit, "genkit:sessionId", M::WeakSession),
    // --- the run
    row(C::Waxell, "waxell.run_id", M::RunId),
    // --- the agent; `service.name` is not one
    row(C::Waxell, "waxell.agent_name", M::Agent),
    row(C::GenAi, "gen_ai.agent.name", M::Agent),
    row(C::OpenInference, "agent.name", M::Agent),
    row(C::Plain, "llm.agent.name", M::Agent),
    row(C::GoogleAdk, "gcp.vertex.agent.name", M::Agent),
    row(C::CrewAi, "crewai.task.agent", M::Agent),
    row(C::CrewAi, "crewai.agent.role", M::Agent),
    row(C::OpenLlmetry, "traceloop.entity.name", M::EntityName),
    row(C::OpenInference, "graph.node.name", M::Agent),
    row(C::OpenInference, "graph.node.id", M::Agent),
    within(&["logfire"], row(C::Logfire, "agent_name", M::Agent)),
    row(C::VercelAi, "ai.telemetry.functionId", M::Function),
    row(C::LangSmith, "langsmith.metadata.lc_agent_name", M::GraphAgent),
    row(C::Langfuse, "langfuse.observation.metadata.lc_agent_name", M::GraphAgent),
    row(C::OpenLlmetry, "traceloop.association.properties.lc_agent_name", M::GraphAgent),
    row(C::LangChain, "metadata", M::Metadata),
    // --- the workflow
    row(C::Waxell, "waxell.workflow_name", M::Workflow),
    row(C::GenAi, "gen_ai.workflow.name", M::Workflow),
    row(C::OpenLlmetry, "traceloop.workflow.name", M::Workflow),
    // --- the user
    row(C::Waxell, "waxell.user_id", M::User),
    within(&[CLAUDE_CODE], row(C::ClaudeCode, "user.email", M::User)),
    within(&[CLAUDE_CODE], row(C::ClaudeCode, "user.account_uuid", M::User)),
    row(C::OpenTelemetry, "user.id", M::User),
    row(C::Langfuse, "langfuse.user.id", M::User),
    row(C::OpenLlmetry, "traceloop.association.properties.user_id", M::User),
    row(C::Laminar, "lmnr.association.properties.user_id", M::User),
    row(C::VercelAi, "ai.telemetry.metadata.userId", M::User),
    row(C::VercelAi, "ai.telemetry.metadata.user_id", M::User),
    row(C::OpenLlmetry, "gen_ai.user", M::User),
    row(C::GenAiOther, "gen_ai.request.user", M::User),
    row(C::GenAiOther, "gen_ai.user.id", M::User),
    row(C::OpenLlmetry, "llm.user", M::User),
    row(C::Mlflow, "mlflow.trace.user", M::User),
    row(C::VercelAi, "ai.settings.context.userId", M::User),
    row(C::VercelAi, "ai.settings.context.user_id", M::User),
    row(C::LangSmith, "langsmith.metadata.user_id", M::User),
    row(C::Mastra, "mastra.metadata.userId", M::User),
    row(C::Mastra, "mastra.metadata.resourceId", M::User),
    row(C::Langfuse, "langfuse.trace.metadata.langfuse_user_id", M::User),
    row(C::Langfuse, "langfuse.observation.metadata.langfuse_user_id", M::User),
    row(C::GoogleAdk, "gcp.vertex.agent.user_id", M::User),
    within(&["litellm"], row(C::LiteLlm, "metadata.user_api_key_end_user_id", M::User)),
    row(C::Waxell, "waxell.user_group", M::UserGroup),
    // --- the model: the one that answered before the one that was asked
    row(C::Waxell, "waxell.llm.model", M::Model),
    row(C::Waxell, "waxell.embedding.model", M::Model),
    row(C::GenAi, "gen_ai.response.model", M::ResponseModel),
    row(C::VercelAi, "ai.response.model", M::Model),
    row(C::VercelAi, "ai.model.id", M::Model),
    row(C::VercelAi, "aisdk.model.id", M::Model),
    row(C::VoltAgent, "ai.model.name", M::Model),
    row(C::GenAi, "gen_ai.request.model", M::Model),
    row(C::Langfuse, "langfuse.observation.model.name", M::Model),
    row(C::OpenLlmetry, "llm.response.model", M::Model),
    row(C::OpenInference, "llm.response.model_name", M::Model),
    row(C::OpenInference, "llm.model_name", M::Model),
    row(C::OpenInference, "llm.request.model_name", M::Model),
    row(C::OpenLlmetry, "llm.request.model", M::Model),
    row(C::OpenInference, "embedding.model_name", M::Model),
    row(C::Mlflow, "mlflow.llm.model", M::Model),
    row(C::Plain, "model", M::WeakModel),
    within(&["openinference.instrumentation.pipecat"], row(C::OpenInference, "metrics.model", M::WeakModel)),
    row(C::OpenInference, "llm.invocation_parameters", M::Parameters),
    row(C::Genkit, "genkit:name", M::WeakModel),
    // --- its provider
    row(C::GenAi, "gen_ai.provider.name", M::Provider),
    row(C::GenAiOther, "gen_ai.system", M::Provider),
    row(C::OpenInference, "llm.provider", M::Provider),
    row(C::OpenInference, "llm.system", M::Provider),
    row(C::VercelAi, "ai.model.provider", M::Provider),
    row(C::VercelAi, "aisdk.model.provider", M::Provider),
    row(C::OpenLlmetry, "traceloop.association.properties.ls_provider", M::Provider),
    row(C::Langfuse, "langfuse.observation.metadata.ls_provider", M::Provider),
    row(C::Mlflow, "mlflow.llm.provider", M::Provider),
    // --- its answer
    row(C::GenAi, "gen_ai.response.id", M::Response),
    row(C::VercelAi, "ai.response.id", M::Response),
    row(C::OpenInference, "llm.response.id", M::Response),
    // --- how it was served: what the answer says before what was asked for
    row(C::GenAi, "openai.response.service_tier", M::Tier),
    row(C::GenAiOther, "gen_ai.openai.response.service_tier", M::Tier),
    row(C::GenAiOther, "anthropic.response.service_tier", M::Tier),
    row(C::GenAiOther, "gen_ai.response.service_tier", M::Tier),
    row(C::Langfuse, "langfuse.observation.metadata.service_tier", M::Tier),
    within(&[CLAUDE_CODE], row(C::ClaudeCode, "speed", M::Tier)),
    row(C::GenAi, "openai.request.service_tier", M::Tier),
    row(C::GenAiOther, "gen_ai.openai.request.service_tier", M::Tier),
    row(C::GenAiOther, "gen_ai.request.service_tier", M::Tier),
    // --- what the span is; OpenLLMetry calls tasks and workflows `invoke_agent` too
    row(C::Waxell, "waxell.span_type", M::Kind),
    within(&["mlflow"], row(C::Mlflow, "mlflow.openai.agent_run_root", M::Kind)),
    row(C::OpenLlmetry, "traceloop.span.kind", M::Kind),
    row(C::GenAi, "gen_ai.operation.name", M::Kind),
    row(C::OpenInference, "openinference.span.kind", M::Kind),
    row(C::OpenLlmetry, "llm.request.type", M::Kind),
    row(C::VercelAi, "ai.operationId", M::Kind),
    row(C::Langfuse, "langfuse.observation.type", M::Kind),
    row(C::Laminar, "lmnr.span.type", M::Kind),
    row(C::Mlflow, "mlflow.spanType", M::Kind),
    row(C::LangSmith, "langsmith.span.kind", M::Kind),
    row(C::Mastra, "mastra.span.type", M::Kind),
    within(&[VOLT_AGENT], row(C::VoltAgent, "span.type", M::Kind)),
    within(&[VOLT_AGENT], row(C::VoltAgent, "entity.type", M::Kind)),
    row(C::Genkit, "genkit:metadata:subtype", M::Kind),
    row(C::Genkit, "genkit:type", M::Kind),
    row(C::SpringAi, "spring.ai.kind", M::Kind),
    row(C::Ag2, "ag2.span.type", M::Repetition),
    row(C::Langfuse, "langfuse.observation.level", M::Level),
    row(C::Waxell, "waxell.framework", M::Framework),
    // --- usage, one namespace after the other, always last in the table
    row(C::Waxell, "waxell.llm.input_tokens", M::Usage(N::Waxell, P::Input)),
    row(C::Waxell, "waxell.embedding.input_tokens", M::Usage(N::Waxell, P::Input)),
    row(C::Waxell, "waxell.llm.output_tokens", M::Usage(N::Waxell, P::Output)),
    row(C::Waxell, "waxell.llm.total_tokens", M::Usage(N::Waxell, P::Total)),
    row(C::Waxell, "waxell.llm.cost", M::Usage(N::Waxell, P::Cost)),
    row(C::Waxell, "waxell.embedding.cost", M::Usage(N::Waxell, P::Cost)),
    row(C::GoogleAdk, "gcp.vertex.agent.llm_response", M::Usage(N::GoogleAdk, P::AnswerJson)),
    row(C::GenAi, "gen_ai.usage.input_tokens", M::Usage(N::GenAi, P::Input)),
    row(C::GenAiOther, "gen_ai.usage.prompt_tokens", M::Usage(N::GenAi, P::Input)),
    row(C::GenAi, "gen_ai.usage.output_tokens", M::Usage(N::GenAi, P::Output)),
    row(C::GenAiOther, "gen_ai.usage.completion_tokens", M::Usage(N::GenAi, P::Output)),
    row(C::GenAiOther, "gen_ai.usage.total_tokens", M::Usage(N::GenAi, P::Total)),
    row(C::GenAi, "gen_ai.usage.cache_read.input_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAiOther, "gen_ai.usage.cache_read_input_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::Mastra, "gen_ai.usage.cached_input_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAiOther, "gen_ai.usage.cache_read_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::PydanticAi, "gen_ai.usage.details.cache_read_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAiOther, "gen_ai.usage.prompt_tokens_details.cached_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAiOther, "gen_ai.usage.prompt_token_details.cached_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAiOther, "gen_ai.usage.input_token_details.cache_read", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAiOther, "gen_ai.usage.input_cached_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAiOther, "gen_ai.usage.cached_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::Sentry, "gen_ai.usage.input_tokens.cached", M::Usage(N::GenAi, P::CacheRead)),
    row(C::PydanticAi, "gen_ai.usage.details.cache_read_input_tokens", M::Usage(N::GenAi, P::CacheRead)),
    row(C::GenAi, "gen_ai.usage.cache_write.input_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::GenAi, "gen_ai.usage.cache_creation.input_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::GenAiOther, "gen_ai.usage.cache_creation_input_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::GenAiOther, "gen_ai.usage.cache_write_input_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::PydanticAi, "gen_ai.usage.details.cache_write_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::PydanticAi, "gen_ai.usage.details.cache_creation_input_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::GenAiOther, "gen_ai.usage.input_token_details.cache_creation", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::GenAiOther, "gen_ai.usage.cache_creation_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::GenAiOther, "gen_ai.usage.cache_write_tokens", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::Sentry, "gen_ai.usage.input_tokens.cache_write", M::Usage(N::GenAi, P::CacheWrite)),
    row(C::Mastra, "gen_ai.usage.cache_creation.1h_input_tokens", M::Usage(N::GenAi, P::CacheWrite1h)),
    row(C::GenAiOther, "gen_ai.usage.cache_write_1h.input_tokens", M::Usage(N::GenAi, P::CacheWrite1h)),
    row(C::GenAiOther, "anthropic.usage.cache_creation.ephemeral_1h_input_tokens", M::Usage(N::GenAi, P::CacheWrite1h)),
    row(C::GenAi, "gen_ai.usage.reasoning.output_tokens", M::Usage(N::GenAi, P::Reasoning)),
    within(&["codex"], row(C::Codex, "codex.usage.reasoning_output_tokens", M::Usage(N::GenAi, P::Reasoning))),
    within(&["qwen-code"], row(C::QwenCode, "thoughts_token_count", M::Usage(N::GenAi, P::Reasoning))),
    row(C::GenAiOther, "gen_ai.usage.reasoning_tokens", M::Usage(N::GenAi, P::Reasoning)),
    row(C::Laminar, "gen_ai.usage.reasoning_output_tokens", M::Usage(N::GenAi, P::Reasoning)),
    row(C::PydanticAi, "gen_ai.usage.details.reasoning_tokens", M::Usage(N::GenAi, P::Reasoning)),
    row(C::PydanticAi, "gen_ai.usage.details.thoughts_tokens", M::Usage(N::GenAi, P::Reasoning)),
    row(C::Ag2, "gen_ai.usage.thinking_tokens", M::Usage(N::GenAi, P::Reasoning)),
    row(C::Sentry, "gen_ai.usage.output_tokens.reasoning", M::Usage(N::GenAi, P::Reasoning)),
    row(C::GenAiOther, "gen_ai.usage.output_tokens_details.reasoning_tokens", M::Usage(N::GenAi, P::Reasoning)),
    row(C::GenAiOther, "gen_ai.usage.cost", M::Usage(N::GenAi, P::Cost)),
    row(C::GenAiOther, "gen_ai.usage.cost_usd", M::Usage(N::GenAi, P::Cost)),
    row(C::GenAiOther, "gen_ai.usage.cost.total", M::Usage(N::GenAi, P::Cost)),
    row(C::GenAiOther, "gen_ai.cost", M::Usage(N::GenAi, P::Cost)),
    row(C::GenAiOther, "gen_ai.total_cost", M::Usage(N::GenAi, P::Cost)),
    row(C::Plain, "cost_usd", M::Usage(N::GenAi, P::Cost)),
    row(C::OpenCode, "opencode.llm.cost.total", M::Usage(N::GenAi, P::Cost)),
    row(C::Plain, "sessionfold.logged_cost", M::Usage(N::GenAi, P::Cost)),
    row(C::OpenInference, "llm.token_count.prompt", M::Usage(N::OpenInference, P::Input)),
    row(C::OpenInference, "llm.token_count.completion", M::Usage(N::OpenInference, P::Output)),
    row(C::OpenInference, "llm.token_count.total", M::Usage(N::OpenInference, P::Total)),
    row(C::OpenInference, "llm.token_count.prompt_details.cache_read", M::Usage(N::OpenInference, P::CacheRead)),
    row(C::OpenInference, "llm.token_count.prompt_details.cache_write", M::Usage(N::OpenInference, P::CacheWrite)),
    row(C::OpenInference, "llm.token_count.completion_details.reasoning", M::Usage(N::OpenInference, P::Reasoning)),
    row(C::OpenInference, "llm.cost.total", M::Usage(N::OpenInference, P::Cost)),
    row(C::OpenInference, "llm.cost.prompt", M::Usage(N::OpenInference, P::CostOfInput)),
    row(C::OpenInference, "llm.cost.completion", M::Usage(N::OpenInference, P::CostOfOutput)),
    within(ANSWERED_AS_SENT, row(C::OpenInference, "output.value", M::Usage(N::OpenInferenceAnswer, P::AnswerJson))),
    row(C::OpenLlmetry, "llm.usage.prompt_tokens", M::Usage(N::OpenLlmetry, P::Input)),
    row(C::OpenLlmetry, "llm.usage.completion_tokens", M::Usage(N::OpenLlmetry, P::Output)),
    row(C::OpenLlmetry, "llm.usage.total_tokens", M::Usage(N::OpenLlmetry, P::Total)),
    row(C::OpenLlmetry, "llm.usage.cache_read_input_tokens", M::Usage(N::OpenLlmetry, P::CacheRead)),
    row(C::OpenLlmetry, "llm.usage.cache_creation_input_tokens", M::Usage(N::OpenLlmetry, P::CacheWrite)),
    row(C::OpenLlmetry, "llm.usage.reasoning_tokens", M::Usage(N::OpenLlmetry, P::Reasoning)),
    row(C::OpenLlmetry, "llm.usage.cost", M::Usage(N::OpenLlmetry, P::Cost)),
    row(C::VercelAi, "ai.usage.inputTokens", M::Usage(N::VercelAi, P::Input)),
    row(C::VercelAi, "ai.usage.promptTokens", M::Usage(N::VercelAi, P::Input)),
    row(C::VercelAi, "ai.usage.outputTokens", M::Usage(N::VercelAi, P::Output)),
    row(C::VercelAi, "ai.usage.completionTokens", M::Usage(N::VercelAi, P::Output)),
    row(C::VercelAi, "ai.usage.totalTokens", M::Usage(N::VercelAi, P::Total)),
    row(C::VercelAi, "ai.usage.tokens", M::Usage(N::VercelAi, P::Total)),
    row(C::VercelAi, "ai.usage.cachedInputTokens", M::Usage(N::VercelAi, P::CacheRead)),
    row(C::VercelAi, "ai.usage.inputTokenDetails.cacheReadTokens", M::Usage(N::VercelAi, P::CacheRead)),
    row(C::VercelAi, "ai.usage.inputTokenDetails.cacheWriteTokens", M::Usage(N::VercelAi, P::CacheWrite)),
    row(C::VercelAi, "ai.usage.reasoningTokens", M::Usage(N::VercelAi, P::Reasoning)),
    row(C::VercelAi, "ai.usage.outputTokenDetails.reasoningTokens", M::Usage(N::VercelAi, P::Reasoning)),
    row(C::PydanticAi, "operation.cost", M::Usage(N::PydanticAi, P::Cost)),
    row(C::Langfuse, "langfuse.observation.usage_details", M::Usage(N::Langfuse, P::TokensJson)),
    row(C::Langfuse, "langfuse.observation.cost_details.total", M::Usage(N::Langfuse, P::Cost)),
    row(C::Langfuse, "langfuse.observation.cost_details", M::Usage(N::Langfuse, P::CostJson)),
    row(C::Mlflow, "mlflow.chat.tokenUsage", M::Usage(N::Mlflow, P::TokensJson)),
    row(C::Mlflow, "mlflow.llm.cost", M::Usage(N::Mlflow, P::CostJson)),
    row(C::LangSmith, "langsmith.metadata.usage_metadata", M::Usage(N::LangSmith, P::TokensJson)),
    row(C::LangSmith, "langsmith.usage_metadata", M::Usage(N::LangSmith, P::TokensJson)),
    row(C::LangSmith, "gen_ai.usage.input_token_details", M::Usage(N::LangSmith, P::TokensJson)),
    within(&["litellm"], row(C::LiteLlm, "metadata.usage_object", M::Usage(N::LiteLlm, P::TokensJson))),
    row(C::LiteLlm, "gen_ai.cost.total_cost", M::Usage(N::LiteLlm, P::Cost)),
    row(C::LiteLlm, "litellm.response-cost", M::Usage(N::LiteLlm, P::Cost)),
    row(C::LiteLlm, "litellm.cost.total", M::Usage(N::LiteLlm, P::Cost)),
    row(C::LiteLlm, "gen_ai.cost.input_cost", M::Usage(N::LiteLlm, P::CostOfInput)),
    row(C::LiteLlm, "gen_ai.cost.output_cost", M::Usage(N::LiteLlm, P::CostOfOutput)),
    row(C::GenAiOther, "gen_ai.usage.total_cost", M::Usage(N::Laminar, P::Cost)),
    row(C::Laminar, "gen_ai.usage.input_cost", M::Usage(N::Laminar, P::CostOfInput)),
    row(C::Laminar, "gen_ai.usage.output_cost", M::Usage(N::Laminar, P::CostOfOutput)),
    within(&[VOLT_AGENT], row(C::VoltAgent, "usage.prompt_tokens", M::Usage(N::VoltAgent, P::Input))),
    within(&[VOLT_AGENT], row(C::VoltAgent, "usage.completion_tokens", M::Usage(N::VoltAgent, P::Output))),
    within(&[VOLT_AGENT], row(C::VoltAgent, "usage.total_tokens", M::Usage(N::VoltAgent, P::Total))),
    within(&[VOLT_AGENT], row(C::VoltAgent, "usage.cached_tokens", M::Usage(N::VoltAgent, P::CacheRead))),
    within(&[VOLT_AGENT], row(C::VoltAgent, "usage.reasoning_tokens", M::Usage(N::VoltAgent, P::Reasoning))),
    row(C::Genkit, "genkit:output", M::Usage(N::Genkit, P::AnswerJson)),
    // Claude Code's and LangChain4j's.
    within(&[CLAUDE_CODE, SPRING_BOOT, MICROMETER], row(C::ClaudeCode, "input_tokens", M::Usage(N::ClaudeCode, P::Input))),
    within(&[CLAUDE_CODE, SPRING_BOOT, MICROMETER], row(C::ClaudeCode, "output_tokens", M::Usage(N::ClaudeCode, P::Output))),
    within(&[CLAUDE_CODE], row(C::ClaudeCode, "cache_read_tokens", M::Usage(N::ClaudeCode, P::CacheRead))),
    within(&[CLAUDE_CODE], row(C::ClaudeCode, "cache_creation_tokens", M::Usage(N::ClaudeCode, P::CacheWrite))),
    // --- the tool
    row(C::GenAi, "gen_ai.tool.name", M::Tool),
    row(C::OpenInference, "tool.name", M::Tool),
    row(C::VercelAi, "ai.toolCall.name", M::Tool),
    row(C::SpringAi, "spring.ai.tool.definition.name", M::Tool),
    row(C::Plain, "tool_name", M::Tool),
    row(C::Plain, "haystack.tool.name", M::Tool),
    // --- why it failed; its status and its events come first
    row(C::OpenTelemetry, "exception.message", M::Failure),
    row(C::OpenTelemetry, "error.message", M::Failure),
    row(C::Langfuse, "langfuse.observation.status_message", M::WeakFailure),
    row(C::Plain, "error", M::WeakFailure),
    row(C::OpenTelemetry, "exception.type", M::Failure),
    row(C::OpenTelemetry, "error.type", M::Failure),
    // --- what was asked: of messages one after another the first two, since instructions come first
    row(C::GenAi, "gen_ai.input.messages", M::Asked),
    row(C::OpenLlmetry, "gen_ai.prompt.0.role", M::AskedRole),
    row(C::OpenLlmetry, "gen_ai.prompt.0.content", M::AskedOfRole),
    row(C::OpenLlmetry, "gen_ai.prompt.1.role", M::AskedRole),
    row(C::OpenLlmetry, "gen_ai.prompt.1.content", M::AskedOfRole),
    row(C::OpenInference, "llm.input_messages.0.message.role", M::AskedRole),
    row(C::OpenInference, "llm.input_messages.0.message.content", M::AskedOfRole),
    row(C::OpenInference, "llm.input_messages.0.message.contents.0.message_content.text", M::AskedOfRole),
    row(C::OpenInference, "llm.input_messages.1.message.role", M::AskedRole),
    row(C::OpenInference, "llm.input_messages.1.message.content", M::AskedOfRole),
    row(C::OpenInference, "llm.input_messages.1.message.contents.0.message_content.text", M::AskedOfRole),
    row(C::Sentry, "gen_ai.request.messages", M::Asked),
    row(C::VercelAi, "ai.prompt.messages", M::Asked),
    row(C::VercelAi, "ai.prompt", M::Asked),
    row(C::Logfire, "request_data", M::Asked),
    row(C::Logfire, "raw_input", M::Asked),
    row(C::Langfuse, "langfuse.observation.input", M::Asked),
    row(C::Langfuse, "langfuse.trace.input", M::Asked),
    row(C::Mlflow, "mlflow.spanInputs", M::Asked),
    row(C::GoogleAdk, "gcp.vertex.agent.llm_request", M::Asked),
    row(C::Mastra, "mastra.agent_run.input", M::Asked),
    row(C::Mastra, "mastra.model_generation.input", M::Asked),
    row(C::Mastra, "mastra.model_step.input", M::Asked),
    row(C::Plain, "haystack.agent.input", M::Asked),
    row(C::Plain, "haystack.agent.step.llm.input", M::Asked),
    row(C::Plain, "haystack.component.input", M::Asked),
    within(&[VOLT_AGENT], row(C::VoltAgent, "llm.messages", M::Asked)),
    row(C::Genkit, "genkit:input", M::Asked),
    within(&[PIPECAT], row(C::Plain, "input", M::Asked)),
    row(C::OpenInference, "input.value", M::Asked),
    row(C::OpenLlmetry, "traceloop.entity.input", M::Asked),
    row(C::Laminar, "lmnr.span.input", M::Asked),
    row(C::GenAiOther, "gen_ai.prompt", M::Asked),
    row(C::GenAiOther, "gen_ai.workflow.input", M::Asked),
    row(C::ClaudeCode, "user_prompt", M::Asked),
];

const VOLT_AGENT: &str = "@voltagent";
const PIPECAT: &str = "pipecat";
const ANSWERED_AS_SENT: &[&str] = &["openinference.instrumentation.mistralai", "openinference.instrumentation.bedrock"];
const CLAUDE_CODE: &str = "com.anthropic.claude_code";
const SPRING_BOOT: &str = "org.springframework.boot";
const MICROMETER: &str = "io.micrometer";

const fn row(convention: Convention, key: &'static str, meaning: Meaning) -> Row {
    Row { convention, key, meaning, only_in: &[] }
}

/// The row holds only in scopes whose names begin with one of these: elsewhere the key means something else.
const fn within(scopes: &'static [&'static str], row: Row) -> Row {
    Row { only_in: scopes, ..row }
}
