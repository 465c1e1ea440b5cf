//! How far it is: a bar on a terminal, one line otherwise.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::telemetry::stderr;

const TEMPLATE: &str = "{msg:<22} [{bar:30}] {pos}/{len}";

/// A bar on standard error, if that is a terminal.
pub(super) fn bar(message: &'static str, length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        stderr::progress(&format!("{message}: {length}"));
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(length).with_style(style.progress_chars("=> ")).with_message(message);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
