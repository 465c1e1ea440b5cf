//! The packages that were recorded: how a program of each names its session, and what can be done about what is not exact.

pub struct Package {
    /// What its recordings' names begin with, up to `--`.
    pub recorded: &'static str,
    pub name: &'static str,
    pub version: &'static str,
    /// Two lines to copy.
    pub set_by: &'static [&'static str],
    /// Why the sessions that are not judged are not as the program knows them.
    pub untold: &'static str,
    pub help: &'static str,
}

const ABOVE: &[&str] = &[r#"with tracer.start_as_current_span("POST /chat") as span:"#, r#"    span.set_attribute("session.id", session)"#];
const AGENT: &[&str] =
    &[r#"agent.set_attribute("gen_ai.operation.name", "invoke_agent")"#, r#"agent.set_attribute("gen_ai.conversation.id", session)"#];
const OPENINFERENCE: &[&str] =
    &["from openinference.instrumentation import using_attributes", "with using_attributes(session_id=session, user_id=user):"];
const OPENINFERENCE_JS: &[&str] = &["context.with(setUser(setSession(context.active(),", "  { sessionId }), { userId }), turn)"];
const ABOVE_JS: &[&str] =
    &["tracer.startActiveSpan(\"POST /chat\", {", "  attributes: { \"session.id\": session, \"user.id\": user } }, turn)"];
const TRACELOOP: &[&str] = &["Traceloop.set_association_properties(", r#"    {"session_id": session, "user_id": user})"#];
const LANGFUSE: &[&str] = &["from langfuse import propagate_attributes", "with propagate_attributes(session_id=session, user_id=user):"];
const METADATA: &[&str] = &[r#"config = {"metadata": {"session_id": session, "user_id": user}}"#, "agent.invoke(messages, config)"];

const PIPECAT: &[&str] =
    &["PipelineTask(pipeline, enable_tracing=True, conversation_id=session,", r#"    additional_span_attributes={"user.id": user})"#];

/// Of the package that is recorded under this name; nothing is wrong with it.
const fn package(recorded: &'static str, name: &'static str, version: &'static str, set_by: &'static [&'static str]) -> Package {
    Package { recorded, name, version, set_by, untold: "", help: "" }
}

pub const PACKAGES: &[Package] = &[
    package("ag2-1.2.1", "AG2", "1.2.1", ABOVE),
    Package {
        untold: "nothing named a session in these programs, and the Responses client makes up one for each turn",
        help: "Put the span above.",
        ..package("agent-framework-1.23.0", "Microsoft Agent Framework", "1.23.0", ABOVE)
    },
    package(
        "arize-phoenix-otel-0.17.2",
        "Arize Phoenix",
        "0.17.2",
        &["from openinference.instrumentation import using_session", "with using_session(session):"],
    ),
    package("autogen-0.7.5+openllmetry-openai", "AutoGen, OpenAI by OpenLLMetry", "0.7.5", ABOVE),
    Package {
        untold: "",
        help: "Nothing is needed: it names its sessions.",
        ..package("claude-code-2.1.332+agent-sdk", "Claude Code, Claude Agent SDK", "2.1.332", &[])
    },
    Package { untold: "", help: "Nothing is needed: it names its sessions.", ..package("codex-cli-0.171.0", "Codex", "0.171.0", &[]) },
    package("conflict-pydantic-ai-2.68.0", "Pydantic AI below another's session", "2.68.0", ABOVE),
    package(
        "constructed-dotnet-meai",
        ".NET, Microsoft.Extensions.AI",
        "made by hand",
        &[".UseOpenTelemetry()", r#"activity.SetTag("gen_ai.conversation.id", session)"#],
    ),
    Package {
        untold: "",
        help: "What was cached is not in its spans.",
        ..package(
            "constructed-langchain4j-observation",
            "LangChain4j, langchain4j-observation",
            "made by hand",
            &[r#"span.setAttribute("session.id", session)"#],
        )
    },
    Package {
        untold: "",
        help: "What was cached is not in its spans. Of a stream with tools the last call shows the tokens of all.",
        ..package(
            "constructed-spring-ai-1.1",
            "Spring AI 1",
            "made by hand",
            &["chatClient.prompt(message).advisors(", "    a -> a.param(ChatMemory.CONVERSATION_ID, session)).call()"],
        )
    },
    package(
        "constructed-spring-ai-2.0",
        "Spring AI 2",
        "made by hand",
        &["chatClient.prompt(message).advisors(", "    a -> a.param(ChatMemory.CONVERSATION_ID, session)).call()"],
    ),
    package("crewai-1.15.30+openllmetry", "CrewAI by OpenLLMetry", "1.15.30", ABOVE),
    Package {
        untold: "which id it gave itself was not noted, so nothing was compared",
        help: "Nothing is needed: it names its sessions.",
        ..package("gemini-cli-0.61.0", "Gemini CLI", "0.61.0", &[])
    },
    Package {
        untold: "of models by LiteLLM it tells output that holds the reasoning twice",
        help: "Name the user on a span above, as `user.id`.",
        ..package(
            "google-adk-2.13.0",
            "Google ADK",
            "2.13.0",
            &["runner.run_async(user_id=user, session_id=session,", "    new_message=message)"],
        )
    },
    Package {
        untold: "a turn whose first call failed names no session",
        help: "Name the user on a span above, as `user.id`.",
        ..package(
            "google-adk-1.10.0",
            "Google ADK 1",
            "1.10.0",
            &["runner.run_async(user_id=user, session_id=session,", "    new_message=message)"],
        )
    },
    Package {
        untold: "usage stands in texts of its own only, which are not read",
        help: "Add an instrumentation of the provider, such as OpenInference's.",
        ..package("haystack-3.4.1", "Haystack", "3.4.1", ABOVE)
    },
    package("langfuse-4.18.0", "Langfuse", "4.18.0", LANGFUSE),
    package("langfuse-5.0.4", "Langfuse", "5.0.4", LANGFUSE),
    Package {
        untold: "a stream whose usage was not asked for tells none",
        help: "`ChatOpenAI(stream_usage=True)`",
        ..package("langgraph-1.2.24+langsmith-0.15.1-otelonly", "LangGraph by LangSmith", "1.2.24, 0.15.1", METADATA)
    },
    package("langsmith-0.15.1", "LangChain by LangSmith", "0.15.1", METADATA),
    Package {
        untold: "the callback sends no session",
        help: "Take OpenInference's instrumentation of LiteLLM.",
        ..package("litellm-1.110.2", "LiteLLM, callback `otel`", "1.110.2", &[])
    },
    Package {
        help: "The proxy's client can send its `traceparent` instead.",
        ..package(
            "litellm-1.108.7-proxy",
            "LiteLLM's proxy, callback `otel`",
            "1.108.7",
            &[
                "client.chat.completions.create(model=model, messages=messages,",
                r#"    user=user, extra_body={"metadata": {"session_id": session}})"#,
            ],
        )
    },
    Package {
        untold: "its spans tell no usage and no agent",
        help: "Take OpenInference's instrumentation of LlamaIndex.",
        ..package("llama-index-0.14.25-otel", "LlamaIndex's own", "0.14.25", ABOVE)
    },
    package("lmnr-0.8.2", "Laminar", "0.8.2", &["Laminar.set_trace_session_id(session)", "Laminar.set_trace_user_id(user)"]),
    package("logfire-5.4.0", "Logfire", "5.4.0", ABOVE),
    package("mcp-2.3.0+openinference-openai", "MCP's SDK, OpenAI by OpenInference", "2.3.0", ABOVE),
    Package {
        untold: "`update_current_trace(session_id=...)` is not in what is exported",
        help: "Set the attribute, as beside.",
        ..package(
            "mlflow-3.17.2",
            "MLflow",
            "3.17.2",
            &["span = mlflow.get_current_active_span()", r#"span.set_attribute("session.id", session)"#],
        )
    },
    Package {
        untold: "`generateText` does not tell what was cached, so that all is priced as plain input",
        help: "Stream, or take version 7.",
        ..package(
            "npm-ai-5.0.277",
            "Vercel AI SDK 5",
            "5.0.277",
            &["experimental_telemetry: { isEnabled: true, functionId: 'agent',", "  metadata: { sessionId, userId } }"],
        )
    },
    package(
        "npm-ai-7.0.173-legacy",
        "Vercel AI SDK 7, legacy spans",
        "7.0.173",
        &[
            "registerTelemetry(new LegacyOpenTelemetry())",
            "runtimeContext: { sessionId, userId }, telemetry: { includeRuntimeContext: { sessionId: true, userId: true } }",
        ],
    ),
    package(
        "npm-ai-7.0.173-rc",
        "Vercel AI SDK 7",
        "7.0.173",
        &[
            "registerTelemetry(new OpenTelemetry({ runtimeContext: true }))",
            "runtimeContext: { sessionId, userId }, telemetry: { includeRuntimeContext: { sessionId: true, userId: true } }",
        ],
    ),
    Package {
        untold: "",
        help: "A flow begins a trace of its own and names no session; from 1.42 on there is no chat that names one.",
        ..package(
            "npm-genkit-1.20.0",
            "Genkit",
            "1.20.0",
            &["const session = ai.createSession({ sessionId });", "await session.chat().send(prompt);"],
        )
    },
    package(
        "npm-langfuse-langchain-5.11.1",
        "LangChain for Node by Langfuse",
        "5.11.1",
        &["agent.invoke(messages, {", "  metadata: { langfuseSessionId, langfuseUserId }, callbacks: [new CallbackHandler()] })"],
    ),
    package(
        "npm-langfuse-openai-5.11.1",
        "OpenAI for Node by Langfuse",
        "5.11.1",
        &["await propagateAttributes({ sessionId, userId },", "  () => startActiveObservation(name, turn, { asType: \"agent\" }))"],
    ),
    Package {
        untold: "`sessionId` in the metadata is no session to this exporter, and the span of a call that failed says that all is well",
        help: "Name it `threadId`.",
        ..package(
            "npm-mastra-arize-1.3.8",
            "Mastra by its exporter for Arize",
            "1.3.8",
            &["agent.generate(prompt, {", "  tracingOptions: { metadata: { threadId, userId } } })"],
        )
    },
    package(
        "npm-mastra-core-1.71.0",
        "Mastra",
        "1.71.0",
        &["agent.generate(prompt, {", "  tracingOptions: { metadata: { sessionId, userId } } })"],
    ),
    package("npm-openinference-langchain-4.1.1", "LangChain for Node by OpenInference", "4.1.1", OPENINFERENCE_JS),
    Package {
        untold: "of a stream of chat completions its spans tell no usage",
        help: "Take the Responses API for streams.",
        ..package("npm-openinference-openai-4.2.7", "OpenAI and Anthropic for Node by OpenInference", "4.2.7", OPENINFERENCE_JS)
    },
    package("npm-openinference-openai-agents-0.2.15", "OpenAI Agents for Node by OpenInference", "0.2.15", OPENINFERENCE_JS),
    Package {
        untold: "its spans do not tell what was cached",
        help: "",
        ..package("npm-opentelemetry-openai-0.21.0", "OpenAI for Node by OpenTelemetry", "0.21.0", ABOVE_JS)
    },
    Package {
        untold: "its spans do not tell what was cached, it guesses what a stream took, and a call outside of the function names no session",
        help: "",
        ..package(
            "npm-traceloop-0.27.0",
            "OpenLLMetry for Node",
            "0.27.0",
            &["traceloop.withAssociationProperties(", "  { session_id: session, user_id: user }, turn)"],
        )
    },
    package(
        "npm-voltagent-core-2.10.0",
        "VoltAgent",
        "2.10.0",
        &["agent.generateText(prompt,", "  { conversationId: session, userId: user })"],
    ),
    Package {
        untold: "its spans do not tell what was cached; a stream whose usage was not asked for tells none; without the span above there is no session",
        help: "Take opentelemetry-instrumentation-genai-openai-agents.",
        ..package("openai-agents-0.24.0+otel-v2", "OpenAI Agents by opentelemetry-instrumentation-openai-agents-v2", "0.24.0", ABOVE)
    },
    Package {
        untold: "a stream whose usage was not asked for tells none",
        help: "`ModelSettings(include_usage=True)`",
        ..package(
            "openai-agents-0.24.0-logfire",
            "OpenAI Agents by Logfire",
            "0.24.0",
            &["from agents import trace", r#"with trace("chat", group_id=session):"#],
        )
    },
    Package {
        untold: "which id it gave itself was not noted, so nothing was compared",
        help: "Nothing is needed: it names its sessions.",
        ..package("opencode-1.18.33", "opencode", "1.18.33", &[])
    },
    package(
        "openinference-instrumentation-agno-1.0.15",
        "Agno by OpenInference",
        "1.0.15",
        &["agent.run(message,", "    session_id=session, user_id=user)"],
    ),
    package("openinference-instrumentation-anthropic-3.1.0", "Anthropic by OpenInference", "3.1.0", OPENINFERENCE),
    package("openinference-instrumentation-autogen-agentchat-0.1.22", "AutoGen by OpenInference", "0.1.22", OPENINFERENCE),
    package("openinference-instrumentation-bedrock-0.1.61", "Bedrock by OpenInference", "0.1.61", ABOVE),
    package("openinference-instrumentation-crewai-1.1.21", "CrewAI and OpenAI by OpenInference", "1.1.21", OPENINFERENCE),
    package("openinference-instrumentation-dspy-0.1.48", "DSPy by OpenInference", "0.1.48", OPENINFERENCE),
    Package {
        untold: "of a stream its spans tell neither usage nor answer",
        help: "Do not stream, or take OpenLLMetry's.",
        ..package("openinference-instrumentation-groq-0.1.33", "Groq by OpenInference", "0.1.33", ABOVE)
    },
    package("openinference-instrumentation-langchain-0.1.80", "LangChain, LangGraph by OpenInference", "0.1.80", METADATA),
    package("openinference-instrumentation-litellm-0.1.51", "LiteLLM by OpenInference", "0.1.51", OPENINFERENCE),
    Package {
        untold: "",
        help: "Tokens and cost are right; `cost_is_partial` is said without need.",
        ..package("openinference-instrumentation-llama-index-4.6.1", "LlamaIndex by OpenInference", "4.6.1", OPENINFERENCE)
    },
    Package {
        untold: "of a stream its spans do not tell what was cached",
        ..package("openinference-instrumentation-mistralai-2.2.2", "Mistral by OpenInference", "2.2.2", ABOVE)
    },
    package("openinference-instrumentation-openai-0.1.66", "OpenAI by OpenInference", "0.1.66", OPENINFERENCE),
    package("openinference-instrumentation-openai-agents-2.6.0", "OpenAI Agents by OpenInference", "2.6.0", OPENINFERENCE),
    package("openinference-instrumentation-pipecat-2.0.9", "Pipecat by OpenInference", "2.0.9", PIPECAT),
    package("openinference-instrumentation-pydantic-ai-0.1.30", "Pydantic AI by OpenInference", "0.1.30", ABOVE),
    package("openinference-instrumentation-smolagents-0.1.43", "smolagents by OpenInference", "0.1.43", OPENINFERENCE),
    Package {
        untold: "of LangChain's ChatAnthropic the input leaves out what was cached, and LangChain's user is not in its spans",
        help: "Take another instrumentation of LangChain.",
        ..package(
            "openlit-1.45.0",
            "OpenLIT",
            "1.45.0",
            &["from openlit import using_attributes", r#"with using_attributes({"session.id": session}):"#],
        )
    },
    Package {
        untold: "of Claude's streams by `invoke_model_with_response_stream` its spans do not tell what was cached",
        help: "`converse_stream`",
        ..package("opentelemetry-instrumentation-bedrock-0.62.4", "Bedrock by OpenLLMetry", "0.62.4", ABOVE)
    },
    package("opentelemetry-instrumentation-botocore-0.66b2", "Bedrock by OpenTelemetry's botocore", "0.66b2", AGENT),
    package("opentelemetry-instrumentation-cohere-0.62.4", "Cohere by OpenLLMetry", "0.62.4", ABOVE),
    package("opentelemetry-instrumentation-genai-anthropic-1.3b0", "Anthropic by OpenTelemetry", "1.3b0", AGENT),
    package("opentelemetry-instrumentation-genai-bedrock-1.3b0", "Bedrock by OpenTelemetry", "1.3b0", AGENT),
    package(
        "opentelemetry-instrumentation-genai-langchain-1.3b0",
        "LangChain by OpenTelemetry",
        "1.3b0",
        &[r#"config = {"configurable": {"thread_id": session}}"#, "agent.invoke(messages, config)"],
    ),
    package("opentelemetry-instrumentation-genai-openai-1.3b0", "OpenAI by OpenTelemetry", "1.3b0", AGENT),
    package(
        "opentelemetry-instrumentation-genai-openai-agents-1.3b0",
        "OpenAI Agents by OpenTelemetry",
        "1.3b0",
        &["from agents import trace", r#"with trace("chat", group_id=session):"#],
    ),
    package("opentelemetry-instrumentation-genai-smolagents-1.2b0", "smolagents by OpenTelemetry", "1.2b0", ABOVE),
    package("opentelemetry-instrumentation-mcp-0.62.4", "MCP by OpenLLMetry", "0.62.4", ABOVE),
    package("opentelemetry-instrumentation-mistralai-0.62.4", "Mistral by OpenLLMetry, beside the client's own", "0.62.4", ABOVE),
    package("opentelemetry-instrumentation-ollama-0.62.4", "Ollama by OpenLLMetry", "0.62.4", ABOVE),
    Package {
        untold: "`group_id` is not in its spans",
        help: "Put the span above, or take opentelemetry-instrumentation-genai-openai-agents.",
        ..package("opentelemetry-instrumentation-openai-agents-v2-0.1.0", "OpenAI Agents by OpenTelemetry, deprecated", "0.1.0", ABOVE)
    },
    package("pipecat-ai-1.14.0", "Pipecat", "1.14.0", PIPECAT),
    package(
        "pydantic-ai-2.68.0-delegation",
        "Pydantic AI, agents that call agents",
        "2.68.0",
        &["result = await agent.run(prompt,", "    conversation_id=session)"],
    ),
    package(
        "pydantic-ai-2.68.0-logfire+openai",
        "Pydantic AI by Logfire",
        "2.68.0",
        &["result = await agent.run(prompt,", "    conversation_id=session)"],
    ),
    package("pydantic-ai-slim-2.68.0", "Pydantic AI", "2.68.0", &["result = await agent.run(prompt,", "    conversation_id=session)"]),
    Package {
        untold: "its spans do not tell what was cached, and without the span above there is no session",
        help: "",
        ..package("semantic-kernel-1.45.0", "Semantic Kernel", "1.45.0", ABOVE)
    },
    package(
        "strands-1.62.0",
        "Strands Agents",
        "1.62.0",
        &["agent = Agent(model=model, tools=tools,", r#"    trace_attributes={"session.id": session, "user.id": user})"#],
    ),
    package("traceloop-sdk-0.62.4", "OpenLLMetry (traceloop-sdk)", "0.62.4", TRACELOOP),
];
