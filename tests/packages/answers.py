"""What the model APIs answer: OpenAI's chat completions and responses, Anthropic's messages, Gemini's generateContent; whole and as streams."""

import json
import re
from dataclasses import dataclass, field

TEXT = "It is sunny."


@dataclass
class Asked:
    model: str
    # The last message of the user.
    text: str
    # The tool to call; none where one has answered, or none is wanted.
    tool: str
    is_stream: bool
    tells_usage: bool
    # With what it is called: fields, or for OpenAI's custom tools a text.
    arguments: object = field(default_factory=lambda: {"city": "Oslo"})
    # OpenAI's, of the tool.
    namespace: str = None

    def arguments_text(self):
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


def api_of(path):
    for end, api in (("/chat/completions", "chat"), ("/responses", "responses"), ("/messages", "messages")):
        if path.endswith(end):
            return api
    return "generate" if "enerateContent" in path else None


def read(api, body, path):
    stream = bool(body.get("stream")) or ":streamGenerateContent" in path
    model = body.get("model") or re.search(r"models/([^:/]+):", path)[1]
    items = body.get({"responses": "input", "generate": "contents"}.get(api, "messages"))
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    is_last_of_user = bool(items) and items[-1].get("role") == "user" and not _is_result(items[-1])
    text = next((_text(item) for item in reversed(items) if item.get("role") == "user" and not _is_result(item)), "")
    tool = _tool(api, body) if is_last_of_user and "weather in" in text else None
    told = api != "chat" or not stream or bool((body.get("stream_options") or {}).get("include_usage"))
    return Asked(model, text, tool, stream, told)


def _text(item):
    parts = item.get("content", item.get("parts"))
    if isinstance(parts, str):
        return parts.strip()
    return " ".join(part.get("text", "") for part in parts or () if isinstance(part, dict)).strip()


def _is_result(item):
    parts = item.get("content", item.get("parts"))
    return isinstance(parts, list) and any(part.get("type") == "tool_result" or "functionResponse" in part for part in parts if isinstance(part, dict))


def _tool(api, body):
    for tool in body.get("tools") or ():
        if api == "chat" and tool.get("function"):
            return tool["function"]["name"]
        if api == "generate":
            return (tool.get("functionDeclarations") or tool.get("function_declarations"))[0]["name"]
        if tool.get("name"):
            return tool["name"]
    return None


def error(api):
    if api == "messages":
        return {"type": "error", "error": {"type": "invalid_request_error", "message": "as the prompt asked"}}
    if api == "generate":
        return {"error": {"code": 400, "message": "as the prompt asked", "status": "INVALID_ARGUMENT"}}
    return {"error": {"message": "as the prompt asked", "type": "invalid_request_error", "param": None, "code": "x"}}


def whole(api, asked, call):
    return {"chat": _chat, "responses": _response, "messages": _message, "generate": _generated}[api](asked, call)


def events(api, asked, call):
    return {"chat": _chat_chunks, "responses": _response_events, "messages": _message_events, "generate": _generated_chunks}[api](asked, call)


# === chat completions ===


def _chat_usage(call):
    return {
        "prompt_tokens": call.input,
        "completion_tokens": call.output,
        "total_tokens": call.input + call.output,
        "prompt_tokens_details": {"cached_tokens": call.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": call.thoughts, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    }


def _chat(asked, call):
    message = {"role": "assistant", "content": None if asked.tool else TEXT, "refusal": None, "annotations": []}
    if asked.tool:
        message["tool_calls"] = [{"id": "call_%d" % call.input, "type": "function", "function": {"name": asked.tool, "arguments": asked.arguments_text()}}]
    choice = {"index": 0, "finish_reason": "tool_calls" if asked.tool else "stop", "message": message, "logprobs": None}
    head = {"id": "chatcmpl-%d" % call.input, "object": "chat.completion", "created": 1_800_000_000, "model": asked.model}
    return {**head, "choices": [choice], "usage": _chat_usage(call)}


def _chat_chunks(asked, call):
    head = {"id": "chatcmpl-%d" % call.input, "object": "chat.completion.chunk", "created": 1_800_000_000, "model": asked.model}
    extra = {"usage": None} if asked.tells_usage else {}
    if asked.tool:
        call_delta = {"index": 0, "id": "call_%d" % call.input, "type": "function", "function": {"name": asked.tool, "arguments": asked.arguments_text()}}
        deltas = [{"role": "assistant", "content": None, "tool_calls": [call_delta]}]
    else:
        deltas = [{"role": "assistant", "content": TEXT[:6]}, {"content": TEXT[6:]}]
    for delta in deltas:
        yield None, {**head, **extra, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield None, {**head, **extra, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if asked.tool else "stop"}]}
    if asked.tells_usage:
        yield None, {**head, "choices": [], "usage": _chat_usage(call)}
    yield None, "[DONE]"


# === responses ===


def _response(asked, call, is_done=True):
    if asked.tool:
        item = {"type": _kind(asked) + "_call", "id": "fc_1", "call_id": "call_%d" % call.input, "name": asked.tool, _given(asked): asked.arguments_text(), "status": "completed"}
        if asked.namespace:
            item["namespace"] = asked.namespace
    else:
        item = _message_item("completed", [_output_text(TEXT)])
    usage = {
        "input_tokens": call.input,
        "input_tokens_details": {"cached_tokens": call.cached, **({"cache_write_tokens": call.written} if call.written else {})},
        "output_tokens": call.output,
        "output_tokens_details": {"reasoning_tokens": call.thoughts},
        "total_tokens": call.input + call.output,
    }
    fixed = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None, "instructions": None, "metadata": {}}
    head = {"id": "resp_%d" % call.input, "object": "response", "created_at": 1_800_000_000, "model": asked.model, **fixed}
    return {**head, "status": "completed" if is_done else "in_progress", "output": [item] if is_done else [], "usage": usage if is_done else None}


def _kind(asked):
    return "custom_tool" if isinstance(asked.arguments, str) else "function"


def _given(asked):
    return "input" if isinstance(asked.arguments, str) else "arguments"


def _message_item(status, content):
    return {"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": content}


def _output_text(text):
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response_events(asked, call):
    done = _response(asked, call)
    item = done["output"][0]
    place = {"output_index": 0, "item_id": item["id"]}
    if asked.tool:
        steps = [
            ("output_item.added", {"output_index": 0, "item": {**item, _given(asked): "", "status": "in_progress"}}),
            ("%s_call_%s.delta" % (_kind(asked), _given(asked)), {**place, "delta": asked.arguments_text()}),
            ("%s_call_%s.done" % (_kind(asked), _given(asked)), {**place, _given(asked): asked.arguments_text(), "name": asked.tool}),
            ("output_item.done", {"output_index": 0, "item": item}),
        ]
    else:
        place["content_index"] = 0
        steps = [
            ("output_item.added", {"output_index": 0, "item": _message_item("in_progress", [])}),
            ("content_part.added", {**place, "part": _output_text("")}),
            ("output_text.delta", {**place, "delta": TEXT, "logprobs": []}),
            ("output_text.done", {**place, "text": TEXT, "logprobs": []}),
            ("content_part.done", {**place, "part": _output_text(TEXT)}),
            ("output_item.done", {"output_index": 0, "item": item}),
        ]
    begun = _response(asked, call, is_done=False)
    steps = [("created", {"response": begun}), ("in_progress", {"response": begun}), *steps, ("completed", {"response": done})]
    for number, (name, value) in enumerate(steps):
        yield "response." + name, {"type": "response." + name, "sequence_number": number, **value}


# === messages ===


def _message(asked, call, output=None):
    """Anthropic's input leaves out what was read from the cache and written to it."""
    content = [{"type": "tool_use", "id": "toolu_%d" % call.input, "name": asked.tool, "input": asked.arguments}] if asked.tool else [{"type": "text", "text": TEXT}]
    usage = {
        "input_tokens": call.input - call.cached - call.written,
        "cache_read_input_tokens": call.cached,
        "cache_creation_input_tokens": call.written,
        "cache_creation": {"ephemeral_5m_input_tokens": call.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": call.output if output is None else output,
        "service_tier": "standard",
    }
    head = {"id": "msg_%d" % call.input, "type": "message", "role": "assistant", "model": asked.model}
    return {**head, "content": content, "stop_reason": "tool_use" if asked.tool else "end_turn", "stop_sequence": None, "usage": usage}


def _message_events(asked, call):
    block = {"type": "tool_use", "id": "toolu_%d" % call.input, "name": asked.tool, "input": {}} if asked.tool else {"type": "text", "text": ""}
    delta = {"type": "input_json_delta", "partial_json": asked.arguments_text()} if asked.tool else {"type": "text_delta", "text": TEXT}
    end = {"stop_reason": "tool_use" if asked.tool else "end_turn", "stop_sequence": None}
    start = {**_message(asked, call, output=1), "content": [], "stop_reason": None}
    steps = [
        ("message_start", {"message": start}),
        ("content_block_start", {"index": 0, "content_block": block}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": end, "usage": {"output_tokens": call.output}}),
        ("message_stop", {}),
    ]
    for name, value in steps:
        yield name, {"type": name, **value}


# === generateContent ===


def _generated(asked, call):
    """Google's candidates leave out the thoughts; its total has them."""
    part = {"functionCall": {"name": asked.tool, "args": asked.arguments}} if asked.tool else {"text": TEXT}
    usage = {
        "promptTokenCount": call.input,
        "candidatesTokenCount": call.output - call.thoughts,
        "thoughtsTokenCount": call.thoughts,
        "cachedContentTokenCount": call.cached,
        "totalTokenCount": call.input + call.output,
    }
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": asked.model, "responseId": "gen-%d" % call.input}


def _generated_chunks(asked, call):
    yield None, _generated(asked, call)
