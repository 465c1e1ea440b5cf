//! Buttons that copy a text of the page. They are there only where a script can copy; the text can be marked by hand everywhere.

use maud::{Markup, html};

/// Copies the text of the element with that id.
pub(super) fn button(target: &str, what: &str) -> Markup {
    html! { button.quiet.copy type="button" data-copy=(target) aria-label=(what) hidden { "Copy" } }
}

/// An id that can be copied; `what` it is the id of.
pub(super) fn id(target: &str, id: &str, what: &str) -> Markup {
    html! { span.id { code.mono id=(target) { (id) } " " (button(target, &format!("Copy the id of the {what}"))) } }
}
