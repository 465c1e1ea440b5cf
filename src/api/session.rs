//! `GET` and `DELETE /api/v1/observability/sessions/{session_id}/`.
//!
//! The runs are written as they are read, so the sums that `include=` asks for come after them, and are over all runs of the session
//! even where only a page of them is shown.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::dto::links::Links;
use super::dto::{self, Aggregates, Deleted, Errors, RunLine};
use super::guard::Reader;
use super::refusal::Refusal;
use super::stream::{self, Cut, Sink};
use super::totals::Totals;
use super::{Api, head, path};
use crate::model::session::SessionSummary;
use crate::params::base::Base;
use crate::params::explore::{Elsewhere, Grafana};
use crate::params::include::{Include, Includes};
use crate::params::links::Place;
use crate::params::pairs::Pairs;
use crate::params::runs::RunsParams;
use crate::store::{RunPage, SessionDetail};

const DELETED: &str = "Deleted: the runs that started before now, here and in all sums; they do not come back with late spans. \
    Tempo keeps its traces until its own retention, and the journal keeps the raw requests until its retention.";

pub(super) async fn show(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri, headers: HeaderMap) -> Result<Response, Refusal> {
    let id = path::session_id(&uri)?;
    let RunsParams { page, include, pairs } = RunsParams::parse(uri.query())?;
    let base = Base::of(api.public_url.as_deref(), &headers, &uri);
    let store = Arc::clone(&api.store);
    let grafana = api.grafana.clone();
    let write = move |sink: &mut Sink| {
        let mut totals = Totals::new(include);
        let (read, shown) = if totals.is_wanted() { (RunPage::default(), page) } else { (page, RunPage::default()) };
        let detail = store.session(&tenant, &id, read)?.ok_or(Refusal::NotFound)?;
        sink.headers = head::headers(&pairs, link(&base, &detail.summary, page, &pairs));
        write_session(sink, detail, shown, &Keys { include, grafana: grafana.as_ref() }, &mut totals)
    };
    stream::respond(&api.streams, &api.metrics, write).await
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
    let place = Place { offset: page.offset, limit: page.limit?, count: summary.run_count };
    place.header(base, &path::to_session(&summary.id), pairs)
}

/// Which keys are wanted beyond the documented ones, and what they need.
struct Keys<'a> {
    include: Includes,
    grafana: Option<&'a Grafana>,
}

/// Writes the runs that `shown` picks from those of `detail`, and sums all of them.
fn write_session(sink: &mut Sink, detail: SessionDetail, shown: RunPage, keys: &Keys<'_>, totals: &mut Totals) -> Result<(), Cut> {
    let Keys { include, grafana } = *keys;
    let SessionDetail { summary, runs } = detail;
    sink.text("{\"session_id\":")?;
    sink.json(&summary.id.as_str())?;
    sink.text(",\"aggregates\":")?;
    sink.json(&Aggregates::new(&summary))?;
    sink.text(",\"runs\":[")?;
    let end = shown.limit.map_or(u64::MAX, |limit| shown.offset.saturating_add(limit));
    let mut separator = "";
    for (at, run) in (0..).zip(runs) {
        let run = run?;
        totals.add(&run);
        if (shown.offset..end).contains(&at) {
            sink.text(separator)?;
            sink.json(&RunLine::new(&run, include).linked(&run, include, grafana))?;
            separator = ",";
        }
    }
    sink.text("]")?;
    write_totals(sink, &summary, include, totals)?;
    if include.has(Include::Links) {
        sink.text(",\"links\":")?;
        sink.json(&Links::new(Elsewhere::session(&summary), grafana))?;
    }
    sink.text("}")
}

fn write_totals(sink: &mut Sink, summary: &SessionSummary, include: Includes, totals: &Totals) -> Result<(), Cut> {
    if include.has(Include::Usage) {
        sink.text(",\"usage\":")?;
        sink.json(&totals.usage())?;
    }
    if include.has(Include::Users) {
        sink.text(",\"users\":")?;
        sink.json(&totals.users())?;
    }
    if include.has(Include::Models) {
        sink.text(",\"models\":")?;
        sink.json(&totals.models())?;
    }
    if include.has(Include::Errors) {
        sink.text(",\"errors\":")?;
        sink.json(&Errors::new(summary))?;
    }
    if include.has(Include::Scores) {
        sink.text(",\"scores\":")?;
        sink.json(&totals.scores())?;
    }
    if !totals.truncated().is_empty() {
        sink.text(",\"truncated\":")?;
        sink.json(&totals.truncated())?;
    }
    Ok(())
}
