//! What a session came to, beside what is right.

use std::collections::{BTreeMap, BTreeSet};

use sessionfold::model::run::Run;

use crate::recording::Truth;

/// What a session came to.
#[derive(Default)]
pub struct Found {
    n_runs: u64,
    tokens: u64,
    cost_nanos: u64,
    cached: u64,
    cache_written: u64,
    unpriced: u64,
    agents: BTreeSet<String>,
    users: BTreeSet<String>,
    tools: BTreeMap<String, (u64, u64)>,
}

/// One value that is not right.
pub struct Difference {
    pub what: &'static str,
    pub got: String,
    pub want: String,
}

/// The sessions of these runs.
pub fn sessions(runs: &[Run]) -> BTreeMap<String, Found> {
    let mut sessions: BTreeMap<String, Found> = BTreeMap::new();
    for run in runs {
        let Some(id) = &run.session else { continue };
        let found = sessions.entry(id.as_str().to_owned()).or_default();
        found.n_runs += 1;
        found.tokens += run.usage.tokens;
        found.cost_nanos += run.usage.cost.0;
        found.cached += run.usage.cache_read_tokens;
        found.cache_written += run.usage.cache_write_tokens;
        found.unpriced += run.usage.unpriced_calls;
        found.agents.extend(Some(run.agent.to_string()).filter(|agent| !agent.is_empty()));
        for tool in &run.tools {
            let (calls, errors) = found.tools.entry(tool.tool.to_string()).or_default();
            *calls += tool.calls.n_calls;
            *errors += tool.calls.n_errors;
        }
        found.users.extend(run.user.as_ref().map(|user| user.to_string()));
    }
    sessions
}

/// What is not right about a session; only what the truth states is compared.
pub fn differences(truth: &Truth, found: Option<&Found>) -> Vec<Difference> {
    let Some(found) = found else {
        return vec![Difference { what: "session", got: "missing".into(), want: "there".into() }];
    };
    let named = |names: &Option<Vec<Option<String>>>| {
        let names: Option<BTreeSet<_>> =
            names.as_ref().map(|names| names.iter().flatten().filter(|name| !name.is_empty()).cloned().collect());
        names.map(|names| format!("{names:?}"))
    };
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let cost = |nanos: u64| format!("${:.9}", nanos as f64 / 1e9);
    // A program that names no user has none to be found.
    let users = named(&truth.user_ids).filter(|names| names != "{}");
    let compared = [
        ("runs", number(truth.run_count), found.n_runs.to_string()),
        ("tokens", number(truth.total_tokens), found.tokens.to_string()),
        ("cost", truth.total_cost.map(|dollars| cost((dollars * 1e9).round() as u64)), cost(found.cost_nanos)),
        ("cached", number(truth.cached), found.cached.to_string()),
        ("written", number(truth.cache_written), found.cache_written.to_string()),
        ("unpriced", number(truth.unpriced_calls), found.unpriced.to_string()),
        ("agents", named(&truth.agents), format!("{:?}", found.agents)),
        ("users", users, format!("{:?}", found.users)),
        ("tools", truth.tools.as_ref().map(|tools| format!("{tools:?}")), format!("{:?}", found.tools)),
    ];
    let differs = |(what, want, got): (&'static str, Option<String>, String)| {
        let want = want.filter(|want| *want != got)?;
        Some(Difference { what, got, want })
    };
    compared.into_iter().filter_map(differs).collect()
}
