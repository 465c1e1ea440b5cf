//! How it is shown that something failed.

use maud::{Markup, html};

use super::words;
use crate::model::reason::Reason;

/// Why, on a line of its own.
pub(super) fn reason(error: Option<&Reason>) -> Markup {
    html! { @if let Some(error) = error { p.reason { (words::name(error)) } } }
}

/// Why, on a line that has other things on it: what does not fit is in its title.
pub(super) fn on_the_line(error: Option<&Reason>) -> Markup {
    html! { @if let Some(error) = error { span.why title=(words::visible(error)) { (words::name(error)) } } }
}

/// Tools that failed; nothing if none did.
pub(super) fn tools(n: u64) -> Markup {
    html! { @if n > 0 { span.remark title="Calls of tools that failed; the run may have gone on all the same" { (counted_tools(n)) } } }
}

pub(super) fn counted_tools(n: u64) -> String {
    format!("{} failed", words::counted(n, "tool", "tools"))
}
