//! `sessionfold check`: would a server with these settings start, and would Tempo show what it is sent?

use std::fmt::Display;
use std::net::TcpListener;
use std::process::ExitCode;

use super::{EXIT_FAILURE, EXIT_USAGE, fail, print_line};
use crate::app;
use crate::config::Config;
use crate::journal::Journal;
use crate::prices::Prices;
use crate::telemetry;
use crate::tempo::probe::{self, Reached};
use crate::tempo::tls::Trust;

/// What was found, told line by line as it is found.
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
    findings.passed("prices", Prices::table_name());
    check_ports(&config, &mut findings);
    check_data_dir(&config, &mut findings);
    runtime.block_on(check_tempo(&config, &mut findings));
    findings.conclude()
}

fn check_ports(config: &Config, findings: &mut Findings) {
    let server = &config.server;
    for (flag, address) in [("--otlp-grpc", server.otlp_grpc), ("--otlp-http", server.otlp_http), ("--http", server.http)] {
        match TcpListener::bind(address) {
            Ok(_) => findings.passed(flag, format_args!("{address} is free")),
            Err(error) => findings.failed(flag, app::bind_problem(flag, address, &error)),
        }
    }
}

/// The directory must be writable, and not in use.
fn check_data_dir(config: &Config, findings: &mut Findings) {
    let dir = &config.server.data_dir;
    let probe = dir.join(".sessionfold-check");
    let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&probe, b"")).and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) if Journal::is_in_use(&app::journal_dir(config)) => {
            findings.failed("--data-dir", format_args!("{} is in use by another sessionfold", dir.display()));
        }
        Ok(()) => findings.passed("--data-dir", format_args!("{} is writable", dir.display())),
        Err(error) => findings.failed("--data-dir", format_args!("{} cannot be written: {error}", dir.display())),
    }
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
            print_line(&format!("{} of these must be mended before it can serve", self.n_failures));
            return ExitCode::from(EXIT_FAILURE);
        }
        let warnings = if self.n_warnings > 0 { format!(", with {} to look at", self.n_warnings) } else { String::new() };
        print_line(&format!("it would start{warnings}"));
        ExitCode::SUCCESS
    }
}
