//! `/compare?a=…&b=…`: two sessions side by side: figures, runs by agent, calls by model.
//!
//! Without scripts the boxes of a list send `a` twice; the address that both lead to names one `a` and one `b`.

mod table;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::Uri;
use maud::html;

use super::frame::Frame;
use super::refusal::Refusal;
use super::session::{Digest, digest_of};
use super::visitor::{Place, Visitor};
use super::{Effort, Ui, list, words};
use crate::model::ids::{SessionId, Tenant};
use crate::params::BadParam;
use crate::params::pairs::{self, Pairs};

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let (first, second) = chosen(uri.query())?;
    let place = visitor.place;
    let address = format!("/compare?a={}&b={}", pairs::encode(first.as_str()), pairs::encode(second.as_str()));
    if uri.query().is_some_and(|query| query.split('&').filter(|pair| pair.starts_with("a=")).count() > 1) {
        return Ok(Redirect::to(&place.to(&address)).into_response());
    }
    let tenant = visitor.tenant;
    // All runs of both are gone through, as on their own pages.
    ui.read(Effort::Long, move |ui| page(ui, &tenant, &place, [first, second])).await
}

/// The two sessions that an address names, in their order.
fn chosen(query: Option<&str>) -> Result<(SessionId, SessionId), Refusal> {
    let mut ids = Vec::new();
    for pair in query.unwrap_or_default().split('&') {
        let pairs = Pairs::read(Some(pair), &["a", "b"])?;
        for name in ["a", "b"] {
            let Some(text) = pairs.get(name) else { continue };
            ids.push(SessionId::new(text).ok_or_else(|| Refusal::from(BadParam::new(name, text, "the id of a session")))?);
        }
    }
    let n_chosen = ids.len();
    match <[SessionId; 2]>::try_from(ids) {
        Ok([first, second]) => Ok((first, second)),
        Err(_) => Err(Refusal::BadParam(format!(
            "Two sessions are compared, and {n_chosen} {} chosen: tick the boxes of two in the list.",
            if n_chosen == 1 { "was" } else { "were" }
        ))),
    }
}

fn page(ui: &Ui, tenant: &Tenant, place: &Place, ids: [SessionId; 2]) -> Result<Response, Refusal> {
    let [a, b] = [digest(ui, tenant, &ids[0])?, digest(ui, tenant, &ids[1])?];
    let content = html! {
        nav.way aria-label="Way back" { a href=(place.to(list::PATH)) { "Sessions" } }
        h1 { "Two sessions compared" }
        (table::figures(place, &a, &b))
        (table::agents(&a, &b))
        (table::models(&a, &b))
        p {
            a href=(place.to(&format!("/compare?a={}&b={}", pairs::encode(ids[1].as_str()), pairs::encode(ids[0].as_str())))) { "The other way round" }
        }
    };
    let title = words::visible(&format!("{} and {}", ids[0].as_str(), ids[1].as_str()));
    Ok(Frame { place, title: &title, is_live: false }.around(&content).into_response())
}

fn digest(ui: &Ui, tenant: &Tenant, id: &SessionId) -> Result<Digest, Refusal> {
    digest_of(ui, tenant, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sessions_are_named_in_either_form_and_no_other_number() {
        let ids = |query: &str| chosen(Some(query)).map(|(a, b)| (a.as_str().to_owned(), b.as_str().to_owned()));
        let both = Ok(("x,1".to_owned(), "y&2".to_owned()));
        assert_eq!(ids("a=x%2C1&b=y%262"), both);
        assert_eq!(ids("a=x%2C1&a=y%262"), both);
        for (query, words) in [("", "0 were"), ("a=x", "1 was"), ("a=x&a=y&a=z", "3 were"), ("a=x&b=", "1 was")] {
            assert!(matches!(ids(query), Err(Refusal::BadParam(detail)) if detail.contains(words)), "{query}");
        }
    }
}
