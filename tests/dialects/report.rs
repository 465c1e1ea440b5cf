use std::collections::BTreeSet;

use sessionfold::prices::Prices;

use crate::chain::{Received, Session};
use crate::recording::{self, Truth};

fn differences(truth: &Truth, session: Option<&Session>) -> Vec<String> {
    let Some(session) = session else { return vec!["missing".into()] };
    let mut found = Vec::new();
    let mut compare = |what: &str, want: String, got: String| {
        if want != got {
            found.push(format!("{what} {got} not {want}"));
        }
    };
    if let Some(want) = truth.run_count {
        compare("runs", want.to_string(), session.run_count.to_string());
    }
    if let Some(want) = truth.total_tokens {
        compare("tokens", want.to_string(), session.tokens.to_string());
    }
    if let Some(want) = truth.total_cost {
        compare("cost", format!("{want:.9}"), format!("{:.9}", session.cost_nanos as f64 / 1e9));
    }
    if let Some(want) = &truth.agents {
        let want: BTreeSet<_> = want.iter().flatten().filter(|name| !name.is_empty()).collect();
        compare("agents", format!("{want:?}"), format!("{:?}", session.agents.iter().collect::<BTreeSet<_>>()));
    }
    if let Some(want) = truth.cached {
        compare("cached", want.to_string(), session.cached.to_string());
    }
    if let Some(want) = truth.cache_written {
        compare("written", want.to_string(), session.cache_written.to_string());
    }
    if let Some(want) = &truth.user_ids {
        let want: BTreeSet<_> = want.iter().flatten().filter(|name| !name.is_empty()).cloned().collect();
        if !want.is_empty() {
            compare("users", format!("{want:?}"), format!("{:?}", session.users));
        }
    }
    found
}

#[test]
fn every_known_session_is_exact() {
    let prices = &Prices::embedded();
    let (mut n_known, mut n_exact) = (0, 0);
    let only = std::env::var("ONLY").unwrap_or_default();
    for recording in recording::all().iter().filter(|recording| recording.name.contains(&only)) {
        let received = Received::of(&recording.requests);
        let sessions = received.sessions_at(&|call, start| prices.cost(call, start));
        for (id, truth) in recording.expected.sessions.iter().filter(|(_, truth)| truth.known) {
            n_known += 1;
            let found = differences(truth, sessions.get(id));
            n_exact += usize::from(found.is_empty());
            if !found.is_empty() {
                println!("{} {id}: {}", recording.name, found.join("; "));
            }
        }
    }
    println!("{n_exact} of {n_known} exact");
    assert_eq!(n_exact, n_known);
}
