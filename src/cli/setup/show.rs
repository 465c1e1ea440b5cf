//! The lines to paste, and what a person should know before pasting them.

use super::Setup;
use super::agents::{Agent, Extra, Format, Line, Managed, Need, SettingsFile};
use super::edit::{dotted, edit, is_on};
use super::wishes::{Asked, KEY_PLACEHOLDER, Wish};

/// All that is printed without `--write`.
pub(super) fn lines(setup: &Setup) -> String {
    let (agent, asked) = (setup.agent, &setup.asked);
    let mut text = format!("{} ({}), to {}\n", agent.title, agent.version, setup.server.address);
    if let Some(block) = settings(agent, asked) {
        text.push_str(&format!("\n{}:\n\n{block}\n", where_to(setup)));
    }
    if let Some(block) = variables(agent, asked) {
        text.push_str(&format!("\n{}:\n\n{block}\n", where_variables_go(agent)));
    }
    let all: Vec<Wish> = [agent.lines, agent.variables].into_iter().flat_map(|lines| asked.wishes(lines)).collect();
    let width = all.iter().map(|wish| name(wish.path).len()).max().unwrap_or_default();
    text.push_str("\nWhat each line does\n");
    for wish in &all {
        text.push_str(&format!("  {:width$}  {}\n", name(wish.path), wish.why));
    }
    if asked.needs_key {
        text.push_str(&format!("\n`sessionfold key new --rights ingest` makes a key to put in the place of {KEY_PLACEHOLDER}.\n"));
    }
    text.push_str(&format!("\nContent\n  {}\n", extra(agent.content, asked.content, "--content")));
    text.push_str(
        "  Of events sessionfold keeps no content, unless its setting agents.keep_content says so; spans go on to Tempo as they came.\n",
    );
    text.push_str(&format!("\nTraces\n  {}\n", extra(agent.traces, asked.traces, "--traces")));
    text.push_str(&list("What leaves this machine", agent.leaves));
    text.push_str(&list("What is not exact", agent.inexact));
    text.push_str(&list("How this is known", &sources(setup, &all)));
    if !setup.managed {
        text.push_str(&format!("\nThen start `{}` anew.\n", agent.command));
    }
    text
}

/// What goes into the settings file, as a file of its own.
pub(super) fn settings(agent: &Agent, asked: &Asked) -> Option<String> {
    let file = agent.file.as_ref()?;
    let block = edit(agent, file.format, "", &asked.wishes(agent.lines)).ok()?;
    Some(block.trim_end().to_owned())
}

/// What goes into the environment, as lines for a shell.
pub(super) fn variables(agent: &Agent, asked: &Asked) -> Option<String> {
    let lines: Vec<String> =
        asked.wishes(agent.variables).iter().map(|wish| format!("export {}={}", dotted(wish.path), wish.text())).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Lines that are there, though they were not asked for, and send content.
pub(super) fn sends_content(setup: &Setup, format: Format, text: &str) -> Vec<&'static str> {
    let is_extra = |line: &&Line| line.needs.contains(&Need::Content) && !setup.asked.content && is_on(format, text, line.path);
    setup.agent.lines.iter().filter(is_extra).filter_map(|line| line.path.last().copied()).collect()
}

/// The settings file as people write it, and the variable that moves it.
pub(super) fn at_home(file: &SettingsFile) -> (String, &'static str) {
    let name = file.names.last().copied().unwrap_or_default();
    (format!("~/{}/{name}", file.below_home), file.variable.0)
}

/// What people call a setting.
pub(super) fn name(path: &[&str]) -> String {
    // The outermost key of Claude Code's is the environment.
    dotted(path.strip_prefix(&["env"]).unwrap_or(path))
}

pub(super) fn extra(extra: Extra, is_asked: bool, flag: &str) -> String {
    match (extra, is_asked) {
        (Extra::Adds(what), true) => format!("Sent, as asked: {what}."),
        (Extra::Adds(what), false) => format!("Not sent; {flag} adds {what}."),
        (Extra::Same(why), _) => why.to_owned(),
    }
}

pub(super) fn where_variables_go(agent: &Agent) -> String {
    let before = if agent.file.is_some() { "And in" } else { "It has no settings file for this. In" };
    format!("{before} the environment that `{}` is started from (~/.profile, ~/.zshenv)", agent.command)
}

fn where_to(setup: &Setup) -> String {
    match (&setup.agent.managed, setup.managed, &setup.agent.file) {
        (Managed::File { linux, mac, what, .. }, true, _) => {
            let mac = if mac == linux { String::new() } else { format!(" (macOS: {mac})") };
            format!("{what}\nInto {linux}{mac} of every machine")
        }
        (_, _, Some(file)) => {
            let (path, variable) = at_home(file);
            format!("Into {path} (${variable} moves it); `sessionfold setup {} --write` keeps what is there", setup.name.typed())
        }
        _ => String::new(),
    }
}

/// Each once, in the order met.
fn sources(setup: &Setup, wishes: &[Wish]) -> Vec<&'static str> {
    let file_source = setup.agent.file.as_ref().map(|file| file.source);
    let managed = match setup.agent.managed {
        Managed::File { source, .. } if setup.managed => Some(source),
        _ => None,
    };
    let mut sources: Vec<&'static str> = Vec::new();
    for source in wishes.iter().map(|wish| wish.source).chain(file_source).chain(managed) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

fn list(title: &str, items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("  - {item}\n")).collect();
    format!("\n{title}\n{}", items.concat())
}
