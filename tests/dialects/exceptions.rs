//! What is known not to be exact, and why.

pub struct Exception {
    pub recording: &'static str,
    pub sessions: &'static [&'static str],
    /// What differs, in the words of `judging`.
    pub differs: &'static [&'static str],
    pub reason: &'static str,
}

pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        recording: "claude-code-2.1.332+agent-sdk",
        sessions: &["b523cf22-7747-4808-9ecc-518a502cee66", "b53ef9fd-fd79-45ae-9d8b-47fb53a6f41e", "5d417fcd-da2e-4e38-8aa3-bd184c482d1c"],
        differs: &["tokens", "cost"],
        reason: "`gen_ai.usage.input_tokens` holds what was cached, which is added once more; only the older `input_tokens` leaves it out",
    },
    Exception {
        recording: "google-adk-2.13.0",
        sessions: &["adk-1", "adk-2", "adk-3", "adk-4", "adk-5", "adk-6"],
        differs: &["users"],
        reason: "the user that the program gave is in no attribute of any span",
    },
    Exception {
        recording: "openinference-instrumentation-langchain-0.1.80--oi_langchain_both",
        sessions: &["lc-s2", "lc-s4"],
        differs: &["runs", "tokens", "cost", "cached"],
        reason: "two instrumentations tell of each call in two traces, and calls are compared within a trace only",
    },
    Exception {
        recording: "openinference-instrumentation-langchain-0.1.80--lg_metadata_user",
        sessions: &["lg-oi"],
        differs: &["users"],
        reason: "the user is within the JSON text of `metadata`, where no user is looked for",
    },
    Exception {
        recording: "openinference-instrumentation-llama-index-4.6.1--li_function_agent",
        sessions: &["llama-index"],
        differs: &["unpriced"],
        reason: "the preparation of a request (`_prepare_chat_with_tools`) is a model span without usage, and is taken for a call",
    },
];
