"""CrewAI by OpenInference."""

import tools
import tracing
from crewai import Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation import using_attributes
from openinference.instrumentation.crewai import CrewAIInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

tracing.start()
CrewAIInstrumentor().instrument()
OpenAIInstrumentor().instrument()


def turn(session, prompt):
    agent = Agent(role="weather", goal="tell the weather", backstory="a weatherman", llm="openai/gpt-4o-mini", tools=[tool("get_weather")(tools.get_weather)])
    task = Task(description="%s [[%s]]" % (prompt, session), expected_output="the weather", agent=agent)
    with using_attributes(session_id=session, user_id="ann"):
        Crew(agents=[agent], tasks=[task]).kickoff()


turn("crewai", "weather in Oslo?")
turn("crewai", "thanks")
