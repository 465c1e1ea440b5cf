//! `docs/conventions.md` holds the tables as they are in the code.
//!
//! `SESSIONFOLD_BLESS=1 cargo test conventions` writes them anew.

use std::fmt::Write;

use crate::conventions::kind::WORDS;
use crate::conventions::scopes;
use crate::conventions::tables::{Convention, Meaning, Namespace, Part, ROWS, Row};
use crate::conventions::tier;
use crate::model::facts::SpanKind;
use crate::model::scopes::SCOPES;
use crate::model::usage::ServiceTier;

const BEGIN: &str = "<!-- tables: begin (made from the code by a test) -->\n";
const END: &str = "<!-- tables: end -->";

#[test]
fn the_document_shows_the_tables_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conventions.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the document marks where the tables begin");
    let (shown, tail) = rest.split_once(END).expect("the document marks where the tables end");
    let tables = render();
    if std::env::var_os("SESSIONFOLD_BLESS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{tables}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(shown, tables, "run the test with SESSIONFOLD_BLESS=1 to write the tables anew");
}

type Asks = fn(Meaning) -> bool;

fn render() -> String {
    let mut out = String::new();
    let questions: [(&str, Asks); 13] = [
        ("Session id", |m| matches!(m, Meaning::Session | Meaning::WeakSession)),
        ("Run id", |m| m == Meaning::RunId),
        ("Agent", |m| matches!(m, Meaning::Agent | Meaning::EntityName | Meaning::GraphAgent | Meaning::Metadata | Meaning::Function)),
        ("Workflow", |m| m == Meaning::Workflow),
        ("User", |m| m == Meaning::User),
        ("User group", |m| m == Meaning::UserGroup),
        ("Model", |m| matches!(m, Meaning::Model | Meaning::ResponseModel | Meaning::WeakModel | Meaning::Parameters)),
        ("Provider", |m| m == Meaning::Provider),
        ("Answer", |m| m == Meaning::Response),
        ("Tool", |m| m == Meaning::Tool),
        ("What was asked", |m| matches!(m, Meaning::Asked | Meaning::AskedRole | Meaning::AskedOfRole)),
        ("Why it failed", |m| matches!(m, Meaning::Failure | Meaning::WeakFailure)),
        ("Service tier", |m| m == Meaning::Tier),
    ];
    for (title, asks) in questions {
        writeln!(out, "### {title}\n\n| | key | convention |\n|--:|---|---|").unwrap();
        for (n, row) in ROWS.iter().filter(|row| asks(row.meaning)).enumerate() {
            writeln!(out, "| {} | `{}`{} | {} |", n + 1, row.key, remark(row), spoken_by(row)).unwrap();
        }
        out.push('\n');
    }
    render_tiers(&mut out);
    render_usage(&mut out);
    render_kinds(&mut out);
    out
}

fn render_tiers(out: &mut String) {
    let meant = |tier| tier::WORDS.iter().filter(move |(_, of)| *of == tier).map(|(word, _)| format!("`{word}`"));
    let tiers: Vec<_> = ServiceTier::ALL.map(|tier| format!("{} by {}", tier.as_str(), meant(tier).collect::<Vec<_>>().join(", "))).into();
    writeln!(out, "A tier is {}; other words say nothing.\n", tiers.join("; ")).unwrap();
}

fn render_usage(out: &mut String) {
    out.push_str("### Tokens and cost\n\n| namespace | number | keys, the first before the second | convention |\n|---|---|---|---|\n");
    let mut shown: Vec<(Namespace, Part)> = Vec::new();
    for row in ROWS {
        let Meaning::Usage(namespace, part) = row.meaning else { continue };
        if shown.contains(&(namespace, part)) {
            continue;
        }
        shown.push((namespace, part));
        let same: Vec<&Row> = ROWS.iter().filter(|other| other.meaning == row.meaning).collect();
        let keys: Vec<_> = same.iter().map(|row| format!("`{}`", row.key)).collect();
        let mut conventions: Vec<_> = same.iter().map(|row| spoken_by(row)).collect();
        conventions.dedup();
        writeln!(out, "| {namespace:?} | {} | {} | {} |", number(part), keys.join(", "), conventions.join(", ")).unwrap();
    }
    out.push('\n');
}

fn render_kinds(out: &mut String) {
    out.push_str(
        "### What a span is\n\n| | key | agent | workflow | model call | embedding | tool | step |\n|--:|---|---|---|---|---|---|---|\n",
    );
    for (n, (key, words)) in WORDS.iter().enumerate() {
        write!(out, "| {} | `{key}` |", n + 1).unwrap();
        for kind in [SpanKind::Agent, SpanKind::Workflow, SpanKind::Llm, SpanKind::Embedding, SpanKind::Tool, SpanKind::Step] {
            let of_kind: Vec<_> = words.iter().filter(|(_, of)| *of == kind).map(|(word, _)| format!("`{word}`")).collect();
            write!(out, " {} |", of_kind.join(", ")).unwrap();
        }
        out.push('\n');
    }
    let marks: Vec<_> = ROWS.iter().filter(|row| row.meaning == Meaning::Framework).map(|row| row.key).collect();
    writeln!(out, "\nA span with `{}` was made by a framework's instrumentation around a provider's.\n", marks.join("`, `")).unwrap();
    out.push_str("### Scopes that differ\n\n| instrumentation scope | what is different |\n|---|---|\n");
    for (scope, traits) in SCOPES {
        let mut differences = Vec::new();
        if traits.container_usage_is_own {
            differences.push("the usage of a container is its own and always counts");
        }
        if traits.is_providers_own {
            differences.push("a provider's own SDK: its spans stand before those of instrumentations that tell of the same call");
        }
        if traits.tells_all_in_logs {
            differences.push("its turns stand before those that the agent's spans tell of");
        }
        if traits.is_told_in_logs {
            differences.push("left out of sessions whose turns its logs tell of");
        }
        if traits.needs_call {
            differences.push("what leads to no call of a model is no run");
        }
        if traits.ends_as_its_calls {
            differences.push("a run has failed if its last call has");
        }
        if traits.has_echo_spans {
            differences.push("one call can show as two spans; the echo is left out");
        }
        writeln!(out, "| `{scope}` | {} |", differences.join("; ")).unwrap();
    }
    let made = "made of log events: the agent's own spans of the same calls stand before them, with the cost that these tell";
    writeln!(out, "| `{}` | {made} |", crate::model::logs::SCOPE).unwrap();
    for reading in scopes::SCOPES {
        let mut differences: Vec<String> = Vec::new();
        if reading.input_excludes_cache {
            differences.push("input tokens leave out cached ones, which are added".into());
        }
        let kinds = reading.kinds.iter().map(|(key, word, kind)| format!("`{key}` = `{word}` is {}", kind_name(*kind)));
        let named = reading.named.iter().map(|(beginning, kind)| format!("a span whose name begins `{beginning}` is {}", kind_name(*kind)));
        let ending = reading.ending.iter().map(|(ending, kind)| format!("a span whose name ends `{ending}` is {}", kind_name(*kind)));
        let agent = reading.agent_key.map(|key| format!("`{key}` names the agent"));
        let name = reading.agent.map(|agent| format!("the agent is `{agent}`, unless a span names another"));
        let weak = reading.is_session_weak.then(|| "a session that a span names holds only where no other is in effect".to_owned());
        differences.extend(kinds.chain(named).chain(ending).chain(agent).chain(name).chain(weak));
        writeln!(out, "| `{}` | {} |", reading.scope, differences.join("; ")).unwrap();
    }
    out.push('\n');
}

fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Agent => "an agent",
        SpanKind::Workflow => "a workflow",
        SpanKind::Step => "a step",
        SpanKind::Llm | SpanKind::Embedding => "a model call",
        SpanKind::Tool => "a tool",
        SpanKind::Other => "nothing special",
    }
}

fn remark(row: &Row) -> String {
    if !row.only_in.is_empty() {
        let within = if row.key == "metadata.requester_metadata" { ": `session_id` in what Python printed," } else { "" };
        return format!("{within} in scopes that begin with `{}`", row.only_in.join("` or `"));
    }
    let remark = match row.meaning {
        Meaning::EntityName => " where `traceloop.span.kind` is `agent`",
        Meaning::WeakModel => " beside usage or on a model span only",
        Meaning::Parameters => ": `model` in its JSON, beside usage or on a model span only",
        Meaning::WeakSession => " where no other session is in effect",
        Meaning::GraphAgent => " of the span that bears its name",
        Meaning::Metadata => ": `lc_agent_name` in its JSON, of the span that bears that name",
        Meaning::WeakFailure => " where the status says that it failed",
        Meaning::Function => " of `ai.generateText` and the like",
        _ => "",
    };
    remark.to_owned()
}

fn number(part: Part) -> &'static str {
    match part {
        Part::Input => "input tokens",
        Part::Output => "output tokens",
        Part::Total => "total tokens",
        Part::CacheRead => "cached input, read",
        Part::CacheWrite => "cached input, written",
        Part::CacheWrite1h => "of these for an hour",
        Part::Reasoning => "reasoning tokens",
        Part::Cost => "cost",
        Part::CostOfInput => "cost, input half",
        Part::CostOfOutput => "cost, output half",
        Part::TokensJson => "tokens, as a JSON object",
        Part::AnswerJson => "tokens, in the JSON of an answer",
        Part::CostJson => "cost, as a JSON object",
    }
}

fn spoken_by(row: &Row) -> &'static str {
    match row.convention {
        Convention::Waxell => "Waxell",
        Convention::GenAi => "OpenTelemetry GenAI",
        Convention::GenAiOther => "OpenTelemetry GenAI, deprecated or extended",
        Convention::OpenTelemetry => "OpenTelemetry",
        Convention::OpenInference => "OpenInference",
        Convention::OpenLlmetry => "OpenLLMetry",
        Convention::VercelAi => "Vercel AI SDK",
        Convention::PydanticAi => "Pydantic AI",
        Convention::Langfuse => "Langfuse",
        Convention::Laminar => "Laminar",
        Convention::LangSmith => "LangSmith",
        Convention::GoogleAdk => "Google ADK",
        Convention::CrewAi => "CrewAI",
        Convention::LiteLlm => "LiteLLM",
        Convention::Mlflow => "MLflow",
        Convention::LangChain => "LangChain, by OpenInference",
        Convention::Mastra => "Mastra",
        Convention::Ag2 => "AG2",
        Convention::Microsoft => "Microsoft Agent 365",
        Convention::Copilot => "Copilot Chat",
        Convention::Logfire => "Logfire",
        Convention::SpringAi => "Spring AI",
        Convention::Codex => "Codex",
        Convention::Sentry => "Sentry",
        Convention::OpenCode => "opencode",
        Convention::ClaudeCode => "Claude Code",
        Convention::QwenCode => "Qwen Code",
        Convention::VoltAgent => "VoltAgent",
        Convention::Genkit => "Genkit",
        Convention::Plain => "nobody's",
    }
}
