//! `/sessions/{id}`: one session: what it was, what it cost, and every run in order.

mod address;
mod axis;
mod cards;
mod csv;
mod digest;
mod elsewhere;
mod forest;
mod note;
mod pager;
mod scores;
mod shares;
mod talk;
mod timeline;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use maud::{Markup, html};

use self::address::Shown;
pub(super) use self::digest::{Digest, Share};
pub(super) use self::elsewhere::{Listening, copyable, copyable_from, curl, in_grafana, same_failure, shell};
pub(super) use self::note::{BODY_MAX_BYTES as NOTE_BODY_MAX_BYTES, keep as keep_note, on_the_line as note_on_the_line};
pub(super) use self::scores::{in_words as scores_in_words, on_the_line as scores_on_the_line};
use self::timeline::Timeline;
use super::frame::Frame;
use super::refusal::Refusal;
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, compare, list, live, words};
use crate::bounds::memory::Use;
use crate::model::ids::{SessionId, Tenant};
use crate::model::query::SessionQuery;
use crate::params::pairs::{self, Pairs};
use crate::params::path;
use crate::params::runs::RunsParams;
use crate::store::RunPage;

const PATH: &str = "/sessions/";

/// Runs on one page of the timeline, and the most that can be asked for.
const LIMIT: u64 = 200;
const LIMIT_MAX: u64 = 500;
/// A session with more runs is long.
const SHORT_MAX: u64 = 1_000;
/// Turns on one page of the conversation: each may need its trace.
pub(in crate::ui) const TURNS: u64 = 50;

/// What the address asks for.
#[derive(Clone)]
struct Asked {
    tenant: Tenant,
    id: SessionId,
    page: RunPage,
    shown: Shown,
    context: PageContext,
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let id = path::session_id(uri.path().strip_prefix(PATH).unwrap_or_default()).ok_or(Refusal::NotFound("session"))?;
    let page = RunsParams::parse(uri.query())?.page;
    let pairs = Pairs::read(uri.query(), &[&["format", "view"], &address::KNOWN[..]].concat())?;
    let shown = Shown::read(&pairs)?;
    match pairs.get("format") {
        None => {}
        Some("csv") => return csv::answer(&ui, visitor.tenant, id, page).await,
        Some(other) => return Err(Refusal::BadParam(format!("Invalid format {other:?}: must be csv."))),
    }
    let is_talk = match pairs.get("view") {
        None | Some("timeline") => false,
        Some("conversation") => true,
        Some(other) => return Err(Refusal::BadParam(format!("Invalid view {other:?}: must be timeline or conversation."))),
    };
    let page = RunPage { limit: Some(page.limit.unwrap_or(if is_talk { TURNS } else { LIMIT }).min(LIMIT_MAX)), offset: page.offset };
    let asked = Asked { tenant: visitor.tenant, id, page, shown, context: visitor.context };
    if visitor.wants_events {
        let effort = effort(&ui, &asked).await?;
        let (tenant, context) = (asked.tenant.clone(), asked.context.clone());
        let make = move |ui: &Ui| make_part(ui, &asked);
        return live::respond(&ui, &tenant, &context, visitor.headers, effort, Arc::new(make));
    }
    let (title, context) = (words::visible(asked.id.as_str()), asked.context.clone());
    let note = noted(&ui, &asked).await?;
    let tabs = tabs(&asked, is_talk);
    let part = match is_talk {
        true => talk::part(&ui, asked).await?,
        false => ui.read(effort(&ui, &asked).await?, move |ui| make_part(ui, &asked)).await?,
    };
    let content = html! {
        nav.way aria-label="Way back" { a href=(context.to(list::PATH)) { "Sessions" } }
        h1 { span.kind { "Session" } " " bdi { (title) } }
        (note)
        (tabs)
        (part)
    };
    Ok(Frame { context: &context, title: &title, is_live: !is_talk }.around(&content).into_response())
}

/// What is known of it beside its runs: what was asked first, and what a person noted; and what can be done with it.
async fn noted(ui: &Arc<Ui>, asked: &Asked) -> Result<Markup, Refusal> {
    let (tenant, id, context) = (asked.tenant.clone(), asked.id.clone(), asked.context.clone());
    let make = move |ui: &Ui| {
        let to = context.to(&format!("{PATH}{}", pairs::encode(id.as_str())));
        let one = SessionQuery { session_id: Some(id.clone()), limit: 1, ..SessionQuery::default() };
        let found = ui.store.sessions(&tenant, &one)?.items;
        let note = note::note(&context, &to, found.first().and_then(|session| session.note.as_deref()));
        let ids: Vec<_> = found.iter().map(|session| &session.id).collect();
        let question = ui.store.first_questions(&tenant, &ids)?.pop().flatten();
        Ok(html! {
            @if let Some(question) = question { p.asked { bdi { (&*question) } } }
            div.actions {
                (note)
                a href=(context.to(&compare::to_choice(id.as_str()))) { "Compare with…" }
            }
        })
    };
    ui.read(Effort::Short, make).await
}

fn tabs(asked: &Asked, is_talk: bool) -> Markup {
    let path = asked.context.to(&format!("{PATH}{}", pairs::encode(asked.id.as_str())));
    let current = |is: bool| is.then_some("page");
    html! {
        nav.tabs aria-label="Views of the session" {
            a href=(path) aria-current=[current(!is_talk)] { "Timeline" }
            a href=(format!("{path}?view=conversation")) aria-current=[current(is_talk)] { "Conversation" }
        }
    }
}

/// The sums of a session are over all its runs, however few are shown.
async fn effort(ui: &Arc<Ui>, asked: &Asked) -> Result<Effort, Refusal> {
    let (tenant, id) = (asked.tenant.clone(), asked.id.clone());
    let none = RunPage { limit: Some(0), offset: 0 };
    let count = move |ui: &Ui| Ok(ui.store.session(&tenant, &id, none)?.map_or(0, |detail| detail.summary.run_count));
    let n_runs = ui.read(Effort::Short, count).await?;
    Ok(if n_runs > SHORT_MAX { Effort::Long } else { Effort::Short })
}

/// `turns` is the page of turns that is wanted.
fn digest(ui: &Ui, tenant: &Tenant, id: &SessionId, turns: RunPage) -> Result<Digest, Refusal> {
    let detail = ui.store.session(tenant, id, RunPage::default())?.ok_or(Refusal::NotFound("session"))?;
    let n_runs = usize::try_from(detail.summary.run_count).unwrap_or(usize::MAX);
    let held = ui.answers.memory.take(Use::Sums, n_runs.saturating_mul(forest::NODE_BYTES))?;
    Ok(Digest::read(detail, turns, held)?)
}

/// What a session comes to, without its runs.
pub(super) fn digest_of(ui: &Ui, tenant: &Tenant, id: &SessionId) -> Result<Digest, Refusal> {
    digest(ui, tenant, id, RunPage { limit: Some(0), offset: 0 })
}

fn make_part(ui: &Ui, asked: &Asked) -> Result<Markup, Refusal> {
    let digest = digest(ui, &asked.tenant, &asked.id, RunPage { limit: Some(0), offset: 0 })?;
    let error = ui.store.last_errors(&asked.tenant, std::slice::from_ref(&digest.summary))?.pop().flatten();
    let timeline = Timeline::new(&asked.context, &digest, &asked.shown, asked.page);
    let mut runs = HashMap::new();
    if let Some(wanted) = timeline.wanted() {
        let detail = ui.store.session(&asked.tenant, &asked.id, wanted)?.ok_or(Refusal::NotFound("session"))?;
        let drawn = timeline.drawn();
        for run in detail.runs {
            let run = run?;
            if drawn.contains(&run.id) {
                runs.insert(run.id, run);
            }
        }
    }
    Ok(html! {
        div #session data-part {
            (cards::cards(&asked.context, &digest, ui.now()))
            (elsewhere::links(ui, &asked.context, &digest.summary, error.as_ref()))
            (shares::shares(&asked.context, &digest))
            (scores::scores(&digest.scores))
            (timeline.draw(&runs))
        }
    })
}
