//! What is known about the spans of one instrumentation scope, beyond what their attributes say.
//!
//! Data, not code: a new exception is one line of [`SCOPES`]. Most scopes need none. `docs/conventions.md` lists the table for users.

/// How the spans of one instrumentation scope differ from the rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScopeTraits {
    /// A container's usage (an agent's, a chain's) is its own and not the sum of what is below it: it always counts.
    ///
    /// The OpenInference instrumentation of the Claude Agent SDK makes agent and tool spans only, and an agent's figures can leave out
    /// those of its subagents. "Counts only if nothing below it does" would lose the supervisor's share there.
    pub container_usage_is_own: bool,
    /// One call of a model can show as two spans: an echo beside or inside the real one, or a framework's wrapper around a provider's.
    pub has_echo_spans: bool,
    /// A provider's own SDK makes these spans, of the answers that it reads.
    pub is_providers_own: bool,
    /// What makes these spans can tell of its runs over the SDK's HTTP path too.
    pub reports_runs: bool,
    /// Made of log events of an agent whose logs tell all that its own spans do, in traces of their own: of a session that has such runs, those
    /// that only spans tell of are left out.
    pub tells_all_in_logs: bool,
    /// The spans of such an agent.
    pub is_told_in_logs: bool,
    /// What leads to no call of a model is no run: a command of the program itself, a notice, a guardrail, a handoff.
    pub needs_call: bool,
    /// What a stream used is told by a span beside the one that asked.
    pub tells_streams_beside: bool,
    /// Its spans are never the current ones: what is instrumented below its calls begins traces of its own.
    pub is_never_current: bool,
    /// Its runs do not say that they failed: they have if their last call has.
    pub ends_as_its_calls: bool,
    /// Of the calls of a model around tools, each can tell what it used together with those before it.
    pub tells_running_sums: bool,
}

const NONE: ScopeTraits = ScopeTraits {
    container_usage_is_own: false,
    has_echo_spans: false,
    is_providers_own: false,
    reports_runs: false,
    tells_all_in_logs: false,
    is_told_in_logs: false,
    needs_call: false,
    tells_streams_beside: false,
    is_never_current: false,
    ends_as_its_calls: false,
    tells_running_sums: false,
};

/// Scope names and what they are known for. A name stands for itself and for everything below it (`name.part`, `name/part`), with a star
/// for everything that begins so.
///
/// Sources: `python/instrumentation/openinference-instrumentation-claude-agent-sdk` and `js/packages/` of Arize-ai/openinference (both
/// instrumentations name their scope after the module); the Anthropic SDK from 2.14 on, `waxell-observe` 0.1.10, and the coding agents of
/// `conventions::agents`, as recorded.
pub const SCOPES: &[(&str, ScopeTraits)] = &[
    ("openinference.instrumentation.claude_agent_sdk", ScopeTraits { container_usage_is_own: true, ..NONE }),
    ("@arizeai/openinference-instrumentation-claude-agent-sdk", ScopeTraits { container_usage_is_own: true, ..NONE }),
    ("openinference.instrumentation.langchain", ScopeTraits { is_never_current: true, ..NONE }),
    ("@arizeai/openinference-instrumentation-langchain", ScopeTraits { is_never_current: true, ..NONE }),
    // Its agents tell all that they used themselves, of each call only the last step.
    ("@voltagent/core", ScopeTraits { container_usage_is_own: true, ..NONE }),
    ("com.anthropic.sdk", ScopeTraits { is_providers_own: true, ..NONE }),
    ("sessionfold.logs.codex", ScopeTraits { tells_all_in_logs: true, ..NONE }),
    ("sessionfold.logs.gemini-cli", ScopeTraits { tells_all_in_logs: true, ..NONE }),
    ("com.anthropic.claude_code", ScopeTraits { needs_call: true, ends_as_its_calls: true, ..NONE }),
    ("github.copilot", ScopeTraits { needs_call: true, ..NONE }),
    // Named after the program that Codex runs in: `codex_exec`, `codex_cli_rs`, `codex-app-server` were seen.
    ("codex*", ScopeTraits { is_told_in_logs: true, needs_call: true, ..NONE }),
    ("gemini-cli", ScopeTraits { is_told_in_logs: true, needs_call: true, ..NONE }),
    ("openlit.instrumentation.openai_agents", ScopeTraits { needs_call: true, ..NONE }),
    ("logfire", ScopeTraits { tells_streams_beside: true, ..NONE }),
    // Micrometer's bridge: the observations of Spring AI and LangChain4j, by the name that Spring Boot gives it and by that of its own docs.
    ("org.springframework.boot", ScopeTraits { tells_running_sums: true, ..NONE }),
    ("io.micrometer", ScopeTraits { tells_running_sums: true, ..NONE }),
    ("waxell.observe", ScopeTraits { has_echo_spans: true, reports_runs: true, ..NONE }),
];

/// The traits of a scope by its name; the default for a scope that nothing special is known of.
///
/// It is asked several times of every span, so only those names are compared that begin with the same letter.
pub fn scope_traits(scope: &str) -> &'static ScopeTraits {
    let mut rows = scope.as_bytes().first().map_or(0, |first| ROWS_BY_LETTER[usize::from(*first)]);
    while rows != 0 {
        let (name, traits) = &SCOPES[rows.trailing_zeros() as usize];
        if is_within(scope, name) {
            return traits;
        }
        rows &= rows - 1;
    }
    &NONE
}

/// A bit for each row of [`SCOPES`] whose name begins with a letter.
static ROWS_BY_LETTER: [u64; 256] = {
    assert!(SCOPES.len() <= 64, "a bit for each row");
    let (mut rows, mut row) = ([0; 256], 0);
    while row < SCOPES.len() {
        rows[SCOPES[row].0.as_bytes()[0] as usize] |= 1 << row;
        row += 1;
    }
    rows
};

fn is_within(scope: &str, name: &str) -> bool {
    if let Some(beginning) = name.strip_suffix('*') {
        return scope.starts_with(beginning);
    }
    scope.strip_prefix(name).is_some_and(|rest| matches!(rest.as_bytes().first(), None | Some(b'.' | b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_known_by_its_name_and_by_its_parts_and_by_nothing_else() {
        assert!(scope_traits("waxell.observe").has_echo_spans);
        assert!(scope_traits("waxell.observe.instrumentors").has_echo_spans);
        assert!(scope_traits("openinference.instrumentation.claude_agent_sdk").container_usage_is_own);
        assert!(scope_traits("codex_exec").is_told_in_logs && scope_traits("codex").is_told_in_logs);
        for stranger in
            ["", "code", "waxell", "waxell.observer", "Waxell.Observe", "my.waxell.observe", "openinference.instrumentation.openai"]
        {
            assert_eq!(*scope_traits(stranger), ScopeTraits::default(), "{stranger}");
        }
    }
}
