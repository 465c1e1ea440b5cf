//! `/compare?a=…`: one session, and the others to compare it with.

use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::{PATH, address, to_choice};
use crate::model::ids::{SessionId, Tenant};
use crate::model::query::SessionQuery;
use crate::ui::frame::Frame;
use crate::ui::list::{self, Offer};
use crate::ui::refusal::Refusal;
use crate::ui::visitor::PageContext;
use crate::ui::{Ui, words};

pub(super) fn page(ui: &Ui, tenant: &Tenant, context: &PageContext, id: &SessionId, search: Option<&str>) -> Result<Response, Refusal> {
    let one = SessionQuery { session_id: Some(id.clone()), limit: 1, ..SessionQuery::default() };
    if ui.store.sessions(tenant, &one)?.items.is_empty() {
        return Err(Refusal::NotFound("session"));
    }
    let offer = Offer::read(ui, tenant, search, id)?;
    let is_alone = offer.is_empty() && search.is_none();
    // Browsers send no field with one of these as it stands (HTML, "constructing the entry list").
    let is_sent_whole = !id.as_str().contains(['\0', '\r', '\n']);
    let content = html! {
        nav.way aria-label="Way back" { a href=(context.to(list::PATH)) { "Sessions" } }
        h1 { "Compare " a href=(context.to(&list::to_session(id.as_str()))) { (words::name(id.as_str())) } " with" }
        @if !is_alone && is_sent_whole { (form(context, id, search)) }
        @if !offer.is_empty() { (offer.table(context, ui.now(), |other| address(id.as_str(), other))) }
        @else if let Some(search) = search { (nothing_fits(context, id, search)) }
        @else { (alone()) }
    };
    let title = format!("Compare {}", words::visible(id.as_str()));
    Ok(Frame { context, title: &title, is_live: false }.around(&content).into_response())
}

fn form(context: &PageContext, id: &SessionId, search: Option<&str>) -> Markup {
    html! {
        form.filters method="get" action=(context.to(PATH)) role="search" {
            input type="hidden" name="a" value=(id.as_str());
            div.field.search {
                label for="search" { "Search" }
                input #search type="search" name="search" value=[search] autocomplete="off" spellcheck="false" placeholder="session id";
            }
            div.buttons { button type="submit" { "Search" } }
        }
    }
}

fn nothing_fits(context: &PageContext, id: &SessionId, search: &str) -> Markup {
    html! {
        div.empty {
            h2 { "No other session fits" }
            p { "No other session's id contains " strong { (words::name(search)) } "." }
            p { a.button href=(context.to(&to_choice(id.as_str()))) { "Show all other sessions" } }
        }
    }
}

fn alone() -> Markup {
    html! {
        div.empty {
            h2 { "No other session" }
            p { "There is only this one so far. As soon as there is another, this page offers it." }
        }
    }
}
