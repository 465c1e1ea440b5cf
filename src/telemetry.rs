//! Layer 7: logs to standard error. Standard output belongs to the ready line.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging; called once, before anything logs.
///
/// Errors name the directive that cannot be read.
pub fn init(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("log.level {:?}: {error}", log.level))?;
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => logs.with_ansi(is_terminal).with_target(false).init(),
        LogFormat::Json => logs.json().flatten_event(true).with_target(false).init(),
    }
    Ok(())
}
