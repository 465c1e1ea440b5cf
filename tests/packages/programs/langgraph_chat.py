"""A LangChain agent, which is a LangGraph graph with memory: what it is traced by is chosen by INSTRUMENTED_BY."""

import os

import tools
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver

SESSION = os.environ["SESSION"]
if os.environ["INSTRUMENTED_BY"] == "openinference":
    import tracing
    from openinference.instrumentation.langchain import LangChainInstrumentor

    tracing.start()
    LangChainInstrumentor().instrument()

model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
agent = create_agent(model, [tools.get_weather], checkpointer=InMemorySaver(), name="weather")


def config(session):
    return {"configurable": {"thread_id": session}, "metadata": {"session_id": session, "user_id": "ann"}}


def message(prompt, session):
    return {"messages": [{"role": "user", "content": "%s [[%s]]" % (prompt, session)}]}


agent.invoke(message("weather in Oslo?", SESSION), config(SESSION))
for _ in agent.stream(message("thanks", SESSION), config(SESSION), stream_mode="messages"):
    pass
try:
    agent.invoke(message("fail", SESSION + "-odd"), config(SESSION + "-odd"))
except Exception as error:
    assert "as the prompt asked" in str(error), error

if os.environ["INSTRUMENTED_BY"] == "langsmith":
    from langchain_core.tracers.langchain import wait_for_all_tracers
    from opentelemetry import trace

    wait_for_all_tracers()
    trace.get_tracer_provider().force_flush()
