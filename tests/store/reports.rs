//! What the SDK tells over HTTP, alone and beside its spans: each run is there once, with what is known of it.

use sessionfold::model::ids::RunId;
use sessionfold::model::run::{Run, RunStatus};
use sessionfold::model::time::Nanos;
use sessionfold::store::RunPost;

use super::house::{House, Tuning};
use crate::support::posts::*;
use crate::support::spans::{SECOND, TEN, Tell};

const GPT: Used = ("gpt-4o", 120, 30, 600);
const HAIKU: Used = ("claude-haiku", 7, 5, 90);
const TRACE: u128 = 0xabc;

pub fn minted(number: u64) -> RunId {
    RunId::mint(number)
}

/// The runs once all is folded that follows from what came.
pub fn runs(house: &House) -> Vec<Run> {
    house.wait_folded();
    house.tick();
    house.runs("acme")
}

fn both() -> [Tuning; 2] {
    [Tuning::default(), Tuning::restless()]
}

fn play(house: &House, posts: &[RunPost]) {
    for post in posts {
        house.post("acme", post.clone());
        house.advance(SECOND);
    }
}

fn only(house: &House) -> Run {
    let runs = runs(house);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.into_iter().next().unwrap()
}

fn used(run: &Run) -> (u64, u64) {
    (run.usage.tokens, run.usage.cost.0)
}

#[test]
fn a_run_that_was_only_started_shows_as_running_at_once() {
    let house = House::new(Tuning::default());
    play(&house, &[start(minted(1), "bot", "s")]);
    let run = only(&house);
    assert_eq!((run.id, run.status, run.completed_at, run.trace_id()), (minted(1), RunStatus::Running, None, None));
    assert_eq!((&*run.agent, run.started_at.0, run.last_activity.0), ("bot", TEN, TEN));
    assert_eq!(house.sessions("acme"), [("s".into(), 1)]);
    assert!(house.run("acme", run.id).is_some());
}

#[test]
fn a_killed_agent_times_out_and_a_late_sign_of_life_takes_that_back() {
    for tuning in both() {
        let tuning = Tuning { run_timeout: Nanos(60 * SECOND), sweep_interval: std::time::Duration::ZERO, ..tuning };
        let mut house = House::new(tuning);
        play(&house, &[start(minted(1), "bot", "s"), calls(minted(1), &[GPT])]);
        assert_eq!(only(&house).status, RunStatus::Running);
        house.advance(120 * SECOND);
        assert_eq!((only(&house).status, used(&only(&house))), (RunStatus::Timeout, (150, 600_000)));
        assert_eq!(house.detail("acme", "s").unwrap().0.running_count, 0);
        house.crash();
        assert_eq!(only(&house).status, RunStatus::Timeout);
        play(&house, &[calls(minted(1), &[HAIKU])]);
        assert_eq!((only(&house).status, used(&only(&house))), (RunStatus::Running, (162, 690_000)));
    }
}

#[test]
fn a_run_that_was_blocked_or_not_sampled_is_one_run_without_spans() {
    for tuning in both() {
        let house = House::new(tuning);
        play(&house, &[start(minted(1), "blocked", "s"), complete(minted(1), "blocked", None)]);
        let posts = [start(minted(2), "unsampled", "s"), calls(minted(2), &[GPT]), complete(minted(2), "success", Some((TRACE, 9)))];
        play(&house, &posts);
        let runs = runs(&house);
        let shown: Vec<_> =
            runs.iter().map(|run| (&*run.agent, run.status, run.trace_id().is_some(), run.usage.tokens, run.n_spans)).collect();
        assert_eq!(shown, [("blocked", RunStatus::Blocked, false, 0, 0), ("unsampled", RunStatus::Success, true, 150, 0)]);
        assert_eq!(house.sessions("acme"), [("s".into(), 2)]);
        assert!(runs.iter().all(|run| run.completed_at.is_some() && !run.is_untraced));
    }
}

/// The same posts, and the spans anywhere between them, in one request or in several, repeated or not.
#[test]
fn spans_give_the_same_run_wherever_they_come_between_the_posts() {
    let run = minted(1);
    let posts = [start(run, "bot", "s"), calls(run, &[GPT, HAIKU]), complete(run, "success", Some((TRACE, 1))), calls(run, &[GPT])];
    let spans = [
        call_span((TRACE, 2), 1, GPT, false).between(TEN + SECOND, TEN + 2 * SECOND),
        call_span((TRACE, 3), 1, HAIKU, false).between(TEN + 2 * SECOND, TEN + 3 * SECOND),
        call_span((TRACE, 4), 1, GPT, false).between(TEN + SECOND, TEN + 2 * SECOND),
        agent_span((TRACE, 1), 0, "bot", "s", Some(&run.to_string())).between(TEN, TEN + 3 * SECOND),
    ];
    let mut known: Option<Vec<Run>> = None;
    // An agent's span bears an id that was given: it cannot come before its start.
    for before in 1..=posts.len() {
        for tuning in both() {
            for is_split in [false, true] {
                let mut house = House::new(tuning.clone());
                play(&house, &posts[..before]);
                if is_split {
                    spans.iter().rev().chain(&spans).for_each(|span| house.send("acme", export([span.clone()])));
                } else {
                    house.send("acme", export(spans.clone()));
                }
                play(&house, &posts[before..]);
                let shown = runs(&house);
                assert_eq!(*known.get_or_insert_with(|| shown.clone()), shown, "{before}, {is_split}, {tuning:?}");
                house.crash();
                assert_eq!(shown, runs(&house), "{before}, {is_split}, {tuning:?}: after a crash");
            }
        }
    }
    let known = known.unwrap();
    assert_eq!(known.len(), 1);
    assert_eq!((used(&known[0]), known[0].usage.calls, known[0].suppressed.calls), ((312, 1_290_000), 3, 0));
    assert_eq!((known[0].id, known[0].started_at.0, known[0].completed_at.unwrap().0), (run, TEN, TEN + 3 * SECOND));
}

#[test]
fn a_post_that_is_repeated_after_a_lost_answer_counts_once_and_two_calls_alike_count_twice() {
    for tuning in both() {
        let mut house = House::new(tuning);
        let run = minted(1);
        play(&house, &[start(run, "bot", "s"), calls(run, &[GPT])]);
        house.unanswered("acme", calls(run, &[GPT]));
        play(&house, &[calls(run, &[GPT])]);
        assert_eq!(only(&house).usage.calls, 1, "the same call again");
        play(&house, &[calls(run, &[GPT])]);
        assert_eq!(only(&house).usage.calls, 2, "another call, which is like it");
        house.crash();
        assert_eq!(only(&house).usage.calls, 2);
    }
}

/// The note was taken for one about the call before, which is like it and was answered: the repetition did not count.
#[test]
fn a_note_about_a_post_that_was_never_taken_is_none_about_one_like_it() {
    for tuning in both() {
        let house = House::new(tuning);
        let run = minted(1);
        play(&house, &[start(run, "bot", "s"), calls(run, &[GPT])]);
        house.unanswered_since("acme", calls(run, &[GPT]), house.now());
        play(&house, &[calls(run, &[GPT])]);
        assert_eq!(only(&house).usage.calls, 2);
    }
}

#[test]
fn a_post_that_is_repeated_after_a_crash_counts_once_within_a_minute() {
    for tuning in both() {
        let mut house = House::new(tuning);
        let run = minted(1);
        play(&house, &[start(run, "bot", "s"), calls(run, &[GPT])]);
        house.wait_folded();
        house.crash();
        play(&house, &[calls(run, &[GPT])]);
        assert_eq!(only(&house).usage.calls, 1, "its answer may have been lost");
        play(&house, &[calls(run, &[GPT])]);
        assert_eq!(only(&house).usage.calls, 2, "its answer was not lost");
        house.crash();
        house.advance(61 * SECOND);
        play(&house, &[calls(run, &[GPT])]);
        assert_eq!(only(&house).usage.calls, 3, "nobody repeats a post after a minute");
    }
}

#[test]
fn a_start_whose_answer_was_lost_is_not_shown_unless_more_is_told_of_it() {
    let house = House::new(Tuning::default());
    play(&house, &[start(minted(1), "bot", "s")]);
    house.unanswered("acme", start(minted(1), "bot", "s"));
    play(&house, &[start(minted(2), "bot", "s")]);
    assert_eq!(only(&house).id, minted(2));
    play(&house, &[calls(minted(1), &[GPT])]);
    assert_eq!(runs(&house).len(), 2, "its agent had heard of it after all");
}

/// What was started in the last minute was remembered in memory and in the journal beyond the checkpoint, so that a crash after a
/// checkpoint left both runs.
#[test]
fn a_start_that_is_repeated_after_a_crash_is_one_run_whenever_the_last_checkpoint_was() {
    for tuning in both() {
        let mut house = House::new(tuning);
        play(&house, &[start(minted(1), "bot", "s"), start(minted(2), "other", "s")]);
        house.wait_folded();
        house.settle_if_restless();
        house.crash();
        play(&house, &[start(minted(3), "bot", "s")]);
        let shown: Vec<RunId> = runs(&house).iter().map(|run| run.id).collect();
        assert_eq!(shown, [minted(2), minted(3)]);
        house.crash();
        assert_eq!(runs(&house).len(), 2);
    }
}

/// A start whose sender went away before it was journaled left a note about a run that never was, and that showed as running.
#[test]
fn a_note_about_a_start_that_was_never_taken_makes_no_run() {
    for tuning in both() {
        let mut house = House::new(tuning);
        house.unanswered("acme", start(minted(1), "bot", "s"));
        play(&house, &[partial(minted(2)), score(minted(3), "stars", 5.0)]);
        assert_eq!(runs(&house), []);
        house.crash();
        assert_eq!(runs(&house), []);
        assert!(house.run("acme", minted(2)).is_none());
    }
}

#[test]
fn the_only_agent_span_that_bears_the_id_of_a_run_is_that_run() {
    for tuning in both() {
        let mut house = House::new(tuning);
        let run = minted(1);
        play(&house, &[start(run, "bot", "s"), calls(run, &[GPT])]);
        house.send("acme", export([agent_span((TRACE, 1), 0, "bot", "s", Some(&run.to_string())), call_span((TRACE, 2), 1, GPT, false)]));
        let shown = only(&house);
        assert_eq!((shown.id, used(&shown), shown.status), (run, (150, 600_000), RunStatus::Success));
        // Another one claims it: nobody knows which is right, so there are three runs.
        house.send("acme", export([agent_span((TRACE + 1, 1), 0, "bot", "s", Some(&run.to_string()))]));
        assert_eq!(runs(&house).len(), 3);
        // Its completion says.
        play(&house, &[complete(run, "error", Some((TRACE + 1, 1)))]);
        let known: Vec<_> = runs(&house).iter().filter(|shown| shown.id == run).map(|run| (run.key.trace, run.status)).collect();
        assert_eq!(known, [(runs(&house).iter().find(|shown| shown.id == run).unwrap().key.trace, RunStatus::Error)]);
        assert_eq!(runs(&house).len(), 2);
        house.crash();
        assert_eq!(runs(&house).len(), 2);
    }
}

#[test]
fn the_numbers_of_other_servers_are_never_taken_for_ours() {
    for tuning in both() {
        let house = House::new(tuning);
        let foreign = RunId::new(4711).unwrap();
        let spans = [agent_span((TRACE, 1), 0, "a", "s", Some("4711")), agent_span((TRACE + 1, 1), 0, "b", "s", Some("4711"))];
        house.send("acme", export(spans));
        play(&house, &[calls(foreign, &[GPT]), complete(foreign, "error", None)]);
        let shown: Vec<_> = runs(&house).iter().map(|run| (run.agent.to_string(), run.usage.calls, run.is_reported)).collect();
        assert_eq!(shown.len(), 2);
        assert!(shown.iter().all(|(_, n_calls, is_reported)| *n_calls == 0 && !is_reported), "{shown:?}");
    }
}

#[test]
fn tenants_never_mix_even_where_they_were_given_one_number() {
    for tuning in both() {
        let mut house = House::new(tuning);
        let run = minted(1);
        house.post("acme", start(run, "bot", "s"));
        house.send("other", export([agent_span((TRACE, 1), 0, "spy", "t", Some(&run.to_string()))]));
        house.post("other", calls(run, &[HAIKU]));
        house.post("other", complete(run, "success", Some((TRACE, 1))));
        house.post("acme", calls(run, &[GPT]));
        assert_eq!((used(&only(&house)), only(&house).status), ((150, 600_000), RunStatus::Running));
        let theirs = house.runs("other");
        assert_eq!((theirs.len(), used(&theirs[0]), &*theirs[0].agent), (1, (12, 90_000), "spy"));
        house.crash();
        assert_eq!(used(&only(&house)), (150, 600_000));
        assert_eq!(house.run("other", run).unwrap().run.agent, "spy".into());
        assert!(house.run("nobody", run).is_none());
    }
}
