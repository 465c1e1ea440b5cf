//! `sessionfold setup`: makes a coding agent send to this server.
//!
//! - Without `--write` it only prints: the lines to paste, what each does, and what then leaves the machine.
//! - It asks for no key and prints none: where the server wants one, a placeholder stands in its place.
//! - What is known of each agent is data (`agents`); what it changes is compared with what was there before it is written.

mod agents;
mod diff;
mod edit;
mod file;
mod json;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod page;
mod server;
mod show;
mod toml;
mod wishes;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use self::agents::{Agent, AgentName, Managed};
use self::server::Server;
use self::wishes::Asked;
use super::{Settings, health, print_line, refuse};
use crate::config::Config;
use crate::telemetry::stderr;

/// Long enough for a server on this machine, short enough for whoever waits.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "Examples:
  sessionfold setup claude-code                   the lines to paste, what each does, what leaves this machine
  sessionfold setup claude-code --write           puts them into ~/.claude/settings.json, after showing what changes
  sessionfold setup codex --content               the same, sending what was asked, too
  sessionfold setup gemini --managed --endpoint https://sessionfold.example:4318
                                                  the file for every machine of a team

The address is that of the server with these settings: give the flags, the file and the variables that it runs with. All agents: \
docs/coding-agents.md.";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SetupArgs {
    /// Which coding agent
    #[arg(value_name = "AGENT")]
    agent: AgentName,
    /// Put the lines into the agent's own settings, after showing what changes and asking
    #[arg(long)]
    write: bool,
    /// Do not ask
    #[arg(long, requires = "write")]
    yes: bool,
    /// The settings file, where it is not where the agent looks for it
    #[arg(long, value_name = "PATH", requires = "write")]
    file: Option<PathBuf>,
    /// Send content, too: prompts, answers, what tools were given and found
    #[arg(long)]
    content: bool,
    /// Send traces, too
    #[arg(long)]
    traces: bool,
    /// For all machines of a team: the file that counts more than everybody's own settings
    #[arg(long)]
    managed: bool,
    /// The server wants a key, though these settings have none
    #[arg(long)]
    with_key: bool,
    /// Where the agent reaches the server, if that is not the address that it listens on
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// What everything that is said or written depends on.
struct Setup {
    name: AgentName,
    agent: &'static Agent,
    server: Server,
    asked: Asked,
    managed: bool,
}

pub(super) fn run(args: &SetupArgs, config: &Config) -> ExitCode {
    let server = match server::server(config, args.endpoint.as_deref()) {
        Ok(server) => server,
        Err(problem) => return refuse(&problem),
    };
    let agent = args.agent.agent();
    let asked =
        Asked { address: server.address.clone(), needs_key: server.needs_key || args.with_key, content: args.content, traces: args.traces };
    let setup = Setup { name: args.agent, agent, server, asked, managed: args.managed };
    if let (true, Managed::Unknown(why)) = (args.managed, &agent.managed) {
        stderr::error(&format!("{}: no managed settings are known. {why}", agent.title));
        return ExitCode::from(super::EXIT_FAILURE);
    }
    let code = if args.write {
        write::run(&setup, args.file.as_deref(), args.yes)
    } else {
        print_line(show::lines(&setup).trim_end());
        ExitCode::SUCCESS
    };
    for note in setup.notes() {
        stderr::note(&note);
    }
    // Another address is another machine's business.
    if args.endpoint.is_none()
        && let Err(problem) = health::ready(config, READY_TIMEOUT)
    {
        stderr::warn(&format!("{problem}; `sessionfold` with the same settings starts the server"));
    }
    code
}

// === impl Setup ===

impl Setup {
    /// What a person should know of this server before the agent does.
    fn notes(&self) -> Vec<String> {
        let Server { address, is_tls, wants_certificates, is_local, .. } = &self.server;
        let mut notes = Vec::new();
        for variable in self.agent.overruled_by {
            if std::env::var(variable).is_ok_and(|value| !value.is_empty() && !value.starts_with(address.as_str())) {
                notes.push(format!("{variable} is set in this environment, to another address, and counts more than the settings"));
            }
        }
        if *is_local && self.managed {
            notes.push(format!("{address} is each machine itself: name the one that your team's machines reach with --endpoint"));
        }
        if *is_tls {
            notes.push(format!(
                "{address} is https: its certificate must name that host, and {} must trust who signed it; where the system does not, \
                 NODE_EXTRA_CA_CERTS names a PEM file to programs made with Node, and `tls = {{ ca-certificate = \"...\" }}` beside the \
                 endpoint to Codex",
                self.agent.title
            ));
        }
        if *wants_certificates {
            notes.push("the server wants a certificate of its clients (server.tls_client_ca), which these lines do not give it".to_owned());
        }
        notes
    }
}
