//! The claims about the recordings.

use std::fmt::Write as _;

use sessionfold::prices::Prices;

use crate::chain::receive_shuffled;
use crate::exceptions::{EXCEPTIONS, Exception};
use crate::judging::{differences, sessions};
use crate::recording;

#[test]
fn every_known_session_of_every_recording_is_exact_however_its_spans_arrive() {
    let prices = &Prices::embedded();
    let only = std::env::var("ONLY").unwrap_or_default();
    let (mut n_known, mut wrong) = (0, String::new());
    for recording in recording::all().iter().filter(|recording| recording.name.contains(&only)) {
        let received = receive_shuffled(&recording.name, &recording.requests, &[1]);
        let found = sessions(&received.runs_at(&|call, start| prices.cost(call, start)));
        for (id, truth) in recording.expected.sessions.iter().filter(|(_, truth)| truth.known) {
            n_known += 1;
            let differences = differences(truth, found.get(id));
            let is_of_it = |of: &&Exception| of.recording == recording.name && of.sessions.contains(&&**id);
            let exception = EXCEPTIONS.iter().find(is_of_it);
            let differs: Vec<&str> = differences.iter().map(|difference| difference.what).collect();
            match exception {
                Some(exception) if exception.differs == differs => continue,
                Some(exception) => {
                    let _ = writeln!(wrong, "{}, session {id}: no longer as its exception says ({})", recording.name, exception.reason);
                    let _ = writeln!(wrong, "    differs {differs:?}, not {:?}", exception.differs);
                }
                None if differs.is_empty() => continue,
                None => _ = writeln!(wrong, "{}, session {id}:", recording.name),
            }
            for difference in differences {
                let _ = writeln!(wrong, "    {:8} {}, should be {}", difference.what, difference.got, difference.want);
            }
        }
    }
    assert!(n_known > 0, "no recording is called {only}");
    assert!(wrong.is_empty(), "of {n_known} sessions these are not right:\n{wrong}");
}

#[test]
fn every_exception_is_of_a_session_that_is_judged() {
    let recordings = recording::all();
    for exception in EXCEPTIONS {
        let recording = recordings.iter().find(|recording| recording.name == exception.recording).expect(exception.recording);
        for session in exception.sessions {
            assert!(recording.expected.sessions.get(*session).is_some_and(|truth| truth.known), "{} {session}", recording.name);
        }
    }
}
