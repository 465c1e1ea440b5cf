"""Strands Agents by its own telemetry, with `trace_attributes`."""

from strands import Agent, tool
from strands.models.openai import OpenAIModel
from strands.telemetry import StrandsTelemetry

StrandsTelemetry().setup_otlp_exporter()


@tool
def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    return "sunny in " + city


def agent(session):
    model = OpenAIModel(model_id="gpt-4o-mini")
    attributes = {"session.id": session, "user.id": "ann"}
    return Agent(name="weather", model=model, tools=[get_weather], trace_attributes=attributes, callback_handler=None)


chat = agent("strands")
chat("weather in Oslo? [[strands]]")
chat("thanks [[strands]]")
try:
    agent("strands-odd")("fail [[strands-odd]]")
except Exception as error:
    assert "as the prompt asked" in str(error), error
