//! What spans are called that are made of log events of coding agents (`conventions::agents`), and what their names say.
//!
//! The scope is `sessionfold.logs.<agent>`, with [`BESIDE_SPANS`] or [`TURN`] behind it where that applies.

/// How the scopes begin; the agent's name follows.
pub const SCOPE: &str = "sessionfold.logs";

/// How the scope ends where spans of the same are beside it: for the fold alone.
pub const BESIDE_SPANS: &str = ".beside";

/// How the scope ends of a turn that is over, as Tempo and those behind it get it.
pub const TURN: &str = ".turn";

/// A prompt that is a run only if it leads to a call: a command of the program itself, or one that the agent's spans tell of.
pub const COMMAND_SPAN: &str = "command";

/// The turn that a conversation is which was started in another, whose session it says.
pub const SPAWN_SPAN: &str = "spawned";

/// What was said, where that is kept: what a turn was asked, and what a call answered. They say nothing else.
pub const ASKED_SPAN: &str = "user_prompt";
pub const ANSWERED_SPAN: &str = "assistant_response";

/// What a whole turn cost.
pub const TURN_COST_SPAN: &str = "turn_cost";

/// Whether the spans of a scope are made of log events.
pub fn is_of_logs(scope: &str) -> bool {
    scope.strip_prefix(SCOPE).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether spans of the same are beside them, which stand before them.
pub fn is_beside_spans(scope: &str) -> bool {
    scope.ends_with(BESIDE_SPANS) && is_of_logs(scope)
}

/// Whether they are turns that are over.
pub fn is_turn(scope: &str) -> bool {
    scope.ends_with(TURN) && is_of_logs(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_says_what_its_spans_are_made_of() {
        let said = |scope: &str| [is_of_logs(scope), is_beside_spans(scope), is_turn(scope)];
        assert_eq!(said("sessionfold.logs.codex"), [true, false, false]);
        assert_eq!(said("sessionfold.logs.claude-code.beside"), [true, true, false]);
        assert_eq!(said("sessionfold.logs.claude-code.turn"), [true, false, true]);
        for stranger in ["", "sessionfold", "sessionfold.logsmith", "my.turn", "my.beside"] {
            assert_eq!(said(stranger), [false; 3], "{stranger}");
        }
    }
}
