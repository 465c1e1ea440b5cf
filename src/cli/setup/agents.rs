//! What is known of each coding agent: where its settings are, what goes there, and what it then sends.
//!
//! - Data only. Each line has its source: a recording of the real program in `tests/dialects`, the program itself, or its maker's documentation.
//! - The lines are those for OTLP over HTTP, which every one of them speaks, to one address.

mod claude_code;
mod codex;
mod copilot;
mod gemini;
mod opencode;
mod qwen;

use clap::ValueEnum;

/// As it is typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum AgentName {
    ClaudeCode,
    Codex,
    Gemini,
    Qwen,
    Copilot,
    Opencode,
}

/// One coding agent.
#[derive(Debug)]
pub(super) struct Agent {
    pub title: &'static str,
    /// How it is started.
    pub command: &'static str,
    /// The version that these lines were tried with.
    pub version: &'static str,
    /// Where its own settings are; none if it has only variables.
    pub file: Option<SettingsFile>,
    /// What goes into that file.
    pub lines: &'static [Line],
    /// What goes into the environment that it is started from.
    pub variables: &'static [Line],
    /// Tables that name one of several alternatives by their only key.
    pub alternatives: &'static [&'static [&'static str]],
    pub managed: Managed,
    /// Variables that count more than the settings, where somebody has set them.
    pub overruled_by: &'static [&'static str],
    /// Settings of the same file that count more than ours, or keep them from working.
    pub overruled_in_file: &'static [&'static [&'static str]],
    /// What leaves the machine without `--content`.
    pub leaves: &'static [&'static str],
    pub content: Extra,
    pub traces: Extra,
    /// What is not exact, or missing.
    pub inexact: &'static [&'static str],
}

/// A settings file in the home directory, or where a variable says.
#[derive(Debug)]
pub(super) struct SettingsFile {
    pub format: Format,
    /// The variable that names another directory, and what stands below it there.
    pub variable: (&'static str, &'static str),
    /// The directory below the home directory.
    pub below_home: &'static str,
    /// The file; of several, the first that is there, or else the last.
    pub names: &'static [&'static str],
    pub source: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// With comments or without.
    Json,
    Toml,
}

/// What is sent only if it is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extra {
    Adds(&'static str),
    /// Asking changes nothing, and this is why.
    Same(&'static str),
}

/// How a team gives the settings to all its machines.
#[derive(Debug)]
pub(super) enum Managed {
    File {
        linux: &'static str,
        mac: &'static str,
        /// What a person's own settings can do against it.
        what: &'static str,
        source: &'static str,
    },
    /// Why no lines can be printed.
    Unknown(&'static str),
}

/// One setting.
#[derive(Debug)]
pub(super) struct Line {
    /// The keys that lead to it, outermost first; of a variable, its name.
    pub path: &'static [&'static str],
    pub value: Value,
    /// All of these must have been asked for, or be so.
    pub needs: &'static [Need],
    /// What it does.
    pub why: &'static str,
    /// How that is known.
    pub source: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Text(&'static str),
    True,
    /// The server's address for OTLP over HTTP, and what is appended to it.
    Address(&'static str),
    /// The key, in a list of headers: `name=value,name=value`.
    KeyInList,
    /// The key, as the value of its header.
    Key,
    /// Whether content is sent.
    IsContent,
    /// Whether traces are asked for.
    IsTraces,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    Content,
    Traces,
    /// The server wants a key.
    Key,
}

// === impl AgentName ===

impl AgentName {
    pub(super) fn agent(self) -> &'static Agent {
        match self {
            Self::ClaudeCode => &claude_code::AGENT,
            Self::Codex => &codex::AGENT,
            Self::Gemini => &gemini::AGENT,
            Self::Qwen => &qwen::AGENT,
            Self::Copilot => &copilot::AGENT,
            Self::Opencode => &opencode::AGENT,
        }
    }

    pub(super) fn typed(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_what_it_does_and_how_that_is_known() {
        for name in AgentName::value_variants() {
            let agent = name.agent();
            for line in agent.lines.iter().chain(agent.variables) {
                assert!(!line.path.is_empty() && !line.why.is_empty() && !line.source.is_empty(), "{name:?}: {line:?}");
            }
            assert!(agent.lines.is_empty() == agent.file.is_none(), "{name:?}");
            assert!(agent.variables.iter().all(|line| line.path.len() == 1), "{name:?}");
            assert!(!agent.leaves.is_empty() && !agent.inexact.is_empty(), "{name:?}");
        }
    }

    #[test]
    fn every_agent_is_told_the_address_and_where_one_is_needed_the_key() {
        for name in AgentName::value_variants() {
            let agent = name.agent();
            let lines = || agent.lines.iter().chain(agent.variables);
            assert!(lines().any(|line| matches!(line.value, Value::Address(_)) && line.needs.is_empty()), "{name:?}");
            assert!(lines().any(|line| line.needs == [Need::Key]), "{name:?}");
        }
    }
}
