//! The frame of a table: its name as a heading and a caption, its columns, and a region of its own to move in.

use maud::{Markup, html};

/// The columns by their words: those of text, then those of figures, which stand at the right.
pub(super) struct Columns<'a>(pub(super) &'a [&'a str], pub(super) &'a [&'a str]);

/// Wide tables move within themselves, so that the page does not.
pub(super) fn scroll(name: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(name) { (table) } }
}

/// A table below its name. The caption says that again, for those who go from table to table without seeing the page.
pub(super) fn titled(title: &str, class: &str, columns: &Columns<'_>, rows: &Markup) -> Markup {
    html! {
        h2 { (title) }
        (scroll(title, &captioned(title, class, columns, rows)))
    }
}

/// A table whose caption is not seen.
pub(super) fn captioned(caption: &str, class: &str, Columns(texts, figures): &Columns<'_>, rows: &Markup) -> Markup {
    html! {
        table class=(class) {
            caption.for-readers { (caption) }
            thead {
                tr {
                    @for words in *texts { th scope="col" { (words) } }
                    @for words in *figures { th.number scope="col" { (words) } }
                }
            }
            tbody { (rows) }
        }
    }
}
