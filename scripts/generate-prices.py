#!/usr/bin/env python3
"""Writes the embedded price table and the cases that test it, from the PyPI package `genai-prices` (MIT).

    python3 -m venv .venv && .venv/bin/pip install genai-prices==0.2.3
    .venv/bin/python scripts/generate-prices.py

The table (`src/prices/table.jsonl`, its form is in `docs/prices.md`) keeps what a span can be priced by: match rules, prices of tokens and
requests, tiers, start dates, hours of the day, service tiers. Prices of audio hours, pages, pixels and searches are left out, and so are
variants that depend on what no span says (batch).

The cases (`tests/fixtures/prices/cases.jsonl`) hold what the package itself computes, rounded half up to the nano-dollar.

Everything that this script does not understand is an error, so that a new version of the package cannot be misread in silence.
"""

import argparse
import datetime
import json
import random
import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from importlib.metadata import version
from itertools import product
from pathlib import Path

try:
    from re import _constants as constants, _parser as parser
except ImportError:  # Python 3.10 and older
    import sre_constants as constants
    import sre_parse as parser

from genai_prices import Usage, types
from genai_prices.data import providers

ROOT = Path(__file__).resolve().parent.parent

# The prices that are kept, by the name they have in the table.
KEPT = {
    "in": "input_mtok",
    "read": "cache_read_mtok",
    "write": "cache_write_mtok",
    "write1h": "cache_write_1h_mtok",
    "out": "output_mtok",
    "reasoning": "output_reasoning_mtok",
    "request": "requests_kcount",
}
# Prices of what no span counts, or counts only as the ordinary tokens above.
LEFT_OUT = re.compile(
    r"_(kcount|kpages|mchars|hours|gpixels)$|_(audio|image|video|text|tool|citation)_|^cache_(audio|image|video|text)_"
)
# Variants that are kept: prices of calls that were served so.
TIERS = {
    ("service_tier", "priority"): "priority",
    ("service_tier", "flex"): "flex",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
}
# Variants that depend on what no span says.
UNSAID = {"processing", "route", "search_type"}
# Entries that the package has under a provider that does not sell the model: open weights behind a server of the same API.
DROPPED = {("openai", re.compile(r"gpt-oss"))}

# The form of a date in a name that is retried with dashes, as the package does.
NOT_TTS = "^(?!.*-[tT][tT][sS](?:$|-))"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--taken", default=datetime.date.today().isoformat(), help="the day the package was the newest")
    arguments.add_argument("--table", type=Path, default=ROOT / "src/prices/table.jsonl")
    arguments.add_argument("--cases", type=Path, default=ROOT / "tests/fixtures/prices/cases.jsonl")
    arguments.add_argument("--all-cases", action="store_true", help="cases for every model at every date that matters, for a thorough check")
    arguments = arguments.parse_args()

    head = {"source": "genai-prices", "version": version("genai-prices"), "licence": "MIT", "taken": arguments.taken}
    write_lines(arguments.table, [head, *table()])
    write_lines(arguments.cases, cases(arguments.all_cases))


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    print(f"{path}: {text.count(chr(10))} lines, {len(text.encode()):,} bytes")


# === the table ===


def table():
    for provider in providers:
        line = {"provider": provider.id}
        if provider.fallback_model_providers:
            line["then"] = provider.fallback_model_providers
        yield line
        for model in provider.models:
            if not is_dropped(provider, model):
                yield {"model": model.id, "match": rule(model.match), "prices": prices(model)}


def is_dropped(provider, model):
    return any(provider.id == who and what.search(model.id) for who, what in DROPPED)


def prices(model):
    standard = model.prices
    if isinstance(standard, types.ModelPrice):
        standard = [types.ConditionalPrice(prices=standard)]
    found = [condition(conditional.constraint) | price(model, conditional.prices) for conditional in standard]
    # Of standard prices the last that is active holds, of variants the first.
    tiers = [{"tier": tier} | condition(variant.constraint) | price(model, variant.prices) for tier, variant in reversed(variants(model))]
    kinds = {name for prices in found for name in prices} - {"from", "daily"}
    for prices in tiers:
        assert prices.keys() - {"tier", "from"} == kinds, f"{model.id}: a variant with prices of other kinds: {prices}"
    return found + tiers


def variants(model):
    kept = []
    for variant in model.price_variants or ():
        stated = [value for value in variant.prices.__dict__.values() if value is not None]
        if variant.when.keys() <= UNSAID or variant.when == {"service_tier": "default"} and not stated:
            continue
        [when] = variant.when.items()
        assert when in TIERS, f"{model.id}: a variant of a new kind: {when}"
        kept.append((TIERS[when], variant))
    return kept


def condition(constraint):
    match constraint:
        case None:
            return {}
        case types.StartDateConstraint():
            return {"from": constraint.start_date.isoformat()}
        case types.TimeOfDateConstraint():
            return {"daily": [utc_time(constraint.start_time), utc_time(constraint.end_time)]}
    raise ValueError(f"a condition of a new kind: {constraint!r}")


def utc_time(time):
    assert time.tzinfo in (None, datetime.timezone.utc), f"a time of day that is not UTC: {time!r}"
    assert time.second == 0 and time.microsecond == 0, f"a time of day with seconds: {time!r}"
    return time.strftime("%H:%M")


def price(model, prices):
    stated = {key: value for key, value in prices.__dict__.items() if value is not None}
    for key in stated:
        assert key in KEPT.values() or LEFT_OUT.search(key), f"{model.id}: a price of a new kind: {key}"
    if not stated and model.id.endswith(":free"):
        # Free by its very name, so a price of zero. Elsewhere no price means that nobody knows, or that a subscription pays.
        return {"in": "0", "out": "0"}
    assert "cache_write_mtok" in stated or "cache_write_1h_mtok" not in stated, f"{model.id}: a price of one-hour writes alone"
    return {name: amount(stated[key]) for name, key in KEPT.items() if key in stated}


def amount(value):
    """`"2.5"`, or with tiers `["2.5", [200000, "5"]]`: above 200,000 input tokens all tokens cost 5."""
    if isinstance(value, types.TieredPrices):
        return [decimal(value.base), *([tier.start, decimal(tier.price)] for tier in value.tiers)]
    return decimal(value)


def decimal(value):
    assert value.is_finite() and 0 <= value < 10**7 and -value.as_tuple().exponent <= 18, f"out of range: {value}"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


# === rules ===


def rule(clause):
    """A text with a mark before it, a list of which one must match, `{"all": [...]}` or `{"not": ...}`; always in lower case."""
    match clause:
        case types.ClauseEquals():
            return "=" + clause.equals.lower()
        case types.ClauseStartsWith():
            return "^" + clause.starts_with.lower()
        case types.ClauseEndsWith():
            return "$" + clause.ends_with.lower()
        case types.ClauseContains():
            return "~" + clause.contains.lower()
        case types.ClauseOr():
            return [rule(inner) for inner in clause.or_]
        case types.ClauseAnd():
            return {"all": [rule(inner) for inner in clause.and_]}
        case types.ClauseRegex():
            return pattern(clause.regex)
    raise ValueError(f"a rule of a new kind: {clause!r}")


def pattern(regex):
    """A pattern as plain rules: no engine for regular expressions is needed at run time."""
    if regex == NOT_TTS:
        return {"not": ["$-tts", "~-tts-"]}
    parsed = list(parser.parse(regex))
    assert parsed[0] == (constants.AT, constants.AT_BEGINNING), f"not anchored: {regex}"
    is_whole = parsed[-1] == (constants.AT, constants.AT_END)
    body = parsed[1:-1] if is_whole else parsed[1:]
    mark = "#" if is_whole else "#^"
    rules = [mark + text for text in expand(body, regex)]
    return rules[0] if len(rules) == 1 else rules


def expand(parsed, regex):
    """All texts that a pattern stands for, `#` for a digit."""
    alternatives = [alternatives_of(op, value, regex) for op, value in parsed]
    texts = ["".join(parts) for parts in product(*alternatives)]
    assert len(texts) <= 16, f"too many alternatives: {regex}"
    return texts


def alternatives_of(op, value, regex):
    if op is constants.LITERAL:
        char = chr(value)
        assert char != "#", f"a literal number sign: {regex}"
        return [char.lower()]
    if op is constants.IN:
        if value == [(constants.CATEGORY, constants.CATEGORY_DIGIT)]:
            return ["#"]
        assert all(kind is constants.LITERAL for kind, _ in value), f"a new kind of class: {regex}"
        return [chr(char).lower() for _, char in value]
    if op is constants.MAX_REPEAT:
        low, high, inner = value
        inner = expand(list(inner), regex)
        if (low, high) == (0, 1):
            return ["", *inner]
        assert low == high, f"a repetition without an end: {regex}"
        return ["".join(parts) for parts in product(inner, repeat=low)]
    if op is constants.SUBPATTERN:
        return expand(list(value[-1]), regex)
    raise ValueError(f"a new kind of pattern: {regex}")


# === cases ===

# What came to the cases later is drawn by another die, so that the others stay what they were.
CHOSEN_LATER = random.Random(21)
PROVIDERS_IN_FULL = {"openai", "anthropic", "google", "aws", "azure", "mistral", "x-ai", "cohere", "deepseek", "groq"}


def cases(is_thorough):
    chosen = random.Random(20)
    for provider in providers:
        models = provider.models
        if not is_thorough:
            wanted = 40 if provider.id in PROVIDERS_IN_FULL else 6
            special = [model for model in models if is_special(model)][:8]
            models = special + chosen.sample(models, min(wanted, len(models)))
        for model in models:
            yield from cases_of(provider, model, chosen, is_thorough)
        yield case(provider, "a-model-that-nobody-sells", chosen, "2026-06-01T12:00:00Z")
    yield from cases_of_tiers(is_thorough)


def cases_of_tiers(is_thorough):
    chosen = random.Random(22)
    for provider in providers:
        for model in provider.models:
            kept = [] if is_dropped(provider, model) else variants(model)
            dates = {variant.constraint.start_date for _, variant in kept if variant.constraint}
            edges = [edge for date in sorted(dates) for edge in (f"{date - datetime.timedelta(days=1)}T23:59:59Z", f"{date}T00:00:00Z")]
            for tier in sorted({tier for tier, _ in kept}):
                for time in edges[-2:] + ["2026-11-05T12:34:56Z"] if not is_thorough else edges * 2 + times_of(model) * 2:
                    yield case(provider, model.id, chosen, time, tier)
    # Who sells the models of another has no tiers of his own; nor has a model without.
    others = {provider.id: provider for provider in providers}
    for name, model in [("azure", "gpt-4o"), ("azure", "gpt-5.4"), ("anthropic", "claude-sonnet-4-5"), ("groq", "llama-3.3-70b-versatile")]:
        for tier in sorted(set(TIERS.values())):
            yield case(others[name], model, chosen, "2026-11-05T12:34:56Z", tier)


def is_special(model):
    conditions = [] if isinstance(model.prices, types.ModelPrice) else model.prices
    kinds = {type(conditional.constraint) for conditional in conditions}
    tiers = [value for found in [model.prices, *(c.prices for c in conditions)] for value in getattr(found, "__dict__", {}).values()]
    return types.TimeOfDateConstraint in kinds or len(conditions) > 2 or any(isinstance(value, types.TieredPrices) for value in tiers)


def cases_of(provider, model, chosen, is_thorough):
    names = [model.id, *names_of(model.match)]
    times = times_of(model)
    if is_thorough:
        for name in names:
            for time in times:
                for _ in range(2):
                    yield case(provider, name, chosen, time)
        return
    times = times if is_special(model) else [chosen.choice(times)]
    known = [name for name in names if provider.find_model(name, all_providers=providers)]
    for time in times[:6]:
        # One name in eight may be one that no rule is for.
        some = names if chosen.randrange(8) == 0 or not known else known
        yield case(provider, chosen.choice(some), chosen, time)


def names_of(clause):
    """Names that a rule is there for."""
    match clause:
        case types.ClauseOr():
            return [name for inner in clause.or_ for name in names_of(inner)]
        case types.ClauseAnd():
            return [name for inner in clause.and_ for name in names_of(inner)]
        case types.ClauseEquals():
            return [clause.equals, clause.equals.upper(), clause.equals + "-20260311", clause.equals + "-2026-03-11"]
        case types.ClauseStartsWith():
            return [clause.starts_with, clause.starts_with + "-20250101", clause.starts_with + "-tts"]
        case types.ClauseEndsWith():
            return ["x/" + clause.ends_with]
        case types.ClauseContains():
            return ["eu." + clause.contains + "-v1:0"]
        case types.ClauseRegex() if clause.regex != NOT_TTS:
            found = pattern(clause.regex)
            texts = [text.removeprefix("#").removeprefix("^") for text in ([found] if isinstance(found, str) else found)]
            return [text.replace("#", digit) for text in texts for digit in "07"] + [text.replace("#", "7") + "x" for text in texts]
    return []


def times_of(model):
    """Just before, at and after each moment when a price changes."""
    if isinstance(model.prices, types.ModelPrice):
        return ["2026-06-01T12:00:00Z"]
    times = ["2020-01-01T00:00:00Z", "2026-11-05T12:34:56Z"]
    for conditional in model.prices:
        match conditional.constraint:
            case types.StartDateConstraint(start_date=day):
                before = day - datetime.timedelta(days=1)
                times += [f"{before}T23:59:59Z", f"{day}T00:00:00Z"]
            case types.TimeOfDateConstraint(start_time=start, end_time=end):
                for edge in (start, end):
                    moment = datetime.datetime(2026, 11, 5, edge.hour, edge.minute)
                    times += [f"{(moment - datetime.timedelta(seconds=1)).isoformat()}Z", f"{moment.isoformat()}Z"]
    return times


def case(provider, name, chosen, time, tier=None):
    usage = tokens(chosen)
    usage.append(CHOSEN_LATER.choice([0, CHOSEN_LATER.randrange(0, usage[2] + 1)]))
    line = {"provider": provider.id, "model": name, "time": time, "tokens": usage}
    if tier:
        line["tier"] = tier
    return line | {"nano_usd": expected(provider, name, usage, time, tier)}


def tokens(chosen):
    """Input, cached input read and written, output, reasoning."""
    size = chosen.choice([1, 100, 5_000, 150_000, 199_999, 200_001, 272_001, 1_000_000])
    total = chosen.choice([size, chosen.randrange(1, size + 1)])
    read = chosen.choice([0, 0, chosen.randrange(0, total + 1)])
    write = chosen.choice([0, 0, chosen.randrange(0, total - read + 1)])
    output = chosen.choice([0, chosen.randrange(1, 20_000), chosen.randrange(1, 200_000)])
    reasoning = chosen.choice([0, 0, chosen.randrange(0, output + 1)])
    return [total, read, write, output, reasoning]


def expected(provider, name, usage, time, tier):
    """What the package computes; null where it knows no model, or no price for a kind of token that is there."""
    model = provider.find_model(name, all_providers=providers)
    owner = next((owner for owner in providers if any(model is known for known in owner.models)), None)
    if model is None or is_dropped(owner, model):
        return None
    total, read, write, output, reasoning, hour = usage
    when = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    prices = model.get_prices(when)
    is_free = model.id.endswith(":free") and not prices.__dict__
    is_short = (total and prices.input_mtok is None) or (output and prices.output_mtok is None)
    if is_short and not is_free:
        return None
    counted = Usage(
        input_tokens=total,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
        output_reasoning_tokens=reasoning,
        cache_write_1h_tokens=hour,
    )
    with localcontext() as context:
        context.prec = 60
        context_of_price = {key: value for (key, value), meant in TIERS.items() if meant == tier}
        dollars = model.calc_price(counted, provider, genai_request_timestamp=when, price_context=context_of_price).total_price
        return int((dollars * 10**9).quantize(Decimal(1), ROUND_HALF_UP))


if __name__ == "__main__":
    main()
