//! Which attributes hold what went into a span and what came out, by dialect, the most exact first.
//!
//! A dialect that is not here is read by the last word of its keys (`*.input`, `*.response`).

/// One dialect's keys.
pub(super) struct Dialect {
    pub(super) input: &'static [&'static str],
    pub(super) output: &'static [&'static str],
}

/// Keys that hold lists of messages with their roles.
pub(super) const MESSAGES: &[Dialect] = &[
    Dialect { input: &["gen_ai.system_instructions", "gen_ai.input.messages"], output: &["gen_ai.output.messages"] },
    Dialect { input: &["llm.input_messages"], output: &["llm.output_messages"] },
    Dialect { input: &["ai.prompt.messages"], output: &[] },
    // Sentry; what was answered is in several keys (`ANSWERS`).
    Dialect { input: &["gen_ai.request.messages"], output: &[] },
];

/// Before the names of an answer's parts: text, thoughts, calls, an object.
pub(super) const ANSWERS: [&str; 3] = ["ai.response.", "ai.result.", "gen_ai.response."];

/// Keys that are paths below these: of what went in, and of what came out.
pub(super) const NUMBERED: &[(&str, &str)] = &[
    ("llm.input_messages.", "llm.output_messages."),
    ("gen_ai.prompt.", "gen_ai.completion."),
    ("llm.prompts.", "llm.completions."),
    ("", "llm.choices."),
];

/// Keys whose values hold them somewhere within, or a text.
pub(super) const WRAPPED: &[Dialect] = &[
    Dialect { input: &["ai.prompt"], output: &["ai.response", "ai.result"] },
    // Logfire.
    Dialect { input: &["request_data", "raw_input"], output: &["response_data", "response"] },
    Dialect {
        input: &["langfuse.observation.input", "langfuse.trace.input"],
        output: &["langfuse.observation.output", "langfuse.trace.output"],
    },
    Dialect { input: &["mlflow.spanInputs"], output: &["mlflow.spanOutputs"] },
    Dialect { input: &["gcp.vertex.agent.llm_request"], output: &["gcp.vertex.agent.llm_response"] },
    Dialect {
        input: &["mastra.model_step.input", "mastra.model_generation.input", "mastra.agent_run.input"],
        output: &["mastra.model_step.output", "mastra.model_generation.output", "mastra.agent_run.output"],
    },
    Dialect {
        input: &["haystack.agent.step.llm.input", "haystack.agent.input"],
        output: &["haystack.agent.step.llm.output", "haystack.agent.output"],
    },
    Dialect { input: &["genkit:input"], output: &["genkit:output"] },
    Dialect { input: &["input.value"], output: &["output.value"] },
    Dialect { input: &["traceloop.entity.input"], output: &["traceloop.entity.output"] },
    Dialect { input: &["lmnr.span.input"], output: &["lmnr.span.output"] },
    Dialect { input: &["gen_ai.prompt"], output: &["gen_ai.completion"] },
    Dialect { input: &["gen_ai.workflow.input", "gen_ai.task.input"], output: &["gen_ai.workflow.output", "gen_ai.task.output"] },
    Dialect { input: &["llm.openai.messages", "llm.anthropic.messages"], output: &["llm.openai.choices", "llm.anthropic.content"] },
    Dialect { input: &["llamaindex.step.input_summary"], output: &[] },
    Dialect { input: &["user_prompt"], output: &["final_result", "crewai.crew.result"] },
];

/// Keys with a whole conversation in them, answers too.
pub(super) const WHOLE: &[&str] = &["pydantic_ai.all_messages", "all_messages", "all_messages_events", "events", "mlflow.chat.messages"];

/// The last words of other keys.
pub(super) const INPUT_WORDS: [&str; 12] = [
    "input",
    "inputs",
    "input_data",
    "input_json",
    "prompt",
    "prompts",
    "question",
    "query",
    "user_input",
    "user_message",
    "request",
    "messages",
];
pub(super) const OUTPUT_WORDS: [&str; 13] = [
    "output",
    "outputs",
    "output_data",
    "output_json",
    "response",
    "responses",
    "completion",
    "completions",
    "answer",
    "result",
    "reply",
    "final_output",
    "generation",
];
/// Of keys that end so and hold counts, types and settings.
pub(super) const NOT_SAID: [&str; 16] = [
    "usage",
    "token",
    "tokens",
    "cost",
    "type",
    "mime_type",
    "count",
    "metadata",
    "headers",
    "http",
    "schema",
    "db",
    "settings",
    "config",
    "parameters",
    "params",
];

pub(super) const TOOL_NAME: &[&str] = &[
    "gen_ai.tool.name",
    "tool.name",
    "tool_name",
    "ai.toolCall.name",
    "spring.ai.tool.definition.name",
    "haystack.tool.name",
    "mcp.tool.name",
    "function.name",
];
/// Of a tool, and of what else has a name.
pub(super) const ENTITY_NAME: &[&str] = &["traceloop.entity.name"];
pub(super) const TOOL_CALL_ID: &[&str] = &[
    "gen_ai.tool.call.id",
    "gen_ai.tool.call_id",
    "ai.toolCall.id",
    "tool_call.id",
    "tool_call_id",
    "tool_use_id",
    "tool.call.id",
    "spring.ai.tool.call.id",
    "langfuse.observation.metadata.tool_call_id",
    "mastra.metadata.toolCallId",
];
pub(super) const TOOL_ARGUMENTS: &[&str] = &[
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.args",
    "gen_ai.tool.input",
    "ai.toolCall.args",
    "ai.toolCall.input",
    "spring.ai.tool.call.arguments",
    "gcp.vertex.agent.tool_call_args",
    "tool_input",
    "tool.arguments",
    "haystack.agent.step.tool.input",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "input.value",
    "traceloop.entity.input",
    "lmnr.span.input",
    "gen_ai.input.messages",
    "gen_ai.prompt",
    "input",
    "llamaindex.step.input_summary",
    "tool.parameters",
];
pub(super) const TOOL_RESULT: &[&str] = &[
    "gen_ai.tool.call.result",
    "gen_ai.tool.output",
    "ai.toolCall.result",
    "ai.toolCall.output",
    "spring.ai.tool.call.result",
    "gcp.vertex.agent.tool_response",
    "gen_ai.tool.message",
    "tool_output",
    "tool.result",
    "tool.output",
    "haystack.agent.step.tool.output",
    "langfuse.observation.output",
    "mlflow.spanOutputs",
    "output.value",
    "traceloop.entity.output",
    "lmnr.span.output",
    "gen_ai.output.messages",
    "gen_ai.completion",
    "output",
    "tool_response",
    "result",
];
