//! What should be looked at, in words, with the next step.

use super::facts::{Facts, TempoState};
use crate::model::status::{Gauge, Scope, Severity, Unit, Warning};
use crate::params::format::{length, size};

/// What waits longer than this to be folded is worth a word.
const FOLD_LAG_SECONDS: u64 = 10;
/// Limits that nobody is served beyond.
const OUTAGES: [&str; 4] = ["disk", "file_descriptors", "journal", "memory"];
/// More than this waits for Tempo only if it takes less than comes, or was away.
const TEMPO_LAG_BYTES: u64 = 64 << 20;

pub(super) fn warnings(facts: &Facts, limits: &[Gauge], scope: Scope) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |severity, about, text: String, next_step: &str| {
        warnings.push(Warning { severity, about, text, next_step: next_step.to_owned() });
    };
    store(facts, &mut warn);
    tempo(facts, &mut warn);
    for gauge in limits.iter().filter(|gauge| gauge.is_near()) {
        let (used, limit) = (amount(gauge.used, gauge.unit), amount(gauge.limit, gauge.unit));
        let text = format!("{}: {used} of {limit} are used ({} %).", gauge.label, gauge.percent());
        let next_step = format!("{} The limit: {}.", gauge.advice, gauge.setting);
        let severity = if OUTAGES.contains(&gauge.key) && gauge.percent() >= 95 { Severity::Critical } else { Severity::Warning };
        warn(severity, gauge.key, text, &next_step);
    }
    if scope == Scope::Server {
        for variable in &facts.misspelled {
            warn(Severity::Warning, "server", format!("The environment variable {variable}"), "Correct its name and restart.");
        }
    }
    warnings
}

fn store(facts: &Facts, warn: &mut impl FnMut(Severity, &'static str, String, &str)) {
    use Severity::{Critical, Warning};
    if facts.journal.is_poisoned {
        let text = "The journal has stopped after a failed write: nothing is accepted.".to_owned();
        warn(Critical, "journal", text, "Look at the disk, then restart: what was acknowledged is read again.");
    }
    if facts.store.fold_problem.is_some() {
        let text = "The index has stopped: spans are accepted and forwarded, and sessions do not change.".to_owned();
        warn(Critical, "fold", text, "Restart. Report what the log says with \"the fold stopped\".");
    }
    if facts.store.checkpoint_problem.is_some() {
        let text = "The index database cannot be written. Nothing is lost: the journal keeps what it lacks, and grows.".to_owned();
        warn(Critical, "checkpoint", text, "Check the free space and the permissions of the data directory; the log has the error.");
    }
    let is_explained = facts.journal.is_poisoned || facts.store.fold_problem.is_some() || facts.store.checkpoint_problem.is_some();
    if let Some(reason) = facts.not_ready.as_ref().filter(|_| !is_explained) {
        warn(Critical, "server", format!("Not ready: {reason}."), "Orchestrators send no traffic here meanwhile (/readyz).");
    }
    let fold = &facts.fold;
    let is_behind = fold.lag.0 > FOLD_LAG_SECONDS * 1_000_000_000;
    if is_behind && facts.store.fold_problem.is_none() {
        let (waiting, age, rest) = (size(fold.lag_bytes), length(fold.lag), length(fold.catch_up));
        let text =
            format!("{waiting} were accepted and are not in the sessions yet, the oldest of them for {age}; what waits takes {rest}.");
        warn(
            Warning,
            "fold",
            text,
            "It catches up by itself once less arrives. If it never does, this machine is too small for what is sent.",
        );
    }
}

fn tempo(facts: &Facts, warn: &mut impl FnMut(Severity, &'static str, String, &str)) {
    use Severity::Warning;
    let Some(tempo) = &facts.tempo else { return };
    let waiting = size(tempo.lag_bytes);
    if tempo.state == TempoState::Away {
        let text = format!("Tempo does not answer: {waiting} wait in the journal, and nothing is lost while it has room.");
        warn(Warning, "tempo", text, "Check whether Tempo is running; `sessionfold check --tempo` says what it answers.");
    } else if tempo.lag_bytes > TEMPO_LAG_BYTES {
        let text = match tempo.drain {
            Some(drain) => format!("{waiting} are waiting for Tempo. At the current rate it has all of them in {}.", length(drain)),
            None => format!("{waiting} are waiting for Tempo, and the backlog is not shrinking."),
        };
        warn(
            Warning,
            "tempo",
            text,
            "Nothing to do while the backlog shrinks. If it grows, Tempo takes less than arrives: look at its limits.",
        );
    }
    if tempo.dropped_spans > 0 {
        let text = format!("Tempo refused {} spans for good since the start; the sessions have them.", tempo.dropped_spans);
        warn(Warning, "tempo", text, "The log names some, with the reason (\"tempo will never have these spans\").");
    }
}

fn amount(number: u64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => size(number),
        Unit::Count => number.to_string(),
        Unit::Seconds => format!("{number} s"),
    }
}
