//! Which of the sessions that were sent are worth a look first.

use super::truth::{SessionTruth, Truth};

/// Ids of sessions. A small demo has not all of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sights {
    /// One agent and a user, with the most turns.
    pub conversation: Option<String>,
    /// The most agents, at least two.
    pub agents: Option<String>,
    /// One in which a run failed.
    pub failure: Option<String>,
}

// === impl Sights ===

impl Sights {
    /// Of several that are equally good the newest.
    pub fn of(truth: &Truth) -> Self {
        Self {
            conversation: best(truth, |session| (session.agents().len() == 1 && session.errors() == 0).then_some(session.runs.len())),
            agents: best(truth, |session| Some(session.agents().len()).filter(|n_agents| *n_agents > 1)),
            failure: best(truth, |session| (session.errors() > 0).then_some(0)),
        }
    }
}

fn best(truth: &Truth, worth: impl Fn(&SessionTruth) -> Option<usize>) -> Option<String> {
    let fit = truth.iter().filter_map(|(id, session)| Some(((worth(session)?, session.last_activity()), id)));
    fit.max().map(|(_, id)| id.clone())
}

#[cfg(test)]
mod tests {
    use super::super::truth::RunTruth;
    use super::*;

    fn session(runs: &[(&str, u64, bool)]) -> SessionTruth {
        let run = |&(agent, end, is_error): &(&str, u64, bool)| RunTruth { agent: agent.into(), end, is_error, ..RunTruth::default() };
        SessionTruth { runs: runs.iter().map(run).collect() }
    }

    #[test]
    fn the_longest_conversation_the_most_agents_and_the_newest_failure_are_shown() {
        let truth = Truth::from([
            ("old".into(), session(&[("a", 1, false), ("a", 2, false)])),
            ("talk".into(), session(&[("a", 1, false), ("a", 3, false)])),
            ("short".into(), session(&[("a", 9, false)])),
            ("pair".into(), session(&[("a", 1, false), ("b", 2, false), ("a", 3, false)])),
            ("broken".into(), session(&[("a", 4, true), ("a", 4, false), ("a", 4, false)])),
            ("older".into(), session(&[("a", 3, true)])),
        ]);
        let found = |id: &str| Some(id.to_owned());
        assert_eq!(Sights::of(&truth), Sights { conversation: found("talk"), agents: found("pair"), failure: found("broken") });
        assert_eq!(Sights::of(&Truth::new()), Sights::default());
    }
}
