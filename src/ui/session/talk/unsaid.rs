//! What a model answered where its own span does not tell: what the next call was given has it.
//!
//! - OpenLLMetry's Ollama and Pipecat tell the words of an answer, and not which tools it asked for.
//! - Only what follows the user's last words is of this turn; the rest was told when it was said.

use super::turn::{Spoken, Trace, said};
use crate::model::facts::{SpanKind, SpanStatus};
use crate::ui::messages::{Call, Message, Part, Role};

/// Looks for the answers that are missing.
pub(super) fn fill(trace: &Trace<'_>, spoken: &mut [Spoken<'_>]) {
    for next in 1..spoken.len() {
        if !is_silent(&spoken[next - 1]) {
            continue;
        }
        let Some(carried) = trace.read(spoken[next].span.span, &|_| true) else { continue };
        let answer = last_calls(&said(&carried).input);
        let told = || spoken.iter().flat_map(|spoken| &spoken.output).flat_map(calls);
        if !answer.iter().flat_map(calls).any(|call| told().any(|told| told == call)) {
            spoken[next - 1].output = answer.into_iter().collect();
        }
    }
}

/// A call of a model that went well and tells no word of its answer.
fn is_silent(spoken: &Spoken<'_>) -> bool {
    let span = spoken.span;
    let is_call = span.kind == SpanKind::Llm && span.call.is_some() && span.status != SpanStatus::Error;
    is_call && spoken.output.is_empty() && spoken.error.is_none()
}

/// What the assistant said last, if that is behind the user's last words and asks for tools.
fn last_calls(input: &[Message]) -> Option<Message> {
    let last = input.iter().rfind(|message| matches!(message.role, Role::User | Role::Assistant))?;
    (last.role == Role::Assistant && calls(last).next().is_some()).then(|| last.clone())
}

fn calls(message: &Message) -> impl Iterator<Item = &Call> {
    message.parts.iter().filter_map(|part| if let Part::Call(call) = part { Some(call) } else { None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ui::messages::Answer;

    #[test]
    fn calls_are_the_answer_where_no_user_spoke_after_them() {
        let message = |role: Role, part: Part| Message { role, parts: vec![part] };
        let user = || message(Role::User, Part::Text("Weather?".into()));
        let call = message(Role::Assistant, Part::Call(Call { id: None, name: "get_weather".into(), arguments: json!({"city": "Oslo"}) }));
        let answer = || message(Role::Tool, Part::Answer(Answer { id: None, name: None, parts: vec![], is_error: false }));
        let said = message(Role::Assistant, Part::Text("It is sunny.".into()));
        assert_eq!(last_calls(&[user(), call.clone(), answer()]), Some(call.clone()));
        assert_eq!(last_calls(&[user(), call.clone(), answer(), said.clone(), user()]), None);
        assert_eq!(last_calls(&[user(), call, answer(), said]), None);
        assert_eq!(last_calls(&[]), None);
    }
}
