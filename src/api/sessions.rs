//! `GET /api/v1/observability/sessions/`: one page of sessions, or all that fit.

use std::ops::ControlFlow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Uri, header};

use super::dto::{LineRuns, SessionLine, SessionList};
use super::reader::Reader;
use super::refusal::Refusal;
use super::whole::Whole;
use super::{Api, head, path};
use crate::bounds::stream::{self, Cut, Sink};
use crate::model::ids::Tenant;
use crate::model::session::SessionSummary;
use crate::params::base::Base;
use crate::params::include::{Include, Includes};
use crate::params::links::PageWindow;
use crate::params::sessions::{ListFormat, ListParams};
use crate::store::{Store, StoreError};

pub(super) async fn list(State(api): State<Arc<Api>>, Reader(tenant): Reader, uri: Uri) -> Result<Response, Refusal> {
    let params = ListParams::parse(uri.query())?;
    match params.format {
        ListFormat::Json => page(&api, tenant, params).await.map(IntoResponse::into_response),
        ListFormat::Ndjson => lines(&api, tenant, params).await,
    }
}

async fn page(api: &Api, tenant: Tenant, ListParams { query, include, pairs, .. }: ListParams) -> Result<Whole, Refusal> {
    let (offset, limit) = (query.offset as u64, query.limit as u64);
    let base = Base::public(api.public_url.as_deref());
    let grafana = api.grafana.clone();
    let make = move |store: &dyn Store| {
        let page = store.sessions(&tenant, &query)?;
        let window = PageWindow { offset, limit, count: page.count };
        let link = window.header(&base, path::SESSIONS, &pairs);
        let short = |offset| window.short(offset);
        let runs = runs_of(store, &tenant, &page.items, include)?;
        let list = SessionList::new(&page, &runs, include, grafana.as_ref(), window.next().map(short), window.previous().map(short));
        Whole::json(head::headers(&pairs, link), &list)
    };
    api.answer(make).await
}

/// Every session that fits, each as it stands in a page and on a line of its own, written as they are read. It has no pages.
async fn lines(api: &Api, tenant: Tenant, ListParams { query, include, mut pairs, .. }: ListParams) -> Result<Response, Refusal> {
    let paged = ["limit", "offset"].into_iter().filter(|name| pairs.get(name).is_some()).collect::<Vec<_>>();
    paged.into_iter().for_each(|name| pairs.ignore(name));
    let (store, grafana) = (Arc::clone(&api.store), api.grafana.clone());
    let write = move |sink: &mut Sink| -> Result<(), Cut<Refusal>> {
        sink.headers = head::headers(&pairs, None);
        sink.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        sink.headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"sessions.ndjson\""));
        let mut written = Ok(());
        let mut each = |sessions: &[SessionSummary]| {
            written = runs_of(&*store, &tenant, sessions, include).map_err(Cut::from).and_then(|runs| {
                sessions.iter().zip(&runs).try_for_each(|(summary, runs)| {
                    sink.pace()?;
                    super::session::json(sink, &SessionLine::new(summary, runs, include, grafana.as_ref()))?;
                    Ok(sink.text("\n")?)
                })
            });
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        store.each_sessions(&tenant, &query, &mut each)?;
        written
    };
    let metrics = api.metrics.clone();
    stream::respond(&api.streams, move |aborted| metrics.aborted(aborted), write).await
}

/// What lines show of their sessions' runs: one for each of them.
fn runs_of(store: &dyn Store, tenant: &Tenant, sessions: &[SessionSummary], include: Includes) -> Result<Vec<LineRuns>, StoreError> {
    let mut runs: Vec<LineRuns> = sessions.iter().map(|_| LineRuns::default()).collect();
    if include.has(Include::Errors) {
        let errors = store.last_errors(tenant, sessions)?;
        runs.iter_mut().zip(errors).for_each(|(runs, error)| runs.last_error = error);
    }
    let ids: Vec<_> = sessions.iter().map(|session| &session.id).collect();
    if include.has(Include::Users) {
        let users = store.users_of_sessions(tenant, &ids)?;
        runs.iter_mut().zip(users).for_each(|(runs, users)| runs.users = users);
    }
    if include.has(Include::Scores) {
        let scores = store.scores_of_sessions(tenant, &ids)?;
        runs.iter_mut().zip(scores).for_each(|(runs, scores)| runs.scores = scores);
    }
    if include.has(Include::Question) {
        let questions = store.first_questions(tenant, &ids)?;
        runs.iter_mut().zip(questions).for_each(|(runs, question)| runs.first_question = question);
    }
    Ok(runs)
}
