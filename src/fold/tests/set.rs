//! The set of facts: joining, limits, weight.

use super::build::*;
use crate::fold::{Joined, TraceFacts, TraceLimit};
use crate::model::facts::SpanKind;

#[test]
fn the_later_end_wins_then_the_fuller_copy_and_a_duplicate_changes_nothing() {
    let mut facts = TraceFacts::default();
    let whole = chat(1, 9, 0, (5, 5));
    let mut early = whole.clone().at(0, 5);
    early.call = None;
    assert_eq!(facts.join(early.clone(), ROOMY), Joined::New);
    assert_eq!(facts.join(whole.clone(), ROOMY), Joined::Replaced);
    assert_eq!(facts.join(early, ROOMY), Joined::Unchanged);
    assert_eq!(facts.join(whole.clone(), ROOMY), Joined::Unchanged);
    assert_eq!(facts.iter().collect::<Vec<_>>(), [&whole]);
}

#[test]
fn an_oversized_trace_keeps_what_bears_something_and_says_that_it_is_cut() {
    let limit = TraceLimit { max_spans: 2 };
    let mut facts = TraceFacts::default();
    assert_eq!(facts.join(span(1), limit), Joined::New);
    assert_eq!(facts.join(span(2), limit), Joined::New);
    assert_eq!(facts.join(span(3), limit), Joined::Refused);
    assert!(fold_facts(&facts).runs.is_empty());
    assert_eq!(facts.join(span(4).kind(SpanKind::Agent), limit), Joined::New);
    assert_eq!(facts.join(chat(5, 4, 0, (1, 1)), limit), Joined::New);
    assert_eq!(facts.join(span(6).session("s"), limit), Joined::New);
    assert_eq!(facts.join(span(1).at(0, 2000), limit), Joined::Replaced);
    for bearing in 7..=9 {
        assert_eq!(facts.join(chat(bearing, 4, 0, (1, 1)), limit), Joined::New);
    }
    assert_eq!(facts.join(chat(10, 4, 0, (1, 1)), limit), Joined::Refused);
    assert_eq!((facts.len(), facts.n_refused()), (8, 2));
    assert!(fold_facts(&facts).runs.iter().all(|run| run.is_truncated));
}

#[test]
fn a_restored_set_equals_the_one_that_was_stored_and_weighs_no_more() {
    let facts = facts_of((1..2000).rev().map(|number| chat(number, 9, number, (1, 1)).session("s")));
    assert!(facts.iter().map(|fact| fact.span.to_u64()).eq(1..2000));
    let mut stored: Vec<_> = facts.iter().cloned().collect();
    stored.reverse();
    stored.push(chat(7, 9, 0, (1, 1)).at(0, 1));
    let restored = TraceFacts::restore(stored, 0);
    assert_eq!(restored, facts);
    assert!(restored.weight() <= facts.weight());
    let held: usize = facts.iter().map(|fact| fact.weight()).sum();
    assert!((held..2 * held + 4096).contains(&facts.weight()), "{} for {held}", facts.weight());
    assert_ne!(TraceFacts::restore(vec![span(1)], 0), TraceFacts::restore(vec![span(1)], 1));
}
