//! What people note of a session: shown above its page, and changed by the forms there.
//!
//! It is outside of what is sent again when the session changes, so that nobody's words are lost while they are written.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use maud::{Markup, html};

use super::PATH;
use crate::model::note::{NOTE_MAX_CHARS, Note, NoteChange, NoteText};
use crate::params::pairs::{self, Pairs};
use crate::params::path;
use crate::ui::login::is_form;
use crate::ui::refusal::Refusal;
use crate::ui::visitor::{PageContext, Visitor, own_path};
use crate::ui::{Ui, icons, words};

/// The longest text with every byte escaped, and some room.
pub(in crate::ui) const BODY_MAX_BYTES: usize = 64 << 10;

/// `POST /sessions/{id}`: what a form below changes, and back to where it stood.
pub(in crate::ui) async fn keep(
    State(ui): State<Arc<Ui>>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let id = path::session_id(uri.path().strip_prefix(PATH).unwrap_or_default()).ok_or(Refusal::NotFound("session"))?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::BadParam("The form did not come whole.".into()),
    })?;
    if !is_form(&headers) {
        return Err(Refusal::NotAForm);
    }
    let text = std::str::from_utf8(&body).map_err(|_| Refusal::BadParam("The form is not UTF-8.".into()))?;
    let sent = Pairs::read(Some(text), &["change", "bookmarked", "note", "next"])?;
    ui.store.change_note(&visitor.tenant, &id, change(&sent)?).await?.ok_or(Refusal::NotFound("session"))?;
    let own = format!("{PATH}{}", pairs::encode(id.as_str()));
    let next = sent.get("next").and_then(own_path).unwrap_or(&own);
    Ok(Redirect::to(&visitor.context.to(next)).into_response())
}

/// A form sends no box that is not ticked and no text that is empty, so it says what it is about.
fn change(sent: &Pairs) -> Result<NoteChange, Refusal> {
    let is_bookmarked = Some(sent.get("bookmarked") == Some("true"));
    match sent.get("change") {
        Some("bookmark") => Ok(NoteChange { is_bookmarked, text: None }),
        Some("note") => {
            let text = NoteText::new(sent.get("note").unwrap_or_default());
            let text = text.ok_or_else(|| Refusal::BadParam(format!("A note has at most {NOTE_MAX_CHARS} characters.")))?;
            Ok(NoteChange { is_bookmarked, text: Some(text) })
        }
        Some("remove") => Ok(NoteChange::removal()),
        _ => Err(Refusal::BadParam("Invalid change: must be bookmark, note or remove.".into())),
    }
}

pub(super) fn note(context: &PageContext, to: &str, note: Option<&Note>) -> Markup {
    let is_bookmarked = note.is_some_and(|note| note.is_bookmarked);
    let text = note.map_or("", |note| note.text.as_str());
    let next = context.here.as_str();
    html! {
        section.noted aria-label="Bookmark and note" {
            form method="post" action=(to) {
                input type="hidden" name="bookmarked" value=(if is_bookmarked { "false" } else { "true" });
                input type="hidden" name="next" value=(next);
                button.quiet type="submit" name="change" value="bookmark" {
                    (star(is_bookmarked)) " " (if is_bookmarked { "Remove bookmark" } else { "Bookmark" })
                }
            }
            @if let Some(note) = note.filter(|note| !note.text.is_empty()) {
                p.memo { bdi { (words::visible_lines(note.text.as_str())) } " " small { "noted " (words::moment(note.changed_at)) } }
            }
            details {
                summary { @if text.is_empty() { "Write a note" } @else { "Change the note" } }
                form method="post" action=(to) {
                    label for="note" { "Note, for everybody who may read here" }
                    // A line end right behind the tag would be taken for none.
                    textarea #note name="note" rows="4" maxlength=(NOTE_MAX_CHARS) { "\n" (words::visible_lines(text)) }
                    label { input type="checkbox" name="bookmarked" value="true" checked[is_bookmarked || text.is_empty()]; " Bookmarked" }
                    input type="hidden" name="next" value=(next);
                    div.buttons {
                        button type="submit" name="change" value="note" { "Save" }
                        @if note.is_some() { button.quiet type="submit" name="change" value="remove" { "Remove note and bookmark" } }
                    }
                }
            }
        }
    }
}

/// For the list: whether there is a bookmark, and as much of the text as the line has room for.
pub(in crate::ui) fn on_the_line(note: Option<&Note>) -> Markup {
    html! {
        @if let Some(note) = note {
            @if note.is_bookmarked { span.star title="Bookmarked" { (star(true)) span.for-readers { "Bookmarked" } } }
            @if !note.text.is_empty() {
                " " span.memo title=(words::visible_lines(note.text.as_str())) {
                    (icons::icon(icons::NOTE)) span.for-readers { "Note: " } bdi { (words::visible(&note.text.one_line())) }
                }
            }
        }
    }
}

fn star(is_full: bool) -> Markup {
    icons::icon(if is_full { icons::STAR } else { icons::STAR_OUTLINE })
}
