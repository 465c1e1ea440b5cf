//! What stamps and spans of our own are called in Tempo: `stamp` writes these names, `recover` reads them.

/// The key of every span of a run: the session it belongs to.
pub const SESSION_ID: &str = "sessionfold.session_id";
/// The id the run is shown by, as text. Missing where the run's own span is not known yet.
pub const RUN_ID: &str = "sessionfold.run_id";
pub const AGENT_NAME: &str = "sessionfold.agent_name";
/// What a model span that counts cost, in dollars.
pub const COST: &str = "sessionfold.cost";
/// The same where the span does not state it and a log event of its agent does, so that it comes back with the span.
pub const LOGGED_COST: &str = "sessionfold.logged_cost";
pub const TOKENS: &str = "sessionfold.tokens";
/// On the run's own span: its totals.
pub const RUN_COST: &str = "sessionfold.run.cost";
pub const RUN_TOKENS: &str = "sessionfold.run.tokens";
pub const RUN_LLM_CALLS: &str = "sessionfold.run.llm_calls";
/// There, too: why the run failed, in one line. Always where that is known.
pub const ERROR: &str = "sessionfold.error";

/// On a span of ours that stands for a run: what no other span says of it.
pub const WORKFLOW_NAME: &str = "sessionfold.workflow_name";
pub const USER_ID: &str = "sessionfold.user_id";
pub const USER_GROUP: &str = "sessionfold.user_group";
/// In the words of the API: `success`, `error`, `blocked`, `interrupted`, `timeout`.
pub const STATUS: &str = "sessionfold.status";

/// The name of a span that carries a difference.
pub const CORRECTION_NAME: &str = "sessionfold.correction";

/// `true` on a span that stands for a run without a span of the sender's.
pub const SYNTHETIC_KEY: &str = "sessionfold.synthetic";

/// The name of such a span.
pub const SYNTHETIC_NAME: &str = "sessionfold.run";

/// The instrumentation scope of spans that are ours.
pub const SCOPE: &str = "sessionfold";
