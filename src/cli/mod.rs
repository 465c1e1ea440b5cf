//! Layer 7: what is typed, and what it does.

mod check;
mod client;
mod demo;
mod explain;
mod health;
mod key;
mod progress;
mod rebuild;
mod serve;
mod setup;
mod since;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::app::{self, ReloadSource};
use crate::config::{self, Config, ConfigError, Listen, UnknownVariable, unknown_environment};
use crate::model::ids::Tenant;
use crate::telemetry::stderr;
use crate::tempo::query::{QueryClient, QueryError, QueryOptions};
use crate::tempo::tls::Identity;

/// The exit code for bad configuration (`EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;
/// The exit code for a start or a command that failed.
pub const EXIT_FAILURE: u8 = 1;
/// The exit code where Tempo or the index could not be asked.
const EXIT_UNKNOWN: u8 = 2;

/// Longer than Tempo's own time-out for a query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(130);

const ABOUT: &str = "Answers \"what happened in this conversation, and what did it cost?\"

Receives the traces of AI agents over OTLP, folds them into runs and sessions with exact cost and tokens, serves them as JSON, and passes \
every span on to Grafana Tempo.";

const EXAMPLES: &str = "Examples:
  sessionfold                                  listen on 4317, 4318 and 8080 of this machine
  sessionfold --tempo http://localhost:14317   the same, and forward every span
  sessionfold check --tempo http://tempo:4317  would it start, does Tempo answer
  sessionfold demo                             send it conversations to look at
  sessionfold explain demo-support-0dd7        why a session has the figures it has
  sessionfold setup claude-code --write        make Claude Code send to it; Codex, Gemini CLI and others, too
  sessionfold --print-config                   every setting that would be used

Every setting, its default and its reason: config/sessionfold.toml. Each is also an environment variable, SESSIONFOLD_<SECTION>_<KEY>.";

#[derive(Debug, Parser)]
#[command(name = "sessionfold", version, about = ABOUT, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve(Settings),
    /// Say whether a server with these settings would start and reach Tempo, and what to change.
    Check(Settings),
    /// Exit 0 if the server on --http is ready: for containers without a shell.
    Health(Settings),
    /// Compare what the index shows with what Tempo holds, run by run; exit 1 on a difference.
    Verify(Box<verify::VerifyArgs>),
    /// Fill an empty, damaged or old index from what Tempo holds, while no server runs.
    Rebuild(Box<rebuild::RebuildArgs>),
    /// Say why a session, a run or a trace has the figures it has: what counts, what does not, by which rule and attribute.
    Explain(Box<explain::ExplainArgs>),
    /// Make a coding agent (Claude Code, Codex, Gemini CLI and others) send to the server: prints the lines, or writes them.
    Setup(Box<setup::SetupArgs>),
    /// Make a key for agents or people, or hash one that there is.
    Key(key::KeyArgs),
    /// Send readable traffic to a running server, to have something to look at; --clean removes it again.
    Demo(demo::DemoArgs),
}

/// The settings that scripts rely on. All others come from the file or the environment.
#[derive(Clone, Debug, Default, Args)]
pub struct Settings {
    /// A TOML file with settings; every key is in config/sessionfold.toml
    #[arg(long, value_name = "FILE", env = "SESSIONFOLD_CONFIG")]
    config: Option<PathBuf>,
    /// Where the journal and the index live [default: ./data]
    #[arg(long, value_name = "DIR", env = "SESSIONFOLD_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where OTLP over gRPC is received [default: 127.0.0.1:4317]
    #[arg(long, value_name = "ADDR", env = "SESSIONFOLD_OTLP_GRPC")]
    otlp_grpc: Option<Listen>,
    /// Where OTLP over HTTP is received [default: 127.0.0.1:4318]
    #[arg(long, value_name = "ADDR", env = "SESSIONFOLD_OTLP_HTTP")]
    otlp_http: Option<Listen>,
    /// Where the API, /v1/* and /metrics are served [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "SESSIONFOLD_HTTP")]
    http: Option<Listen>,
    /// Tempo's OTLP gRPC address; without it nothing is forwarded
    #[arg(long, value_name = "URL", env = "SESSIONFOLD_TEMPO")]
    tempo: Option<String>,
    /// Tempo's HTTP API
    #[arg(long, value_name = "URL", env = "SESSIONFOLD_TEMPO_QUERY")]
    tempo_query: Option<String>,
    /// Listen beyond loopback without keys
    #[arg(long, env = "SESSIONFOLD_ALLOW_ANONYMOUS")]
    allow_anonymous: bool,
    /// Print every setting that would be used, and exit
    #[arg(long)]
    print_config: bool,
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    stderr::speak_as_the_environment_says();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            if stderr::is_json() {
                stderr::error(error.render().to_string().trim());
            } else {
                let _ = error.print();
            }
            return ExitCode::from(EXIT_USAGE);
        }
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    type Run = Box<dyn FnOnce(Config) -> ExitCode>;
    let serving = |settings: &Settings| -> Run {
        let source = settings.source();
        Box::new(move |config| serve::run(config, source))
    };
    let (settings, run): (Settings, Run) = match cli.command {
        None => (cli.settings.clone(), serving(&cli.settings)),
        Some(Command::Serve(settings)) => (settings.clone(), serving(&settings)),
        Some(Command::Check(settings)) => (settings, Box::new(check::run)),
        Some(Command::Health(settings)) => (settings, Box::new(health::run)),
        Some(Command::Key(args)) => return key::run(&args),
        Some(Command::Demo(args)) => {
            return match args.server.resolve() {
                Ok(config) => demo::run(&args, &config),
                Err(error) => refuse(&error.to_string()),
            };
        }
        Some(Command::Explain(args)) => {
            return match args.server.resolve() {
                Ok(config) => explain::run(&args, &config),
                Err(error) => refuse(&error.to_string()),
            };
        }
        Some(Command::Verify(args)) => {
            return match args.settings.resolve() {
                Ok(config) => verify::run(&args, &config),
                Err(error) => refuse(&error.to_string()),
            };
        }
        Some(Command::Setup(args)) => {
            return match args.settings.resolve() {
                Ok(config) => setup::run(&args, &config),
                Err(error) => refuse(&error.to_string()),
            };
        }
        Some(Command::Rebuild(args)) => {
            return match args.settings.resolve() {
                Ok(config) => rebuild::run(&args, &config),
                Err(error) => refuse(&error.to_string()),
            };
        }
    };
    let config = match settings.resolve() {
        Ok(config) => config,
        Err(error) => return refuse(&error.to_string()),
    };
    if settings.print_config {
        for variable in misspelled() {
            stderr::warn(&variable.to_string());
        }
        print_line(config.to_redacted_toml().trim_end());
        if let Some(excess) = crate::app::memory_excess(&config) {
            stderr::warn(&excess);
        }
        return ExitCode::SUCCESS;
    }
    run(config)
}

impl Settings {
    /// Defaults, then the file, then the environment, then these flags.
    fn resolve(&self) -> Result<Config, ConfigError> {
        let mut config = config::load(self.config.as_deref(), &config::environment(std::env::vars_os())?)?;
        let Self { data_dir, otlp_grpc, otlp_http, http, tempo, tempo_query, allow_anonymous, .. } = self.clone();
        let server = &mut config.server;
        server.data_dir = data_dir.unwrap_or(std::mem::take(&mut server.data_dir));
        for (flag, setting) in [(otlp_grpc, &mut server.otlp_grpc), (otlp_http, &mut server.otlp_http), (http, &mut server.http)] {
            if let Some(listen) = flag {
                *setting = listen;
            }
        }
        server.allow_anonymous |= allow_anonymous;
        let forward = &mut config.forward;
        forward.tempo = tempo.unwrap_or(std::mem::take(&mut forward.tempo));
        forward.tempo_query = tempo_query.unwrap_or(std::mem::take(&mut forward.tempo_query));
        stderr::speak(config.log.format);
        Ok(config)
    }

    /// How a running server reads them again.
    fn source(&self) -> ReloadSource {
        let settings = self.clone();
        ReloadSource { file: self.config.clone(), read: Arc::new(move || settings.resolve()) }
    }
}

/// What a command of this machine shows the server on it where that wants to know its clients: the server's own certificate.
fn own_identity(config: &Config) -> Option<Identity> {
    let server = &config.server;
    let wants_clients = !server.tls_client_ca.as_os_str().is_empty();
    wants_clients.then(|| Identity { cert: server.tls_cert.clone(), key: server.tls_key.clone() })
}

/// Where a program on this machine reaches the listener that is configured so.
fn reach(listen: &Listen) -> std::io::Result<SocketAddr> {
    Ok(crate::server::reachable(listen.addresses()?[0]))
}

/// The same as an address for clients. A name stays a name: it is what a certificate has. `None` where only the running server knows the
/// port.
fn url_of(config: &Config, listen: &Listen) -> Option<String> {
    let written = listen.to_string();
    let host_and_port = written.parse::<SocketAddr>().map_or(written, |address| crate::server::reachable(address).to_string());
    let scheme = if config.server.tls_cert.as_os_str().is_empty() { "http" } else { "https" };
    (!host_and_port.ends_with(":0")).then(|| format!("{scheme}://{host_and_port}"))
}

/// Variables that look like settings and are none.
fn misspelled() -> Vec<UnknownVariable> {
    unknown_environment(&config::environment(std::env::vars_os()).unwrap_or_default())
}

/// A client of the query API of the Tempo at `url`.
fn query_client(config: &Config, url: &str, tenant: &Tenant) -> Result<QueryClient, QueryError> {
    QueryClient::new(&QueryOptions {
        url: url.to_owned(),
        ca: app::tempo_ca(config).map(std::path::Path::to_owned),
        headers: config.forward.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        // As in forwarding, the tenant `default` is never named.
        send_tenant: tenant.as_str() != Tenant::DEFAULT,
        timeout: QUERY_TIMEOUT,
    })
}

/// Bad configuration: said on standard error, exit 64.
fn refuse(problem: &str) -> ExitCode {
    stderr::error(problem);
    ExitCode::from(EXIT_USAGE)
}

/// A command that failed: said on standard error, exit 1.
fn fail(problem: &str) -> ExitCode {
    stderr::error(problem);
    ExitCode::from(EXIT_FAILURE)
}

/// One line on standard output. A reader that went away is no reason to fail.
fn print_line(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
