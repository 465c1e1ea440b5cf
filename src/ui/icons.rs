//! Shapes that go with words and numbers: a status is never shown by colour alone.

use maud::{Markup, PreEscaped, html};

use crate::model::run::RunStatus;

/// The status of a run: a shape and its word.
pub(super) fn status(status: RunStatus) -> Markup {
    badge(status.as_str(), shape(status), status.as_str())
}

/// A shape and words; `class` is the status it is coloured as.
pub(super) fn badge(class: &str, shape: &'static str, words: &str) -> Markup {
    html! { span class=(format!("badge {class}")) { (icon(shape)) (words) } }
}

pub(super) fn icon(shape: &'static str) -> Markup {
    html! { svg.icon viewBox="0 0 16 16" aria-hidden="true" focusable="false" { (PreEscaped(shape)) } }
}

/// As long as the value is of the largest, in hundredths.
pub(super) fn bar(class: &str, value: u64, most: u64) -> Markup {
    let width = if most == 0 { 0 } else { (u128::from(value) * 100 / u128::from(most)).max(u128::from(value > 0)) };
    html! {
        svg class=(format!("bar {class}")) viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.track width="100" height="8" rx="2" {}
            rect.value width=(width) height="8" rx="2" {}
        }
    }
}

pub(super) fn shape(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => RUNNING,
        RunStatus::Success => SUCCESS,
        RunStatus::Error => ERROR,
        RunStatus::Blocked => BLOCKED,
        RunStatus::Interrupted => INTERRUPTED,
        RunStatus::Timeout => TIMEOUT,
    }
}

/// A star, and its outline.
pub(super) const STAR: &str = r#"<path d="M8 1.6l2 4.1 4.5.6-3.3 3.1.8 4.5L8 11.7l-4 2.2.8-4.5L1.5 6.3l4.5-.6z" fill="currentColor"/>"#;
pub(super) const STAR_OUTLINE: &str = r#"<path d="M8 1.6l2 4.1 4.5.6-3.3 3.1.8 4.5L8 11.7l-4 2.2.8-4.5L1.5 6.3l4.5-.6z" fill="none" stroke="currentColor" stroke-width="1.3" stroke-linejoin="round"/>"#;
/// A sheet with lines.
pub(super) const NOTE: &str = r#"<path d="M3 1.8h10v8.4l-4 4H3z" fill="none" stroke="currentColor" stroke-width="1.4"/><path d="M5.3 5.2h5.4M5.3 8h5.4" stroke="currentColor" stroke-width="1.3"/>"#;
/// A ring that is half full.
pub(super) const RUNNING: &str = r#"<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor"/>"#;
/// A tick.
pub(super) const SUCCESS: &str = r#"<path d="M2.5 8.5l3.5 3.5 7.5-8" fill="none" stroke="currentColor" stroke-width="2.2"/>"#;
/// A cross in an octagon.
pub(super) const ERROR: &str = r#"<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="none" stroke="currentColor" stroke-width="1.6"/><path d="M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6" stroke="currentColor" stroke-width="2"/>"#;
/// A ring with a bar through it.
pub(super) const BLOCKED: &str = r#"<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/><path d="M4 8h8" stroke="currentColor" stroke-width="2.4"/>"#;
/// Two bars.
pub(super) const INTERRUPTED: &str = r#"<path d="M5 3v10M11 3v10" stroke="currentColor" stroke-width="3"/>"#;
/// A clock.
pub(super) const TIMEOUT: &str = r#"<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/><path d="M8 4.5V8l2.5 2" fill="none" stroke="currentColor" stroke-width="1.8"/>"#;
