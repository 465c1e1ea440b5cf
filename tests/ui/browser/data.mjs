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

export const hostile = () => [agent(300, 1, 0, HOSTILE, HOSTILE, 20, 21), chat(300, 2, 1, HOSTILE, 10, 1, 0.001, 20, 21, HOSTILE, HOSTILE)];

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
