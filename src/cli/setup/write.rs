//! `--write`: shows what would change in an agent's own settings, asks, and writes it.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::DateTime;

use super::agents::{Format, Managed, Value};
use super::edit::{edit, is_on, value};
use super::wishes::KEY_PLACEHOLDER;
use super::{Setup, diff, file, show};
use crate::cli::{fail, print_line};
use crate::clock;
use crate::telemetry::stderr;

pub(super) fn run(setup: &Setup, file: Option<&Path>, yes: bool) -> ExitCode {
    let agent = setup.agent;
    let Some(settings_file) = &agent.file else {
        print_line(show::lines(setup).trim_end());
        return fail(&format!("{} has no settings file for this, only variables: nothing has been written", agent.title));
    };
    let path = match (file, &agent.managed, setup.managed) {
        (Some(path), ..) => path.to_owned(),
        (None, Managed::File { linux, mac, .. }, true) => PathBuf::from(if cfg!(target_os = "macos") { mac } else { linux }),
        _ => match file::locate(settings_file) {
            Ok(path) => path,
            Err(error) => return fail(&error.to_string()),
        },
    };
    write(setup, settings_file.format, &path, yes)
}

fn write(setup: &Setup, format: Format, path: &Path, yes: bool) -> ExitCode {
    let shown = path.display();
    let found = match file::read(path) {
        Ok(found) => found,
        Err(error) => return fail(&error.to_string()),
    };
    let wishes = setup.asked.wishes(setup.agent.lines);
    let edited = match edit(setup.agent, format, &found.text, &wishes) {
        Ok(edited) => edited,
        Err(error) => return fail(&format!("{shown}: {error}; nothing has been written")),
    };
    if edited == found.text {
        print_line(&format!("{shown} says all of this already: nothing to change"));
        conclude(setup, format, &found.text, &edited);
        return ExitCode::SUCCESS;
    }
    let name = if found.is_new() { format!("{shown} (new)") } else { shown.to_string() };
    print_line(diff::diff(format, &name, &found.text, &edited).trim_end());
    match confirm(yes) {
        Answer::Yes => {}
        Answer::No => return fail("nothing has been written"),
        Answer::Nobody => return fail("there is no terminal to ask on, so nothing has been written: --yes writes it"),
    }
    let new_mode = if setup.managed { file::OF_ALL } else { file::OF_ONE };
    match found.replace(&edited, new_mode, DateTime::from_timestamp_nanos(clock::now().0.cast_signed())) {
        Ok(None) => print_line(&format!("wrote {shown}")),
        Ok(Some(backup)) => print_line(&format!("wrote {shown}; what was there is in {}", backup.display())),
        Err(error) => return fail(&error.to_string()),
    }
    conclude(setup, format, &found.text, &edited);
    ExitCode::SUCCESS
}

/// What is left to do, and what a person would not expect.
fn conclude(setup: &Setup, format: Format, before: &str, after: &str) {
    if let Some(block) = show::variables(setup.agent, &setup.asked) {
        print_line(&format!("\n{}:\n\n{block}\n", show::where_variables_go(setup.agent)));
    }
    if after.contains(KEY_PLACEHOLDER) {
        stderr::note(&format!("put your key in the place of {KEY_PLACEHOLDER}; `sessionfold key new --rights ingest` makes one"));
    }
    let extra = show::sends_content(setup, format, after);
    if !extra.is_empty() {
        stderr::warn(&format!("it sends content, though --content was not asked for: {} was there and stays", extra.join(", ")));
    }
    for path in setup.agent.overruled_in_file.iter().filter(|path| is_on(format, after, path)) {
        stderr::warn(&format!("{} stands there, too, and counts more than these lines: see whether it should", show::name(path)));
    }
    for line in setup.agent.lines.iter().filter(|line| matches!(line.value, Value::Address(_))) {
        if let (Some(old), Some(new)) = (value(format, before, line.path), value(format, after, line.path))
            && old != new
        {
            stderr::note(&format!("what went to {} comes here now, with all that the settings make it send", diff::without_password(&old)));
        }
    }
}

enum Answer {
    Yes,
    No,
    /// There is no terminal to ask at.
    Nobody,
}

fn confirm(yes: bool) -> Answer {
    if yes {
        return Answer::Yes;
    }
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout();
    if !std::io::stdin().is_terminal() || !output.is_terminal() {
        return Answer::Nobody;
    }
    let mut answer = String::new();
    let asked = write!(output, "\nWrite this? [y/N] ").and_then(|()| output.flush()).and_then(|()| input.read_line(&mut answer));
    let is_yes = asked.is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str());
    if is_yes { Answer::Yes } else { Answer::No }
}
