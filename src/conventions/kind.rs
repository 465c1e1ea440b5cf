//! What a span is, by the words of every dialect.
//!
//! Data only: for each key that tells the kind (rows of `tables` that mean `Kind`), its words. Upper and lower case are the same. A word
//! that is not listed says nothing, and the next key is asked.

use super::tables::{Meaning, ROWS};
use crate::model::facts::SpanKind::{self, Agent, Embedding, Llm, Step, Tool, Workflow};

/// The words of every key that tells what a span is.
pub(super) const WORDS: &[(&str, &[(&str, SpanKind)])] = &[
    (
        "waxell.span_type",
        &[
            ("agent_execution", Agent),
            ("llm_call", Llm),
            ("embedding", Embedding),
            ("tool_call", Tool),
            ("workflow_step", Step),
            ("decision", Step),
            ("retrieval", Step),
            ("reasoning", Step),
            ("retry", Step),
            ("governance", Step),
        ],
    ),
    // The runner of the OpenAI Agents SDK, which MLflow calls an agent as well.
    ("mlflow.openai.agent_run_root", &[("true", Workflow)]),
    ("traceloop.span.kind", &[("workflow", Workflow), ("agent", Agent), ("task", Step), ("tool", Tool)]),
    (
        "gen_ai.operation.name",
        &[
            ("chat", Llm),
            ("text_completion", Llm),
            ("completion", Llm),
            ("generate_content", Llm),
            ("image", Llm),
            ("audio", Llm),
            ("embeddings", Embedding),
            ("embedding", Embedding),
            ("embed", Embedding),
            ("invoke_agent", Agent),
            ("execute_tool", Tool),
            ("invoke_workflow", Workflow),
            ("invoke_swarm", Workflow),
            ("invoke_graph", Workflow),
            // Making an agent is not running it.
            ("create_agent", Step),
            ("agent_step", Step),
            ("execute_event_loop_cycle", Step),
            ("retrieval", Step),
            ("rerank", Step),
            ("plan", Step),
        ],
    ),
    (
        "openinference.span.kind",
        &[
            ("AGENT", Agent),
            ("LLM", Llm),
            ("EMBEDDING", Embedding),
            ("TOOL", Tool),
            ("CHAIN", Step),
            ("RETRIEVER", Step),
            ("RERANKER", Step),
            ("GUARDRAIL", Step),
            ("EVALUATOR", Step),
            ("PROMPT", Step),
            ("DECISION", Step),
        ],
    ),
    ("llm.request.type", &[("chat", Llm), ("completion", Llm), ("embedding", Embedding), ("embeddings", Embedding), ("rerank", Step)]),
    (
        // The outer span of a call holds the sum of its inner `do…` spans, which are the calls of the model.
        "ai.operationId",
        &[
            ("ai.generateText", Step),
            ("ai.streamText", Step),
            ("ai.generateObject", Step),
            ("ai.streamObject", Step),
            ("ai.embed", Step),
            ("ai.embedMany", Step),
            ("ai.rerank", Step),
            ("ai.generateText.doGenerate", Llm),
            ("ai.streamText.doStream", Llm),
            ("ai.generateObject.doGenerate", Llm),
            ("ai.streamObject.doStream", Llm),
            ("ai.embed.doEmbed", Embedding),
            ("ai.embedMany.doEmbed", Embedding),
            ("ai.toolCall", Tool),
        ],
    ),
    (
        // `span` and `event` are said of anything.
        "langfuse.observation.type",
        &[
            ("generation", Llm),
            ("embedding", Embedding),
            ("agent", Agent),
            ("tool", Tool),
            ("chain", Step),
            ("retriever", Step),
            ("evaluator", Step),
            ("guardrail", Step),
        ],
    ),
    ("lmnr.span.type", &[("LLM", Llm), ("TOOL", Tool), ("CACHED", Step), ("EXECUTOR", Step), ("EVALUATOR", Step), ("EVALUATION", Step)]),
    (
        "mlflow.spanType",
        &[
            ("LLM", Llm),
            ("CHAT_MODEL", Llm),
            ("EMBEDDING", Embedding),
            ("AGENT", Agent),
            ("WORKFLOW", Workflow),
            ("TOOL", Tool),
            ("CHAIN", Step),
            ("TASK", Step),
            ("RETRIEVER", Step),
            ("RERANKER", Step),
            ("PARSER", Step),
            ("MEMORY", Step),
            ("GUARDRAIL", Step),
            ("EVALUATOR", Step),
        ],
    ),
    (
        "langsmith.span.kind",
        &[("llm", Llm), ("embedding", Embedding), ("tool", Tool), ("chain", Step), ("retriever", Step), ("prompt", Step), ("parser", Step)],
    ),
    (
        "mastra.span.type",
        &[
            ("agent_run", Agent),
            ("workflow_run", Workflow),
            ("model_generation", Step),
            ("model_step", Step),
            ("model_inference", Llm),
            ("model_chunk", Step),
            ("tool_call", Tool),
            ("mcp_tool_call", Tool),
            ("processor_run", Step),
            ("workflow_step", Step),
        ],
    ),
    // What an agent of VoltAgent asked of models it tells as a whole; of its spans of a model each has the last step alone.
    (
        "span.type",
        &[
            ("agent", Agent),
            ("llm", Step),
            ("embedding", Embedding),
            ("tool", Tool),
            ("memory", Step),
            ("retriever", Step),
            ("workflow-step", Step),
        ],
    ),
    ("entity.type", &[("agent", Agent), ("workflow", Workflow)]),
    (
        "genkit:metadata:subtype",
        &[
            ("agent", Agent),
            ("flow", Workflow),
            ("model", Llm),
            ("embedder", Embedding),
            ("tool", Tool),
            ("tool.v2", Tool),
            ("prompt", Step),
            ("executable-prompt", Step),
            ("retriever", Step),
            ("indexer", Step),
            ("reranker", Step),
            ("evaluator", Step),
        ],
    ),
    ("genkit:type", &[("flow", Workflow), ("flowStep", Step), ("util", Step), ("helper", Step), ("promptTemplate", Step)]),
    ("spring.ai.kind", &[("tool_call", Tool), ("chat_client", Step), ("advisor", Step), ("vector_store", Step)]),
];

/// Where the words of a row stand in [`WORDS`], for rows that tell the kind.
static PLACE: [u8; ROWS.len()] = {
    let (mut places, mut row, mut place) = ([0; ROWS.len()], 0, 0);
    while row < ROWS.len() {
        if matches!(ROWS[row].meaning, Meaning::Kind) {
            places[row] = place;
            place += 1;
        }
        row += 1;
    }
    assert!(place as usize == WORDS.len(), "each row that tells the kind has words");
    places
};

/// What `word` says under the key of a row that tells the kind; `None` where it says nothing.
pub(super) fn classify(row: u16, word: &str) -> Option<SpanKind> {
    let (_, words) = WORDS[usize::from(PLACE[usize::from(row)])];
    // MLflow writes its attributes as JSON, so its words come in quotes.
    let trimmed = || word.trim_ascii().trim_matches('"');
    let as_listed = words.iter().find(|(known, _)| *known == word);
    let find = |word: &str| words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    as_listed.or_else(|| find(word)).or_else(|| find(trimmed())).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conventions::lookup::row_number;

    fn classify(key: &str, word: &str) -> Option<SpanKind> {
        super::classify(row_number(key.as_bytes()).expect("a key of the table"), word)
    }

    #[test]
    fn every_key_that_tells_the_kind_has_its_words_in_the_same_order() {
        let rows: Vec<_> = ROWS.iter().filter(|row| row.meaning == Meaning::Kind).map(|row| row.key).collect();
        let words: Vec<_> = WORDS.iter().map(|(key, _)| *key).collect();
        assert_eq!(rows, words);
    }

    #[test]
    fn words_are_read_in_either_case_and_in_quotes_and_only_as_a_whole() {
        assert_eq!(classify("openinference.span.kind", "llm"), Some(Llm));
        assert_eq!(classify("mlflow.spanType", "\"CHAT_MODEL\""), Some(Llm));
        assert_eq!(classify("gen_ai.operation.name", "chat_with_me"), None);
        assert_eq!(classify("gen_ai.operation.name", ""), None);
        assert_eq!(classify("langfuse.observation.type", "span"), None);
        assert_eq!(classify("ai.operationId", "ai.streamText"), Some(Step));
        assert_eq!(classify("ai.operationId", "ai.streamText.doStream"), Some(Llm));
        assert_eq!(classify("gen_ai.operation.name", "create_agent"), Some(Step));
    }
}
