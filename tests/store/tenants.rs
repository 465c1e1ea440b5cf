//! Two tenants with the same ids never see each other.

use sessionfold::model::query::SessionQuery;

use super::house::{House, Tuning};
use crate::support::spans::{SECOND, TEN, Tell, agent, chat, request};

#[test]
fn tenants_with_the_same_session_trace_and_span_ids_are_never_mixed() {
    let mut house = House::new(Tuning::restless());
    house.fold("acme", request([agent(1, 1, 0, "of-acme").session("s"), chat(1, 2, 1, (1, 0), 1)]));
    house.fold("other", request([agent(1, 1, 0, "of-other").session("s"), chat(1, 2, 1, (10, 0), 10), chat(1, 3, 1, (10, 0), 10)]));
    house.fold("other", request([agent(2, 1, 0, "of-other").session("s")]));
    let tokens = |house: &House, tenant: &str| house.detail(tenant, "s").map(|(summary, runs)| (summary.total_tokens, runs.len()));
    let names = |house: &House, tenant: &str| house.agents(tenant).iter().map(|agent| agent.name.to_string()).collect::<Vec<_>>();
    for round in 0..3 {
        assert_eq!((tokens(&house, "acme"), tokens(&house, "other")), (Some((1, 1)), Some((20, 2))));
        assert_eq!((names(&house, "acme"), names(&house, "other")), (vec!["of-acme".into()], vec!["of-other".into()]));
        assert_eq!(house.list("acme", &SessionQuery { agent: Some("of-other".into()), ..SessionQuery::default() }).count, 0);
        assert_eq!(house.list("third", &SessionQuery::default()).count, 0);
        match round {
            0 => house.settle(),
            _ => house.crash(),
        }
    }
    // Late spans of the same trace find the facts of their own tenant, also from disk.
    house.settle();
    house.fold("other", request([chat(1, 9, 1, (100, 0), 1)]));
    house.fold("acme", request([chat(1, 9, 1, (1, 0), 1)]));
    assert_eq!((tokens(&house, "acme"), tokens(&house, "other")), (Some((2, 1)), Some((120, 2))));

    house.advance(SECOND);
    assert_eq!(house.delete("third", "s"), None);
    assert_eq!(house.delete("acme", "s"), Some(1));
    for round in 0..3 {
        assert_eq!((tokens(&house, "acme"), tokens(&house, "other")), (None, Some((120, 2))));
        // The tombstone is one tenant's.
        let spans = [agent(1, 1, 0, "of-acme").session("s"), agent(5 + round, 1, 0, "x").session("s").between(TEN - SECOND, TEN)];
        house.fold("acme", request(spans));
        house.crash();
    }
    assert_eq!(house.delete("other", "s"), Some(2));
    assert_eq!(house.sessions("other"), []);
}
