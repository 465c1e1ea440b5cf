//! What a demo conversation is made of. The conversations themselves are in `tales`.

/// A model as the traffic names and prices it.
pub(super) struct Model {
    /// What the program asks for.
    pub name: &'static str,
    /// What answers: often the same with a date.
    pub answers_as: &'static str,
    pub provider: &'static str,
    /// Dollars for a million tokens; 0 for a model on somebody's own machine, which states no price.
    pub input_price: f64,
    pub output_price: f64,
}

pub(super) const GPT_4O: Model =
    Model { name: "gpt-4o", answers_as: "gpt-4o-2024-08-06", provider: "openai", input_price: 2.5, output_price: 10.0 };
pub(super) const GPT_4O_MINI: Model =
    Model { name: "gpt-4o-mini", answers_as: "gpt-4o-mini-2024-07-18", provider: "openai", input_price: 0.15, output_price: 0.6 };
pub(super) const CLAUDE_SONNET: Model = Model {
    name: "claude-sonnet-4-5",
    answers_as: "claude-sonnet-4-5-20250929",
    provider: "anthropic",
    input_price: 3.0,
    output_price: 15.0,
};
pub(super) const LLAMA: Model = Model { name: "llama3.2", answers_as: "llama3.2", provider: "ollama", input_price: 0.0, output_price: 0.0 };
pub(super) const EMBEDDING: Model = Model {
    name: "text-embedding-3-small",
    answers_as: "text-embedding-3-small",
    provider: "openai",
    input_price: 0.02,
    output_price: 0.0,
};

/// One conversation: a session. Texts may hold `{name}`, `{order}`, `{city}` and `{amount}`, which differ from session to session.
pub(super) struct Tale {
    /// The word in the session's id: `demo-<topic>-4f2a`.
    pub topic: &'static str,
    pub service: &'static str,
    pub agent: &'static str,
    pub workflow: &'static str,
    pub model: &'static Model,
    pub turns: &'static [Turn],
}

/// One message of the user and what the agent does with it: a run, and a trace.
pub(super) struct Turn {
    pub ask: &'static str,
    pub answer: &'static str,
    pub acts: &'static [Act],
}

/// What an agent does, in order.
pub(super) enum Act {
    /// A call of the model.
    Call,
    /// A streamed call: the SDK reports it twice, the second time as an echo just after the end.
    Stream,
    /// A call whose instrumentation reports it a second time within itself.
    EchoedCall,
    /// A call that the provider refused; the program tries again.
    Refused,
    /// A call that the provider refused, which ends the run with an error.
    Fatal,
    Embed,
    Step(&'static str),
    Decide(&'static str, &'static [&'static str]),
    Search(&'static str),
    Tool(&'static str),
    BrokenTool(&'static str, &'static str),
    /// A tool whose own span is never exported, so that what happens in it has a parent that never arrives.
    UnseenTool(&'static [Act]),
    /// Another agent: a run of its own within this one.
    Delegate(&'static Helper),
}

pub(super) struct Helper {
    pub agent: &'static str,
    pub model: &'static Model,
    pub answer: &'static str,
    pub acts: &'static [Act],
}

/// Tokens of the instructions that stand before every conversation.
pub(super) const INSTRUCTION_TOKENS: u64 = 380;
