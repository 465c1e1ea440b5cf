"""The one tool, and the conversations with the clients of OpenAI and Anthropic that several programs hold."""

import openai

OPENAI_TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
ANTHROPIC_TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


def get_weather(city: str) -> str:
    """Tells the weather in a city."""
    return "sunny in " + city


def openai_tool(client, prompt):
    """Two calls: the model asks for the tool, and then answers."""
    messages = [{"role": "user", "content": prompt}]
    asked = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[OPENAI_TOOL]).choices[0].message
    call = asked.tool_calls[0]
    messages += [asked.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": get_weather("Oslo")}]
    client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[OPENAI_TOOL])


def openai_stream(client, prompt, **options):
    for _ in client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}], stream=True, **options):
        pass


def openai_response(client, prompt):
    client.responses.create(model="gpt-4o-mini", input=prompt)


def openai_failure(client, prompt):
    try:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": prompt}])
    except openai.BadRequestError:
        pass


def anthropic_tool(client, prompt):
    messages = [{"role": "user", "content": prompt}]
    asked = client.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=messages, tools=[ANTHROPIC_TOOL])
    result = {"type": "tool_result", "tool_use_id": asked.content[0].id, "content": get_weather("Oslo")}
    messages += [{"role": "assistant", "content": [block.model_dump() for block in asked.content]}, {"role": "user", "content": [result]}]
    client.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=messages, tools=[ANTHROPIC_TOOL])


def anthropic_stream(client, prompt):
    for _ in client.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=[{"role": "user", "content": prompt}], stream=True):
        pass
