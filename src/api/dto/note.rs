//! What people note of sessions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::api::refusal::Refusal;
use crate::model::note::{NOTE_MAX_CHARS, NoteChange, NoteText};
use crate::model::session::SessionSummary;
use crate::params::{BadParam, format};

/// The note of a session among its other keys; all of them are there where nothing is noted, too.
#[derive(Serialize)]
pub(in crate::api) struct NoteKeys<'a> {
    pub(in crate::api) bookmarked: bool,
    pub(in crate::api) note: &'a str,
    pub(in crate::api) note_changed_at: Option<String>,
}

#[derive(Serialize)]
pub(in crate::api) struct Noted<'a> {
    session_id: &'a str,
    #[serde(flatten)]
    note: NoteKeys<'a>,
}

/// What is to be different; what is absent or null stays as it is. A misspelled key would change nothing, so it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NoteBody<'a> {
    bookmarked: Option<bool>,
    #[serde(borrow)]
    note: Option<Cow<'a, str>>,
}

// === impl NoteKeys ===

impl<'a> NoteKeys<'a> {
    pub(in crate::api) fn new(summary: &'a SessionSummary) -> Self {
        let note = summary.note.as_deref();
        Self {
            bookmarked: note.is_some_and(|note| note.is_bookmarked),
            note: note.map_or("", |note| note.text.as_str()),
            note_changed_at: note.map(|note| format::timestamp(note.changed_at)),
        }
    }
}

impl<'a> Noted<'a> {
    pub(in crate::api) fn new(summary: &'a SessionSummary) -> Self {
        Self { session_id: summary.id.as_str(), note: NoteKeys::new(summary) }
    }
}

// === impl NoteBody ===

impl NoteBody<'_> {
    pub(in crate::api) fn parse(body: &[u8]) -> Result<NoteChange, Refusal> {
        let NoteBody { bookmarked, note } = serde_json::from_slice(body).map_err(|error| Refusal::BadBody(error.to_string()))?;
        let text = note.map(|note| {
            let allowed = format!("at most {NOTE_MAX_CHARS} characters long");
            NoteText::new(&note).ok_or_else(|| BadParam::new("note", &note, &allowed))
        });
        Ok(NoteChange { is_bookmarked: bookmarked, text: text.transpose()? })
    }
}
