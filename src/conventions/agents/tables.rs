//! Which coding agents are known by the logs they send, and which of their events say something about a run.
//!
//! - Data only. An agent that is not here is a stranger, and so is an event that is not here noise of a known agent.
//! - Sources: Claude Code 2.1.197 and 2.1.332, Codex 0.171.0, Gemini CLI 0.61.0, Qwen Code 0.24.4, recorded against a model server that
//!   counts; the plugin of opencode and Claude Cowork by their documentation.

use What as W;

/// How one agent tells of itself.
#[derive(Debug)]
pub(super) struct Agent {
    /// As it is shown, and as its own spans name it.
    pub name: &'static str,
    /// How the names of its events begin. Some leave it out in `event.name`, where the scope tells.
    pub prefix: &'static str,
    /// How the names of the scopes begin that it logs in.
    pub scopes: &'static [&'static str],
    pub provider: &'static str,
    pub session_key: &'static str,
    /// A conversation of a subagent has an id of its own: it is the session only where nobody names the one that it was started in.
    pub is_session_weak: bool,
    /// The attribute that says which turn an event is of. Without one, a turn goes from one prompt to the next, by time.
    pub turn_key: Option<&'static str>,
    /// Its records bear the context of the spans that tell of the same: they are read together. Otherwise the context says nothing of use.
    pub is_beside_spans: bool,
    /// Its records say which subagent they are of.
    pub has_subagents: bool,
    /// A record is made when what it tells of begins, and not when it ends.
    pub is_told_at_start: bool,
    /// Its input tokens leave out those that were read from a cache or written to one.
    pub input_excludes_cache: bool,
    /// Its output tokens leave out those of its thoughts.
    pub output_excludes_reasoning: bool,
    /// What a prompt says is told by spans too, mostly: by itself it makes no run.
    pub is_prompt_told_elsewhere: bool,
    pub events: &'static [(&'static str, What)],
}

/// What an event is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// A turn begins.
    Prompt,
    /// A call of the model, with what it used.
    Call,
    /// A call that failed for good.
    FailedCall,
    /// One attempt at a call; those that succeed are told again as calls.
    Attempt,
    Tool,
    /// A subagent is done.
    Subagent,
    /// What a whole turn cost.
    TurnCost,
    /// A conversation is started in another.
    Spawn,
    /// What a call answered, told beside it.
    Answer,
}

const AGENT: Agent = Agent {
    name: "",
    prefix: "",
    scopes: &[],
    provider: "",
    session_key: "session.id",
    is_session_weak: false,
    turn_key: None,
    is_beside_spans: false,
    has_subagents: false,
    is_told_at_start: false,
    input_excludes_cache: false,
    output_excludes_reasoning: false,
    is_prompt_told_elsewhere: false,
    events: &[],
};

/// What Claude Code calls its events, and others after it.
const CLAUDE_EVENTS: &[(&str, What)] = &[
    ("user_prompt", W::Prompt),
    ("api_request", W::Call),
    // `api_retries_exhausted` says the same once more.
    ("api_error", W::FailedCall),
    ("tool_result", W::Tool),
    ("subagent_completed", W::Subagent),
    ("assistant_response", W::Answer),
];

pub(super) const AGENTS: &[Agent] = &[
    Agent {
        name: "claude-code",
        prefix: "claude_code.",
        scopes: &["com.anthropic.claude_code"],
        provider: "anthropic",
        turn_key: Some("prompt.id"),
        is_beside_spans: true,
        has_subagents: true,
        input_excludes_cache: true,
        events: CLAUDE_EVENTS,
        ..AGENT
    },
    Agent {
        name: "codex",
        prefix: "codex.",
        scopes: &["codex_otel"],
        provider: "openai",
        session_key: "conversation.id",
        is_session_weak: true,
        events: &[
            ("user_prompt", W::Prompt),
            // One for each event of the stream: only the one that counts tokens is a call.
            ("sse_event", W::Call),
            ("api_request", W::Attempt),
            ("tool_result", W::Tool),
            ("turn_cost", W::TurnCost),
            ("agent_communication", W::Spawn),
        ],
        ..AGENT
    },
    Agent {
        name: "gemini-cli",
        prefix: "gemini_cli.",
        scopes: &["gemini-cli"],
        provider: "gcp.gemini",
        has_subagents: true,
        output_excludes_reasoning: true,
        events: &[
            ("user_prompt", W::Prompt),
            ("api_response", W::Call),
            ("api_error", W::FailedCall),
            ("tool_call", W::Tool),
            ("agent.finish", W::Subagent),
        ],
        ..AGENT
    },
    Agent {
        name: "qwen-code",
        prefix: "qwen-code.",
        scopes: &["qwen-code"],
        is_beside_spans: true,
        is_prompt_told_elsewhere: true,
        events: &[("user_prompt", W::Prompt), ("api_response", W::Call), ("api_error", W::FailedCall), ("tool_call", W::Tool)],
        ..AGENT
    },
    Agent {
        // The plugin DEVtheOPS/opencode-plugin-otel; opencode's own logs tell nothing.
        name: "opencode",
        prefix: "opencode.",
        scopes: &["com.opencode", "opencode"],
        is_told_at_start: true,
        input_excludes_cache: true,
        events: CLAUDE_EVENTS,
        ..AGENT
    },
];

/// What a program is called that speaks as another one does, by its `service.name`.
pub(super) const RENAMED: &[(&str, &str)] = &[("cowork", "claude-cowork")];

// === impl Agent ===

impl Agent {
    /// Who sent a record, by the names of its event, else by its scope.
    pub fn of(events: &[&str], scope: &str) -> Option<&'static Self> {
        AGENTS
            .iter()
            .find(|agent| events.iter().any(|event| event.starts_with(agent.prefix)))
            .or_else(|| AGENTS.iter().find(|agent| agent.scopes.iter().any(|known| scope.starts_with(known))))
    }

    /// What an event of this agent is, with or without the prefix of its name.
    pub fn event(&self, name: &str) -> Option<What> {
        let name = name.strip_prefix(self.prefix).unwrap_or(name);
        self.events.iter().find(|(known, _)| *known == name).map(|(_, what)| *what)
    }
}
