//! Usage that is told as a running sum: of the calls that a conversation with tools takes, each tells its own and all before it.
//!
//! - Spring AI 1 calls a model again with what its tools answered, adds what was used so far to what the model says, and tells the sum
//!   (`UsageCalculator.getCumulativeUsage`). The spans of these calls stand side by side below one parent, and the tools between them.
//! - Such a call follows another one if a tool was called between the two. What it asks holds what the one before asked, so its own part of
//!   the sum cannot be less than that one's: where it would be, or where the sums tell parts that Spring AI 1 does not add, each is its own.
//! - Its own part is what is left of the sum; that counts and is priced.

use super::tree::Forest;
use crate::model::facts::{SpanFact, SpanKind};
use crate::model::usage::Usage;

/// How Spring AI 1 calls the span of a tool; 2 calls it `execute_tool`, and adds nothing.
const TOOL_SPAN: &str = "tool_call ";

/// Takes off every running sum what the calls before it used.
pub(super) fn take_apart(forest: &mut Forest<'_>) {
    let of_scope = |kind: fn(SpanKind) -> bool| -> Vec<u32> {
        let is_of_it = |&span: &u32| forest.scope(span).traits.tells_running_sums && kind(forest.fact(span).kind);
        (0..forest.len() as u32).filter(is_of_it).collect()
    };
    let mut tools = of_scope(|kind| kind == SpanKind::Tool);
    tools.retain(|&span| forest.fact(span).name.starts_with(TOOL_SPAN));
    if tools.is_empty() {
        return;
    }
    let place = |span: u32| (forest.own_parent(span), forest.start[span as usize], forest.fact(span).span);
    tools.retain(|&span| forest.own_parent(span).is_some());
    tools.sort_by_key(|&span| place(span));
    let mut calls = of_scope(|kind| kind == SpanKind::Llm);
    calls.retain(|&span| forest.own_parent(span).is_some() && sums(forest.fact(span)).is_some());
    calls.sort_by_key(|&span| place(span));
    let is_tool_between = |before: u32, after: u32| {
        let from = (forest.own_parent(before), forest.fact(before).end);
        let next = tools.partition_point(|&tool| (forest.own_parent(tool), forest.start[tool as usize]) < from);
        let until = (forest.own_parent(after), forest.start[after as usize]);
        tools.get(next).is_some_and(|&tool| (forest.own_parent(tool), forest.fact(tool).end) <= until)
    };
    let mut own_parts = Vec::new();
    for same in calls.chunk_by(|&a, &b| forest.own_parent(a) == forest.own_parent(b)) {
        // The call before, its sum, and its own part of that.
        let mut last: Option<(u32, (u64, u64), u64)> = None;
        for &span in same {
            let Some((input, output)) = sums(forest.fact(span)) else { continue };
            let rest = last.filter(|&(before, ..)| is_tool_between(before, span)).and_then(|(_, sum, own_input)| {
                let rest = (input.checked_sub(sum.0)?, output.checked_sub(sum.1)?);
                (rest.0 >= own_input && rest.1 > 0).then_some(rest)
            });
            own_parts.extend(rest.map(|rest| (span, rest)));
            last = Some((span, (input, output), rest.map_or(input, |rest| rest.0)));
        }
    }
    for (span, (input, output)) in own_parts {
        let Some(&sum) = forest.usage(span) else { continue };
        let own = Usage { input_tokens: Some(input), output_tokens: Some(output), total_tokens: None, ..sum };
        forest.mended.insert(span, own);
    }
}

/// Input and output, of what tells both and nothing else.
fn sums(fact: &SpanFact) -> Option<(u64, u64)> {
    let usage = &fact.call.as_deref()?.usage;
    let parts = [usage.cache_read_tokens, usage.cache_write_tokens, usage.reasoning_tokens, usage.cost.map(|cost| cost.0)];
    let tells_parts = parts.into_iter().flatten().any(|part| part > 0);
    Some((usage.input_tokens?, usage.output_tokens?)).filter(|_| !tells_parts)
}
