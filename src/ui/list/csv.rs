//! All sessions that fit as CSV, with the fields and the notation of the API.
//!
//! - Written as they are read: a few chunks of it are in memory, and the numbers of the sessions, whatever its length.
//! - Texts of agents are harmless ([`crate::ui::cell`]).

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, header};

use crate::bounds::stream::{self, Aborted, Cut, Sink};
use crate::model::Str;
use crate::model::ids::Tenant;
use crate::model::query::SessionQuery;
use crate::model::question::Question;
use crate::model::reason::Reason;
use crate::model::scores::ScoreTotals;
use crate::model::session::SessionSummary;
use crate::params::format;
use crate::store::{Store, StoreError};
use crate::ui::Ui;
use crate::ui::cell::text;
use crate::ui::refusal::Refusal;
use crate::ui::session::scores_in_words;

const HEAD: &str = "session_id,run_count,first_run,last_activity,total_duration,total_cost,unpriced_calls,total_tokens,error_count,running_count,agents,\
    users,last_error,tool_errors,bookmarked,note,note_changed_at,scores,first_question\r\n";

pub(super) async fn answer(ui: &Arc<Ui>, tenant: Tenant, query: SessionQuery) -> Result<Response, Refusal> {
    let store = Arc::clone(&ui.store);
    let write = move |sink: &mut Sink| -> Result<(), Cut<Refusal>> {
        sink.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
        sink.headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"sessions.csv\""));
        sink.text(HEAD)?;
        let mut written = Ok(());
        let mut each = |sessions: &[SessionSummary]| {
            written = lines(&*store, &tenant, sessions).map_err(Cut::from).and_then(|lines| {
                lines.iter().try_for_each(|line| {
                    sink.pace()?;
                    Ok(sink.text(line)?)
                })
            });
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        store.each_sessions(&tenant, &query, &mut each)?;
        written
    };
    let broken = |how: Aborted| tracing::debug!(?how, "a CSV file was not sent whole");
    stream::respond(&ui.answers, broken, write).await
}

fn lines(store: &dyn Store, tenant: &Tenant, sessions: &[SessionSummary]) -> Result<Vec<String>, StoreError> {
    let errors = store.last_errors(tenant, sessions)?;
    let ids: Vec<_> = sessions.iter().map(|session| &session.id).collect();
    let users = store.users_of_sessions(tenant, &ids)?;
    let scores = store.scores_of_sessions(tenant, &ids)?;
    let questions = store.first_questions(tenant, &ids)?;
    let rows = sessions.iter().zip(&errors).zip(&users).zip(&scores).zip(&questions);
    Ok(rows
        .map(|((((session, error), users), scores), question)| line(session, error.as_ref(), users, scores, question.as_ref()))
        .collect())
}

fn line(summary: &SessionSummary, error: Option<&Reason>, users: &[Str], scores: &ScoreTotals, question: Option<&Question>) -> String {
    let note = summary.note.as_deref();
    let fields = [
        text(summary.id.as_str()),
        summary.run_count.to_string(),
        format::timestamp(summary.first_run),
        format::timestamp(summary.last_activity),
        format::seconds(summary.total_duration),
        format::dollars(summary.total_cost),
        summary.unpriced_calls.to_string(),
        summary.total_tokens.to_string(),
        summary.error_count.to_string(),
        summary.running_count.to_string(),
        text(&summary.agents.join(", ")),
        text(&users.join(", ")),
        error.map(|error| text(error)).unwrap_or_default(),
        summary.tool_errors.to_string(),
        note.is_some_and(|note| note.is_bookmarked).to_string(),
        note.map(|note| text(note.text.as_str())).unwrap_or_default(),
        note.map(|note| format::timestamp(note.changed_at)).unwrap_or_default(),
        text(&scores_in_words(scores)),
        question.map(|question| text(question)).unwrap_or_default(),
    ];
    fields.join(",") + "\r\n"
}
