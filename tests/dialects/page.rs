//! `docs/dialects.md` holds what the recordings come to.
//!
//! `SESSIONFOLD_BLESS=1 cargo test --test dialects page` writes its table anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sessionfold::prices::Prices;

use crate::chain::Received;
use crate::exceptions::EXCEPTIONS;
use crate::judging::{differences, sessions};
use crate::packages::{PACKAGES, Package};
use crate::recording::{self, Recording};

const BEGIN: &str = "<!-- table: begin (made from the recordings by a test) -->\n";
const END: &str = "<!-- table: end -->";

#[test]
fn the_document_shows_what_the_recordings_come_to() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dialects.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("the document marks where the table begins");
    let (shown, tail) = rest.split_once(END).expect("the document marks where the table ends");
    let table = render();
    if std::env::var_os("SESSIONFOLD_BLESS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(shown, table, "run the test with SESSIONFOLD_BLESS=1 to write the table anew");
}

#[test]
fn every_recording_is_of_a_package_of_the_table() {
    let recorded: BTreeSet<String> = recording::all().iter().map(|recording| package_of(recording).to_owned()).collect();
    let listed: BTreeSet<String> = PACKAGES.iter().map(|package| package.recorded.to_owned()).collect();
    assert_eq!(recorded, listed, "tests/dialects/packages.rs lists every recorded package once");
    assert_eq!(listed.len(), PACKAGES.len());
}

/// Of `<package>-<version>--<program>` the package and its version.
fn package_of(recording: &Recording) -> &str {
    recording.name.split("--").next().unwrap()
}

fn render() -> String {
    let recordings = recording::all();
    let mut out = String::from(
        "| package | version | what names the session | exact | not exact, and why | what you can do |\n|---|---|---|---|---|---|\n",
    );
    for package in PACKAGES {
        let of_it: Vec<&Recording> = recordings.iter().filter(|recording| package_of(recording) == package.recorded).collect();
        let judged = Judged::of(&of_it);
        let lines: Vec<String> = package.set_by.iter().map(|line| format!("`{line}`")).collect();
        let cells = [package.name, package.version, &lines.join("<br>"), &judged.exact(), &judged.not_exact(package), package.help];
        writeln!(out, "| {} |", cells.join(" | ").replace("|  |", "| |")).unwrap();
    }
    out
}

/// What the sessions of a package came to.
#[derive(Default)]
struct Judged {
    n_sessions: usize,
    n_exact: usize,
    /// Of sessions whose truth the spans do not hold, in how many each value is another than the program's.
    untold: BTreeMap<&'static str, usize>,
    /// What an exception says: the values, in how many sessions, and why.
    excepted: Vec<(Vec<&'static str>, usize, &'static str)>,
}

impl Judged {
    fn of(recordings: &[&Recording]) -> Self {
        let prices = &Prices::embedded();
        let mut judged = Self::default();
        for recording in recordings {
            let found = sessions(&Received::of(&recording.requests).runs_at(&|call, start| prices.cost(call, start)));
            for (id, truth) in &recording.expected.sessions {
                let differences = differences(truth, found.get(id));
                judged.n_sessions += 1;
                judged.n_exact += usize::from(differences.is_empty());
                for difference in differences.iter().filter(|_| !truth.known) {
                    *judged.untold.entry(difference.what).or_default() += 1;
                }
            }
            for exception in EXCEPTIONS.iter().filter(|exception| exception.recording == recording.name) {
                judged.excepted.push((exception.differs.to_vec(), exception.sessions.len(), exception.reason));
            }
        }
        judged
    }

    fn exact(&self) -> String {
        format!("{} of {} sessions", self.n_exact, self.n_sessions)
    }

    fn not_exact(&self, package: &Package) -> String {
        let mut said = Vec::new();
        for (what, n_sessions, reason) in &self.excepted {
            said.push(format!("{} of {n_sessions}: {reason}", what.join(", ")));
        }
        if !self.untold.is_empty() {
            let counts: Vec<String> = self.untold.iter().map(|(what, n_sessions)| format!("{what} of {n_sessions}")).collect();
            said.push(format!("{}: {}", counts.join(", "), package.untold));
        }
        said.join("<br>")
    }
}
