//! The corners, by hand.

use super::oracle::run;
use super::*;
use crate::model::Str;
use crate::model::query::{SessionQuery, Sort};
use crate::model::usage::UsageTotal;

fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

fn sort(field: SortField, descending: bool) -> Sort {
    Sort { field, descending }
}

fn never(_: SessionNo, _: UnixNanos, _: UnixNanos) -> bool {
    panic!("no session of this test straddles the window")
}

fn all_agents(index: &SessionIndex) -> Vec<AgentSummary> {
    index.agents(&AgentQuery::default()).items
}

/// One run per session, all alike but for what the test sets.
fn index_of(sessions: &[(&str, Run)]) -> SessionIndex {
    let mut index = SessionIndex::default();
    for (name, run) in sessions {
        let no = index.number(&id(name));
        let _ = index.apply(no, None, Some(run));
    }
    index
}

fn ids(page: &Page<SessionSummary>) -> Vec<&str> {
    page.items.iter().map(|item| item.id.as_str()).collect()
}

fn search(index: &SessionIndex, text: &str) -> Vec<String> {
    let query = SessionQuery { search: Some(text.into()), sort: sort(SortField::SessionId, false), ..SessionQuery::default() };
    let page = index.list(&query, &mut never);
    assert_eq!(page.count, page.items.len() as u64);
    ids(&page).into_iter().map(str::to_owned).collect()
}

#[test]
fn an_empty_index_answers_everything_with_nothing() {
    let mut index = SessionIndex::new(SessionNo(7));
    for field in SortField::ALL {
        for descending in [false, true] {
            for search in [None, Some("x".to_owned())] {
                let query = SessionQuery { search, sort: sort(field, descending), start: Some(UnixNanos(1)), ..SessionQuery::default() };
                assert_eq!(index.list(&query, &mut never), Page { items: vec![], count: 0 });
            }
        }
    }
    assert_eq!(index.list(&SessionQuery::default(), &mut never).count, 0);
    assert_eq!(all_agents(&index), []);
    assert_eq!(index.idle_since(UnixNanos::MAX, 10), []);
    assert!(index.is_empty());
    assert_eq!(index.apply(SessionNo(3), None, Some(&run("a", 1, 2))), Applied::Removed);
    index.remove(SessionNo(3));
    index.recompute(SessionNo(3), [run("a", 1, 2)].iter());
    assert!(index.is_empty());
    assert_eq!(index.next_no(), SessionNo(7));
}

#[test]
fn a_minted_session_is_listed_once_it_has_a_run() {
    let mut index = SessionIndex::new(SessionNo(5));
    let no = index.number(&id("s"));
    assert_eq!((no, index.number(&id("s")), index.find(&id("s")), index.next_no()), (SessionNo(5), no, Some(no), SessionNo(6)));
    assert_eq!((index.len(), index.row(no)), (0, None));
    assert_eq!(search(&index, "s"), [""; 0]);
    let by_id = SessionQuery { session_id: Some(id("s")), ..SessionQuery::default() };
    assert_eq!(index.list(&by_id, &mut never).count, 0);
    assert_eq!(index.apply(no, None, Some(&run("a", 1, 2))), Applied::Exact);
    assert_eq!((index.len(), index.list(&by_id, &mut never).count), (1, 1));
    assert_eq!(search(&index, "s"), ["s"]);
}

#[test]
fn a_number_is_never_used_again_though_its_row_is() {
    let mut index = SessionIndex::default();
    let first = index.number(&id("s"));
    let gone = run("a", 1, 2);
    assert_eq!(index.apply(first, None, Some(&gone)), Applied::Exact);
    assert_eq!(index.apply(first, Some(&gone), None), Applied::Removed);
    assert_eq!(index.find(&id("s")), None);
    let second = index.number(&id("s"));
    assert!(second > first);
    assert_eq!(index.apply(first, None, Some(&gone)), Applied::Removed);
    assert_eq!(index.len(), 0);
    index.restore(SessionRow { no: SessionNo(90), ..row_of("r", &[gone]) });
    assert_eq!(index.number(&id("t")), SessionNo(91));
}

fn row_of(name: &str, runs: &[Run]) -> SessionRow {
    let mut index = SessionIndex::default();
    let no = index.number(&id(name));
    index.recompute(no, runs.iter());
    index.row(no).unwrap()
}

#[test]
fn equal_keys_are_ordered_by_id_ascending_in_both_directions() {
    let index =
        index_of(&[("c", run("x", 1, 5)), ("a", run("x", 1, 9)), ("d", run("x", 1, 5)), ("b", run("x", 1, 5)), ("e", run("x", 1, 1))]);
    let list = |field, descending| {
        let page = index.list(&SessionQuery { sort: sort(field, descending), ..SessionQuery::default() }, &mut never);
        ids(&page).concat()
    };
    assert_eq!(list(SortField::LastActivity, true), "abcde");
    assert_eq!(list(SortField::LastActivity, false), "ebcda");
    assert_eq!(list(SortField::RunCount, true), "abcde");
    assert_eq!(list(SortField::RunCount, false), "abcde");
    assert_eq!(list(SortField::SessionId, false), "abcde");
    assert_eq!(list(SortField::SessionId, true), "edcba");
}

#[test]
fn deep_offsets_and_offsets_past_the_end_keep_the_count() {
    let mut index = SessionIndex::default();
    for number in 0..3_000_u64 {
        let no = index.number(&id(&format!("s{number:05}")));
        let _ = index.apply(no, None, Some(&run("x", number / 7, number / 7)));
    }
    let at = |offset, descending| {
        let query = SessionQuery { offset, limit: 3, sort: sort(SortField::FirstRun, descending), ..SessionQuery::default() };
        let page = index.list(&query, &mut never);
        assert_eq!(page.count, 3_000);
        ids(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(at(2_998, false), ["s02998", "s02999"]);
    assert_eq!(at(3_000, false), [""; 0]);
    assert_eq!(at(usize::MAX, true), [""; 0]);
    // 3000 = 428 * 7 + 4: the last group has four sessions.
    assert_eq!(at(2, true), ["s02998", "s02999", "s02989"]);
    assert_eq!(at(2_996, true), ["s00003", "s00004", "s00005"]);
}

#[test]
fn search_takes_special_characters_literally_and_folds_only_ascii() {
    let index = index_of(&[
        ("100%", run("x", 1, 2)),
        ("a_b", run("x", 1, 2)),
        ("aXb", run("x", 1, 2)),
        ("back\\slash", run("x", 1, 2)),
        ("br[ack].*et", run("x", 1, 2)),
        ("Größe-ÄÖ", run("x", 1, 2)),
        ("nul\0byte", run("x", 1, 2)),
        ("日本語", run("x", 1, 2)),
    ]);
    assert_eq!(search(&index, "%"), ["100%"]);
    assert_eq!(search(&index, "_"), ["a_b"]);
    assert_eq!(search(&index, "\\"), ["back\\slash"]);
    assert_eq!(search(&index, "[ACK]"), ["br[ack].*et"]);
    assert_eq!(search(&index, ".*"), ["br[ack].*et"]);
    assert_eq!(search(&index, "axB"), ["aXb"]);
    assert_eq!(search(&index, "gRö"), ["Größe-ÄÖ"]);
    assert_eq!(search(&index, "-äö"), [""; 0]);
    assert_eq!(search(&index, "\0"), ["nul\0byte"]);
    assert_eq!(search(&index, "本"), ["日本語"]);
    assert_eq!(search(&index, &"x".repeat(600)), [""; 0]);
    // Ids lie one behind the other; a match never reaches across.
    assert_eq!(search(&index, "%a"), [""; 0]);
    assert_eq!(search(&index, "b").len(), 5);
}

#[test]
fn search_finds_what_is_there_after_many_ids_came_and_went() {
    let mut index = SessionIndex::default();
    let name = |number: usize| format!("{}-{number}-{}", "Pad".repeat(number % 40), number * 31);
    let alive = |number: usize| number % 5 == 3;
    for round in 0..3 {
        for number in 0..4_000 {
            let no = index.number(&id(&name(number)));
            let _ = index.apply(no, None, Some(&run("x", 1, 2)));
        }
        let nos: Vec<_> = (0..4_000).filter(|number| !alive(*number)).map(|number| index.find(&id(&name(number))).unwrap()).collect();
        nos.into_iter().for_each(|no| index.remove(no));
        for needle in ["-3-", "pad-13", "7", "PADPADPAD-1"] {
            let mut expected: Vec<_> = (0..4_000).filter(|n| alive(*n)).map(name).collect();
            expected.retain(|id| id.to_ascii_lowercase().contains(&needle.to_ascii_lowercase()));
            expected.sort();
            let query = SessionQuery {
                search: Some(needle.into()),
                sort: sort(SortField::SessionId, false),
                limit: usize::MAX,
                ..SessionQuery::default()
            };
            let page = index.list(&query, &mut never);
            assert_eq!(ids(&page), expected, "{needle} in round {round}");
        }
    }
    assert!(index.text.memory_bytes() < 400_000, "{} bytes for 800 ids", index.text.memory_bytes());
}

#[test]
fn only_a_session_that_straddles_the_window_is_asked_about() {
    let mut index =
        index_of(&[("before", run("x", 10, 20)), ("over", run("x", 10, 90)), ("in", run("x", 45, 50)), ("after", run("x", 80, 90))]);
    let no = index.number(&id("straddles"));
    let _ = index.apply(no, None, Some(&run("x", 1, 30)));
    let _ = index.apply(no, None, Some(&run("x", 70, 95)));
    for (answer, expected) in [(true, vec!["in", "over", "straddles"]), (false, vec!["in", "over"])] {
        let query = SessionQuery {
            start: Some(UnixNanos(40)),
            end: Some(UnixNanos(60)),
            sort: sort(SortField::SessionId, false),
            ..SessionQuery::default()
        };
        let mut asked = Vec::new();
        let page = index.list(&query, &mut |no, start, end| {
            asked.push((no, start.0, end.0));
            answer
        });
        assert_eq!(ids(&page), expected);
        assert_eq!(asked, [(no, 40, 60)]);
        let searched = SessionQuery { search: Some("v".into()), ..query };
        assert_eq!(ids(&index.list(&searched, &mut never)), ["over"]);
    }
    // An end that lies on the edge of the window lies inside it; and the edges of time are never crossed.
    let edges = [(Some(1), Some(60)), (Some(40), Some(95)), (Some(40), None), (None, Some(60))];
    for (start, end) in edges.map(|(start, end)| (start.map(UnixNanos), end.map(UnixNanos))) {
        let query = SessionQuery { start, end, search: Some("straddles".into()), ..SessionQuery::default() };
        assert_eq!(index.list(&query, &mut never).count, 1);
        assert_eq!(index.list(&SessionQuery { session_id: Some(id("straddles")), ..query }, &mut never).count, 1);
    }
}

#[test]
fn a_window_that_ends_before_it_starts_holds_nothing() {
    let index = index_of(&[("s", run("x", 10, 90))]);
    let query = SessionQuery { start: Some(UnixNanos(60)), end: Some(UnixNanos(40)), ..SessionQuery::default() };
    assert_eq!(index.list(&query, &mut never).count, 0);
    assert_eq!(index.list(&SessionQuery { session_id: Some(id("s")), ..query }, &mut never).count, 0);
}

#[test]
fn a_run_that_ends_before_it_starts_was_active_at_its_start() {
    let index = index_of(&[("s", run("x", 100, 50))]);
    let count = |start, end| {
        let query = SessionQuery { start: Some(UnixNanos(start)), end: Some(UnixNanos(end)), ..SessionQuery::default() };
        index.list(&query, &mut never).count
    };
    assert_eq!((count(40, 60), count(99, 101), count(40, 99), count(100, 100)), (0, 1, 0, 1));
    let row = index.row(index.find(&id("s")).unwrap()).unwrap();
    assert_eq!((row.summary.last_activity, row.summary.total_duration), (UnixNanos(100), Nanos(0)));
}

#[test]
fn a_future_run_shows_its_times_and_cannot_lead_the_list() {
    let future = Run { is_future: true, ..run("x", 1_000, 2_000) };
    let mut index = index_of(&[("future", future.clone()), ("now", run("x", 10, 20)), ("both", run("x", 5, 15))]);
    let both = index.find(&id("both")).unwrap();
    assert_eq!(index.apply(both, None, Some(&future)), Applied::Exact);
    let page = index.list(&SessionQuery::default(), &mut never);
    assert_eq!(ids(&page), ["now", "both", "future"]);
    assert_eq!(page.items[1].last_activity, UnixNanos(2_000));
    let later = SessionQuery { start: Some(UnixNanos(1_500)), ..SessionQuery::default() };
    assert_eq!(ids(&index.list(&later, &mut never)), ["both", "future"]);
    assert_eq!(index.idle_since(UnixNanos(100), 9), [index.find(&id("now")).unwrap()]);

    // A believable run joins one that is not: only the runs can tell that there was none before.
    let no = index.find(&id("future")).unwrap();
    let new = run("x", 30, 40);
    assert_eq!(index.apply(no, None, Some(&new)), Applied::Recompute);
    index.recompute(no, [future, new].iter());
    assert_eq!(index.row(no).unwrap().sort_first_run, UnixNanos(30));
}

#[test]
fn only_a_bound_that_shrinks_asks_for_all_runs() {
    let (early, middle, late) = (run("a", 10, 20), run("a", 12, 30), run("a", 15, 40));
    let mut index = index_of(&[("s", early.clone())]);
    let no = index.find(&id("s")).unwrap();
    assert_eq!(index.apply(no, None, Some(&late)), Applied::Exact);
    assert_eq!(index.apply(no, None, Some(&middle)), Applied::Exact);
    assert_eq!(index.apply(no, Some(&middle), Some(&run("a", 11, 39))), Applied::Exact);
    assert_eq!(index.apply(no, Some(&run("a", 11, 39)), Some(&middle)), Applied::Exact);
    for holder in [&early, &late] {
        assert_eq!(index.apply(no, Some(holder), Some(holder)), Applied::Exact, "what holds a bound comes back with it");
    }
    assert_eq!(index.apply(no, Some(&late), Some(&run("a", 15, 41))), Applied::Exact, "the maximum grows");
    assert_eq!(index.apply(no, Some(&run("a", 15, 41)), Some(&late)), Applied::Recompute, "the maximum shrinks");
    index.recompute(no, [early.clone(), middle.clone(), late.clone()].iter());
    let renamed = run("b", 12, 30);
    assert_eq!(index.apply(no, Some(&middle), Some(&renamed)), Applied::Exact, "neither bound of agent a was its own");
    assert_eq!(index.apply(no, Some(&early), None), Applied::Recompute);
    index.recompute(no, [renamed.clone(), late.clone()].iter());
    let row = index.row(no).unwrap();
    assert_eq!(row.summary.agents, ["b".into(), "a".into()]);
    assert_eq!(index.apply(no, Some(&late), None), Applied::Recompute);
    index.recompute(no, [renamed.clone()].iter());
    assert_eq!(all_agents(&index).len(), 1);
    assert_eq!(index.apply(no, Some(&renamed), None), Applied::Removed);
    assert_eq!((index.len(), all_agents(&index)), (0, vec![]));
}

#[test]
fn nonsense_from_the_caller_asks_for_all_runs_and_breaks_nothing() {
    let mut index = SessionIndex::default();
    let no = index.number(&id("s"));
    let _ = index.apply(no, None, Some(&run("a", 10, 20)));
    let _ = index.apply(no, None, Some(&run("a", 10, 20)));
    assert_eq!(index.apply(no, Some(&run("never came", 50, 60)), Some(&run("a", 11, 12))), Applied::Recompute);
    index.recompute(no, [run("a", 1, 2)].iter());
    assert_eq!(index.row(no).unwrap(), SessionRow { no, ..row_of("s", &[run("a", 1, 2)]) });
    let other = index.number(&id("t"));
    assert_eq!(index.apply(other, Some(&run("a", 50, 60)), None), Applied::Removed);
    index.recompute(no, std::iter::empty());
    assert_eq!((index.len(), all_agents(&index), index.find(&id("s"))), (0, vec![], None));
}

#[test]
fn agents_come_in_the_order_of_their_first_runs_and_ties_by_name() {
    let mut index = SessionIndex::default();
    let no = index.number(&id("s"));
    for run in [run("z", 5, 6), run("m", 9, 9), run("b", 5, 5), run("", 1, 1), run("a", 7, 7), run("m", 2, 3)] {
        assert_eq!(index.apply(no, None, Some(&run)), Applied::Exact);
    }
    let row = index.row(no).unwrap();
    assert_eq!(row.summary.agents, ["m", "b", "z", "a"].map(Str::from));
    assert_eq!(row.agents[0], AgentShare { run_count: 2, first_run: UnixNanos(2), last_activity: UnixNanos(9) });
    let by_agent = |name: &str| index.list(&SessionQuery { agent: Some(name.into()), ..SessionQuery::default() }, &mut never).count;
    assert_eq!((by_agent("m"), by_agent("M"), by_agent("")), (1, 0, 0));
}

#[test]
fn restoring_an_id_or_a_number_that_is_taken_replaces_it() {
    let mut index = index_of(&[("a", run("x", 1, 2)), ("b", run("y", 3, 4))]);
    index.restore(SessionRow { no: SessionNo(1), ..row_of("a", &[run("z", 5, 6)]) });
    assert_eq!((index.len(), index.find(&id("a")), index.find(&id("b"))), (1, Some(SessionNo(1)), None));
    assert_eq!(all_agents(&index).len(), 1);
    let twice = [
        SessionRow { no: SessionNo(7), ..row_of("c", &[run("z", 5, 6)]) },
        SessionRow { no: SessionNo(7), ..row_of("d", &[run("z", 5, 6)]) },
    ];
    index.restore_all(twice);
    let page = index.list(&SessionQuery { sort: sort(SortField::SessionId, false), ..SessionQuery::default() }, &mut never);
    assert_eq!((ids(&page).concat().as_str(), all_agents(&index)[0].run_count), ("ad", 2));
}

#[test]
fn an_agent_that_goes_with_a_replaced_session_does_not_lend_its_number() {
    let mut index = SessionIndex::default();
    let row = |no, name: &str, agent: &str| SessionRow { no: SessionNo(no), ..row_of(name, &[run(agent, 1, 2)]) };
    // Each time the agent of what is replaced has no session any more, and comes again.
    index.restore_all([row(1, "a", "x"), row(1, "b", "y"), row(2, "c", "x"), row(2, "c", "z"), row(3, "d", "x"), row(4, "e", "y")]);
    let agents: Vec<_> = all_agents(&index).into_iter().map(|agent| (agent.name.to_string(), agent.run_count)).collect();
    assert_eq!(agents, [("x".to_owned(), 1), ("y".to_owned(), 2), ("z".to_owned(), 1)]);
}

#[test]
fn ids_that_begin_alike_are_put_back_in_order() {
    let names =
        ["s-1", "s-", "s-10000000", "s-100000000", "s-2", "s-1000000000", "s-1\u{e4}", "s-1\u{1}", "s-1\0", "s-1\0\0\0\0\0\0\0\0\0"];
    let rows = |names: &[&str]| -> Vec<SessionRow> {
        names.iter().zip(1..).map(|(name, no)| SessionRow { no: SessionNo(no), ..row_of(name, &[run("x", 1, 2)]) }).collect()
    };
    for names in [&names[..], &["t", "s-1", "s-"], &["alone"], &[]] {
        let mut index = SessionIndex::default();
        index.restore_all(rows(names));
        for field in [SortField::SessionId, SortField::RunCount] {
            let page = index.list(&SessionQuery { sort: sort(field, false), ..SessionQuery::default() }, &mut never);
            let mut sorted = names.to_vec();
            sorted.sort_unstable();
            assert_eq!(ids(&page), sorted);
        }
    }
}

#[test]
fn a_session_takes_at_most_400_bytes_beyond_its_id_and_agents() {
    let mut index = SessionIndex::default();
    // Every table and column grows several times on the way, so the worst moment after such a growth is among those measured.
    let n = 40_000_u64;
    let mut worst = 0;
    for i in 0..n {
        let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let no = index.number(&id(&format!("{:08x}-{:04x}-4000-8000-{:012x}", mixed as u32, mixed >> 48, i)));
        let usage = UsageTotal { tokens: mixed >> 40, cost: NanoUsd(mixed >> 20), ..UsageTotal::default() };
        let run = Run { usage, ..run("agent", mixed >> 10, (mixed >> 10) + (mixed >> 50)) };
        assert_eq!(index.apply(no, None, Some(&run)), Applied::Exact);
        if i > 10_000 && i % 64 == 0 {
            worst = worst.max(index.memory_bytes().lists / index.len());
        }
    }
    let touched: Vec<_> = (0..n as u32).step_by(3).map(SessionNo).collect();
    for no in &touched {
        let _ = index.apply(*no, None, Some(&run("agent", u64::MAX >> 8, u64::MAX >> 7)));
    }
    worst = worst.max(index.memory_bytes().lists / index.len());
    assert!(worst <= 400, "{worst} bytes a session; {:?} for {}", index.memory_bytes(), index.len());
    // An eighth of the sessions is left: memory may lag behind, but not by everything.
    for no in (0..n as u32).filter(|no| no % 8 != 0) {
        index.remove(SessionNo(no));
    }
    let left = index.memory_bytes().lists / index.len();
    assert!(left < 2_000, "{left} bytes a session are left");
}

#[test]
fn agents_are_listed_page_by_page_in_the_order_of_their_names() {
    let names: Vec<String> = (0..25).map(|at| format!("agent-{:02}", at * 7 % 25)).collect();
    let sessions: Vec<(&str, Run)> = names.iter().map(|name| (name.as_str(), run(name, 1, 10))).collect();
    let index = index_of(&sessions);
    let mut listed = Vec::new();
    for offset in (0..40).step_by(10) {
        let page = index.agents(&AgentQuery { offset, limit: 10 });
        assert_eq!(page.count, 25);
        listed.extend(page.items.into_iter().map(|agent| agent.name.to_string()));
    }
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
}
