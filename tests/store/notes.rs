//! What people note of sessions: kept like what agents sent, and gone with its session.

use sessionfold::journal::Position;
use sessionfold::model::note::{NoteChange, NoteText};
use sessionfold::model::query::SessionQuery;
use sessionfold::model::time::Nanos;
use sessionfold::store::local::begin_anew;
use sessionfold::store::{NOTES_MAX_BYTES, NoteError};

use super::house::{House, Tuning};
use crate::support::spans::{SECOND, TEN, Tell, agent, request};

const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

fn star(is_bookmarked: bool) -> NoteChange {
    NoteChange { is_bookmarked: Some(is_bookmarked), text: None }
}

fn words(words: &str) -> NoteChange {
    NoteChange { is_bookmarked: None, text: NoteText::new(words) }
}

fn run_of(trace: u128, session: &str) -> opentelemetry_proto::tonic::trace::v1::Span {
    agent(trace, 1, 0, "a").session(session).between(TEN - MINUTE, TEN - SECOND)
}

/// Whether it is bookmarked, and the text; `None` where nothing is noted or there is no such session.
fn noted(house: &House, tenant: &str, session: &str) -> Option<(bool, String)> {
    let note = house.detail(tenant, session)?.0.note?;
    Some((note.is_bookmarked, note.text.as_str().to_owned()))
}

fn with_bookmark(house: &House, tenant: &str, bookmarked: bool) -> Vec<String> {
    let page = house.list(tenant, &SessionQuery { bookmarked: Some(bookmarked), limit: 100, ..SessionQuery::default() });
    assert_eq!(page.count, page.items.len() as u64);
    page.items.iter().map(|item| item.id.as_str().to_owned()).collect()
}

#[test]
fn a_note_is_there_at_once_after_a_crash_after_a_restart_and_of_its_tenant_only() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        let mut house = House::new(tuning);
        for tenant in ["acme", "other"] {
            house.fold(tenant, request([run_of(1, "s"), run_of(2, "plain")]));
        }
        assert!(house.note("acme", "s", star(true)).unwrap());
        assert!(house.note("acme", "s", words("customer complained,\nticket 1234")).unwrap());
        assert!(!house.note("acme", "nobody", star(true)).unwrap());
        house.settle_if_restless();
        for round in 0..4 {
            assert_eq!(noted(&house, "acme", "s"), Some((true, "customer complained,\nticket 1234".into())), "round {round}");
            assert_eq!(
                (with_bookmark(&house, "acme", true), with_bookmark(&house, "acme", false)),
                (vec!["s".into()], vec!["plain".into()])
            );
            assert_eq!((noted(&house, "other", "s"), with_bookmark(&house, "other", true)), (None, vec![]));
            if round % 2 == 0 {
                house.crash()
            } else {
                house.reopen()
            }
            house.fold("acme", request([run_of(3 + round, "s")]));
        }
        assert!(house.note("acme", "s", star(false)).unwrap());
        house.crash();
        assert_eq!((noted(&house, "acme", "s").map(|(is, _)| is), with_bookmark(&house, "acme", true)), (Some(false), vec![]));
        assert!(house.note("acme", "s", NoteChange::removal()).unwrap());
        house.reopen();
        assert_eq!(noted(&house, "acme", "s"), None);
        assert_eq!(house.count_rows("SELECT count(*) FROM notes"), 0);
    }
}

#[test]
fn a_note_goes_with_its_session_and_does_not_come_back_under_its_name() {
    for tuning in [Tuning::default(), Tuning::restless()] {
        let mut house = House::new(tuning);
        house.fold("acme", request([run_of(1, "s"), run_of(2, "kept")]));
        for session in ["s", "kept"] {
            house.note("acme", session, star(true)).unwrap();
        }
        house.settle_if_restless();
        assert_eq!(house.delete("acme", "s"), Some(1));
        house.advance(MINUTE);
        house.fold("acme", request([agent(4, 1, 0, "a").session("s").between(house.now().0 + SECOND, house.now().0 + 2 * SECOND)]));
        for _ in 0..2 {
            assert_eq!((noted(&house, "acme", "s"), with_bookmark(&house, "acme", true)), (None, vec!["kept".into()]));
            house.crash();
        }
        house.reopen();
        assert_eq!(house.count_rows("SELECT count(*) FROM notes"), 1);
    }
}

#[test]
fn what_expires_takes_its_note_along() {
    let mut house = House::new(Tuning { max_age: Some(Nanos(30 * DAY)), ..Tuning::restless() });
    house.fold("acme", request([run_of(1, "old")]));
    house.note("acme", "old", star(true)).unwrap();
    house.settle();
    house.advance(31 * DAY);
    house.fold("acme", request([agent(2, 1, 0, "a").session("young").between(house.now().0, house.now().0 + SECOND)]));
    house.settle();
    assert_eq!(house.sessions("acme"), [("young".into(), 1)]);
    house.reopen();
    assert_eq!(house.count_rows("SELECT count(*) FROM notes"), 0);
}

/// The span that made the session comes again and names another one: for a moment nobody is in the first.
#[test]
fn a_session_that_has_no_run_for_a_moment_keeps_its_note() {
    let mut house = House::new(Tuning::default());
    house.fold("acme", request([run_of(1, "s")]));
    house.note("acme", "s", star(true)).unwrap();
    house.fold("acme", request([agent(1, 1, 0, "a").session("t").between(TEN - MINUTE, TEN)]));
    assert_eq!(house.sessions("acme"), [("t".into(), 1)]);
    assert_eq!((with_bookmark(&house, "acme", true), with_bookmark(&house, "acme", false)), (vec![], vec!["t".into()]));
    house.crash();
    house.fold("acme", request([run_of(2, "s")]));
    assert_eq!((noted(&house, "acme", "s"), with_bookmark(&house, "acme", true)), (Some((true, String::new())), vec!["s".into()]));
}

#[test]
fn all_notes_of_a_tenant_are_bounded_and_what_gets_shorter_is_always_taken() {
    let house = House::new(Tuning::default());
    let long = words(&"\u{1f600}".repeat(2_000));
    let n_most = NOTES_MAX_BYTES / 8_000;
    let names: Vec<String> = (0..n_most as u128).map(|n| format!("s-{n}")).collect();
    house.fold("acme", request(names.iter().zip(1..).map(|(name, n)| run_of(n, name))));
    let n_taken = names.iter().take_while(|name| house.note("acme", name, long.clone()).is_ok()).count();
    assert!(n_taken < n_most && n_taken > n_most * 9 / 10, "{n_taken} of {n_most}");
    assert!(matches!(house.note("acme", &names[n_taken], long.clone()), Err(NoteError::TooMany)));
    assert!(house.note("acme", &names[0], words("short")).unwrap());
    assert!(house.note("acme", &names[n_taken], long).unwrap());
    house.fold("other", request([run_of(1, "s")]));
    assert!(house.note("other", "s", star(true)).unwrap());
}

/// Changes that only look like some are not written.
#[test]
fn what_is_noted_twice_is_journaled_once() {
    let house = House::new(Tuning::default());
    house.fold("acme", request([run_of(1, "s")]));
    house.note("acme", "s", words("once")).unwrap();
    let (end, first) = (house.journal().end(), house.detail("acme", "s").unwrap().0.note);
    house.advance(MINUTE);
    house.note("acme", "s", words(" once\r\n")).unwrap();
    house.note("acme", "s", NoteChange::default()).unwrap();
    assert_eq!((house.journal().end(), house.detail("acme", "s").unwrap().0.note), (end, first));
}

/// The index is put aside: what people noted comes along, and is shown once the session is there again.
#[test]
fn an_index_that_begins_anew_keeps_the_notes_of_the_old_one() {
    let mut house = House::new(Tuning::default());
    house.fold("acme", request([run_of(1, "s")]));
    house.note("acme", "s", words("ticket")).unwrap();
    house.stop();
    let anew = begin_anew(&house.database(), Position(0)).unwrap().unwrap();
    assert_eq!((anew.n_tombstones, anew.n_notes), (Some(0), Some(1)));
    house.remove_journal();
    house.open().unwrap();
    assert_eq!(house.sessions("acme"), []);
    house.restore("acme", request([run_of(1, "s")])).unwrap();
    house.wait_folded();
    assert_eq!(noted(&house, "acme", "s"), Some((false, "ticket".into())));
}
