//! `GET` and `DELETE /api/v1/observability/sessions/{session_id}/`.
//!
//! The runs are written as they are read, so the sums that `include=` asks for come after them, and are over all runs of the session
//! even where only a page of them is shown.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Serialize;

use super::dto::links::Links;
use super::dto::note::NoteKeys;
use super::dto::{self, Aggregates, Deleted, Errors, RunLine};
use super::reader::Reader;
use super::refusal::Refusal;
use super::totals::Totals;
use super::{Api, head, path};
use crate::bounds::stream::{self, Sink};
use crate::model::question::Question;
use crate::model::session::SessionSummary;
use crate::params::base::Base;
use crate::params::explore::{Elsewhere, Grafana};
use crate::params::include::{Include, Includes};
use crate::params::links::PageWindow;
use crate::params::pairs::Pairs;
use crate::params::runs::RunsParams;
use crate::store::{RunPage, SessionDetail};

const DELETED: &str = "Deleted: the runs that started before now, here and in all sums; they do not come back with late spans. \
    Tempo keeps its traces until its own retention, and the journal keeps the raw requests until its retention.";

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let id = path::session_id(&uri)?;
    let RunsParams { page, include, pairs } = RunsParams::parse(uri.query())?;
    let base = Base::public(api.public_url.as_deref());
    let store = Arc::clone(&api.store);
    let grafana = api.grafana.clone();
    let write = move |sink: &mut Sink| {
        let mut totals = Totals::new(include);
        let (read, shown) = if totals.is_wanted() { (RunPage::default(), page) } else { (page, RunPage::default()) };
        let detail = store.session(&tenant, &id, read)?.ok_or(Refusal::NotFound)?;
        let question = match include.has(Include::Question) {
            true => Some(store.first_questions(&tenant, &[&id])?.pop().flatten()),
            false => None,
        };
        sink.headers = head::headers(&pairs, link(&base, &detail.summary, page, &pairs));
        sink.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        write_session(sink, detail, shown, &Keys { include, grafana: grafana.as_ref(), question }, &mut totals)
    };
    let metrics = api.metrics.clone();
    stream::respond(&api.streams, move |aborted| metrics.aborted(aborted), write).await
}

pub(super) async fn delete(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let id = path::session_id(&uri)?;
    let pairs = Pairs::read(uri.query(), &[])?;
    let deleted_runs = api.store.delete_session(&tenant, &id).await?.ok_or(Refusal::NotFound)?;
    tracing::info!(tenant = tenant.as_str(), session_id = id.as_str(), deleted_runs, "deleted a session");
    let deleted = Deleted { session_id: id.as_str(), deleted_runs, detail: DELETED };
    Ok(dto::answer(StatusCode::OK, head::headers(&pairs, None), &deleted))
}

fn link(base: &Base, summary: &SessionSummary, page: RunPage, pairs: &Pairs) -> Option<http::HeaderValue> {
    let window = PageWindow { offset: page.offset, limit: page.limit?, count: summary.run_count };
    window.header(base, &path::to_session(&summary.id), pairs)
}

type Cut = stream::Cut<Refusal>;

pub(super) fn json<T: Serialize>(sink: &mut Sink, dto: &T) -> Result<(), Cut> {
    sink.bytes(|buffer| {
        serde_json::to_writer(buffer, dto).map_err(|error| {
            tracing::error!(%error, "cannot write an answer");
            Refusal::Internal
        })
    })
}

/// Which keys are wanted beyond the documented ones, and what they need.
struct Keys<'a> {
    include: Includes,
    grafana: Option<&'a Grafana>,
    /// What was asked first, if that is wanted and known.
    question: Option<Option<Question>>,
}

/// Writes the runs that `shown` picks from those of `detail`, and sums all of them.
fn write_session(sink: &mut Sink, detail: SessionDetail, shown: RunPage, keys: &Keys<'_>, totals: &mut Totals) -> Result<(), Cut> {
    let Keys { include, grafana, .. } = *keys;
    let SessionDetail { summary, runs } = detail;
    sink.text("{\"session_id\":")?;
    json(sink, &summary.id.as_str())?;
    sink.text(",\"aggregates\":")?;
    json(sink, &Aggregates::new(&summary))?;
    sink.text(",\"runs\":[")?;
    let end = shown.limit.map_or(u64::MAX, |limit| shown.offset.saturating_add(limit));
    let mut separator = "";
    for (at, run) in (0..).zip(runs) {
        let run = run?;
        sink.pace()?;
        totals.add(&run);
        if (shown.offset..end).contains(&at) {
            sink.text(separator)?;
            json(sink, &RunLine::new(&run, include).linked(&run, include, grafana))?;
            separator = ",";
        }
    }
    sink.text("]")?;
    write_totals(sink, &summary, include, totals)?;
    if include.has(Include::Links) {
        sink.text(",\"links\":")?;
        json(sink, &Links::new(Elsewhere::session(&summary), grafana))?;
    }
    if include.has(Include::Note) {
        write_note(sink, &NoteKeys::new(&summary))?;
    }
    if let Some(question) = &keys.question {
        sink.text(",\"first_question\":")?;
        json(sink, &question.as_deref())?;
    }
    Ok(sink.text("}")?)
}

fn write_note(sink: &mut Sink, note: &NoteKeys<'_>) -> Result<(), Cut> {
    sink.text(",\"bookmarked\":")?;
    json(sink, &note.bookmarked)?;
    sink.text(",\"note\":")?;
    json(sink, &note.note)?;
    sink.text(",\"note_changed_at\":")?;
    json(sink, &note.note_changed_at)
}

fn write_totals(sink: &mut Sink, summary: &SessionSummary, include: Includes, totals: &Totals) -> Result<(), Cut> {
    if include.has(Include::Usage) {
        sink.text(",\"usage\":")?;
        json(sink, &totals.usage())?;
    }
    if include.has(Include::Users) {
        sink.text(",\"users\":")?;
        json(sink, &totals.users())?;
    }
    if include.has(Include::Models) {
        sink.text(",\"models\":")?;
        json(sink, &totals.models())?;
    }
    if include.has(Include::Errors) {
        sink.text(",\"errors\":")?;
        json(sink, &Errors::new(summary))?;
    }
    if include.has(Include::Scores) {
        sink.text(",\"scores\":")?;
        json(sink, &totals.scores())?;
    }
    if !totals.truncated().is_empty() {
        sink.text(",\"truncated\":")?;
        json(sink, &totals.truncated())?;
    }
    Ok(())
}
