// Spans with fixed ids and times, as OTLP/JSON, so that what pages say of them is the same every time.

const TEN = 1_770_458_400n * 1_000_000_000n; // 2026-02-07T10:00:00Z
const SECOND = 1_000_000_000n;
const hex = (number, digits) => BigInt(number).toString(16).padStart(digits, "0");

const value = (of) =>
  typeof of === "string" ? { stringValue: of } : Number.isInteger(of) ? { intValue: String(of) } : { doubleValue: of };

function span(trace, id, parent, name, from, to, attributes, more = {}) {
  const at = (seconds) => (seconds === null ? "0" : String(TEN + BigInt(Math.round(seconds * 1000)) * (SECOND / 1000n)));
  return {
    traceId: hex(trace, 32), spanId: hex(id, 16), parentSpanId: parent ? hex(parent, 16) : "", name, kind: 1,
    startTimeUnixNano: at(from), endTimeUnixNano: at(to),
    attributes: Object.entries(attributes).map(([key, of]) => ({ key, value: value(of) })), ...more,
  };
}

export const agent = (trace, id, parent, name, session, from, to, more = {}, extra = {}) =>
  span(trace, id, parent, `invoke_agent ${name}`, from, to, {
    "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, ...(session ? { "session.id": session } : {}), ...extra,
  }, more);

export const chat = (trace, id, parent, model, input, output, cost, from, to, asked, answered) =>
  span(trace, id, parent, `chat ${model}`, from, to, {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": model, "gen_ai.provider.name": "house",
    "gen_ai.usage.input_tokens": input, "gen_ai.usage.output_tokens": output, ...(cost === null ? {} : { "gen_ai.usage.cost": cost }),
    ...(asked ? { "gen_ai.input.messages": asked } : {}), ...(answered ? { "gen_ai.output.messages": answered } : {}),
  });

export async function send(server, spans, service = "shop") {
  const body = { resourceSpans: [{ resource: { attributes: [{ key: "service.name", value: value(service) }] }, scopeSpans: [{ spans }] }] };
  const answer = await fetch(`http://${server.otlp_http}/v1/traces`, {
    method: "POST", headers: { "content-type": "application/json", ...(server.key ? { "x-wax-key": server.key } : {}) }, body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`spans were refused: ${answer.status} ${await answer.text()}`);
}

export async function tell(server, scope, records) {
  const body = { resourceLogs: [{ resource: { attributes: [{ key: "service.name", value: value("claude-code") }] }, scopeLogs: [{ scope: { name: scope }, logRecords: records }] }] };
  const answer = await fetch(`http://${server.otlp_http}/v1/logs`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`logs were refused: ${answer.status} ${await answer.text()}`);
}

export const CLAUDE = "com.anthropic.claude_code.events";

// One event of a coding agent, so many seconds after ten.
const event = (name, seconds, attributes) => ({
  timeUnixNano: String(TEN + BigInt(Math.round(seconds * 1000)) * (SECOND / 1000n)),
  attributes: Object.entries({ "event.name": name, ...attributes }).map(([key, of]) => ({ key, value: value(of) })),
});

// Two turns of Claude Code as its logs tell them when they send content: a subagent, a tool that failed, a call that did.
export const coding = () => {
  const of = (turn) => ({ "session.id": "code-7", "prompt.id": turn, "user.email": "ana@example.com" });
  const used = (n, cost) => ({ "model": "claude-opus-5-5", "input_tokens": 100 * n, "output_tokens": 20 * n, "cache_read_tokens": 1000, "cost_usd": cost, "duration_ms": 500, "request_id": `req_${n}` });
  const said = (n, response) => ({ "model": "claude-opus-5-5", "request_id": `req_${n}`, response });
  const tool = (id, name, success, ms, input) => ({ "tool_name": name, "tool_use_id": `toolu_${id}`, success, "duration_ms": ms, "tool_input": input });
  const [first, second, sub] = [of("turn-1"), of("turn-2"), { "agent_id": "a1" }];
  return [
    event("user_prompt", 0, { ...first, prompt: "Why does the build fail?" }),
    event("api_request", 2, { ...first, ...used(1, 0.01) }),
    event("assistant_response", 2, { ...first, ...said(1, "I will have someone look.") }),
    event("api_request", 3, { ...first, ...sub, ...used(2, 0.02), "agent.name": "Explore" }),
    event("tool_result", 4, { ...first, ...sub, ...tool(1, "Bash", "false", 800, '{"command":"make"}') }),
    event("api_request", 5, { ...first, ...sub, ...used(3, 0.03), "agent.name": "Explore" }),
    event("assistant_response", 5, { ...first, ...sub, ...said(3, "make: *** No rule to make target") }),
    event("subagent_completed", 5.5, { ...first, ...sub, "agent_type": "Explore", "duration_ms": 3000 }),
    event("tool_result", 5.6, { ...first, ...tool(2, "Task", "true", 3200, '{"prompt":"Build it"}') }),
    event("api_request", 7, { ...first, ...used(4, 0.04) }),
    event("assistant_response", 7, { ...first, ...said(4, "A rule is **missing** in the Makefile.") }),
    event("user_prompt", 60, { ...second, prompt: "Then add it." }),
    event("api_error", 61, { ...second, "model": "claude-opus-5-5", "status_code": 529, "error": "Overloaded", "duration_ms": 300 }),
  ];
};

export const HOSTILE = "<script>alert(1)</script>/a b\"'?#% \u202eעברית 💬";

const ERROR = { status: { code: 2, message: "the carrier does not answer" } };

// A session with nested agents, an idle gap, an error, a call without a price and a run that goes on.
export const story = () => [
  agent(1, 1, 0, "support", "conv-42", 0, 12, {}, { "user.id": "ana" }),
  chat(1, 2, 1, "house-large", 400, 60, 0.0042, 1, 4, "Where is my parcel?", "On its way: <b>Porto</b>, since yesterday."),
  agent(1, 3, 1, "tracker", "conv-42", 5, 9),
  chat(1, 4, 3, "house-small", 120, 20, 0.0003, 6, 7, "Track order 92203", "At the depot."),
  agent(2, 1, 0, "support", "conv-42", 1000, 1003, ERROR),
  chat(2, 2, 1, "local-model", 50, 10, null, 1000.5, 1002, "And my refund?", "I could not reach the carrier."),
  agent(3, 1, 0, "support", "conv-42", 1010, null),
];

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAEAAAAAwCAIAAAAuKetIAAAAVUlEQVR42u3XQQ0AIAwEwXrCA25wyaN6UICIvppOcgbmtbl497ReAAAAAACUAGtn6wEAAAAA1ABKDAAAAOAPKDEAAACAP6DEAAAAAP6AEgMAAACMA3y2eVktDqd3PAAAAABJRU5ErkJggg==";

// A conversation as agents have them: instructions, Markdown, code, an image, thoughts, tools of which one fails, an agent within.
export const chatty = () => {
  const say = (...messages) => JSON.stringify(messages.map(([role, ...parts]) => ({ role, parts })));
  const text = (content) => ({ type: "text", content });
  const instructions = `# Shop assistant\n\n${"Be brief, polite and exact. Never promise what the carrier has not confirmed. ".repeat(40)}`;
  const asked = ["user", text("Which parcels are late? Here is what I see:"), { type: "blob", modality: "image", mime_type: "image/png", content: PNG }];
  const call = { type: "tool_call", id: "call_1", name: "find_parcels", arguments: { status: "late", limit: 2 } };
  const answer = "Two parcels are **late**:\n\n| parcel | days |\n|---|---|\n| `92203` | 2 |\n| `92207` | 1 |\n\n1. I told the depot.\n2. You can follow it [here](https://example.org/track).\n\n```python\nfor parcel in late:\n    print(parcel.number, \"<b>late</b>\")\n```\n\n> No promise, though.\n\n<script>alert(1)</script>";
  const tool = (id, parent, name, from, to, attributes, more) => span(700, id, parent, `execute_tool ${name}`, from, to, { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, ...attributes }, more);
  return [
    agent(700, 1, 0, "shop", "chat-7", 0, 9, {}, { "user.id": "ana" }),
    chat(700, 2, 1, "house-large", 900, 40, 0.0042, 0.5, 2, say(["system", text(instructions)], asked), say(["assistant", { type: "reasoning", content: "They want the late ones. I look them up first." }, call])),
    tool(3, 1, "find_parcels", 2, 2.4, { "gen_ai.tool.call.id": "call_1", "gen_ai.tool.call.arguments": '{"status":"late","limit":2}', "gen_ai.tool.call.result": '[{"parcel":92203,"days":2},{"parcel":92207,"days":1}]' }),
    tool(4, 1, "tell_depot", 3, 4, { "gen_ai.tool.call.arguments": '{"parcels":[92203,92207]}' }, { status: { code: 2, message: "depot: 503 Service Unavailable" } }),
    agent(700, 5, 1, "depot", "chat-7", 4, 6),
    chat(700, 6, 5, "house-small", 100, 20, 0.0003, 4.5, 5.5, say(["user", text("Tell the depot of 92203 and 92207.")]), say(["assistant", text("Told.")])),
    chat(700, 7, 1, "house-large", 1200, 160, 0.0061, 6, 9, say(["system", text(instructions)], asked, ["assistant", call], ["tool", { type: "tool_call_response", id: "call_1", response: "[…]" }]), say(["assistant", text(answer)])),
    agent(701, 1, 0, "shop", "chat-7", 60, 62, { status: { code: 2, message: "Error code: 429 - Rate limit reached" } }),
    chat(701, 2, 1, "house-large", 0, 0, null, 60.5, 61.5, say(["system", text(instructions)], ["user", text("Thanks! And *tomorrow*?")]), null),
  ];
};

// Sessions to sort, search and page through.
export const crowd = () => {
  const spans = [];
  for (let n = 0; n < 60; n += 1) {
    const at = n * 90;
    spans.push(agent(100 + n, 1, 0, n % 3 ? "writer" : "reader", `crowd-${String(n).padStart(2, "0")}`, at, at + 2 + (n % 7)));
    spans.push(chat(100 + n, 2, 1, "house-small", 100 + n, 10 + n, 0.0001 * (1 + (n % 11)), at, at + 1));
  }
  return spans;
};

export const hostile = () => [
  agent(300, 1, 0, HOSTILE, HOSTILE, 20, 21),
  chat(300, 2, 1, HOSTILE, 10, 1, 0.001, 20, 21, HOSTILE, HOSTILE),
  span(300, 3, 1, `execute_tool ${HOSTILE}`, 20, 20.5, { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": HOSTILE }),
];

export const lonely = () => [agent(400, 1, 0, "lonely", "", 0, 1), agent(401, 1, 0, "lonely", "", 2, 3)];

// Nothing of it names a session.
export const nobodys = () => [span(500, 1, 0, "POST /summary", 0, 2, {}), chat(500, 2, 1, "house-small", 30, 5, 0.0001, 0, 1)];

export const huge = (from, n) => {
  const spans = [];
  for (let at = from; at < from + n; at += 1) {
    spans.push(agent(10_000 + at, 1, 0, `worker-${at % 5}`, "huge", at * 30, at * 30 + 3));
    spans.push(chat(10_000 + at, 2, 1, "house-small", 100, 20, 0.0002, at * 30, at * 30 + 1));
  }
  return spans;
};

// One trace of a lead, 60 agents, 33 steps in each and 4 spans in each of those; two of its tools failed.
export const deep = () => {
  const TRACE = 900;
  const spans = [agent(TRACE, 1, 0, "lead", "deep", 0, 600)];
  let id = 2;
  for (let a = 0; a < 60; a += 1) {
    const above = id++;
    spans.push(agent(TRACE, above, 1, `worker-${a % 7}`, "deep", a * 10, a * 10 + 9.9));
    for (let s = 0; s < 33; s += 1) {
      const step = id++;
      const at = a * 10 + s * 0.29;
      spans.push(span(TRACE, step, above, `step ${s}`, at, at + 0.28, {}));
      for (let c = 0; c < 3; c += 1) spans.push(chat(TRACE, id++, step, "house-small", 100, 20, 0.0001, at + c * 0.06, at + c * 0.06 + 0.05, `Where is parcel ${a}-${s}-${c}?`));
      spans.push(span(TRACE, id++, step, "execute_tool lookup", at + 0.2, at + 0.27, { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup" }, (a === 20 || a === 50) && s === 7 ? ERROR : {}));
    }
  }
  return spans;
};

/** The same spans, begun at another time; they are made to begin at ten on a day of their own. */
export function beginning(at, spans) {
  const by = (BigInt(at) - BigInt(Date.UTC(2026, 1, 7, 10))) * 1_000_000n;
  const moved = (nanos) => (nanos === "0" ? nanos : String(BigInt(nanos) + by));
  return spans.map((span) => ({ ...span, startTimeUnixNano: moved(span.startTimeUnixNano), endTimeUnixNano: moved(span.endTimeUnixNano) }));
}
