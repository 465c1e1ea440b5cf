//! `docs/coding-agents.md` says of each agent what the program says.
//!
//! The sections are made from the tables; `SESSIONFOLD_BLESS=1` writes them. A test of the real program compares their blocks with what it prints.

use clap::ValueEnum;

use super::agents::{Agent, AgentName, Extra, Format, Line, Managed, Need};
use super::show;
use super::wishes::Asked;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/coding-agents.md");
const HERE: &str = "http://127.0.0.1:4318";
const THERE: &str = "https://sessionfold.example:4318";

#[test]
fn the_page_says_what_the_program_says() {
    let mut page = std::fs::read_to_string(PAGE).unwrap();
    for name in AgentName::value_variants() {
        let begin = format!("<!-- {}: begin (made by a test) -->\n", name.typed());
        let end = format!("<!-- {}: end -->\n", name.typed());
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page lacks {begin}"));
        let (section_there, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page lacks {end}"));
        let expected = section(*name);
        if std::env::var_os("SESSIONFOLD_BLESS").is_some() {
            page = format!("{before}{begin}{expected}{end}{after}");
            std::fs::write(PAGE, &page).unwrap();
        } else {
            assert_eq!(section_there, expected, "SESSIONFOLD_BLESS=1 writes it");
        }
    }
}

fn section(name: AgentName) -> String {
    let agent = name.agent();
    let asked = |address: &str| Asked { address: address.into(), needs_key: false, content: false, traces: false };
    let mut text = String::new();
    if let Some(file) = &agent.file {
        let (path, variable) = show::at_home(file);
        text.push_str(&format!("\nIn `{path}` (`{variable}` moves it):\n"));
    }
    text.push_str(&blocks(name, "", &asked(HERE)));
    let flags: Vec<&str> = [(agent.content, " --content"), (agent.traces, " --traces")]
        .into_iter()
        .filter(|(extra, _)| matches!(extra, Extra::Adds(_)))
        .map(|(_, flag)| flag)
        .collect();
    if !flags.is_empty() {
        text.push_str(&format!("\nWith {}:\n", if flags.len() > 1 { "content and traces" } else { "content" }));
        let all = Asked { content: true, traces: flags.len() > 1, ..asked(HERE) };
        text.push_str(&blocks(name, &flags.concat(), &all));
    }
    match agent.managed {
        Managed::File { linux, mac, what, source } => {
            let mac = if mac == linux { String::new() } else { format!(", on macOS `{mac}`") };
            text.push_str(&format!("\nFor a team, on every machine, in `{linux}`{mac} ({source}).\n{what}\n"));
            let team = Asked { needs_key: true, ..asked(THERE) };
            text.push_str(&blocks(name, &format!(" --managed --with-key --endpoint {THERE}"), &team));
        }
        Managed::Unknown(why) => text.push_str(&format!("\nFor a team: {why}\n")),
    }
    text.push_str("\n| line | there | what it does | known from |\n|---|---|---|---|\n");
    for line in agent.lines.iter().chain(agent.variables) {
        text.push_str(&format!("| `{}` | {} | {} | {} |\n", show::name(line.path), when(line), line.why, line.source));
    }
    text.push_str(&format!("\n**Content.** {}\n", show::extra(agent.content, false, "`--content`")));
    text.push_str(&format!("\n**Traces.** {}\n", show::extra(agent.traces, false, "`--traces`")));
    text.push_str(&list("What leaves the machine", agent.leaves));
    text.push_str(&list("What is not exact", agent.inexact));
    text + "\n"
}

/// The blocks to paste, each below the command that prints it.
fn blocks(name: AgentName, flags: &str, asked: &Asked) -> String {
    let agent: &Agent = name.agent();
    let command = format!("\n<!-- sessionfold setup {}{flags} -->\n", name.typed());
    let language = match agent.file.as_ref().map(|file| file.format) {
        Some(Format::Toml) => "toml",
        _ => "json",
    };
    let settings = show::settings(agent, asked).map(|block| format!("{command}```{language}\n{block}\n```\n"));
    let variables =
        show::variables(agent, asked).map(|block| format!("\n{}:\n{command}```sh\n{block}\n```\n", show::where_variables_go(agent)));
    settings.into_iter().chain(variables).collect()
}

fn when(line: &Line) -> String {
    let needs = line.needs.iter().map(|need| match need {
        Need::Content => "`--content`",
        Need::Traces => "`--traces`",
        Need::Key => "with keys",
    });
    let needs: Vec<&str> = needs.collect();
    if needs.is_empty() { "always".into() } else { needs.join(", ") }
}

fn list(title: &str, items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("- {item}\n")).collect();
    format!("\n**{title}**\n\n{}", items.concat())
}
