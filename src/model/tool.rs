//! Calls of tools: which tool, how often, how often they failed, and how long they took.

use crate::model::Str;
use crate::model::durations::Durations;
use crate::model::time::Nanos;

/// How OpenTelemetry's conventions call the span of a tool, and of a call by MCP; the tool's name follows. MCP's own SDK for Python puts a
/// word before it.
const SPANS: [&str; 3] = ["execute_tool ", "tools/call ", "MCP send tools/call "];

/// What instrumentations put behind the name of a function to call its span.
const ENDINGS: [&str; 4] = [".__call__", ".run", ".tool", ".call"];

/// The longest name of a tool that is kept, in bytes; the rest is cut off.
pub const NAME_MAX_BYTES: usize = 256;

/// So many tools of one run are kept by their names, those it called most; the rest are kept together under an empty name.
pub const TOOLS_OF_RUN_MAX: usize = 64;

/// Calls of one tool. They change by difference, and sums wrap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ToolCalls {
    pub n_calls: u64,
    pub n_errors: u64,
    /// How long those took together that have ended.
    pub total: Nanos,
    /// How long each of them took.
    pub durations: Durations,
}

/// The calls that one run made of one tool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolUsage {
    /// Empty for the tools beyond [`TOOLS_OF_RUN_MAX`].
    pub tool: Str,
    pub calls: ToolCalls,
}

/// The name of a tool as the name of its span has it, for spans that do not name the tool elsewhere.
pub fn tool_of_span(span_name: &str) -> &str {
    let name = SPANS.iter().find_map(|span| span_name.strip_prefix(span)).unwrap_or(span_name);
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).filter(|name| !name.is_empty()).unwrap_or(name)
}

/// `name` up to what is kept of it, cut between characters.
pub fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_MAX_BYTES)]
}

/// Keeps the tools that were called most, in the order of their names, and joins the others.
pub fn bound(tools: &mut Vec<ToolUsage>) {
    if tools.len() > TOOLS_OF_RUN_MAX {
        tools.sort_by(|a, b| b.calls.n_calls.cmp(&a.calls.n_calls).then_with(|| a.tool.cmp(&b.tool)));
        let mut others = ToolUsage { tool: Str::from(""), calls: ToolCalls::default() };
        tools.drain(TOOLS_OF_RUN_MAX - 1..).for_each(|tool| others.calls.join(&tool.calls));
        tools.push(others);
        tools.sort_by(|a, b| a.tool.cmp(&b.tool));
    }
}

// === impl ToolCalls ===

impl ToolCalls {
    /// A call; `length` is `None` while it goes on.
    pub fn add(&mut self, has_failed: bool, length: Option<Nanos>) {
        self.n_calls += 1;
        self.n_errors += u64::from(has_failed);
        if let Some(length) = length {
            self.total = Nanos(self.total.0.wrapping_add(length.0));
            self.durations.add(length);
        }
    }

    /// The sums of both.
    pub fn join(&mut self, other: &Self) {
        self.n_calls = self.n_calls.wrapping_add(other.n_calls);
        self.n_errors = self.n_errors.wrapping_add(other.n_errors);
        self.total = Nanos(self.total.0.wrapping_add(other.total.0));
        self.durations.join(&other.durations);
    }

    /// Takes away what was joined; `false` if it was not.
    #[must_use]
    pub fn take_away(&mut self, other: &Self) -> bool {
        let Some(fewer) = self.n_calls.checked_sub(other.n_calls) else { return false };
        self.n_calls = fewer;
        self.n_errors = self.n_errors.wrapping_sub(other.n_errors);
        self.total = Nanos(self.total.0.wrapping_sub(other.total.0));
        self.durations.take_away(&other.durations)
    }

    /// No call took longer: exactly how long the only one took that has ended, of several at most a tenth too much.
    pub fn slowest(&self) -> Option<Nanos> {
        self.durations.bound().map(|bound| bound.min(self.total))
    }

    /// How long a call took on average; `None` where none has ended.
    pub fn mean(&self) -> Option<Nanos> {
        self.total.0.checked_div(self.durations.count()).map(Nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_called_what_its_span_is_called_without_the_rest() {
        let cases = [
            ("execute_tool get_weather", "get_weather"),
            ("tools/call get_weather", "get_weather"),
            ("MCP send tools/call get_weather", "get_weather"),
            ("get_weather", "get_weather"),
            ("get_weather.tool", "get_weather"),
            ("FunctionTool.__call__", "FunctionTool"),
            ("execute_tool ", ""),
            (".run", ".run"),
            ("", ""),
        ];
        for (span, tool) in cases {
            assert_eq!(tool_of_span(span), tool, "{span:?}");
        }
    }

    #[test]
    fn of_very_many_tools_those_called_most_keep_their_names() {
        let usage = |n: usize| {
            let mut calls = ToolCalls::default();
            (0..=n % 100).for_each(|at| calls.add(at == 0, Some(Nanos(1_000_000 * n as u64))));
            ToolUsage { tool: format!("tool-{n:03}").into(), calls }
        };
        let all: Vec<ToolUsage> = (0..100).map(usage).collect();
        let mut bounded = all.clone();
        bound(&mut bounded);
        assert_eq!(bounded.len(), TOOLS_OF_RUN_MAX);
        assert_eq!((&*bounded[0].tool, &*bounded[1].tool), ("", "tool-037"));
        let sum = |tools: &[ToolUsage]| {
            let mut sum = ToolCalls::default();
            tools.iter().for_each(|tool| sum.join(&tool.calls));
            sum
        };
        assert_eq!(sum(&bounded), sum(&all));
        let mut few = all[..TOOLS_OF_RUN_MAX].to_vec();
        bound(&mut few);
        assert_eq!(few, all[..TOOLS_OF_RUN_MAX], "as many as may be stay as they are");
    }

    #[test]
    fn what_was_joined_can_be_taken_away() {
        let mut one = ToolCalls::default();
        one.add(true, Some(Nanos(2_000_000)));
        one.add(false, None);
        let mut other = ToolCalls::default();
        other.add(false, Some(Nanos(900_000_000)));
        let mut both = one.clone();
        both.join(&other);
        assert_eq!((both.n_calls, both.n_errors, both.mean()), (3, 1, Some(Nanos(451_000_000))));
        assert_eq!((other.slowest(), one.slowest()), (Some(Nanos(900_000_000)), Some(Nanos(2_000_000))));
        assert!(both.slowest().is_some_and(|slowest| (900_000_000..990_000_000).contains(&slowest.0)));
        assert!(both.take_away(&other));
        assert_eq!(both, one);
        assert!(!one.take_away(&other), "it is not there");
        assert_eq!(ToolCalls::default().mean(), None);
    }
}
