//! The index against the oracle: whatever happens, both say the same.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::oracle::{Oracle, overlaps, run};
use super::*;
use crate::model::note::{NoteChange, NoteText};
use crate::model::query::{SessionQuery, Sort, StatusFilter};
use crate::model::run::RunStatus;
use crate::model::usage::UsageTotal;

fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

fn sort(field: SortField, descending: bool) -> Sort {
    Sort { field, descending }
}

/// Few values, so that ties, boundaries and straddling windows are the rule.
fn any_run() -> impl Strategy<Value = Run> {
    let agent = prop::sample::select(vec!["", "a", "b", "c"]);
    let status = prop::sample::select(vec![RunStatus::Running, RunStatus::Success, RunStatus::Error, RunStatus::Timeout]);
    let amount = prop_oneof![Just(0), 0..3_u64, Just(u64::MAX / 2 + 1)];
    (agent, status, 0..12_u64, 0..12_u64, prop::bool::weighted(0.15), amount.clone(), amount, 0..2_u64, 0..3_u32).prop_map(
        |(agent, status, start, end, is_future, cost, tokens, unpriced_calls, tool_errors)| Run {
            status,
            completed_at: (status != RunStatus::Running).then_some(UnixNanos(end)),
            usage: UsageTotal { cost: NanoUsd(cost), tokens, unpriced_calls, ..UsageTotal::default() },
            is_future,
            tool_errors: tool_errors.saturating_sub(1),
            ..run(agent, start, end)
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Insert(usize, Run),
    /// A run of the session, counted modulo, becomes another.
    Update(usize, usize, Run),
    Leave(usize, usize),
    Move(usize, usize, usize),
    Remove(usize),
    /// Something is noted: whether it is bookmarked, and how long the text is.
    Note(usize, bool, usize),
    Restart {
        is_bulk: bool,
    },
    Query(SessionQuery),
    Idle(u64, usize),
}

const NAMES: [&str; 9] = ["s-1", "S-1", "s-10", "s", "longer-session-id-0001", "longer-session-id-0002", "Ä%_\\[x]", "日本", "zz\0"];

fn any_query() -> impl Strategy<Value = SessionQuery> {
    let search =
        prop::option::weighted(0.3, prop::sample::select(vec!["s", "S-1", "%", "_", "\\", "[X", "ä", "本", "0", "sess", "nope", "z\0"]));
    let session = prop::option::weighted(0.1, prop::sample::select(NAMES.to_vec()));
    let agent = prop::option::weighted(0.3, prop::sample::select(vec!["a", "b", "c", "none", ""]));
    let status =
        prop::option::weighted(0.2, prop::sample::select(vec![StatusFilter::Running, StatusFilter::Error, StatusFilter::ToolError]));
    let bound = || prop::option::weighted(0.4, (0..13_u64).prop_map(UnixNanos));
    let sort = (prop::sample::select(SortField::ALL.to_vec()), any::<bool>()).prop_map(|(field, descending)| Sort { field, descending });
    let bookmarked = prop::option::weighted(0.2, any::<bool>());
    (search, session, agent, (status, bookmarked), bound(), bound(), sort, 1..6_usize, 0..11_usize).prop_map(
        |(search, session, agent, (status, bookmarked), start, end, sort, limit, offset)| SessionQuery {
            bookmarked,
            search: search.map(str::to_owned),
            session_id: session.map(id),
            agent: agent.map(str::to_owned),
            user: None,
            start,
            end,
            status,
            sort,
            limit,
            offset,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let session = || 0..NAMES.len();
    prop_oneof![
        6 => (session(), any_run()).prop_map(|(session, run)| Step::Insert(session, run)),
        5 => (session(), 0..8_usize, any_run()).prop_map(|(session, at, run)| Step::Update(session, at, run)),
        3 => (session(), 0..8_usize).prop_map(|(session, at)| Step::Leave(session, at)),
        2 => (session(), 0..8_usize, session()).prop_map(|(from, at, to)| Step::Move(from, at, to)),
        1 => session().prop_map(Step::Remove),
        2 => (session(), any::<bool>(), 0..3_usize).prop_map(|(session, is_bookmarked, length)| Step::Note(session, is_bookmarked, length)),
        1 => any::<bool>().prop_map(|is_bulk| Step::Restart { is_bulk }),
        8 => any_query().prop_map(Step::Query),
        1 => (0..13_u64, 0..5_usize).prop_map(|(floor, limit)| Step::Idle(floor, limit)),
    ]
}

#[derive(Default)]
struct Pair {
    index: SessionIndex,
    oracle: Oracle,
    n_recomputes: usize,
}

impl Pair {
    fn number(&mut self, session: usize) -> SessionNo {
        let no = self.index.number(&id(NAMES[session]));
        self.oracle.sessions.entry(no).or_insert_with(|| (id(NAMES[session]), Vec::new()));
        no
    }

    fn change(&mut self, session: usize, at: Option<usize>, after: Option<Run>) -> Option<Run> {
        let no = self.number(session);
        let runs = &mut self.oracle.sessions.get_mut(&no).unwrap().1;
        let before = at.filter(|_| !runs.is_empty()).map(|at| runs.remove(at % runs.len()));
        runs.extend(after.clone());
        let applied = self.index.apply(no, before.as_ref(), after.as_ref());
        match applied {
            Applied::Removed => assert!(runs.is_empty()),
            Applied::Exact => assert_eq!(runs.is_empty(), before.is_none() && after.is_none()),
            Applied::Recompute => {
                // Whatever it holds now, it answers, and its sums are exact.
                let row = self.index.row(no).unwrap();
                assert_eq!(row.summary.run_count, runs.len() as u64);
                for field in SortField::ALL {
                    assert_eq!(
                        self.index
                            .list(&SessionQuery { sort: sort(field, true), ..SessionQuery::default() }, &mut |_, _, _| true)
                            .items
                            .len(),
                        self.index.len()
                    );
                }
                self.index.recompute(no, runs.iter());
                self.n_recomputes += 1;
            }
        }
        if runs.is_empty() && applied == Applied::Removed {
            self.oracle.sessions.remove(&no);
        }
        before
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Insert(session, run) => {
                self.change(session, None, Some(run));
            }
            Step::Update(session, at, run) => {
                self.change(session, Some(at), Some(run));
            }
            Step::Leave(session, at) => {
                self.change(session, Some(at), None);
            }
            Step::Move(from, at, to) => {
                if let Some(run) = self.change(from, Some(at), None) {
                    self.change(to, None, Some(run));
                }
            }
            Step::Remove(session) => {
                let no = self.number(session);
                self.index.remove(no);
                self.oracle.sessions.remove(&no);
            }
            Step::Note(session, is_bookmarked, length) => {
                let change = NoteChange { is_bookmarked: Some(is_bookmarked), text: NoteText::new(&"x".repeat(length)) };
                let note = change.applied(None, UnixNanos(length as u64)).map(Arc::new);
                self.index.set_note(&id(NAMES[session]), note.clone());
                self.oracle.notes.remove(&id(NAMES[session]));
                self.oracle.notes.extend(note.map(|note| (id(NAMES[session]), note)));
            }
            Step::Restart { is_bulk } => self.restart(is_bulk),
            Step::Query(query) => self.compare(&query),
            Step::Idle(floor, limit) => {
                assert_eq!(self.index.idle_since(UnixNanos(floor), limit), self.oracle.idle_since(UnixNanos(floor), limit));
            }
        }
    }

    fn restart(&mut self, is_bulk: bool) {
        self.oracle.sessions.retain(|_, (_, runs)| !runs.is_empty());
        let mut fresh = SessionIndex::new(self.index.next_no());
        self.oracle.notes.iter().for_each(|(id, note)| fresh.set_note(id, Some(note.clone())));
        let rows: Vec<_> = self.oracle.sessions.keys().filter_map(|no| self.index.row(*no)).collect();
        if is_bulk {
            fresh.restore_all(rows);
        } else {
            rows.into_iter().rev().for_each(|row| fresh.restore(row));
        }
        self.index = fresh;
    }

    fn compare(&self, query: &SessionQuery) {
        let mut asked = Vec::new();
        let page = self.index.list(query, &mut |no, start, end| {
            asked.push(no);
            self.oracle.runs(no).iter().any(|run| overlaps(run, start, end))
        });
        assert_eq!(page, self.oracle.list(query), "{query:?}");
        let whole = SessionQuery { offset: 0, limit: usize::MAX, ..query.clone() };
        let all =
            self.index.select_all(query, None, &mut |no, start, end| self.oracle.runs(no).iter().any(|run| overlaps(run, start, end)));
        let expected: Vec<_> = self.oracle.list(&whole).items.into_iter().map(|summary| Some(summary.id)).collect();
        assert_eq!(all.into_iter().map(|no| self.index.id_of(no)).collect::<Vec<_>>(), expected, "{query:?}");
        asked.sort();
        assert!(asked.windows(2).all(|pair| pair[0] != pair[1]), "a session was asked about twice");
    }

    fn compare_all(&self) {
        let rows = self.oracle.rows();
        assert_eq!(rows.iter().map(|row| self.index.row(row.no)).collect::<Vec<_>>(), rows.iter().cloned().map(Some).collect::<Vec<_>>());
        assert_eq!(self.index.len(), rows.len());
        assert_eq!(self.index.agents(&AgentQuery { offset: 0, limit: usize::MAX }).items, self.oracle.agents());
        for field in SortField::ALL {
            for descending in [false, true] {
                let all = SessionQuery { sort: sort(field, descending), limit: 100, ..SessionQuery::default() };
                self.compare(&all);
                // Since some time, and until it.
                for at in [0, 4, 8, 200].map(UnixNanos) {
                    self.compare(&SessionQuery { start: Some(at), offset: 1, ..all.clone() });
                    self.compare(&SessionQuery { end: Some(at), limit: 2, ..all.clone() });
                }
            }
        }
        let n_note_bytes: usize = self.oracle.notes.iter().map(|(id, note)| id.as_str().len() + note.weight()).sum();
        assert_eq!(self.index.note_bytes(), n_note_bytes);
        let is_shown = |id: &SessionId| rows.iter().any(|row| row.summary.id == *id);
        let mut left_over: Vec<_> =
            self.oracle.notes.iter().filter(|(id, note)| !is_shown(id) && note.changed_at.0 < 2).map(|(id, _)| id.clone()).collect();
        left_over.sort();
        let mut told = self.index.notes_left_over(UnixNanos(2));
        told.sort();
        assert_eq!(told, left_over);
        let n_shares: usize = rows.iter().map(|row| row.agents.len()).sum();
        let n_id_bytes: usize = self.oracle.sessions.values().map(|(id, _)| id.as_str().len()).sum();
        assert_eq!((self.index.n_shares, self.index.n_id_bytes), (n_shares, n_id_bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_index_equals_the_oracle(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut pair = Pair::default();
        for step in steps {
            pair.take(step);
        }
        pair.compare_all();
        pair.restart(true);
        pair.compare_all();
    }
}

/// Many sessions, so that blocks split and merge, selection and both kinds of search are used.
#[test]
fn a_large_index_equals_the_oracle_on_every_kind_of_query() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut draw = |upper: usize| (0..upper).new_tree(&mut runner).unwrap().current();
    let mut index = SessionIndex::default();
    let mut oracle = Oracle::default();
    for number in 0..1_500 {
        let name = id(&format!("{}-{:05}", ["Chat", "session", "s"][draw(3)], number * 7_919 % 1_500));
        let no = index.number(&name);
        let n_runs = 1 + draw(3);
        let runs: Vec<Run> = (0..n_runs)
            .map(|_| {
                let start = draw(400) as u64;
                run(["a", "b", "rare"][[0, 0, 0, 0, 0, 1, 1, 1, 1, 2][draw(10)] * usize::from(draw(4) > 0)], start, start + draw(30) as u64)
            })
            .collect();
        for run in &runs {
            assert_eq!(index.apply(no, None, Some(run)), Applied::Exact);
        }
        oracle.sessions.insert(no, (name, runs));
    }
    let gone: Vec<SessionNo> = oracle.sessions.keys().copied().filter(|no| no.0 % 3 == 0).collect();
    for no in gone {
        index.remove(no);
        oracle.sessions.remove(&no);
    }
    let pair = Pair { index, oracle, n_recomputes: 0 };
    pair.compare_all();
    for _ in 0..400 {
        let some = |text: &[&str], at: usize| text.get(at).map(|text| (*text).to_owned());
        let start = Some(UnixNanos(draw(400) as u64)).filter(|_| draw(2) == 0);
        pair.compare(&SessionQuery {
            search: some(&["s", "chat-", "00", "012", "S-0", "nothing"], draw(12)),
            agent: some(&["a", "b", "rare"], draw(6)),
            start,
            end: start.map(|start| UnixNanos(start.0 + draw(100) as u64)).filter(|_| draw(3) > 0),
            sort: sort(SortField::ALL[draw(7)], draw(2) == 0),
            limit: 1 + draw(100),
            offset: [0, draw(1_100), draw(60)][draw(3)],
            ..SessionQuery::default()
        });
    }
}
