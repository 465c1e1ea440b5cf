//! `sessionfold check`: would a server with these settings start, and would Tempo show what it is sent?
//!
//! It creates and changes nothing.

use std::fmt::Display;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Access, AtFlags, CWD};

use super::{EXIT_FAILURE, EXIT_USAGE, fail, misspelled, print_line};
use crate::app;
use crate::config::Config;
use crate::journal::Journal;
use crate::prices::Prices;
use crate::telemetry;
use crate::tempo::probe::{self, Reached};
use crate::tempo::tls::Trust;

/// What was found, printed line by line as it is found.
#[derive(Default)]
struct Findings {
    n_failures: usize,
    n_warnings: usize,
}

pub fn run(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    let mut findings = Findings::default();
    let settings = telemetry::filter(&config.log).map(|_| ()).and_then(|()| app::check_settings(&config));
    if let Err(problem) = settings {
        findings.failed("settings", problem);
        return ExitCode::from(EXIT_USAGE);
    }
    findings.passed("settings", "sound");
    for variable in misspelled() {
        findings.warned("environment", variable);
    }
    findings.passed("prices", Prices::table_name());
    check_ports(&config, &mut findings);
    check_data_dir(&config, &mut findings);
    runtime.block_on(check_tempo(&config, &mut findings));
    findings.conclude()
}

fn check_ports(config: &Config, findings: &mut Findings) {
    let server = &config.server;
    for (flag, listen) in [("--otlp-grpc", &server.otlp_grpc), ("--otlp-http", &server.otlp_http), ("--http", &server.http)] {
        let address = match listen.addresses() {
            Ok(addresses) => addresses[0],
            Err(error) => {
                findings.failed(flag, format_args!("cannot find the address of {listen}: {error}"));
                continue;
            }
        };
        let named = if address.to_string() == listen.to_string() { String::new() } else { format!("{listen}, ") };
        match TcpListener::bind(address) {
            Ok(_) => findings.passed(flag, format_args!("{named}{address} is free")),
            Err(error) => findings.failed(flag, app::bind_problem(flag, address, &error)),
        }
    }
}

/// The directory must be writable, and not in use; or there must be a place where it can be made.
fn check_data_dir(config: &Config, findings: &mut Findings) {
    let dir = &config.server.data_dir;
    let shown = dir.display();
    if !dir.exists() {
        let parent = nearest_existing(dir);
        match may_write(parent) {
            Ok(()) => findings.passed("--data-dir", format_args!("{shown} is not there yet and can be made")),
            Err(error) => {
                findings.failed("--data-dir", format_args!("{shown} is not there and cannot be made in {}: {error}", parent.display()));
            }
        }
        return;
    }
    match may_write(dir) {
        Ok(()) if Journal::is_in_use(&app::journal_dir(config)) => {
            findings.failed("--data-dir", format_args!("{shown} is in use by another sessionfold"));
        }
        Ok(()) => findings.passed("--data-dir", format_args!("{shown} is writable")),
        Err(error) => findings.failed("--data-dir", format_args!("{shown} cannot be written: {error}")),
    }
}

/// What is there of a path: the path itself, or the nearest folder above it.
fn nearest_existing(path: &Path) -> &Path {
    let above = |path: &&Path| path.as_os_str().is_empty() || path.exists();
    match path.ancestors().find(above) {
        Some(found) if !found.as_os_str().is_empty() => found,
        _ => Path::new("."),
    }
}

/// Whether files can be made there, by whoever would run the server: rights, and a file system that may be written to.
fn may_write(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    Ok(rustix::fs::accessat(CWD, dir, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

async fn check_tempo(config: &Config, findings: &mut Findings) {
    let forward = &config.forward;
    if forward.tempo.is_empty() {
        findings.passed("--tempo", "not set: nothing is forwarded, sessions are served all the same");
    } else {
        match probe::reach(&app::forward_options(config)).await {
            Err(error) => findings.failed("--tempo", error),
            Ok(Reached::Yes) => findings.passed("--tempo", format_args!("{} takes spans", forward.tempo)),
            Ok(Reached::Refused(answer)) => {
                findings.failed("--tempo", format_args!("{} answers, but does not take spans: {answer}", forward.tempo))
            }
            Ok(Reached::No(reason)) => {
                findings
                    .warned("--tempo", format_args!("{} cannot be reached now: {reason}; spans would wait in the journal", forward.tempo));
            }
        }
    }
    if forward.tempo_query.is_empty() {
        return;
    }
    match probe::settings(&forward.tempo_query, &Trust::file_or_system(app::tempo_ca(config))).await {
        Err(error) => findings.warned("--tempo-query", error),
        Ok(settings) => {
            findings.passed("--tempo-query", format_args!("{} answers", forward.tempo_query));
            for warning in settings.warnings() {
                findings.warned("--tempo-query", warning.0);
            }
        }
    }
}

// === impl Findings ===

impl Findings {
    fn passed(&mut self, what: &str, says: impl Display) {
        print_line(&format!("ok    {what:<14} {says}"));
    }

    fn warned(&mut self, what: &str, says: impl Display) {
        self.n_warnings += 1;
        print_line(&format!("warn  {what:<14} {says}"));
    }

    fn failed(&mut self, what: &str, says: impl Display) {
        self.n_failures += 1;
        print_line(&format!("FAIL  {what:<14} {says}"));
    }

    fn conclude(self) -> ExitCode {
        if self.n_failures > 0 {
            print_line(&format!("{} of these must be fixed before it can serve", self.n_failures));
            return ExitCode::from(EXIT_FAILURE);
        }
        let warnings = if self.n_warnings > 0 { format!(", with {} to look at", self.n_warnings) } else { String::new() };
        print_line(&format!("it would start{warnings}"));
        ExitCode::SUCCESS
    }
}
