"""What an agent sent, kept in files."""

import gzip
import json
from dataclasses import asdict

SIGNALS = ("logs", "traces", "metrics")


def body_of(request):
    headers = {name.lower(): value.lower() for name, value in request["headers"].items()}
    return gzip.decompress(request["body"]) if headers.get("content-encoding") == "gzip" else request["body"]


def is_json(request):
    headers = {name.lower(): value.lower() for name, value in request["headers"].items()}
    return "json" in headers.get("content-type", "")


def is_partly_refused(request):
    """Whether the answer counts what was left out: field 1 of a partial success, which is field 1 of the answer."""
    answer = request["answer"]
    if is_json(request):
        partial = json.loads(answer or b"{}").get("partialSuccess") or {}
        return any(int(value) for key, value in partial.items() if key.startswith("rejected"))
    return answer[:1] == b"\x0a" and answer[2:3] == b"\x08" and answer[3:4] != b"\x00"


def write(folder, scenario, proxy, models, said):
    """AGENT-VERSION/SCENARIO/NN-SIGNAL.pb (or .json, as it was sent), and expected.json."""
    folder = folder / ("%s-%s" % (scenario.agent.name, scenario.agent.version())) / scenario.name[len(scenario.agent.name) + 1:]
    posts = [request for request in proxy.requests if request["path"].rsplit("/", 1)[-1] in SIGNALS]
    if not posts:  # it came by gRPC, or never
        return
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    sent = {}
    for number, request in enumerate(posts, 1):
        signal = request["path"].rsplit("/", 1)[-1]
        sent[signal] = sent.get(signal, 0) + 1
        (folder / ("%02d-%s.%s" % (number, signal, "json" if is_json(request) else "pb"))).write_bytes(body_of(request))
    answered = [call for call in models.calls if call.status == 200]
    session = {
        "prompts": list(scenario.kind.prompts),
        "calls": len(answered),
        "failed_calls": len(models.calls) - len(answered),
        "input_total": sum(call.input for call in answered),
        "output_total": sum(call.output for call in answered),
        "cache_read": sum(call.cached for call in answered),
        "cache_write": sum(call.written for call in answered),
        "reasoning": sum(call.thoughts for call in answered),
        "cost_stated": said.cost,
        "status": scenario.kind.status,
    }
    expected = {
        "agent": scenario.agent.name,
        "version": scenario.agent.version(),
        "scenario": scenario.name,
        "requests": sent,
        "sessions": {said.session: session},
        "calls": [asdict(call) for call in models.calls],
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
